//! Who looks at the node's sessions: counted by guards, sent away together, and when somebody last typed.
//!
//! A viewer belongs to the login whose ticket opened it, and leaves when that login is ended or expires.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::wire::ticket::{Mode, TicketClaims};
use fastx_lifecycle::clock;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Sessions;
use crate::locks::lock;

/// Viewers of one session at once.
const PER_SESSION: usize = 32;
/// How long an ended login is remembered, so that a ticket of it that is still on its way opens nothing.
const REMEMBERED: Duration = Duration::from_mins(2);
/// Ended logins that are remembered at once.
const ENDED: usize = 10_000;

/// What a viewer reads whose login was ended.
pub(crate) const LOGIN_ENDED: &str =
    "The login that opened this view has ended. The session goes on.";
/// What a viewer reads whose login came to its end.
pub(crate) const LOGIN_EXPIRED: &str =
    "The login that opened this view has expired; sign in again. The session goes on.";

/// Why a viewer is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotLetIn {
    /// There are too many already.
    Full,
    /// The login of the ticket has ended.
    LoginEnded,
}

/// One viewer.
#[derive(Debug)]
pub struct Viewer {
    /// What it may do.
    pub mode: Mode,
    /// Id of the login that it came with; empty when its ticket did not say.
    login_jti: String,
    /// When that login ends.
    until: Option<Timestamp>,
    /// Milliseconds since 1970 of the last key or pointer event.
    last_input: AtomicI64,
    /// Set once it has to go, with the reason.
    leave: watch::Sender<Option<String>>,
}

impl Viewer {
    /// Notes that a person did something.
    pub fn typed(&self, now: Timestamp) {
        self.last_input
            .store(now.as_millisecond(), Ordering::Relaxed);
    }
}

/// All viewers of the node.
#[derive(Debug, Default)]
pub(super) struct Viewers {
    present: Mutex<Present>,
}

/// Under one lock: a viewer comes either before its login is ended, and leaves with it, or after, and is not let in.
#[derive(Debug, Default)]
struct Present {
    by_session: HashMap<SessionId, Vec<Arc<Viewer>>>,
    ended: HashMap<String, Instant>,
}

impl Viewers {
    /// Sends all viewers of a session away; how many there were.
    pub(super) fn disconnect(&self, id: &SessionId, why: &str) -> usize {
        let present = lock(&self.present);
        let viewers = present.by_session.get(id).map_or(&[][..], Vec::as_slice);
        for viewer in viewers {
            viewer.leave.send_replace(Some(why.to_owned()));
        }
        viewers.len()
    }

    /// When somebody last typed in a session, or came to it.
    pub(super) fn last_input(&self, id: &SessionId) -> Option<Timestamp> {
        let present = lock(&self.present);
        let latest = present
            .by_session
            .get(id)?
            .iter()
            .map(|v| v.last_input.load(Ordering::Relaxed))
            .max()?;
        Timestamp::from_millisecond(latest).ok()
    }

    /// Viewers of all sessions.
    pub(super) fn all(&self) -> usize {
        lock(&self.present).by_session.values().map(Vec::len).sum()
    }

    fn count(&self, id: &SessionId) -> u32 {
        let count = lock(&self.present).by_session.get(id).map_or(0, Vec::len);
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Sends everybody away who came with one of these logins.
    pub(super) fn logins_ended(&self, jtis: &[String]) {
        let now = Instant::now();
        let mut present = lock(&self.present);
        if present.ended.len() + jtis.len() > ENDED {
            let old = |at: &mut Instant| now.duration_since(*at) > REMEMBERED;
            present.ended.retain(|_, at| !old(at));
        }
        for jti in jtis {
            if present.ended.len() < ENDED {
                present.ended.insert(jti.clone(), now);
            }
        }
        for viewer in present.by_session.values().flatten() {
            if jtis.contains(&viewer.login_jti) {
                viewer.leave.send_replace(Some(LOGIN_ENDED.to_owned()));
            }
        }
    }

    /// Logins of all viewers.
    pub(super) fn logins(&self) -> BTreeSet<String> {
        let present = lock(&self.present);
        let viewers = present.by_session.values().flatten();
        let jtis = viewers.map(|v| v.login_jti.clone());
        jtis.filter(|jti| !jti.is_empty()).collect()
    }
}

/// A viewer's stay; ends when dropped.
#[derive(Debug)]
pub struct ViewerGuard {
    sessions: Sessions,
    id: SessionId,
    viewer: Arc<Viewer>,
    leave: watch::Receiver<Option<String>>,
}

impl ViewerGuard {
    /// The viewer.
    pub fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    /// Resolves with the reason once the viewer has to go.
    pub async fn sent_away(&self) -> String {
        let mut leave = self.leave.clone();
        let told = async {
            let why = leave
                .wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|why| why.clone());
            match why {
                Some(why) => why,
                // The sender lives as long as the guard.
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            why = told => why,
            () = reached(self.viewer.until) => LOGIN_EXPIRED.to_owned(),
        }
    }
}

/// Waits until this time has come. The clock of the host may be set meanwhile, so it is looked at now and then.
async fn reached(until: Option<Timestamp>) {
    const LOOK: Duration = Duration::from_mins(1);
    let Some(until) = until else {
        return std::future::pending().await;
    };
    loop {
        match Duration::try_from(until.duration_since(clock::now())) {
            Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(LOOK)).await,
            _ => return,
        }
    }
}

impl Sessions {
    /// Lets a viewer in who came with this ticket.
    pub fn view(&self, id: &SessionId, claims: &TicketClaims) -> Result<ViewerGuard, NotLetIn> {
        let now = clock::now();
        let (sender, leave) = watch::channel(None);
        let until = Some(claims.login_exp).filter(|exp| *exp > 0);
        let viewer = Arc::new(Viewer {
            mode: claims.mode,
            login_jti: claims.login_jti.clone(),
            until: until.and_then(|exp| Timestamp::from_second(exp).ok()),
            last_input: AtomicI64::new(now.as_millisecond()),
            leave: sender,
        });
        {
            let mut present = lock(&self.inner.viewers.present);
            if present.ended.contains_key(&viewer.login_jti) {
                return Err(NotLetIn::LoginEnded);
            }
            let viewers = present.by_session.entry(id.clone()).or_default();
            if viewers.len() >= PER_SESSION {
                return Err(NotLetIn::Full);
            }
            viewers.push(viewer.clone());
        }
        let count = self.inner.viewers.count(id);
        self.edit(id, |own| {
            own.record.viewers = count;
            own.record.last_connect = Some(now);
        });
        Ok(ViewerGuard {
            sessions: self.clone(),
            id: id.clone(),
            viewer,
            leave,
        })
    }
}

impl Drop for ViewerGuard {
    fn drop(&mut self) {
        let viewers = &self.sessions.inner.viewers;
        {
            let mut present = lock(&viewers.present);
            if let Some(list) = present.by_session.get_mut(&self.id) {
                list.retain(|v| !Arc::ptr_eq(v, &self.viewer));
                if list.is_empty() {
                    present.by_session.remove(&self.id);
                }
            }
        }
        let count = viewers.count(&self.id);
        self.sessions.edit(&self.id, |own| {
            own.record.viewers = count;
            own.record.last_disconnect = Some(clock::now());
        });
    }
}
