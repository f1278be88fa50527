//! Keeps a script process alive and up to date: starts it, reloads it, replaces it when it is stuck or dead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};
use tracing::{debug, warn};

use crate::process::{ExchangeError, Worker, WorkerCommand};
use crate::view;
use crate::wire::{
    Answer, Call, Called, Change, CompileError, Request, Response, ScriptSource, Update,
};

/// Beyond a script's own limit, until its process is taken for stuck.
const GRACE: Duration = Duration::from_millis(100);
/// For everything that is not a script's own work.
const START_LIMIT: Duration = Duration::from_secs(5);
/// For an update; a first one brings every server.
const UPDATE_LIMIT: Duration = Duration::from_secs(10);

/// A script process with what it must know.
#[derive(Debug)]
pub(crate) struct Host {
    command: WorkerCommand,
    scripts: Vec<Loadable>,
    /// Every server as the process knows it once `pending` is told.
    servers: BTreeMap<String, Map<String, Value>>,
    pending: Update,
    worker: Option<Worker>,
    /// Process id for the outside; 0 for none.
    pid: Arc<AtomicU32>,
}

#[derive(Debug)]
struct Loadable {
    source: ScriptSource,
    /// Why it cannot be loaded; found out when it is first tried.
    refused: Option<CompileError>,
    /// Its place in the current process.
    slot: Option<usize>,
}

impl Host {
    /// A host without scripts; the process starts when there are some.
    pub(crate) fn new(command: WorkerCommand, pid: Arc<AtomicU32>) -> Self {
        Self {
            command,
            scripts: Vec::new(),
            servers: BTreeMap::new(),
            pending: Update::default(),
            worker: None,
            pid,
        }
    }

    /// Replaces the scripts; says for each why it was refused.
    ///
    /// A process runs one set of scripts in its life, so a new set gets a new process.
    pub(crate) async fn configure(
        &mut self,
        scripts: Vec<ScriptSource>,
    ) -> Vec<Result<(), CompileError>> {
        let same = self.scripts.iter().map(|loaded| &loaded.source);
        if !same.eq(scripts.iter()) {
            self.discard().await;
            self.scripts = scripts
                .into_iter()
                .map(|source| Loadable {
                    source,
                    refused: None,
                    slot: None,
                })
                .collect();
        }
        let started = self.ready().await;
        let verdict = |script: &Loadable| match (&script.refused, &started) {
            (Some(error), _) => Err(error.clone()),
            (None, Err(why)) => Err(CompileError {
                message: why.clone(),
                at: None,
            }),
            (None, Ok(())) => Ok(()),
        };
        self.scripts.iter().map(verdict).collect()
    }

    /// Notes what changed; the process is told before its next call.
    pub(crate) fn update(&mut self, update: Update) {
        for Change { id, set, unset } in &update.changes {
            let server = self.servers.entry(id.clone()).or_default();
            server.extend(set.clone());
            for name in unset {
                server.remove(name);
            }
        }
        for id in &update.forget {
            self.servers.remove(id);
        }
        // Without a process the next one is told everything anyway.
        if self.worker.is_some() {
            self.pending.append(update);
        }
    }

    /// Replaces all servers.
    pub(crate) fn replace_servers(&mut self, servers: &BTreeMap<String, Map<String, Value>>) {
        let gone = self.servers.keys().filter(|id| !servers.contains_key(*id));
        let forget = gone.cloned().collect();
        let changes = servers
            .iter()
            .map(|(id, new)| view::difference(id, self.servers.get(id), new))
            .collect();
        self.update(Update { changes, forget });
    }

    /// Calls a script. A process that was found dead is replaced once: scripts have no effects, so
    /// asking again is safe, and a second death is the script's doing.
    pub(crate) async fn call(&mut self, script: usize, call: Call) -> Called {
        let Some(source) = self.scripts.get(script).map(|s| &s.source) else {
            return failed("it is not configured".to_owned());
        };
        let limit = Duration::from_millis(source.time_ms) + GRACE;
        let mut request = Request::Call { slot: 0, call };
        for _ in 0..2 {
            if let Err(why) = self.ready().await {
                return failed(why);
            }
            let loaded = &self.scripts[script];
            let Some(own) = loaded.slot else {
                let why = loaded.refused.as_ref().map(ToString::to_string);
                return failed(why.unwrap_or_else(|| "it is not loaded".to_owned()));
            };
            if let Request::Call { slot, .. } = &mut request {
                *slot = own;
            }
            match self.tell_and_ask(&request, limit).await {
                Ok(Some(called)) => {
                    if called.spent {
                        self.discard().await;
                    }
                    return called;
                }
                Ok(None) => self.discard().await,
                Err(late) => {
                    let script = &self.scripts[script].source.name;
                    warn!(%script, "a script is stuck; its process is killed and replaced");
                    self.discard().await;
                    return late;
                }
            }
        }
        failed("the script process ended while it ran".to_owned())
    }

