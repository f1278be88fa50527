//! A link for tests: dials the hub from the test's own process and plays sessions without an X server.

mod display;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fastx_core::names::SessionId;
use fastx_core::wire::link::{
    FromLink, LinkCall, LinkResult, LinkSession, LinkStart, SCHEMA, SOCKET_NAME, ToLink,
};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::SessionState;
use fastx_lifecycle::clock;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::connection::lock;
use super::frames;

/// A frame to send and the descriptor that goes with it.
type Outgoing = (FromLink, Option<std::os::fd::OwnedFd>);

#[derive(Debug)]
struct FakeSession {
    session: LinkSession,
    inputs: Arc<AtomicU64>,
    viewers: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Desktop {
    sessions: Mutex<BTreeMap<SessionId, FakeSession>>,
    refusal: Mutex<Option<Problem>>,
    end_refusal: Mutex<Option<Problem>>,
    held: watch::Sender<bool>,
    display: Mutex<Option<PathBuf>>,
    outgoing: Mutex<Option<mpsc::UnboundedSender<Outgoing>>>,
    events: Mutex<Vec<Happened>>,
    notices: Mutex<Vec<String>>,
}

/// A script that was to be run: event, script, and what it was told.
pub type Happened = (String, String, BTreeMap<String, String>);

/// Plays the link of the user that the test runs as. Dropping it hangs up.
#[derive(Debug)]
pub struct FakeLink {
    socket: PathBuf,
    desktop: Arc<Desktop>,
    connection: Option<JoinHandle<()>>,
}

impl FakeLink {
    /// Dials the hub's socket in `dir` and says hello without any session.
    pub async fn connect(dir: &Path) -> io::Result<Self> {
        let mut link = Self {
            socket: dir.join(SOCKET_NAME),
            desktop: Arc::default(),
            connection: None,
        };
        link.reconnect().await?;
        Ok(link)
    }

    /// Hangs up; the sessions stay and are told again at the next [`FakeLink::reconnect`].
    pub fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.abort();
        }
        lock(&self.desktop.outgoing).take();
    }

    /// Dials again, as a link that was restarted does.
    pub async fn reconnect(&mut self) -> io::Result<()> {
        self.disconnect();
        let stream = UnixStream::connect(&self.socket).await?;
        let (outgoing, queue) = mpsc::unbounded_channel();
        // As a link does whose frame has room for one session.
        let mut sessions = self.sessions();
        let rest = sessions.split_off(sessions.len().min(1));
        let hello = FromLink::Hello {
            schema: SCHEMA,
            version: "fake".to_owned(),
            sessions,
            following: rest.len().try_into().unwrap_or(u32::MAX),
            faults: Vec::new(),
        };
        let _ = outgoing.send((hello, None));
        for session in rest {
            let _ = outgoing.send((FromLink::Session { session }, None));
        }
        *lock(&self.desktop.outgoing) = Some(outgoing.clone());
        let desktop = self.desktop.clone();
        self.connection = Some(tokio::spawn(async move {
            tokio::select! {
                () = answer(&stream, &desktop, &outgoing) => {}
                () = send(&stream, queue) => {}
            }
        }));
        Ok(())
    }

    /// The sessions as they are now.
    pub fn sessions(&self) -> Vec<LinkSession> {
        lock(&self.desktop.sessions)
            .values()
            .map(|s| s.session.clone())
            .collect()
    }

    /// How many key and pointer messages have reached this display.
    pub fn inputs(&self, id: &SessionId) -> u64 {
        lock(&self.desktop.sessions)
            .get(id)
            .map_or(0, |s| s.inputs.load(Ordering::Relaxed))
    }

    /// Ends a session as though its program had ended, and reports it.
    pub fn end(&self, id: &SessionId, reason: &str) {
        if let Some(session) = self.desktop.end(id, reason) {
            self.desktop.report(session);
        }
    }

    /// Has this session from now on, as though it had started it before, and reports it.
    pub fn play(&self, session: LinkSession) {
        let id = session.start.id.clone();
        lock(&self.desktop.sessions).insert(id, FakeSession::new(session.clone()));
        self.desktop.report(session);
    }

    /// Scripts that were to be run, in order.
    pub fn events(&self) -> Vec<Happened> {
        lock(&self.desktop.events).clone()
    }

    /// Notices that were to be shown, in order; empty ones took the one before away.
    pub fn notices(&self) -> Vec<String> {
        lock(&self.desktop.notices).clone()
    }

    /// Shows every further viewer the real display at this socket.
    pub fn show(&self, socket: &Path) {
        *lock(&self.desktop.display) = Some(socket.to_owned());
    }

    /// Makes every further start fail with this problem, or lets them succeed again.
    pub fn refuse_starts(&self, problem: Option<Problem>) {
        *lock(&self.desktop.refusal) = problem;
    }

    /// Makes every further end fail with this problem, or lets them succeed again.
    pub fn refuse_ends(&self, problem: Option<Problem>) {
        *lock(&self.desktop.end_refusal) = problem;
    }

    /// Leaves starts, and whatever comes after them, without an answer for now, or answers again.
    pub fn hold_starts(&self, hold: bool) {
        self.desktop.held.send_replace(hold);
    }
}

impl FakeSession {
    fn new(session: LinkSession) -> Self {
        Self {
            session,
            inputs: Arc::default(),
            viewers: Vec::new(),
        }
    }
}

impl Drop for FakeLink {
    fn drop(&mut self) {
        self.disconnect();
    }
}

