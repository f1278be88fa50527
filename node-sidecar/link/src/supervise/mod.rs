//! The supervisor of one session: starts it or takes it over, watches it, and ends it whole.
//!
//! Its own death harms nothing: display and program are in process groups of their own and write to files,
//! and the next supervisor finds everything in the state file.

mod ending;
mod keep;
mod launch;
mod watch;

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use fastx_core::wire::session::SessionState;
use rustix::fs::FlockOperation;
use rustix::process::Pid;

use crate::clock::{self, Deadline};
use crate::environment::Environment;
use crate::folders::{self, Folders};
use crate::processes::{self, Watched};
use crate::store::{self, Store};
use crate::wire::{ProcessRecord, SCHEMA, StateFile};
use crate::{journal, output, xserver};

/// Name of the socket that wakes a supervisor.
pub(crate) const CONTROL: &str = "control";

/// A session that was noted so long ago and has no display never got one.
const START_AGE: i64 = 30;
/// How long what a lost supervisor had begun may take to be gone.
const REMAINS: Duration = Duration::from_secs(2);

/// One session in the hands of its supervisor.
#[derive(Debug)]
struct Supervisor {
    state: StateFile,
    environment: Environment,
    control: UnixDatagram,
    keeper: Option<keep::Keeper>,
    /// The lock on the runtime folder: one supervisor a session, however many are started.
    _lock: File,
    display: Option<Watched>,
    program: Option<Watched>,
    bus: Option<Watched>,
    /// What both copies of the state looked like after they were last written.
    stamps: [Option<store::Stamp>; 2],
    /// How the processes that this supervisor started have ended.
    ended: Vec<(u32, rustix::process::WaitStatus)>,
}