    /// None when the process is gone; an error when the script is stuck.
    async fn tell_and_ask(
        &mut self,
        request: &Request,
        limit: Duration,
    ) -> Result<Option<Called>, Called> {
        let Some(worker) = &mut self.worker else {
            return Ok(None);
        };
        if !self.pending.is_empty() {
            let update = Request::Update(std::mem::take(&mut self.pending));
            if !told(worker, &update).await {
                return Ok(None);
            }
        }
        match worker.exchange(request, limit).await {
            Ok(Response::Called(called)) => Ok(Some(called)),
            Err(ExchangeError::Late) => Err(Called {
                micros: u64::try_from(limit.as_micros()).unwrap_or(u64::MAX),
                answer: Answer::TimedOut,
                ..failed(String::new())
            }),
            other => {
                debug!(answer = ?other, "the script process did not answer a call");
                Ok(None)
            }
        }
    }

    /// Makes sure that there is a process with all scripts and servers; why not, otherwise.
    pub(crate) async fn ready(&mut self) -> Result<(), String> {
        if self.worker.is_some() || self.scripts.is_empty() {
            return Ok(());
        }
        // A script that kills its process while it is loaded is left out in the next attempt,
        // after a second chance: something else may have killed the process.
        let mut deaths = vec![0; self.scripts.len()];
        loop {
            let mut worker = start(&self.command, &self.scripts).await?;
            match load(&mut worker, &mut self.scripts).await {
                Ok(()) => {
                    let all = everything(&self.servers);
                    if !told(&mut worker, &Request::Update(all)).await {
                        worker.end().await;
                        return Err("the script process did not take the servers".to_owned());
                    }
                    self.pending = Update::default();
                    self.pid.store(worker.pid().unwrap_or(0), Ordering::Relaxed);
                    self.worker = Some(worker);
                    return Ok(());
                }
                Err((index, why)) => {
                    worker.end().await;
                    deaths[index] += 1;
                    let late = matches!(why, ExchangeError::Late);
                    if late || deaths[index] > 1 {
                        self.scripts[index].refused = Some(CompileError {
                            message: format!("it could not be loaded: {why}"),
                            at: None,
                        });
                    }
                }
            }
        }
    }

    async fn discard(&mut self) {
        self.pid.store(0, Ordering::Relaxed);
        for script in &mut self.scripts {
            script.slot = None;
        }
        if let Some(worker) = self.worker.take() {
            worker.end().await;
        }
    }
}

async fn start(command: &WorkerCommand, scripts: &[Loadable]) -> Result<Worker, String> {
    let broken = |why: &dyn std::fmt::Display| format!("the script process did not start: {why}");
    let mut worker = Worker::spawn(command).map_err(|error| broken(&error))?;
    let memory_bytes = scripts.iter().map(|s| s.source.memory_bytes).sum();
    let begin = Request::Begin { memory_bytes };
    match worker.exchange(&begin, START_LIMIT).await {
        Ok(Response::Begun { missing }) => {
            if !missing.is_empty() {
                warn!(
                    ?missing,
                    "the kernel refuses some protections of the script process"
                );
            }
            Ok(worker)
        }
        Ok(_) => Err(broken(&"it is of another version")),
        Err(error) => Err(broken(&error)),
    }
}

async fn load(worker: &mut Worker, scripts: &mut [Loadable]) -> Result<(), (usize, ExchangeError)> {
    let mut slot = 0;
    for (index, script) in scripts.iter_mut().enumerate() {
        script.slot = None;
        if script.refused.is_some() {
            continue;
        }
        let request = Request::Load {
            slot,
            script: script.source.clone(),
        };
        let limit = START_LIMIT + Duration::from_millis(script.source.time_ms);
        let loaded = worker.exchange(&request, limit).await;
        match loaded.map_err(|error| (index, error))? {
            Response::Loaded { error: None } => script.slot = Some(slot),
            Response::Loaded { error } => script.refused = error,
            _ => {
                let error = std::io::Error::other("it is of another version");
                return Err((index, ExchangeError::Gone(error)));
            }
        }
        slot += 1;
    }
    Ok(())
}

async fn told(worker: &mut Worker, update: &Request) -> bool {
    let answer = worker.exchange(update, UPDATE_LIMIT).await;
    match answer {
        Ok(Response::Updated { error: None }) => true,
        other => {
            warn!(answer = ?other, "the script process did not take an update");
            false
        }
    }
}

fn everything(servers: &BTreeMap<String, Map<String, Value>>) -> Update {
    let changes = servers
        .iter()
        .map(|(id, server)| view::difference(id, None, server));
    Update {
        changes: changes.collect(),
        forget: Vec::new(),
    }
}

/// The answer to a call that could not be made.
fn failed(why: String) -> Called {
    Called {
        answer: Answer::Failed { why },
        lines: Vec::new(),
        micros: 0,
        spent: true,
    }
}
