//! Who looks at the node's sessions: counted by guards, sent away together, and when somebody last typed.
//!
//! A viewer belongs to the login whose ticket opened it, and leaves when that login is ended or expires.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::wire::session::{SessionRecord, ViewerRecord, Way};
use fastx_core::wire::ticket::{Mode, TicketClaims};
use fastx_lifecycle::clock;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Sessions;
use super::happen::Event;
use super::shares::{Admission, TIME_OVER};
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

/// Somebody who comes to see a session.
#[derive(Debug)]
pub struct Coming<'a> {
    /// What the redeemed ticket says.
    pub claims: &'a TicketClaims,
    /// As what they come.
    pub admission: Admission,
    /// On which way.
    pub way: Way,
}

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
    /// Who it is.
    shown: ViewerRecord,
    /// Id of the login that it came with; empty when its ticket did not say.
    login_jti: String,
    /// The share that let it in.
    share: Option<String>,
    /// When it has to go, and why then.
    until: Option<(Timestamp, &'static str)>,
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

    /// Who looks at a session, in the order in which they came.
    fn shown(&self, id: &SessionId) -> Vec<ViewerRecord> {
        let present = lock(&self.present);
        let viewers = present.by_session.get(id).map_or(&[][..], Vec::as_slice);
        viewers.iter().map(|v| v.shown.clone()).collect()
    }

    /// Sends those away who came under a share; how many there were.
    pub(super) fn leave_share(&self, id: &SessionId, share: &str, why: &str) -> usize {
        let present = lock(&self.present);
        let viewers = present.by_session.get(id).map_or(&[][..], Vec::as_slice);
        let guests = viewers
            .iter()
            .filter(|v| v.share.as_deref() == Some(share))
            .map(|v| v.leave.send_replace(Some(why.to_owned())));
        guests.count()
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
            why = reached(self.viewer.until) => why.to_owned(),
        }
    }
}

/// Waits until this time has come. The clock of the host may be set meanwhile, so it is looked at now and then.
async fn reached(until: Option<(Timestamp, &'static str)>) -> &'static str {
    const LOOK: Duration = Duration::from_mins(1);
    let Some((until, why)) = until else {
        return std::future::pending().await;
    };
    loop {
        match Duration::try_from(until.duration_since(clock::now())) {
            Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(LOOK)).await,
            _ => return why,
        }
    }
}

impl Sessions {
    /// Lets a viewer in who came with this ticket and may do what the admission says.
    pub fn view(&self, coming: Coming<'_>) -> Result<ViewerGuard, NotLetIn> {
        let Coming {
            claims,
            admission,
            way,
        } = coming;
        let id = &claims.session;
        let now = clock::now();
        let (sender, leave) = watch::channel(None);
        let mode = admission.limit(claims.mode);
        let (share, shared_until) = match admission {
            Admission::Owner => (None, None),
            Admission::Guest { share, until, .. } => (Some(share), Some((until, TIME_OVER))),
        };
        let login_ends = Some(claims.login_exp).filter(|exp| *exp > 0);
        let login_ends = login_ends.and_then(|exp| Timestamp::from_second(exp).ok());
        let viewer = Arc::new(Viewer {
            mode,
            shown: ViewerRecord {
                login: claims.sub.clone(),
                mode,
                since: now,
                way,
                address: claims.address.chars().take(64).collect(),
            },
            login_jti: claims.login_jti.clone(),
            share,
            until: [login_ends.map(|at| (at, LOGIN_EXPIRED)), shared_until]
                .into_iter()
                .flatten()
                .min(),
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
        let record = self.viewers_changed(id, |record| record.last_connect = Some(now));
        self.viewer_event(record.as_ref(), Event::Connect, &viewer);
        Ok(ViewerGuard {
            sessions: self.clone(),
            id: id.clone(),
            viewer,
            leave,
        })
    }

    fn viewer_event(&self, record: Option<&SessionRecord>, event: Event, viewer: &Viewer) {
        if let Some(record) = record.filter(|record| record.state.is_live()) {
            self.happened(
                record,
                event,
                &[("FASTX_VIEWER", viewer.shown.login.as_str())],
            );
        }
    }

    fn viewers_changed(
        &self,
        id: &SessionId,
        more: impl FnOnce(&mut SessionRecord),
    ) -> Option<SessionRecord> {
        self.edit(id, |own| {
            // Read under the lock of the records: of two who come or go at once, the last one to write is right.
            let shown = self.inner.viewers.shown(id);
            own.record.viewers = u32::try_from(shown.len()).unwrap_or(u32::MAX);
            own.record.viewer_list = shown;
            more(&mut own.record);
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
        let sessions = &self.sessions;
        let record = sessions.viewers_changed(&self.id, |record| {
            record.last_disconnect = Some(clock::now());
        });
        sessions.viewer_event(record.as_ref(), Event::Disconnect, &self.viewer);
    }
}
