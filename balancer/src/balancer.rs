//! The handle that a node keeps, and the task behind it that asks one script after the other.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastx_core::names::ServerId;
use fastx_core::wire::config::{Script, ScriptLimits};
use fastx_core::wire::decision::Decision;
use fastx_core::wire::problem::Problem;
use fastx_core::wire::server::ServerObject;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::builtin::{Builtin, Candidate};
use crate::chain::Chain;
use crate::choice::{self, Choice};
use crate::host::Host;
use crate::process::WorkerCommand;
use crate::view;
use crate::wire::{Answer, Call, Called, CompileError, ScriptSource, Update};

/// Requests that may wait; more are turned away at once.
const QUEUE: usize = 64;
/// How long a request may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest time limit of a script, milliseconds.
const MAX_TIME_MS: u64 = 10_000;
/// The action of scripts that name none.
const DEFAULT_ACTION: &str = "session/start";

/// Chooses servers; cheap to clone. The last one to be dropped ends the script process.
#[derive(Debug, Clone)]
pub struct Balancer {
    jobs: mpsc::Sender<Job>,
    memory: Arc<Mutex<Memory>>,
    pid: Arc<AtomicU32>,
}

/// What is remembered between requests.
#[derive(Debug, Default)]
struct Memory {
    /// Servers as the task behind the queue will know them.
    told: HashMap<ServerId, ServerObject>,
    /// Last chosen server by action.
    last: HashMap<String, ServerId>,
}

impl Memory {
    /// What changed since the last request; remembers it as told.
    fn news<'a>(&mut self, servers: impl Iterator<Item = &'a ServerObject>) -> Update {
        let mut update = Update::default();
        for server in servers {
            let old = self.told.get(&server.server_id);
            if old == Some(server) {
                continue;
            }
            let old = old.map(view::view);
            let id = server.server_id.as_str();
            let change = view::difference(id, old.as_ref(), &view::view(server));
            if !change.set.is_empty() || !change.unset.is_empty() {
                update.changes.push(change);
            }
            self.told.insert(server.server_id.clone(), server.clone());
        }
        update
    }

    /// Forgets servers that the cluster no longer has.
    fn forget(&mut self, all: &HashSet<&ServerId>) -> Vec<String> {
        let gone = self.told.extract_if(|id, _| !all.contains(id));
        gone.map(|(id, _)| id.to_string()).collect()
    }
}

#[derive(Debug)]
enum Job {
    Configure {
        entries: Vec<Entry>,
        sources: Vec<ScriptSource>,
        reply: oneshot::Sender<Vec<(String, Result<(), CompileError>)>>,
    },
    Choose(Box<Request>),
}

#[derive(Debug)]
struct Request {
    since: Instant,
    action: String,
    update: Update,
    candidates: Vec<Candidate>,
    chain: Chain,
    call: Call,
    local: ServerId,
    seed: u64,
    previous: Option<ServerId>,
    reply: oneshot::Sender<(Decision, Result<ServerId, Problem>)>,
}

/// One script of the chain.
#[derive(Debug)]
struct Entry {
    name: String,
    actions: Vec<String>,
    order: i32,
    limits: ScriptLimits,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Builtin(Builtin),
    /// Index among the host's scripts.
    Source(usize),
    /// Neither can be run. It stays in the chain and stops it: passing it over might let a user
    /// onto a server that it is there to protect.
    Broken(CompileError),
}

impl Balancer {
    /// Starts the task; the script process itself starts with the first script that needs it.
    ///
    /// Must be called inside a tokio runtime.
    pub fn spawn(command: WorkerCommand) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let pid = Arc::new(AtomicU32::new(0));
        let host = Host::new(command, Arc::clone(&pid));
        tokio::spawn(serve(queue, host));
        Self {
            jobs,
            memory: Arc::default(),
            pid,
        }
    }

    /// Replaces the scripts; says for each, in the order of the chain, whether it can be run.
    ///
    /// A script that cannot be run stays in the chain and makes its requests fail.
    pub async fn configure(
        &self,
        scripts: &[Script],
        limits: ScriptLimits,
    ) -> Vec<(String, Result<(), CompileError>)> {
        let mut sources = Vec::new();
        let mut entries: Vec<Entry> = scripts
            .iter()
            .map(|script| entry(script, limits, &mut sources))
            .collect();
        entries.sort_by(|a, b| (a.order, &a.name).cmp(&(b.order, &b.name)));
        let names: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        let (reply, answer) = oneshot::channel();
        let job = Job::Configure {
            entries,
            sources,
            reply,
        };
        let _ = self.jobs.send(job).await;
        answer.await.unwrap_or_else(|_| {
            let stopped = CompileError {
                message: "the balancer has stopped".to_owned(),
                at: None,
            };
            let refused = |name| (name, Err(stopped.clone()));
            names.into_iter().map(refused).collect()
        })
    }

    /// Chooses a server, or says why there is none; either way with the whole decision.
    pub async fn choose(&self, choice: Choice<'_>) -> (Decision, Result<ServerId, Problem>) {
        let busy = Problem::unavailable(
            "balancer-busy",
            "Too many requests wait for a server to be chosen.",
        );
        let (reply, answer) = oneshot::channel();
        let Ok(place) = self.jobs.try_reserve() else {
            return refused(&choice, busy);
        };
        let action = choice.action.to_owned();
        // Told and queued under one lock: the task must get the news in the order they were found.
        {
            let mut memory = self.memory();
            place.send(Job::Choose(Box::new(request(&choice, &mut memory, reply))));
        }
        match answer.await {
            Ok((decision, result)) => {
                if let Ok(id) = &result {
                    self.memory().last.insert(action, id.clone());
                }
                (decision, result)
            }
            Err(_) => refused(&choice, busy),
        }
    }

    /// The server that was last chosen for an action, for [`Choice::previous`].
    pub fn last_chosen(&self, action: &str) -> Option<ServerId> {
        self.memory().last.get(action).cloned()
    }

    /// Process id of the script process while there is one.
    pub fn worker_pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|&pid| pid != 0)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing that panics runs under the lock, and a half-told update only costs a repetition.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Zero means unset, and nobody may keep the others waiting for ever.
