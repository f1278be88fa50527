//! The walk along the scripts: checks each answer, and writes down what became of every server.

use std::collections::BTreeMap;

use fastx_core::names::{LoginName, ServerId};
use fastx_core::wire::config::ScriptLimits;
use fastx_core::wire::decision::{Decision, ScriptStep, ServerVerdict};
use fastx_core::wire::problem::Problem;
use jiff::Timestamp;

use crate::wire::{Answer, Called};

/// Ids that a step lists at most.
const LISTED: usize = 50;
/// Longest text that is taken over from a script process, characters; an honest one stays below.
const TEXT: usize = 4000;
/// Most console lines; an honest process stays below.
const LINES: usize = 60;

/// A checked answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// A server of the list.
    Chose(ServerId),
    /// Servers of the list.
    Kept(Vec<ServerId>),
    /// The next one's turn.
    Passed,
    /// The script's author refuses, in these words.
    Refused(String),
    /// The script is wrong, in words that complete "script `x` …".
    Wrong(String),
    /// It took too long.
    TimedOut,
}

/// Checks an answer; `elsewhere` says why a server is not in the list.
pub(crate) fn judge(
    answer: Answer,
    list: &[ServerId],
    limits: ScriptLimits,
    elsewhere: impl Fn(&str) -> String,
) -> Judged {
    let listed = |id: &str| list.iter().find(|own| own.as_str() == id).cloned();
    let mib = limits.memory_bytes / (1024 * 1024);
    match answer {
        Answer::Passed => Judged::Passed,
        Answer::TimedOut => Judged::TimedOut,
        Answer::Chose { id } => listed(&id).map_or_else(
            || {
                let why = elsewhere(&id);
                Judged::Wrong(format!("chose `{}`, {why}", limited(id)))
            },
            Judged::Chose,
        ),
        Answer::Kept { ids } => judge_list(ids, list, elsewhere),
        Answer::Threw {
            name, message, at, ..
        } => judge_exception(&name, limited(message), at.map(|at| at.to_string())),
        Answer::Invalid { what } => Judged::Wrong(format!(
            "returned {}; it may return a `serverId`, an array of servers, or nothing",
            limited(what)
        )),
        Answer::OutOfMemory => Judged::Wrong(format!("needed more than {mib} MiB of memory")),
        Answer::ThrewNull => Judged::Wrong(format!(
            "threw null, which most often means that it needed more than {mib} MiB of memory"
        )),
        Answer::Failed { why } => Judged::Wrong(format!("could not be run: {}", limited(why))),
    }
}

fn judge_list(ids: Vec<String>, list: &[ServerId], elsewhere: impl Fn(&str) -> String) -> Judged {
    let known: BTreeMap<&str, &ServerId> = list.iter().map(|id| (id.as_str(), id)).collect();
    let mut kept = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(own) = known.get(id.as_str()) else {
            let why = elsewhere(&id);
            let id = limited(id);
            return Judged::Wrong(format!("returned a list with `{id}`, {why}"));
        };
        kept.push((*own).clone());
    }
    Judged::Kept(kept)
}

fn limited(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(TEXT) {
        text.truncate(end);
    }
    text
}

/// An exception that the engine raises is a fault of the script; any other is its author's word.
fn judge_exception(name: &str, message: String, at: Option<String>) -> Judged {
    let engine = [
        "EvalError",
        "InternalError",
        "RangeError",
        "ReferenceError",
        "SyntaxError",
        "TypeError",
        "URIError",
    ];
    if engine.contains(&name) {
        let at = at.map_or(String::new(), |at| format!(" ({at})"));
        Judged::Wrong(format!("failed: {name}: {message}{at}"))
    } else {
        Judged::Refused(message)
    }
}

/// A walk in progress.
#[derive(Debug)]
pub(crate) struct Chain {
    action: String,
    login: LoginName,
    local: ServerId,
    at: Timestamp,
    list: Vec<ServerId>,
    verdicts: BTreeMap<ServerId, ServerVerdict>,
    steps: Vec<ScriptStep>,
    end: Option<Result<ServerId, Problem>>,
}

impl Chain {
    /// Starts with the servers that fit, and verdicts for the others.
    pub(crate) fn new(
        action: &str,
        login: LoginName,
        local: ServerId,
        at: Timestamp,
        list: Vec<ServerId>,
        left_out: Vec<ServerVerdict>,
    ) -> Self {
        let mut chain = Self {
            action: action.to_owned(),
            login,
            local,
            at,
            list,
            verdicts: left_out
                .into_iter()
                .map(|verdict| (verdict.server_id.clone(), verdict))
                .collect(),
            steps: Vec::new(),
            end: None,
        };
        if chain.list.is_empty() {
            chain.exhausted();
        }
        chain
    }

    /// The current list.
    pub(crate) fn list(&self) -> &[ServerId] {
        &self.list
    }

