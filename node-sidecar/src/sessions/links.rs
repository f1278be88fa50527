//! Takes in what the links of the node report.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use fastx_core::names::{LoginName, SessionId};
use fastx_core::wire::link::LinkSession;
use fastx_core::wire::session::SessionRecord;
use fastx_lifecycle::clock;
use fastx_lifecycle::shutdown::Shutdown;
use tokio::sync::broadcast::error::RecvError;

use super::Sessions;
use super::happen::Event;
use crate::links::LinkEvent;
use crate::locks::lock;

/// Listens until shutdown.
pub(super) async fn run(sessions: Sessions, shutdown: Shutdown) {
    let mut events = sessions.hub().events();
    // Links that joined before this loop began.
    catch_up(&sessions);
    loop {
        let event = tokio::select! {
            () = shutdown.triggered() => return,
            event = events.recv() => event,
        };
        match event {
            Ok(event) => sessions.link_event(event),
            Err(RecvError::Lagged(_)) => catch_up(&sessions),
            Err(RecvError::Closed) => return,
        }
    }
}

fn catch_up(sessions: &Sessions) {
    for (uid, found) in sessions.hub().snapshot() {
        sessions.link_event(LinkEvent::Snapshot {
            uid,
            sessions: found,
        });
    }
}

impl Sessions {
    fn link_event(&self, event: LinkEvent) {
        match event {
            LinkEvent::Joined { .. } | LinkEvent::Left { .. } => self.inner.parts.news.notify_one(),
            LinkEvent::Session { uid, session } => self.link_report(uid, &session),
            LinkEvent::Snapshot { uid, sessions } => self.link_snapshot(uid, &sessions),
        }
    }

    /// Takes in one session; also used with the answers to calls.
    pub(super) fn link_report(&self, uid: u32, session: &LinkSession) {
        let allowed = |id: &SessionId, login: &LoginName| self.believable(uid, id, login);
        let (lived, changed) = {
            let mut registry = lock(&self.inner.registry);
            let lived = registry
                .get(&session.start.id)
                .is_some_and(|s| s.record.state.is_live());
            (lived, registry.report(uid, session, allowed, clock::now()))
        };
        if let Some(record) = changed {
            self.note_end(&record, lived);
            self.tell(record);
        }
    }

    fn link_snapshot(&self, uid: u32, sessions: &[LinkSession]) {
        let allowed = |id: &SessionId, login: &LoginName| self.believable(uid, id, login);
        let (lived, changed) = {
            let mut registry = lock(&self.inner.registry);
            let live = registry.iter().filter(|s| s.record.state.is_live());
            let lived: HashSet<SessionId> = live.map(|s| s.record.id.clone()).collect();
            (
                lived,
                registry.snapshot(uid, sessions, allowed, clock::now()),
            )
        };
        tracing::info!(
            uid,
            sessions = sessions.len(),
            changed = changed.len(),
            "a link has reported what runs"
        );
        for record in changed {
            self.note_end(&record, lived.contains(&record.id));
            self.tell(record);
        }
        let everybody = {
            let mut reported = lock(&self.inner.reported);
            reported.insert(uid);
            let registry = lock(&self.inner.registry);
            registry
                .iter()
                .filter(|s| s.record.state.is_live())
                .all(|s| reported.contains(&s.uid))
        };
        if everybody {
            self.inner.complete.store(true, Ordering::Relaxed);
            self.inner.wake.notify_one();
        }
    }

    /// A session is over now that had `lived` before, or its record is only put right.
    pub(super) fn note_end(&self, record: &SessionRecord, lived: bool) {
        if !lived || record.state.is_live() {
            return;
        }
        tracing::info!(session = %record.id, login = %record.login, reason = %record.end_reason, "session ended");
        let why = record.end_reason.lines().next().unwrap_or_default();
        self.happened(record, Event::Terminate, &[("FASTX_END_REASON", why)]);
    }

    /// Whether a session that only the link knows of is one of this node: its login belongs here, and its id to nobody else.
    fn believable(&self, uid: u32, id: &SessionId, login: &LoginName) -> bool {
        let elsewhere =
            self.inner.parts.fleet.session(id).is_some_and(|known| {
                known.server_id != self.inner.parts.me || known.login != *login
            });
        let ours = self.uid_of(login) == Some(uid);
        if elsewhere || !ours {
            tracing::warn!(uid, session = %id, %login, elsewhere, "a link reported a session that is not one of this node's users");
        }
        ours && !elsewhere
    }
}
