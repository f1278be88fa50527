//! Who looks at the node's sessions: counted by guards, sent away together, and when somebody last typed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use fastx_core::names::SessionId;
use fastx_core::wire::ticket::Mode;
use fastx_lifecycle::clock;
use jiff::Timestamp;
use tokio::sync::watch;

use super::Sessions;
use crate::locks::lock;

/// Viewers of one session at once.
const PER_SESSION: usize = 32;

/// One viewer.
#[derive(Debug)]
pub struct Viewer {
    /// What it may do.
    pub mode: Mode,
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
    by_session: Mutex<HashMap<SessionId, Vec<Arc<Viewer>>>>,
}

impl Viewers {
    /// Sends all viewers of a session away; how many there were.
    pub(super) fn disconnect(&self, id: &SessionId, why: &str) -> usize {
        let by_session = lock(&self.by_session);
        let viewers = by_session.get(id).map_or(&[][..], Vec::as_slice);
        for viewer in viewers {
            viewer.leave.send_replace(Some(why.to_owned()));
        }
        viewers.len()
    }

    /// When somebody last typed in a session, or came to it.
    pub(super) fn last_input(&self, id: &SessionId) -> Option<Timestamp> {
        let by_session = lock(&self.by_session);
        let latest = by_session
            .get(id)?
            .iter()
            .map(|v| v.last_input.load(Ordering::Relaxed))
            .max()?;
        Timestamp::from_millisecond(latest).ok()
    }

    /// Viewers of all sessions.
    pub(super) fn all(&self) -> usize {
        lock(&self.by_session).values().map(Vec::len).sum()
    }

    fn count(&self, id: &SessionId) -> u32 {
        let count = lock(&self.by_session).get(id).map_or(0, Vec::len);
        u32::try_from(count).unwrap_or(u32::MAX)
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
    }
}

impl Sessions {
    /// Lets a viewer in; none when there are too many already.
    pub fn view(&self, id: &SessionId, mode: Mode) -> Option<ViewerGuard> {
        let now = clock::now();
        let (sender, leave) = watch::channel(None);
        let viewer = Arc::new(Viewer {
            mode,
            last_input: AtomicI64::new(now.as_millisecond()),
            leave: sender,
        });
        {
            let mut by_session = lock(&self.inner.viewers.by_session);
            let viewers = by_session.entry(id.clone()).or_default();
            if viewers.len() >= PER_SESSION {
                return None;
            }
            viewers.push(viewer.clone());
        }
        let count = self.inner.viewers.count(id);
        self.edit(id, |own| {
            own.record.viewers = count;
            own.record.last_connect = Some(now);
        });
        Some(ViewerGuard {
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
            let mut by_session = lock(&viewers.by_session);
            if let Some(list) = by_session.get_mut(&self.id) {
                list.retain(|v| !Arc::ptr_eq(v, &self.viewer));
                if list.is_empty() {
                    by_session.remove(&self.id);
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