fn within_reason(limits: ScriptLimits) -> ScriptLimits {
    let or_default = |value: u64, default: u64| if value == 0 { default } else { value };
    let default = ScriptLimits::default();
    ScriptLimits {
        time_ms: or_default(limits.time_ms, default.time_ms).min(MAX_TIME_MS),
        memory_bytes: or_default(limits.memory_bytes, default.memory_bytes),
    }
}

fn entry(script: &Script, limits: ScriptLimits, sources: &mut Vec<ScriptSource>) -> Entry {
    let limits = within_reason(script.limits.unwrap_or(limits));
    let broken = |message: String| Kind::Broken(CompileError { message, at: None });
    let kind = match (script.builtin.as_str(), script.source.trim()) {
        ("", "") => broken("it has neither a source nor a built-in".to_owned()),
        ("", _) => {
            sources.push(ScriptSource {
                name: script.name.clone(),
                source: script.source.clone(),
                time_ms: limits.time_ms,
                memory_bytes: limits.memory_bytes,
            });
            Kind::Source(sources.len() - 1)
        }
        (name, "") => Builtin::named(name).map_or_else(
            || {
                let known = Builtin::NAMES.map(|(name, _)| name).join(", ");
                broken(format!("there is no built-in `{name}`, only {known}"))
            },
            Kind::Builtin,
        ),
        (_, _) => broken("it has both a source and a built-in".to_owned()),
    };
    Entry {
        name: script.name.clone(),
        actions: script.actions.clone(),
        order: script.order,
        limits,
        kind,
    }
}

fn request(
    choice: &Choice<'_>,
    memory: &mut Memory,
    reply: oneshot::Sender<(Decision, Result<ServerId, Problem>)>,
) -> Request {
    let (fit, left_out) = choice.candidates();
    let local = choice.servers.iter().map(|record| &record.server);
    let local = local.filter(|server| server.server_id == choice.local);
    let servers = fit.iter().map(|record| &record.server);
    let all = choice.servers.iter().map(|record| &record.server.server_id);
    let mut update = memory.news(servers.chain(local));
    update.forget = memory.forget(&all.collect());
    let list = fit.iter().map(|r| r.server.server_id.clone()).collect();
    Request {
        since: Instant::now(),
        action: choice.action.to_owned(),
        update,
        candidates: fit.iter().map(|r| Candidate::from(&r.server)).collect(),
        chain: Chain::new(
            choice.action,
            choice.login.clone(),
            choice.local.clone(),
            choice.now,
            list,
            left_out,
        ),
        call: choice.call(),
        local: choice.local.clone(),
        seed: choice.seed,
        previous: choice.previous.clone(),
        reply,
    }
}

/// A decision that was never begun.
fn refused(choice: &Choice<'_>, problem: Problem) -> (Decision, Result<ServerId, Problem>) {
    let decision = Decision {
        action: choice.action.to_owned(),
        login: choice.login.clone(),
        local: choice.local.clone(),
        at: choice.now,
        chosen: None,
        servers: Vec::new(),
        steps: Vec::new(),
        config_revision: String::new(),
    };
    (decision, Err(problem))
}

