//! The first process of a desktop container: reaps, keeps the link running, and nothing else.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};

use crate::backoff::{Backoff, random};
use crate::clock::{self, Deadline, Stopwatch};
use crate::environment::Environment;
use crate::folders::Folders;
use crate::link::wake;
use crate::store::Store;
use crate::wire::ProcessRecord;
use crate::{journal, processes};

/// How often the file of the link is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long sessions may take to end with the container.
const SESSIONS: Duration = Duration::from_secs(10);
/// How long the link may take to see and tell that they have ended.
const TELL: Duration = Duration::from_millis(600);
/// How long everything else may take.
const REST: Duration = Duration::from_secs(2);
/// A link that ran so long was healthy: the next restart comes at once.
const HEALTHY: Duration = Duration::from_secs(10);

/// Which file the link was started from.
type Version = (u64, i64, i64, u64);

struct Init<'a> {
    dir: &'a Path,
    binary: PathBuf,
    environment: &'a Environment,
    link: Option<(ProcessRecord, Version, Stopwatch)>,
    backoff: Backoff,
    not_before: Deadline,
}

/// Runs until it is told to end; then ends everything below it.
pub(crate) fn run(dir: &Path, environment: &Environment) -> ExitCode {
    // Where it is not process 1 orphans come to it all the same.
    let own = i32::try_from(std::process::id())
        .ok()
        .and_then(Pid::from_raw);
    let _ = rustix::process::set_child_subreaper(own);
    let (children, end) = match (signals(&[SIGCHLD]), signals(&[SIGTERM, SIGINT])) {
        (Ok(children), Ok(end)) => (children, end),
        (Err(error), _) | (_, Err(error)) => {
            journal::error(format!("signals cannot be caught: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let mut init = Init {
        dir,
        binary: dir.join("bin").join("fastx-link"),
        environment,
        link: None,
        backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(10)),
        not_before: Deadline::after(Duration::ZERO),
    };
    journal::info(format!("waiting for {}", init.binary.display()));
    loop {
        init.reap();
        init.keep_link();
        let wait = init.pause();
        if signalled(&children, &end, wait) {
            init.end();
            return ExitCode::SUCCESS;
        }
    }
}

/// A socket that gets a byte with each of the signals.
fn signals(numbers: &[i32]) -> std::io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    for number in numbers {
        signal_hook::low_level::pipe::register(*number, writer.try_clone()?)?;
    }
    Ok(reader)
}

/// Waits for a signal; returns whether it is the one to end.
fn signalled(mut children: &UnixStream, end: &UnixStream, wait: Duration) -> bool {
    let mut polled = [
        PollFd::new(children, PollFlags::IN),
        PollFd::new(end, PollFlags::IN),
    ];
    let _ = poll(&mut polled, Some(&clock::timespec(wait)));
    let ended = !polled[1].revents().is_empty();
    let mut bytes = [0; 256];
    // That there were some is all that counts.
    while children.read(&mut bytes).is_ok_and(|n| n == bytes.len()) {}
    ended
}

impl Init<'_> {
    fn reap(&mut self) {
        for (pid, status) in processes::reap() {
            let Some((link, _, since)) = &self.link else {
                continue;
            };
            if link.pid != pid {
                continue;
            }
            if since.elapsed() > HEALTHY {
                self.backoff.reset();
            }
            let pause = self.backoff.next(random());
            journal::warn(format!(
                "the link ended ({}); the next one starts in {} ms",
                processes::describe(Some(status)),
                pause.as_millis()
            ));
            self.not_before = Deadline::after(pause);
            self.link = None;
        }
    }

    fn version(&self) -> Option<Version> {
        let found = fs::metadata(&self.binary).ok()?;
        Some((found.ino(), found.mtime(), found.mtime_nsec(), found.size()))
    }

    /// Starts the link where there is none, and ends one whose file was replaced.
    fn keep_link(&mut self) {
        let Some(version) = self.version() else {
            return;
        };
        match &self.link {
            Some((link, of, _)) if *of != version => {
                journal::info("the link was replaced; the new one takes over");
                link.signal(Signal::TERM);
                self.backoff.reset();
            }
            None if self.not_before.passed() => self.start_link(version),
            Some(_) | None => {}
        }
    }

    fn start_link(&mut self, version: Version) {
        let started = Command::new(&self.binary)
            .arg("run")
            .arg("--dir")
            .arg(self.dir)
            .spawn();
        let record = match started {
            // Not waited for by its handle: all children are reaped alike.
            Ok(child) => ProcessRecord::of(child.id()),
            Err(error) => {
                journal::error(format!("{}: {error}", self.binary.display()));
                None
            }
        };
        match record {
            Some(record) => self.link = Some((record, version, Stopwatch::start())),
            None => self.not_before = Deadline::after(self.backoff.next(random())),
        }
    }

    fn pause(&self) -> Duration {
        if self.link.is_some() || self.version().is_none() {
            LOOK
        } else {
            self.not_before.left().min(LOOK)
        }
    }

    /// Ends the sessions in order, then the link, then whatever is left.
    fn end(&mut self) {
        journal::info("asked to end; sessions are ended first");
        if let Ok(folders) = Folders::prepare(self.environment) {
            self.end_sessions(&Store { folders });
        }
        self.signal_rest(Signal::TERM, REST);
        self.signal_rest(Signal::KILL, REST);
    }

    fn end_sessions(&mut self, store: &Store) {
        let deadline = Deadline::after(SESSIONS);
        let mut live: Vec<_> = store.ids().into_iter().collect();
        live.retain(|id| match store.load(id) {
            Some(state) if state.session.state.is_live() => {
                let _ = Store::wish_end(&state, "the desktop was shut down");
                wake(&state);
                true
            }
            _ => false,
        });
        if live.is_empty() {
            return;
        }
        while !live.is_empty() && !deadline.passed() {
            std::thread::sleep(Duration::from_millis(20));
            self.reap();
            live.retain(|id| store.load(id).is_some_and(|s| s.session.state.is_live()));
        }
        // The link sees it at its next look, and tells the node.
        std::thread::sleep(TELL);
    }

    fn signal_rest(&mut self, signal: Signal, limit: Duration) {
        let deadline = Deadline::after(limit);
        let own = std::process::id();
        for process in processes::descendants(own) {
            process.signal(signal);
        }
        while !processes::descendants(own).is_empty() && !deadline.passed() {
            std::thread::sleep(Duration::from_millis(20));
            self.reap();
        }
        self.reap();
    }
}
