//! What the node can ask of the link, each call safe to repeat.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::ChildStdout;
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::wire::link::{LinkCall, LinkSession, LinkStart};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::SessionState;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::tracking::shown;
use super::{Link, lock};
use crate::clock::{self, Deadline};
use crate::store::Store;
use crate::wire::{Labels, SCHEMA, StateFile};
use crate::{faults, geometry, output, supervise, xserver};

/// How long a start may take; the node waits a little longer.
const START: Duration = Duration::from_secs(13);
/// How long an end may take: both graces and what the kernel needs.
const END: Duration = Duration::from_secs(12);
/// Between two looks at a file that is about to change.
const GLANCE: Duration = Duration::from_millis(10);
/// Most of a log that one frame holds, even if every byte needs an escape.
const LOG: u32 = 128 * 1024;
/// Most that name, parameters and environment of a session may take together.
const DOCUMENT: usize = 64 * 1024;
/// Most sessions of one user.
const LIVE: usize = 200;

/// What a call brings back.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) session: Option<LinkSession>,
    pub(super) text: String,
    pub(super) descriptor: Option<OwnedFd>,
}

impl Done {
    fn session(state: &StateFile) -> Self {
        Self {
            session: Some(shown(state)),
            ..Self::default()
        }
    }
}

/// The right to start or change one session; given back when dropped.
struct Turn<'a>(&'a Link, SessionId);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.0.turns).remove(&self.1);
    }
}

impl Link {
    pub(super) fn perform(&self, what: LinkCall) -> Result<Done, Problem> {
        match what {
            LinkCall::Start { start } => self.start(start),
            LinkCall::Terminate { id } => self.terminate(&id),
            LinkCall::OpenDisplay { id } => self.open_display(&id),
            LinkCall::Params { id, name, params } => self.params(&id, name, params),
            LinkCall::Log { id, bytes } => self.log(&id, bytes),
            LinkCall::Notice { id, text, seconds } => {
                self.notice(&self.known(&id)?, &text, seconds)
            }
            LinkCall::Event {
                id,
                event,
                script,
                env,
            } => self.event(&self.known(&id)?, &event, &script, &env),
            LinkCall::Reach { reach } => self.reach(&reach),
            LinkCall::Ping => Ok(Done::default()),
        }
    }

