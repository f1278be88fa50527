//! The hub: accepts links on a Unix socket and gives each node's call to the link of the right user.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::wire::link::{
    LinkCall, LinkReach, LinkResult, LinkSession, LinkStart, SOCKET_NAME,
};
use fastx_core::wire::problem::Problem;
use fastx_lifecycle::telemetry;
use rustix::net::{AddressFamily, SocketType, sockopt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, info, warn};

use crate::accounts::Accounts;

use super::connection::{self, Answer, Link, NoAnswer, lock};

/// Connections that one user may have.
const PER_UID: usize = 4;
/// How long a call waits for a link that is away, for it may be about to come back.
const ABSENCE: Duration = Duration::from_secs(3);
const START: Duration = Duration::from_secs(15);
const TERMINATE: Duration = Duration::from_secs(15);
const SHORT: Duration = Duration::from_secs(5);
const REACH: Duration = Duration::from_secs(20);
/// Users whose link has left that are remembered.
const LEFT: usize = 4096;

/// What happens at the links.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large variant is the frequent one"
)]
pub enum LinkEvent {
    /// A user's link is there. A [`LinkEvent::Snapshot`] follows.
    Joined {
        /// Whose.
        uid: u32,
    },
    /// A user's link is gone; the user's sessions go on.
    Left {
        /// Whose.
        uid: u32,
    },
    /// A session is new or changed.
    Session {
        /// Whose link says so.
        uid: u32,
        /// The session now.
        session: LinkSession,
    },
    /// Everything that a link has found when it joined.
    Snapshot {
        /// Whose link says so.
        uid: u32,
        /// All its sessions, lately ended ones too.
        sessions: Vec<LinkSession>,
    },
}

/// Why the hub cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("could not listen for links on {path}")]
pub struct HubError {
    path: PathBuf,
    source: std::io::Error,
}

#[derive(Debug, Default)]
struct Users {
    connections: HashMap<u32, usize>,
    links: HashMap<u32, Arc<Link>>,
    /// When the link of a user left who has none now.
    left: HashMap<u32, Instant>,
}

#[derive(Debug)]
struct Shared {
    users: Mutex<Users>,
    accounts: Accounts,
    events: broadcast::Sender<LinkEvent>,
    /// Counts joins, so that a call can wait for the next one.
    joins: watch::Sender<u64>,
    since: Instant,
}

/// The node's end of all links. Clones share it; it stops listening when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Hub {
    shared: Arc<Shared>,
    _listening: Arc<DropGuard>,
}

