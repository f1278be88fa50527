//! The link: tells the node what runs and does what the node asks, as the user.

mod beside;
mod calls;
mod reach;
mod single;
mod tracking;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::wire::link::{FromLink, LinkCall, LinkResult, SCHEMA, SOCKET_NAME, ToLink};
use fastx_core::wire::problem::Problem;

use crate::backoff::{Backoff, random};
use crate::clock::Stopwatch;
use crate::environment::Environment;
use crate::folders::Folders;
use crate::store::Store;
use crate::wire::ProcessRecord;
use crate::{detach, faults, frames, journal, output, xserver};
pub(crate) use calls::wake;
use single::Held;
pub(crate) use single::Place;
use tracking::Tracked;

/// Calls that are served at the same time.
const AT_ONCE: usize = 32;
/// How long the node may take to read what it is sent.
const SEND: Duration = Duration::from_secs(10);
/// How often the sessions are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How often old remains are removed.
const TIDY: Duration = Duration::from_hours(1);

/// Exit code when another link of the user runs (`EX_TEMPFAIL`).
const TAKEN: u8 = 75;

/// Everything that the threads of a link share.
#[derive(Debug)]
struct Link {
    environment: Environment,
    store: Store,
    faults: Vec<String>,
    /// What the X server knows; found out once, beside everything else.
    xflags: OnceLock<String>,
    node: Mutex<Option<UnixStream>>,
    tracked: Mutex<BTreeMap<SessionId, Tracked>>,
    /// Sessions that a call is starting or changing.
    turns: Mutex<BTreeSet<SessionId>>,
    /// Supervisors that this link has started, to be reaped.
    children: Mutex<Vec<Child>>,
    calls: AtomicUsize,
    /// Notices on the screens of sessions.
    notices: Mutex<BTreeMap<SessionId, ProcessRecord>>,
    /// Notices and event scripts that run.
    beside: Arc<AtomicUsize>,
    /// Says to others that this link runs, and whether it has reached the node.
    held: Held,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until it is killed, which it can be at any moment.
pub(crate) fn run(dir: &Path, environment: Environment) -> ExitCode {
    let folders = match Folders::prepare(&environment) {
        Ok(folders) => folders,
        Err(error) => {
            journal::error(format!("no place for sessions: {error}"));
            return ExitCode::FAILURE;
        }
    };
    if environment.variables.contains_key(OsStr::new(detach::KEEP)) {
        // Its own session: the end of the login's terminal does not reach it.
        let _ = rustix::process::setsid();
    }
    let held = match Place::of(&folders.runtime, dir).take() {
        Ok(Some(held)) => held,
        Ok(None) => {
            journal::warn("another link of yours runs already; this one ends");
            return ExitCode::from(TAKEN);
        }
        Err(error) => {
            journal::error(format!("the lock of the link: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let faults: Vec<String> = folders.fault.iter().cloned().collect();
    for fault in &faults {
        journal::warn(fault);
    }
    let swept = xserver::sweep_stale();
    if swept > 0 {
        journal::info(format!("removed the sockets of {swept} dead X servers"));
    }
    let link = Arc::new(Link {
        environment,
        store: Store { folders },
        faults,
        xflags: OnceLock::new(),
        node: Mutex::default(),
        tracked: Mutex::default(),
        turns: Mutex::default(),
        children: Mutex::default(),
        calls: AtomicUsize::new(0),
        notices: Mutex::default(),
        beside: Arc::default(),
        held,
    });
    link.find_sessions();
    let (prober, watcher) = (link.clone(), link.clone());
    // Also brings the X server's program into memory before the first start.
    thread::spawn(move || prober.xflags().to_owned());
    thread::spawn(move || watcher.watch());
    link.dial_for_ever(&dir.join(SOCKET_NAME))
}

impl Link {
    fn xflags(&self) -> &str {
        self.xflags.get_or_init(|| {
            xserver::find(&self.environment)
                .map(|program| xserver::probe(&program))
                .unwrap_or_default()
        })
    }

    fn watch(&self) {
        let mut tidied = Stopwatch::start();
        self.tidy();
        loop {
            thread::sleep(LOOK);
            self.look();
            if tidied.elapsed() > TIDY {
                tidied = Stopwatch::start();
                self.tidy();
                let log = self.store.folders.runtime.join(detach::LOG);
                if let Err(error) = output::bound(&log) {
                    journal::warn(format!("{} cannot be cut: {error}", detach::LOG));
                }
            }
        }
    }

    fn dial_for_ever(self: &Arc<Self>, socket: &Path) -> ExitCode {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        let mut complained = false;
        loop {
            match UnixStream::connect(socket) {
                Ok(stream) => {
                    let since = Stopwatch::start();
                    let end = self.serve(&stream);
                    journal::warn(format!("the node hung up: {end}"));
                    complained = false;
                    if since.elapsed() > Duration::from_secs(5) {
                        backoff.reset();
                    }
                }
                // Said once, not with every try.
                Err(error) if !complained => {
                    complained = true;
                    journal::warn(format!("{} does not answer yet: {error}", socket.display()));
                }
                Err(_) => {}
            }
            thread::sleep(backoff.next(random()));
        }
    }

    /// Says hello and serves calls; returns why the connection ended.
    fn serve(self: &Arc<Self>, stream: &UnixStream) -> String {
        let end = stream
            .set_write_timeout(Some(SEND))
            .and_then(|()| self.hello(stream))
            .and_then(|()| {
                journal::info("connected to the node");
                self.held.connected(true);
                while let Some(body) = frames::read(stream)? {
                    self.dispatch(&body);
                }
                Ok(())
            });
        self.held.connected(false);
        lock(&self.node).take();
        match end {
            Ok(()) => "it closed the connection".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    fn hello(&self, stream: &UnixStream) -> std::io::Result<()> {
        // Held throughout: no change may be told before the hello, and none be missed after it.
        let mut tracked = lock(&self.tracked);
        let (sessions, rest) = self.report_all(&mut tracked);
        let hello = FromLink::Hello {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sessions,
            following: u32::try_from(rest.len()).unwrap_or(u32::MAX),
            faults: self.faults.clone(),
        };
        frames::write(stream, &serde_json::to_vec(&hello)?, None)?;
        for session in rest {
            let message = serde_json::to_vec(&FromLink::Session { session })?;
            frames::write(stream, &message, None)?;
        }
        *lock(&self.node) = Some(stream.try_clone()?);
        Ok(())
    }

    /// Sends to the node if it is there; what it misses it learns from the next hello.
    fn send(&self, message: &FromLink, descriptor: Option<&OwnedFd>) {
        let Ok(body) = serde_json::to_vec(message) else {
            return;
        };
        let mut node = lock(&self.node);
        let Some(stream) = node.as_ref() else {
            return;
        };
        if let Err(error) = frames::write(stream, &body, descriptor.map(AsFd::as_fd)) {
            journal::warn(format!("the node does not take what it is sent: {error}"));
            // Half a frame may be out: nothing more can be said on this connection.
            let _ = stream.shutdown(std::net::Shutdown::Both);
            node.take();
        }
    }

    fn dispatch(self: &Arc<Self>, body: &[u8]) {
        let Some((call, what)) = parse(body) else {
            return journal::warn("the node sent something that is no call");
        };
        let Some(what) = what else {
            return self.answer(call, Err(faults::unknown_call()));
        };
        if matches!(what, LinkCall::Ping) {
            return self.answer(call, Ok(calls::Done::default()));
        }
        if self.calls.fetch_add(1, Ordering::Relaxed) >= AT_ONCE {
            self.calls.fetch_sub(1, Ordering::Relaxed);
            return self.answer(call, Err(faults::busy()));
        }
        let link = self.clone();
        let served = thread::Builder::new().spawn(move || {
            let result = link.perform(what);
            link.answer(call, result);
            link.calls.fetch_sub(1, Ordering::Relaxed);
        });
        if let Err(error) = served {
            self.calls.fetch_sub(1, Ordering::Relaxed);
            self.answer(call, Err(faults::no_supervisor(&error)));
        }
    }

    fn answer(&self, call: u64, result: Result<calls::Done, Problem>) {
        let (result, descriptor) = match result {
            Ok(done) => (
                LinkResult::Ok {
                    session: done.session.map(Box::new),
                    text: done.text,
                },
                done.descriptor,
            ),
            Err(problem) => (LinkResult::Err(problem), None),
        };
        self.send(&FromLink::Answer { call, result }, descriptor.as_ref());
    }
}

/// Number and content of a call; without content when it is a call that this version does not know.
fn parse(body: &[u8]) -> Option<(u64, Option<LinkCall>)> {
    if let Ok(ToLink { call, what }) = serde_json::from_slice(body) {
        return Some((call, Some(what)));
    }
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some((value.get("call")?.as_u64()?, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_a_later_version_is_answered_at_least() {
        assert_eq!(
            parse(br#"{"call":3,"type":"ping"}"#),
            Some((3, Some(LinkCall::Ping)))
        );
        assert_eq!(
            parse(br#"{"call":4,"type":"somethingNew"}"#),
            Some((4, None))
        );
        assert_eq!(parse(b"{}"), None);
        assert_eq!(parse(b"junk"), None);
    }
}