    /// Whether there is nothing left to ask.
    pub(crate) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Takes the answer of one script.
    pub(crate) fn record(&mut self, script: &str, called: Called, limits: ScriptLimits) {
        let judged = judge(called.answer, &self.list, limits, |id| self.elsewhere(id));
        let (outcome, mut detail) = match judged {
            Judged::Chose(id) => self.chose(script, id),
            Judged::Kept(ids) => self.kept(script, ids),
            Judged::Passed => ("passed", String::new()),
            Judged::Refused(message) => self.refused(script, &message),
            Judged::Wrong(what) => {
                let problem = Problem::new(500, "script-failed", "A script of the cluster failed")
                    .detail(format!("script `{script}` {what}"));
                self.failed(script, what, problem)
            }
            Judged::TimedOut => {
                let what = format!("did not answer within {} ms", limits.time_ms);
                let problem = Problem::new(503, "script-timeout", "A script took too long")
                    .detail(format!("script `{script}` {what}"));
                self.failed(script, what, problem)
            }
        };
        for line in called.lines.into_iter().take(LINES) {
            detail.push_str("\nconsole: ");
            detail.push_str(&limited(line));
        }
        self.steps.push(ScriptStep {
            script: script.to_owned(),
            outcome: outcome.to_owned(),
            detail: detail.trim_start().to_owned(),
            micros: called.micros,
        });
        if self.end.is_none() && self.list.is_empty() {
            self.exhausted();
        }
    }

    /// The decision, once every script was asked or none needs to be.
    pub(crate) fn finish(mut self) -> (Decision, Result<ServerId, Problem>) {
        if self.end.is_none() {
            self.exhausted();
        }
        let mut result = self
            .end
            .unwrap_or_else(|| Err(Problem::internal("a choice ended without a result")));
        let servers: Vec<ServerVerdict> = self.verdicts.into_values().collect();
        if let Err(problem) = &mut result
            && problem.kind == NO_SERVER_FITS
        {
            problem.servers.clone_from(&servers);
        }
        let decision = Decision {
            action: self.action,
            login: self.login,
            local: self.local,
            at: self.at,
            chosen: result.as_ref().ok().cloned(),
            servers,
            steps: self.steps,
            config_revision: String::new(),
        };
        (decision, result)
    }

    fn chose(&mut self, script: &str, id: ServerId) -> (&'static str, String) {
        self.close(
            script,
            &format!("not chosen: script `{script}` chose `{id}`"),
        );
        self.verdicts.insert(id.clone(), verdict(&id, true, "", ""));
        let detail = id.to_string();
        self.end = Some(Ok(id));
        ("chose", detail)
    }

    fn kept(&mut self, script: &str, ids: Vec<ServerId>) -> (&'static str, String) {
        let reason = format!("filtered out by script `{script}`");
        self.close(script, &reason);
        for id in &ids {
            self.verdicts.remove(id);
        }
        let mut detail: Vec<&str> = ids.iter().take(LISTED).map(ServerId::as_str).collect();
        let more = format!("and {} more", ids.len().saturating_sub(LISTED));
        if ids.len() > LISTED {
            detail.push(&more);
        }
        let detail = detail.join(", ");
        self.list = ids;
        ("filtered", detail)
    }

    fn refused(&mut self, script: &str, message: &str) -> (&'static str, String) {
        let reason = format!("no choice: script `{script}` refused: {message}");
        self.close(script, reason.trim_end_matches(": "));
        let words = if message.is_empty() {
            format!("script `{script}` refused without saying why")
        } else {
            message.to_owned()
        };
        let title = "Refused by a rule of your administrators";
        self.end = Some(Err(Problem::new(409, "script-refused", title).detail(words)));
        ("threw", message.to_owned())
    }

    fn failed(&mut self, script: &str, what: String, problem: Problem) -> (&'static str, String) {
        self.close(script, &format!("no choice: script `{script}` {what}"));
        self.end = Some(Err(problem.action("Tell your administrator.")));
        ("failed", what)
    }

    /// Gives every server that is still in the list the same verdict.
    fn close(&mut self, by: &str, reason: &str) {
        for id in &self.list {
            self.verdicts
                .insert(id.clone(), verdict(id, false, by, reason));
        }
    }

    fn exhausted(&mut self) {
        self.close("", "no script chose it");
        let total = self.verdicts.len();
        let by_cluster = self.verdicts.values().filter(|v| v.by == "cluster");
        let by_cluster = by_cluster.count();
        let detail = match total {
            0 => "The cluster has no servers.".to_owned(),
            _ if by_cluster == total => {
                format!("The rules of the cluster left out all servers ({total}).")
            }
            _ => format!(
                "Of the servers ({total}), the rules of the cluster left out {by_cluster}, \
                 and the scripts chose none of the others."
            ),
        };
        let problem = Problem::new(503, NO_SERVER_FITS, "No server fits")
            .detail(detail)
            .action("See for each server why; if none of the reasons passes by itself, tell your administrator.");
        self.end = Some(Err(problem));
    }

    /// Completes "chose `x`, …" for a server that is not in the list.
    fn elsewhere(&self, id: &str) -> String {
        let verdict = self.verdicts.values().find(|v| v.server_id.as_str() == id);
        match verdict {
            Some(verdict) => format!("which may not be chosen: {}", verdict.reason),
            None => "but the cluster has no such server".to_owned(),
        }
    }
}

const NO_SERVER_FITS: &str = "no-server-fits";

fn verdict(id: &ServerId, chosen: bool, by: &str, reason: &str) -> ServerVerdict {
    ServerVerdict {
        server_id: id.clone(),
        chosen,
        by: by.to_owned(),
        reason: reason.to_owned(),
    }
}