impl Hub {
    /// Listens on the socket in `dir`; one that a former process left there is replaced.
    pub async fn bind(dir: &Path, accounts: Accounts) -> Result<Self, HubError> {
        let path = dir.join(SOCKET_NAME);
        let listener = listen(&path)
            .await
            .map_err(|source| HubError { path, source })?;
        let shared = Arc::new(Shared {
            users: Mutex::default(),
            accounts,
            events: broadcast::Sender::new(1024),
            joins: watch::Sender::new(0),
            since: Instant::now(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(accept(listener, shared.clone(), stop.clone()));
        Ok(Self {
            shared,
            _listening: Arc::new(stop.drop_guard()),
        })
    }

    /// What happens from now on. A receiver that falls behind by 1024 events must look at [`Hub::snapshot`] again.
    pub fn events(&self) -> broadcast::Receiver<LinkEvent> {
        self.shared.events.subscribe()
    }

    /// Every link that is there with what it reported last.
    pub fn snapshot(&self) -> Vec<(u32, Vec<LinkSession>)> {
        lock(&self.shared.users)
            .links
            .iter()
            .map(|(uid, link)| (*uid, link.sessions()))
            .collect()
    }

    /// How many links are there.
    pub fn links(&self) -> usize {
        lock(&self.shared.users).links.len()
    }

    /// Whether the user's link is there.
    pub fn present(&self, uid: u32) -> bool {
        self.shared.link(uid).is_some()
    }

    /// For how long no link of the user has been there, as far as this process knows; `None` when one is.
    pub fn absent_for(&self, uid: u32) -> Option<Duration> {
        let users = lock(&self.shared.users);
        if users.links.contains_key(&uid) {
            return None;
        }
        let left = users.left.get(&uid).unwrap_or(&self.shared.since);
        Some(left.elapsed())
    }

    /// Waits for the user's link; whether it came.
    pub async fn joined_within(&self, uid: u32, limit: Duration) -> bool {
        self.shared.wait(uid, Instant::now() + limit).await.is_ok()
    }

    /// What the user's link found wrong on its side, for people.
    pub fn faults(&self, uid: u32) -> Vec<String> {
        self.shared
            .link(uid)
            .map(|l| l.faults.clone())
            .unwrap_or_default()
    }

    /// Starts a session, or finds the one of this id; returns once its display answers.
    pub async fn start(&self, uid: u32, start: LinkStart) -> Result<LinkSession, Problem> {
        let id = start.id.clone();
        let call = LinkCall::Start { start };
        session(self.shared.call(uid, call, START).await?, &id)
    }

    /// Ends a session.
    pub async fn terminate(&self, uid: u32, id: &SessionId) -> Result<(), Problem> {
        let call = LinkCall::Terminate { id: id.clone() };
        self.shared.call(uid, call, TERMINATE).await.map(drop)
    }

    /// Opens one more connection to a session's display.
    pub async fn open_display(&self, uid: u32, id: &SessionId) -> Result<UnixStream, Problem> {
        let call = LinkCall::OpenDisplay { id: id.clone() };
        let (_, descriptor) = self.shared.call(uid, call, SHORT).await?;
        let descriptor = descriptor
            .ok_or_else(|| broken("it opened the display and handed over no connection"))?;
        stream(descriptor).map_err(|why| broken(&why))
    }

    /// Changes name and parameters of a session.
    pub async fn params(
        &self,
        uid: u32,
        id: &SessionId,
        name: String,
        params: BTreeMap<String, String>,
    ) -> Result<LinkSession, Problem> {
        let call = LinkCall::Params {
            id: id.clone(),
            name,
            params,
        };
        session(self.shared.call(uid, call, SHORT).await?, id)
    }

    /// The end of what the session's programs printed.
    pub async fn log(&self, uid: u32, id: &SessionId, bytes: u32) -> Result<String, Problem> {
        let id = id.clone();
        let call = LinkCall::Log { id, bytes };
        match self.shared.call(uid, call, SHORT).await?.0 {
            LinkResult::Ok { text, .. } => Ok(text),
            LinkResult::Err(problem) => Err(problem),
        }
    }

    /// Shows whoever sits at a session a notice for so long; an empty text takes it away.
    pub async fn notice(
        &self,
        uid: u32,
        id: &SessionId,
        text: String,
        seconds: u32,
    ) -> Result<(), Problem> {
        let id = id.clone();
        let call = LinkCall::Notice { id, text, seconds };
        self.shared.call(uid, call, SHORT).await.map(drop)
    }

    /// Starts a script at an event of a session.
    pub async fn event(
        &self,
        uid: u32,
        id: &SessionId,
        event: &str,
        script: String,
        env: BTreeMap<String, String>,
    ) -> Result<(), Problem> {
        let call = LinkCall::Event {
            id: id.clone(),
            event: event.to_owned(),
            script,
            env,
        };
        self.shared.call(uid, call, SHORT).await.map(drop)
    }

    /// Goes to another server as the user; what came of it there is for that server to say.
    pub async fn reach(&self, uid: u32, reach: LinkReach) -> Result<(), Problem> {
        let call = LinkCall::Reach { reach };
        self.shared.call(uid, call, REACH).await.map(drop)
    }
}

impl Shared {
    fn link(&self, uid: u32) -> Option<Arc<Link>> {
        lock(&self.users).links.get(&uid).cloned()
    }

    /// Asks the user's link; asks the next one when it goes away, since every call may be repeated.
    async fn call(&self, uid: u32, what: LinkCall, limit: Duration) -> Result<Answer, Problem> {
        let until = Instant::now() + limit;
        let late = |what| Err(late(uid, what, self.accounts.is_host()));
        loop {
            let absence = until.min(Instant::now() + ABSENCE);
            let link = self.wait(uid, absence).await?;
            match link.ask(what.clone(), until).await {
                Ok((LinkResult::Err(problem), _)) => return Err(problem),
                Ok(answer) => return Ok(answer),
                Err(NoAnswer::Gone) => self.forget(&link),
                Err(NoAnswer::Busy) => return late("has too many calls waiting"),
                Err(NoAnswer::Late) => return late("did not answer in time"),
            }
        }
    }

    async fn wait(&self, uid: u32, until: Instant) -> Result<Arc<Link>, Problem> {
        let mut joins = self.joins.subscribe();
        loop {
            if let Some(link) = self.link(uid) {
                return Ok(link);
            }
            match tokio::time::timeout_at(until, joins.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(absent(uid, self.accounts.is_host())),
            }
        }
    }

    /// Makes this link the user's; an older one is sent away.
    fn join(&self, link: &Arc<Link>) {
        let former = {
            let mut users = lock(&self.users);
            users.left.remove(&link.uid);
            users.links.insert(link.uid, link.clone())
        };
        if let Some(former) = former {
            former.gone.cancel();
        }
        let uid = link.uid;
        // Nobody listening is no fault.
        let _ = self.events.send(LinkEvent::Joined { uid });
        let sessions = link.sessions();
        let _ = self.events.send(LinkEvent::Snapshot { uid, sessions });
        self.joins.send_modify(|n| *n += 1);
    }

    fn forget(&self, link: &Arc<Link>) {
        let uid = link.uid;
        let mut users = lock(&self.users);
        if users.links.get(&uid).is_some_and(|l| Arc::ptr_eq(l, link)) {
            users.links.remove(&uid);
            users.note_left(uid, Instant::now());
            let _ = self.events.send(LinkEvent::Left { uid });
        }
    }
}

impl Users {
    fn note_left(&mut self, uid: u32, now: Instant) {
        if self.left.len() >= LEFT {
            let oldest = self.left.iter().min_by_key(|(_, at)| **at);
            if let Some(oldest) = oldest.map(|(uid, _)| *uid) {
                self.left.remove(&oldest);
            }
        }
        self.left.insert(uid, now);
    }
}

/// One of the few connections that a user may have; given back when dropped.
struct Slot(Arc<Shared>, u32);

impl Slot {
    fn take(shared: &Arc<Shared>, uid: u32) -> Option<Self> {
        let mut users = lock(&shared.users);
        let count = users.connections.entry(uid).or_default();
        if *count >= PER_UID {
            return None;
        }
        *count += 1;
        Some(Self(shared.clone(), uid))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut users = lock(&self.0.users);
        if let Some(count) = users.connections.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                users.connections.remove(&self.1);
            }
        }
    }
}

async fn listen(path: &Path) -> std::io::Result<UnixListener> {
    match tokio::fs::remove_file(path).await {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // Any user may dial; who it is comes from the kernel, and the policy decides.
    tokio::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).await?;
    Ok(listener)
}

async fn accept(listener: UnixListener, shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => admit(stream, &shared, &stop),
            Err(error) => {
                warn!(%error, "a link could not be accepted");
                // Out of descriptors, most likely: do not spin.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Decides from the kernel's word alone, before the first byte is read.
fn admit(stream: UnixStream, shared: &Arc<Shared>, stop: &CancellationToken) {
    let uid = match stream.peer_cred() {
        Ok(credentials) => credentials.uid(),
        Err(error) => return warn!(%error, "the user behind a link is not known; refused"),
    };
    let Some(slot) = Slot::take(shared, uid) else {
        return warn!(uid, limit = PER_UID, "too many links of one user; refused");
    };
    let (shared, stop) = (shared.clone(), stop.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = attend(&stream, uid, &shared) => {}
            () = stop.cancelled() => {}
        }
        drop(slot);
    });
}

async fn attend(stream: &UnixStream, uid: u32, shared: &Arc<Shared>) {
    if let Err(error) = shared.accounts.admit(uid).await {
        return warn!(uid, error = %telemetry::chain(&error), "a link was refused");
    }
    let (link, queue) = match connection::greet(stream, uid).await {
        Ok((link, queue)) => (Arc::new(link), queue),
        Err(fault) => return warn!(uid, %fault, "a link was sent away"),
    };
    info!(uid, version = link.version, "link joined");
    for fault in &link.faults {
        warn!(uid, fault, "a link reports a fault on its side");
    }
    shared.join(&link);
    let changed = |session| {
        let _ = shared.events.send(LinkEvent::Session { uid, session });
    };
    let fault = tokio::select! {
        fault = connection::serve(stream, &link, queue, changed) => Some(fault),
        () = shared.accounts.dismissed(uid) => None,
    };
    link.gone.cancel();
    shared.forget(&link);
    match fault {
        None => warn!(uid, "link sent away: its user has no place here any more"),
        Some(connection::LinkFault::Frame(super::frames::FrameError::Closed)) => {
            debug!(uid, "link left");
        }
        Some(fault) => warn!(uid, %fault, "link sent away"),
    }
}

fn session((result, _): Answer, id: &SessionId) -> Result<LinkSession, Problem> {
    match result {
        LinkResult::Ok {
            session: Some(session),
            ..
        } if session.start.id == *id => Ok(*session),
        LinkResult::Ok { .. } => Err(broken("it answered without this session")),
        LinkResult::Err(problem) => Err(problem),
    }
}

/// A link could hand over anything: only a connected Unix stream is taken.
fn stream(descriptor: OwnedFd) -> Result<UnixStream, String> {
    let kind = sockopt::socket_type(&descriptor).ok();
    let family = sockopt::socket_domain(&descriptor).ok();
    if kind != Some(SocketType::STREAM) || family != Some(AddressFamily::UNIX) {
        return Err("what it handed over is not a connection to a display".to_owned());
    }
    let stream = std::os::unix::net::UnixStream::from(descriptor);
    stream
        .set_nonblocking(true)
        .and_then(|()| UnixStream::from_std(stream))
        .map_err(|e| format!("the connection that it handed over cannot be used: {e}"))
}

fn absent(uid: u32, host: bool) -> Problem {
    Problem::new(503, "no-link", "The desktop side is not there")
        .detail(format!("No link of user {uid} is on this server."))
        .action(format!(
            "Wait a moment and try again; if it stays so, {}.",
            look(uid, host)
        ))
}

fn late(uid: u32, what: &str, host: bool) -> Problem {
    Problem::new(504, "link-silent", "The desktop side does not answer")
        .detail(format!("The link of user {uid} {what}."))
        .action(format!(
            "Try again; nothing is started twice. If it stays so, {}.",
            look(uid, host)
        ))
}

fn look(uid: u32, host: bool) -> String {
    if host {
        format!("the administrator runs `systemctl status fastx-link@{uid}` on the server")
    } else {
        "the administrator looks at the log of the desktop container".to_owned()
    }
}

fn broken(why: &str) -> Problem {
    Problem::new(
        502,
        "link-broken",
        "The desktop side answered something unusable",
    )
    .detail(format!("The link broke the protocol: {why}."))
    .action("The administrator compares the versions of the node and of its link.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_misses_a_link_is_told_where_to_look() {
        let said = |host| [absent(7, host), late(7, "is late", host)].map(|p| p.action);
        for text in said(true) {
            assert!(text.contains("systemctl status fastx-link@7"), "{text}");
            assert!(!text.contains("container"), "{text}");
        }
        assert!(said(false).iter().all(|text| text.contains("container")));
    }

    #[test]
    fn users_who_left_are_remembered_up_to_a_limit() {
        let mut users = Users::default();
        let begin = Instant::now();
        for uid in 0..=u32::try_from(LEFT).unwrap() {
            let after = Duration::from_secs(uid.into());
            users.note_left(uid, begin + after);
        }
        assert_eq!(users.left.len(), LEFT);
        assert!(!users.left.contains_key(&0), "the oldest makes room");
    }
}