impl Desktop {
    fn report(&self, session: LinkSession) {
        if let Some(outgoing) = lock(&self.outgoing).as_ref() {
            let _ = outgoing.send((FromLink::Session { session }, None));
        }
    }

    fn start(&self, start: LinkStart) -> LinkResult {
        if let Some(problem) = lock(&self.refusal).clone() {
            return LinkResult::Err(problem);
        }
        let mut sessions = lock(&self.sessions);
        let number = sessions.len() + 1;
        let now = clock::now();
        let entry = sessions.entry(start.id.clone()).or_insert_with(|| {
            FakeSession::new(LinkSession {
                start,
                state: SessionState::Running,
                display: format!(":{number}"),
                display_pid: 1000 + u32::try_from(number).unwrap_or(0),
                display_started: 1,
                started: now,
                changed: now,
                end_reason: String::new(),
            })
        });
        with_session(&entry.session)
    }

    fn end(&self, id: &SessionId, reason: &str) -> Option<LinkSession> {
        let mut sessions = lock(&self.sessions);
        let entry = sessions.get_mut(id)?;
        for viewer in entry.viewers.drain(..) {
            viewer.abort();
        }
        if entry.session.state.is_live() {
            entry.session.state = SessionState::Ended;
            reason.clone_into(&mut entry.session.end_reason);
            entry.session.changed = clock::now();
        }
        Some(entry.session.clone())
    }

    fn terminate(&self, id: &SessionId) -> LinkResult {
        match lock(&self.end_refusal).clone() {
            Some(problem) => LinkResult::Err(problem),
            None => or_missing(self.end(id, "ended on request")),
        }
    }

    fn display(&self, id: &SessionId) -> Result<std::os::fd::OwnedFd, Problem> {
        let mut sessions = lock(&self.sessions);
        let entry = sessions
            .get_mut(id)
            .filter(|s| s.session.state.is_live())
            .ok_or_else(|| Problem::not_found("running session"))?;
        let failed = |e: io::Error| Problem::internal(e.to_string());
        if let Some(real) = lock(&self.display).as_ref() {
            let stream = std::os::unix::net::UnixStream::connect(real).map_err(failed)?;
            return Ok(stream.into());
        }
        let (near, far) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
        near.set_nonblocking(true).map_err(failed)?;
        let near = UnixStream::from_std(near).map_err(failed)?;
        let size = entry.session.start.geometry.clone();
        let name = entry.session.start.name.clone();
        let inputs = entry.inputs.clone();
        entry.viewers.push(tokio::spawn(async move {
            // The viewer hanging up is how it normally ends.
            let _ = display::serve(near, &size, &name, &inputs).await;
        }));
        Ok(far.into())
    }

    fn params(
        &self,
        id: &SessionId,
        name: String,
        params: BTreeMap<String, String>,
    ) -> Option<LinkSession> {
        let mut sessions = lock(&self.sessions);
        let start = &mut sessions.get_mut(id)?.session.start;
        if !name.is_empty() {
            start.name = name;
        }
        start.params.extend(params);
        start.params.retain(|_, v| !v.is_empty());
        sessions.get(id).map(|s| s.session.clone())
    }
}

fn with_session(session: &LinkSession) -> LinkResult {
    LinkResult::Ok {
        session: Some(Box::new(session.clone())),
        text: String::new(),
    }
}

fn or_missing(session: Option<LinkSession>) -> LinkResult {
    session.map_or_else(
        || LinkResult::Err(Problem::not_found("session")),
        |s| with_session(&s),
    )
}

async fn answer(
    stream: &UnixStream,
    desktop: &Desktop,
    outgoing: &mpsc::UnboundedSender<Outgoing>,
) {
    while let Ok(frame) = frames::read(stream).await {
        let Ok(ToLink { call, what }) = serde_json::from_slice(&frame.body) else {
            return;
        };
        let text = |text: &str| LinkResult::Ok {
            session: None,
            text: text.to_owned(),
        };
        let (result, descriptor) = match what {
            LinkCall::Start { start } => {
                // The sender lives as long as the desktop.
                let _ = desktop.held.subscribe().wait_for(|held| !held).await;
                (desktop.start(start), None)
            }
            LinkCall::Terminate { id } => (desktop.terminate(&id), None),
            LinkCall::OpenDisplay { id } => match desktop.display(&id) {
                Ok(descriptor) => (text(""), Some(descriptor)),
                Err(problem) => (LinkResult::Err(problem), None),
            },
            LinkCall::Params { id, name, params } => {
                (or_missing(desktop.params(&id, name, params)), None)
            }
            LinkCall::Log { .. } => (text("what the program printed\n"), None),
            LinkCall::Notice { text: notice, .. } => {
                lock(&desktop.notices).push(notice);
                (text(""), None)
            }
            LinkCall::Event {
                event, script, env, ..
            } => {
                lock(&desktop.events).push((event, script, env));
                (text(""), None)
            }
            LinkCall::Reach { .. } => (LinkResult::Err(Problem::not_found("such a way")), None),
            LinkCall::Ping => (text(""), None),
        };
        let _ = outgoing.send((FromLink::Answer { call, result }, descriptor));
    }
}

async fn send(stream: &UnixStream, mut queue: mpsc::UnboundedReceiver<Outgoing>) {
    while let Some((message, descriptor)) = queue.recv().await {
        let Ok(body) = serde_json::to_vec(&message) else {
            return;
        };
        let descriptor = descriptor.as_ref().map(AsFd::as_fd);
        if frames::write(stream, &body, descriptor).await.is_err() {
            return;
        }
    }
}