    fn turn(&self, id: &SessionId) -> Result<Turn<'_>, Problem> {
        let deadline = Deadline::after(START);
        while !lock(&self.turns).insert(id.clone()) {
            if deadline.passed() {
                return Err(faults::not_ready(id));
            }
            std::thread::sleep(GLANCE);
        }
        Ok(Turn(self, id.clone()))
    }

    fn known(&self, id: &SessionId) -> Result<StateFile, Problem> {
        self.store
            .load(id)
            .ok_or_else(|| Problem::not_found(&format!("session {id}")))
    }

    fn start(&self, mut start: LinkStart) -> Result<Done, Problem> {
        check(&mut start)?;
        let id = start.id.clone();
        let turn = self.turn(&id)?;
        let deadline = Deadline::after(START);
        if self.store.load(&id).is_none() {
            if self.live() >= LIVE {
                return Err(too_many());
            }
            let state = self
                .store
                .create(start, clock::now())
                .map_err(|e| faults::folder("The session's folder", &e))?;
            self.track(&state);
            let (process, released) = self
                .spawn_supervisor(&state, false)
                .map_err(|e| faults::no_supervisor(&e))?;
            self.sent(&id, process);
            if let Some(released) = released {
                wait_for_end(released, deadline);
            }
        }
        // From here on the session may be taken over should its supervisor be gone.
        drop(turn);
        self.started(&id, deadline)
    }

    /// Waits until a start has come to something.
    fn started(&self, id: &SessionId, deadline: Deadline) -> Result<Done, Problem> {
        loop {
            let state = self.known(id)?;
            if state.session.state != SessionState::Starting {
                self.note_now(&state);
                return match state.problem {
                    Some(problem) => Err(problem),
                    None => Ok(Done::session(&state)),
                };
            }
            if deadline.passed() {
                return Err(faults::not_ready(id));
            }
            std::thread::sleep(GLANCE);
        }
    }

    fn terminate(&self, id: &SessionId) -> Result<Done, Problem> {
        let deadline = Deadline::after(END);
        let state = self.known(id)?;
        if state.session.state.is_live() {
            Store::wish_end(&state, "ended on request")
                .map_err(|e| faults::folder("The request to end the session", &e))?;
            wake(&state);
            self.ensure_supervised(id, true);
        }
        loop {
            let state = self.known(id)?;
            if !state.session.state.is_live() {
                self.note_now(&state);
                return Ok(Done::session(&state));
            }
            if deadline.passed() {
                return Err(faults::not_ready(id));
            }
            std::thread::sleep(GLANCE);
        }
    }

    fn open_display(&self, id: &SessionId) -> Result<Done, Problem> {
        let state = self.known(id)?;
        match state.session.state {
            SessionState::Running => {}
            SessionState::Ended => return Err(faults::ended(id, &state.session.end_reason)),
            _ => return Err(faults::not_ready(id)),
        }
        let socket = state.runtime.join(xserver::SOCKET);
        let connected = || -> rustix::io::Result<OwnedFd> {
            // Never blocks: a display that does not take connections must not hold up a thread.
            let socket_flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let stream = rustix::net::socket_with(
                AddressFamily::UNIX,
                SocketType::STREAM,
                socket_flags,
                None,
            )?;
            rustix::net::connect(&stream, &SocketAddrUnix::new(&socket)?)?;
            Ok(stream)
        };
        let descriptor = connected().map_err(|e| faults::display_unreachable(id, &e))?;
        Ok(Done {
            descriptor: Some(descriptor),
            ..Done::session(&state)
        })
    }

    fn params(
        &self,
        id: &SessionId,
        name: String,
        params: BTreeMap<String, String>,
    ) -> Result<Done, Problem> {
        let _turn = self.turn(id)?;
        let state = self.known(id)?;
        let mut labels = Labels {
            schema: SCHEMA,
            name: state.session.start.name,
            params: state.session.start.params,
        };
        if !name.is_empty() {
            labels.name = name;
        }
        labels.params.extend(params);
        labels.params.retain(|_, value| !value.is_empty());
        let size: usize = labels.params.iter().map(|(k, v)| k.len() + v.len()).sum();
        if size + labels.name.len() > DOCUMENT {
            return Err(too_long());
        }
        self.store
            .relabel(id, &labels)
            .map_err(|e| faults::folder("Name and parameters", &e))?;
        let state = self.known(id)?;
        self.note_now(&state);
        Ok(Done::session(&state))
    }

    fn log(&self, id: &SessionId, bytes: u32) -> Result<Done, Problem> {
        let state = self.known(id)?;
        let path = state.folder.join(output::PROGRAM);
        Ok(Done {
            text: output::tail(&path, u64::from(bytes.min(LOG))),
            ..Done::default()
        })
    }
}

/// Wakes a session's supervisor; a lost wake-up costs a second, no more.
pub(crate) fn wake(state: &StateFile) {
    let socket = state.runtime.join(supervise::CONTROL);
    let _ = UnixDatagram::unbound().and_then(|s| {
        s.set_nonblocking(true)?;
        s.send_to(b".", socket)
    });
}

/// Waits until the supervisor has closed its output.
fn wait_for_end(mut output: ChildStdout, deadline: Deadline) {
    while !deadline.passed() {
        let mut polled = [PollFd::new(&output, PollFlags::IN)];
        let _ = poll(&mut polled, Some(&clock::timespec(deadline.left())));
        if !polled[0].revents().is_empty() && output.read(&mut [0; 64]).is_ok_and(|n| n == 0) {
            return;
        }
    }
}

fn check(start: &mut LinkStart) -> Result<(), Problem> {
    start.geometry = geometry::check(&start.geometry).map_err(|why| {
        Problem::new(422, "bad-geometry", "This screen size is not possible")
            .detail(format!("The screen size was refused: {why}."))
            .action("Ask for a size such as 1280x800.")
    })?;
    if start.command.trim().is_empty() {
        return Err(Problem::bad_request("The session has no command to run.")
            .action("Name an application or a command."));
    }
    if start.command.contains('\0') {
        return Err(Problem::bad_request(
            "The command contains a null character.",
        ));
    }
    let pairs = start.params.iter().chain(&start.env);
    let size: usize = pairs.map(|(k, v)| k.len() + v.len()).sum();
    if size + start.command.len() + start.name.len() > DOCUMENT {
        return Err(too_long());
    }
    Ok(())
}

fn too_long() -> Problem {
    Problem::bad_request(format!(
        "Command, name, parameters and environment of a session may have {DOCUMENT} bytes together."
    ))
}

fn too_many() -> Problem {
    Problem::new(429, "too-many-sessions", "Too many sessions")
        .detail(format!("You have {LIVE} sessions on this server already."))
        .action("End some that you no longer need.")
}