async fn serve(mut queue: mpsc::Receiver<Job>, mut host: Host) {
    let mut entries = Vec::new();
    while let Some(job) = queue.recv().await {
        match job {
            Job::Configure {
                entries: new,
                sources,
                reply,
            } => {
                let loaded = host.configure(sources).await;
                let _ = reply.send(new.iter().map(|e| verdict(e, &loaded)).collect());
                entries = new;
            }
            Job::Choose(mut request) => {
                host.update(std::mem::take(&mut request.update));
                // Dropping the request is the answer to one that waited too long or has gone.
                if request.since.elapsed() <= PATIENCE && !request.reply.is_closed() {
                    decide(*request, &entries, &mut host).await;
                }
                // A process that was lost on the way is replaced before the next one asks.
                let _ = host.ready().await;
            }
        }
    }
}

fn verdict(
    entry: &Entry,
    loaded: &[Result<(), CompileError>],
) -> (String, Result<(), CompileError>) {
    let result = match &entry.kind {
        Kind::Builtin(_) => Ok(()),
        Kind::Source(index) => loaded.get(*index).cloned().unwrap_or(Ok(())),
        Kind::Broken(error) => Err(error.clone()),
    };
    (entry.name.clone(), result)
}

async fn decide(request: Request, entries: &[Entry], host: &mut Host) {
    let Request {
        action,
        candidates,
        mut chain,
        mut call,
        local,
        seed,
        previous,
        reply,
        since: _,
        update: _,
    } = request;
    let concerns = |entry: &&Entry| {
        entry.actions.contains(&action) || (entry.actions.is_empty() && action == DEFAULT_ACTION)
    };
    let mut scripts = entries.iter().filter(concerns).peekable();
    let by_id: HashMap<&ServerId, &Candidate> = candidates.iter().map(|c| (&c.id, c)).collect();
    let native = |builtin: Builtin, list: &[ServerId]| {
        let list: Vec<&Candidate> = list
            .iter()
            .filter_map(|id| by_id.get(id).copied())
            .collect();
        native(builtin.choose(&list, &local, previous.as_ref()))
    };
    if scripts.peek().is_none() && !chain.has_ended() {
        let called = native(Builtin::FewestSessions, chain.list());
        chain.record("fewestSessions", called, ScriptLimits::default());
    }
    for entry in scripts {
        if chain.has_ended() {
            break;
        }
        let called = match &entry.kind {
            Kind::Builtin(builtin) => native(*builtin, chain.list()),
            Kind::Broken(error) => answered(Answer::Failed {
                why: error.to_string(),
            }),
            Kind::Source(index) => {
                call.list = chain.list().iter().map(ToString::to_string).collect();
                call.seed = choice::seed(seed, &entry.name);
                host.call(*index, call.clone()).await
            }
        };
        chain.record(&entry.name, called, entry.limits);
    }
    let _ = reply.send(chain.finish());
}

fn native(chosen: Option<&ServerId>) -> Called {
    answered(chosen.map_or(Answer::Passed, |id| Answer::Chose { id: id.to_string() }))
}

fn answered(answer: Answer) -> Called {
    Called {
        answer,
        lines: Vec::new(),
        micros: 0,
        spent: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_core::wire::server::ServerRecord;
    use serde_json::json;

    fn server(id: &str, start: bool) -> ServerRecord {
        let record = json!({
            "server": {"serverId": id, "startSessions": start},
            "lastSeen": "1970-01-01T00:00:00Z", "online": true
        });
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn a_server_that_is_left_out_once_is_not_told_anew() {
        let servers = [server("a", true), server("b", true), server("c", false)];
        let choice = |left_out: &[&str]| Choice {
            action: DEFAULT_ACTION,
            user: json!({}),
            groups: Vec::new(),
            is_manager: false,
            is_admin: false,
            local: "c".parse().unwrap(),
            servers: &servers,
            left_out: left_out
                .iter()
                .map(|id| (id.parse().unwrap(), "it does not answer".to_owned()))
                .collect(),
            data: json!({}),
            login: "ada".parse().unwrap(),
            now: jiff::Timestamp::UNIX_EPOCH,
            seed: 1,
            previous: None,
        };
        let mut memory = Memory::default();
        let mut ask = |left_out: &[&str]| {
            let request = request(&choice(left_out), &mut memory, oneshot::channel().0);
            let shown: Vec<String> = request
                .candidates
                .iter()
                .map(|c| c.id.to_string())
                .collect();
            (
                shown.join(","),
                request.update.changes.len(),
                request.update.forget.len(),
            )
        };
        assert_eq!(
            ask(&[]),
            ("a,b".to_owned(), 3, 0),
            "the local one is told, too"
        );
        assert_eq!(ask(&["a"]), ("b".to_owned(), 0, 0), "after a refused start");
        assert_eq!(ask(&[]), ("a,b".to_owned(), 0, 0));
        let (_, verdicts) = choice(&["a"]).candidates();
        let words: Vec<&str> = verdicts.iter().map(|v| v.reason.as_str()).collect();
        assert_eq!(
            words,
            [
                "starting sessions is switched off on it",
                "it does not answer"
            ]
        );
    }
}
