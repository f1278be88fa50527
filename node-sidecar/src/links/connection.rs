//! One connected link: its calls, its answers and its end.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::wire::link::{FromLink, LinkCall, LinkResult, LinkSession, SCHEMA, ToLink};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::frames::{self, Frame, FrameError};

/// Calls that may wait for being sent; a link that does not read gets no more.
const OUTBOX: usize = 64;
/// Calls that may wait for their answer.
const PENDING: usize = 256;
/// Sessions that one link may report.
const SESSIONS: usize = 500;
/// How long a link may take for its first frame.
const HELLO: Duration = Duration::from_secs(5);
/// How often a link is asked whether it still answers, and how long it may take for it.
const PING: Duration = Duration::from_secs(10);

/// Why a connection ended or was refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkFault {
    #[error("a frame could not be read or written")]
    Frame(#[from] FrameError),
    #[error("a frame is not a message of this protocol: {0}")]
    Junk(serde_json::Error),
    #[error("no hello within {} seconds", HELLO.as_secs())]
    NoHello,
    #[error("the first frame is not a hello")]
    NotHello,
    #[error("a second hello on one connection")]
    SecondHello,
    #[error("protocol version {0} is not known here")]
    Schema(u32),
    #[error("more than {SESSIONS} sessions reported")]
    TooManySessions,
    #[error("a file descriptor that nobody asked for")]
    Descriptor,
    #[error("no sign of life for {} seconds", PING.as_secs())]
    Silent,
    #[error("does not read what it is sent")]
    SlowReader,
}

/// Why a call brought no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// The connection ended first.
    Gone,
    /// The time is over.
    Late,
    /// Too many calls wait already.
    Busy,
}

/// An answer and what came with it.
pub(super) type Answer = (LinkResult, Option<OwnedFd>);

/// A link that has said hello.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) uid: u32,
    pub(super) version: String,
    pub(super) faults: Vec<String>,
    pub(super) gone: CancellationToken,
    outbox: mpsc::Sender<Vec<u8>>,
    next: AtomicU64,
    pending: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    sessions: Mutex<BTreeMap<SessionId, LinkSession>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the waiting call when whoever asked no longer waits.
struct Waiting<'a>(&'a Link, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.0.pending).remove(&self.1);
    }
}

impl Link {
    /// What the link reported last.
    pub(super) fn sessions(&self) -> Vec<LinkSession> {
        lock(&self.sessions).values().cloned().collect()
    }

    /// Asks the link and waits for its answer.
    pub(super) async fn ask(&self, what: LinkCall, until: Instant) -> Result<Answer, NoAnswer> {
        let call = self.next.fetch_add(1, Ordering::Relaxed);
        let body = serde_json::to_vec(&ToLink { call, what }).map_err(|_| NoAnswer::Busy)?;
        let (reply, answer) = oneshot::channel();
        {
            let mut pending = lock(&self.pending);
            if pending.len() >= PENDING {
                return Err(NoAnswer::Busy);
            }
            pending.insert(call, reply);
        }
        let _waiting = Waiting(self, call);
        self.outbox.try_send(body).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => NoAnswer::Busy,
            mpsc::error::TrySendError::Closed(_) => NoAnswer::Gone,
        })?;
        tokio::select! {
            answer = answer => answer.map_err(|_| NoAnswer::Gone),
            () = self.gone.cancelled() => Err(NoAnswer::Gone),
            () = tokio::time::sleep_until(until) => Err(NoAnswer::Late),
        }
    }

    fn note(&self, session: &LinkSession) -> Result<(), LinkFault> {
        let mut sessions = lock(&self.sessions);
        sessions.insert(session.start.id.clone(), session.clone());
        if sessions.len() > SESSIONS {
            sessions.retain(|_, s| s.state.is_live());
        }
        if sessions.len() > SESSIONS {
            return Err(LinkFault::TooManySessions);
        }
        Ok(())
    }
}

/// Waits for the hello and for all sessions; returns the link and the queue of what is to be sent to it.
pub(super) async fn greet(
    stream: &UnixStream,
    uid: u32,
) -> Result<(Link, mpsc::Receiver<Vec<u8>>), LinkFault> {
    tokio::time::timeout(HELLO, introduction(stream, uid))
        .await
        .map_err(|_| LinkFault::NoHello)?
}