/// Why a session cannot be supervised.
#[derive(Debug, thiserror::Error)]
enum SuperviseError {
    #[error("{0} is not the folder of a session")]
    NotASession(PathBuf),
    #[error("nothing can be found out about session {0}")]
    Unknown(String),
    #[error(transparent)]
    Folder(#[from] folders::FolderError),
    #[error("the runtime folder {path} cannot be used: {source}")]
    Runtime {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// Runs until the session has ended.
pub(crate) fn run(folder: &Path, environment: Environment) -> ExitCode {
    // Its own session: a signal to the link's group does not reach it.
    let _ = rustix::process::setsid();
    // Orphans of the session come here, and so their end is seen.
    let own = i32::try_from(std::process::id())
        .ok()
        .and_then(Pid::from_raw);
    let _ = rustix::process::set_child_subreaper(own);
    match open(folder, environment) {
        Ok(Some(supervisor)) => {
            supervisor.run();
            ExitCode::SUCCESS
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            journal::error(format!("{}: {error}", folder.display()));
            ExitCode::FAILURE
        }
    }
}

/// Takes the session, unless another supervisor has it.
fn open(folder: &Path, environment: Environment) -> Result<Option<Supervisor>, SuperviseError> {
    let id = folders::session_id(folder)
        .ok_or_else(|| SuperviseError::NotASession(folder.to_owned()))?;
    let folders = Folders::prepare(&environment)?;
    let keeper = keep::Keeper::of(&environment, &folders);
    let store = Store { folders };
    let load = || {
        store
            .load(&id)
            .ok_or_else(|| SuperviseError::Unknown(id.to_string()))
    };
    let state = load()?;
    if state.session.state == SessionState::Ended {
        return Ok(None);
    }
    let runtime = state.runtime.clone();
    folders::private_folder(&runtime)?;
    let failed = |source| SuperviseError::Runtime {
        path: runtime.clone(),
        source,
    };
    let lock = File::open(&runtime).map_err(failed)?;
    if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(None);
    }
    // Read again under the lock: the former holder may have written meanwhile.
    let mut state = load()?;
    state.schema = SCHEMA;
    state.supervisor = ProcessRecord::own();
    let socket = runtime.join(CONTROL);
    let _ = fs::remove_file(&socket);
    let control = UnixDatagram::bind(&socket).map_err(failed)?;
    control.set_nonblocking(true).map_err(failed)?;
    Ok(Some(Supervisor {
        state,
        environment,
        control,
        keeper,
        _lock: lock,
        display: None,
        program: None,
        bus: None,
        stamps: [None; 2],
        ended: Vec::new(),
    }))
}

impl Supervisor {
    fn run(mut self) {
        let begun = match self.state.session.state {
            SessionState::Starting if self.startable() => self.start_noting(),
            SessionState::Starting => self.adopt().or_else(|reason| {
                // Its X server died with its supervisor, and of a session of just now nothing is lost by that.
                if self.wait_until(REMAINS, |s| s.startable()) {
                    self.start_noting()
                } else {
                    Err(reason)
                }
            }),
            SessionState::Ending => Err(self.reason_so_far()),
            _ => self.adopt(),
        };
        let reason = match begun {
            Ok(()) => self.watch(),
            Err(reason) => reason,
        };
        self.end(reason);
    }

    /// Starts, and keeps the problem for whoever asked.
    fn start_noting(&mut self) -> Result<(), String> {
        self.start().map_err(|problem| {
            let reason = problem.to_string();
            self.state.problem = Some(problem);
            reason
        })
    }

    /// Whether this is a session of just now of which nothing runs, so that it can be started as though for the first time.
    fn startable(&self) -> bool {
        let age = clock::now().as_second() - self.state.session.started.as_second();
        let id = self.state.session.start.id.as_str();
        self.state.program.pid == 0
            && age < START_AGE
            && self.state.boot == processes::boot()
            && processes::marked(id).is_empty()
    }

    fn reason_so_far(&self) -> String {
        match self.state.session.end_reason.as_str() {
            "" => "ended on request".to_owned(),
            reason => reason.to_owned(),
        }
    }

    /// Takes over what a lost supervisor left running.
    fn adopt(&mut self) -> Result<(), String> {
        if self.state.boot != processes::boot() {
            return Err("the machine was restarted".to_owned());
        }
        let display = self.find_display().ok_or(
            "its X server was gone when the session was to be taken over; the container or the machine was restarted, or the X server was killed",
        )?;
        self.state.session.display_pid = display.pid;
        self.state.session.display_started = display.started;
        self.display = Some(Watched::new(display));
        if self.state.session.display.is_empty() {
            self.name_display(display.pid)?;
        }
        self.bus = Some(Watched::new(self.state.bus)).filter(|b| !b.gone());
        if self.state.program.pid == 0 {
            self.state.program = self.find_program().unwrap_or_default();
        }
        let never_started = self.state.program.pid == 0 && self.state.revision > 0;
        if never_started {
            // Its supervisor died between display and program.
            self.display_ready().map_err(|p| p.to_string())?;
        } else {
            self.set_state(SessionState::Running);
            self.program = Some(Watched::new(self.state.program));
        }
        journal::info(format!(
            "session {} taken over, display {} is process {}",
            self.state.session.start.id, self.state.session.display, display.pid
        ));
        self.save();
        store::release_waiting_link();
        Ok(())
    }

    /// The X server, also one that was started by a supervisor that could not write it down any more.
    fn find_display(&self) -> Option<ProcessRecord> {
        let session = &self.state.session;
        let known = ProcessRecord {
            pid: session.display_pid,
            started: session.display_started,
        };
        let found = match known.pid {
            0 => xserver::of_session(session.start.id.as_str()),
            _ => Some(known),
        };
        found.filter(|display| display.alive())
    }

    /// The X server had started when its number was not yet written down.
    fn name_display(&mut self, pid: u32) -> Result<(), String> {
        let mut found = None;
        self.wait_until(launch::DISPLAY, |_| {
            found = xserver::display_of(pid);
            found.is_some()
        });
        self.state.session.display = found.ok_or("its X server has no display number")?;
        Ok(())
    }

    /// The program, if it was started by a supervisor that could not write it down any more.
    fn find_program(&self) -> Option<ProcessRecord> {
        processes::marked(self.state.session.start.id.as_str())
            .into_iter()
            .filter(|p| processes::variable(p.pid, "FASTX_ROLE").as_deref() == Some("program"))
            .filter(|p| processes::stat(p.pid).is_some_and(|s| s.group == p.pid))
            .min_by_key(|p| p.started)
    }

    fn set_state(&mut self, state: SessionState) {
        self.state.session.state = state;
        self.state.session.changed = clock::now();
    }

    /// Writes both copies; either is enough.
    fn save(&mut self) {
        self.save_quick();
        self.save_durable();
    }

    fn save_quick(&mut self) {
        self.state.revision += 1;
        if let Err(error) = store::save_runtime(&self.state) {
            journal::warn(format!("the copy of the state in /tmp: {error}"));
        }
        self.stamps[0] = store::stamp(&self.state.runtime);
    }

    fn save_durable(&mut self) -> bool {
        let saved = store::save_home(&self.state);
        self.stamps[1] = store::stamp(&self.state.folder);
        if let Err(error) = &saved {
            journal::warn(format!("the copy of the state at home: {error}"));
        }
        saved.is_ok()
    }

    /// Writes the state again when somebody else has touched it.
    fn heal(&mut self) {
        let folders = [&self.state.runtime, &self.state.folder];
        if folders.map(|folder| store::stamp(folder)) != self.stamps {
            journal::warn("the state was touched by somebody else; written again");
            self.save();
        }
    }

    fn reap(&mut self) {
        let display = self.state.session.display_pid;
        let ours = [display, self.state.program.pid, self.state.bus.pid];
        let news = processes::reap();
        self.ended
            .extend(news.into_iter().filter(|(pid, _)| ours.contains(pid)));
    }

    fn status_of(&mut self, pid: u32) -> Option<rustix::process::WaitStatus> {
        self.reap();
        self.ended
            .iter()
            .find(|(ended, _)| *ended == pid)
            .map(|(_, status)| *status)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.state.folder.join(name)
    }

    fn bound_logs(&self) {
        for name in [
            output::PROGRAM,
            output::XSERVER,
            output::SUPERVISOR,
            output::EVENTS,
        ] {
            if let Err(error) = output::bound(&self.log(name)) {
                journal::warn(format!("{name} cannot be cut: {error}"));
            }
        }
    }

    /// Sleeps until one of the watched things happens, or for so long.
    fn rest(&self, time: Duration) {
        use rustix::event::{PollFd, PollFlags, poll};
        let watched: Vec<&Watched> = [&self.display, &self.program]
            .into_iter()
            .flatten()
            .collect();
        let mut polled: Vec<PollFd<'_>> = watched
            .iter()
            .filter_map(|w| w.handle())
            .map(|handle| PollFd::from_borrowed_fd(handle, PollFlags::IN))
            .collect();
        // Without handles of the processes only looking often helps.
        let blind = polled.len() < watched.len();
        polled.push(PollFd::new(&self.control, PollFlags::IN));
        let time = if blind {
            time.min(Duration::from_millis(100))
        } else {
            time
        };
        let _ = poll(&mut polled, Some(&clock::timespec(time)));
    }

    /// Waits until a condition holds; returns whether it came to that.
    fn wait_until(&mut self, limit: Duration, mut holds: impl FnMut(&mut Self) -> bool) -> bool {
        let deadline = Deadline::after(limit);
        loop {
            if holds(self) {
                return true;
            }
            if deadline.passed() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10).min(deadline.left()));
        }
    }
}