async fn introduction(
    stream: &UnixStream,
    uid: u32,
) -> Result<(Link, mpsc::Receiver<Vec<u8>>), LinkFault> {
    let FromLink::Hello {
        schema,
        version,
        mut sessions,
        following,
        faults,
    } = plain(stream).await?
    else {
        return Err(LinkFault::NotHello);
    };
    if schema != SCHEMA {
        return Err(LinkFault::Schema(schema));
    }
    let following = usize::try_from(following).unwrap_or(usize::MAX);
    if sessions.len().saturating_add(following) > SESSIONS {
        return Err(LinkFault::TooManySessions);
    }
    // What is missing when the link joins is taken for ended.
    for _ in 0..following {
        let FromLink::Session { session } = plain(stream).await? else {
            return Err(LinkFault::NotHello);
        };
        sessions.push(session);
    }
    let (outbox, queue) = mpsc::channel(OUTBOX);
    let link = Link {
        uid,
        version: version.chars().take(80).collect(),
        faults: faults.into_iter().take(20).collect(),
        gone: CancellationToken::new(),
        outbox,
        next: AtomicU64::new(1),
        pending: Mutex::default(),
        sessions: Mutex::new(
            sessions
                .into_iter()
                .map(|s| (s.start.id.clone(), s))
                .collect(),
        ),
    };
    Ok((link, queue))
}

/// Reads a message that brings no descriptor.
async fn plain(stream: &UnixStream) -> Result<FromLink, LinkFault> {
    let frame = frames::read(stream).await?;
    if frame.descriptor.is_some() {
        return Err(LinkFault::Descriptor);
    }
    parse(&frame)
}

/// Serves a link until it ends; `changed` gets each session that it reports.
pub(super) async fn serve(
    stream: &UnixStream,
    link: &Link,
    queue: mpsc::Receiver<Vec<u8>>,
    changed: impl Fn(LinkSession),
) -> LinkFault {
    let fault = tokio::select! {
        fault = incoming(stream, link, changed) => fault,
        fault = outgoing(stream, queue) => fault,
        fault = ping(link) => fault,
        () = link.gone.cancelled() => FrameError::Closed.into(),
    };
    link.gone.cancel();
    lock(&link.pending).clear();
    fault
}

async fn incoming(stream: &UnixStream, link: &Link, changed: impl Fn(LinkSession)) -> LinkFault {
    loop {
        let result = match frames::read(stream).await {
            Ok(frame) => take(frame, link, &changed),
            Err(e) => Err(e.into()),
        };
        if let Err(fault) = result {
            return fault;
        }
    }
}

fn take(frame: Frame, link: &Link, changed: &impl Fn(LinkSession)) -> Result<(), LinkFault> {
    let message = parse(&frame)?;
    match message {
        FromLink::Hello { .. } => Err(LinkFault::SecondHello),
        FromLink::Session { .. } if frame.descriptor.is_some() => Err(LinkFault::Descriptor),
        FromLink::Session { session } => {
            link.note(&session)?;
            changed(session);
            Ok(())
        }
        FromLink::Answer { call, result } => {
            // Nobody waits any more when the answer comes too late: it is dropped, and so is its descriptor.
            let waiting = lock(&link.pending).remove(&call);
            if let Some(waiting) = waiting {
                if let LinkResult::Ok {
                    session: Some(session),
                    ..
                } = &result
                {
                    link.note(session)?;
                }
                let _ = waiting.send((result, frame.descriptor));
            }
            Ok(())
        }
    }
}

fn parse(frame: &Frame) -> Result<FromLink, LinkFault> {
    serde_json::from_slice(&frame.body).map_err(LinkFault::Junk)
}

async fn outgoing(stream: &UnixStream, mut queue: mpsc::Receiver<Vec<u8>>) -> LinkFault {
    while let Some(body) = queue.recv().await {
        match tokio::time::timeout(PING, frames::write(stream, &body, None)).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return e.into(),
            Err(_) => return LinkFault::SlowReader,
        }
    }
    FrameError::Closed.into()
}

async fn ping(link: &Link) -> LinkFault {
    loop {
        tokio::time::sleep(PING).await;
        match link.ask(LinkCall::Ping, Instant::now() + PING).await {
            Ok(_) => {}
            Err(NoAnswer::Gone) => return FrameError::Closed.into(),
            Err(NoAnswer::Busy) => return LinkFault::SlowReader,
            Err(NoAnswer::Late) => return LinkFault::Silent,
        }
    }
}
