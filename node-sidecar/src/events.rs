//! What changes, numbered and kept for a while, so that a browser that was away misses nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use fastx_core::names::LoginName;
use fastx_core::wire::server::ServerRecord;
use fastx_core::wire::session::SessionRecord;
use tokio::sync::broadcast;

use crate::locks::lock;

/// How many changes are kept.
const KEPT: usize = 10_000;
/// How far a listener may fall behind before it has to begin anew.
const BEHIND: usize = 1024;

/// A change of what people see.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A session is new or different.
    Session(Box<SessionRecord>),
    /// A session's record is gone.
    SessionRemoved {
        /// Its id.
        id: String,
        /// Who saw it, besides managers: its owner and guests, where they are known.
        seen_by: Vec<LoginName>,
    },
    /// A server is new or different.
    Server(Box<ServerRecord>),
    /// A server has left the cluster.
    ServerRemoved(String),
    /// Was news of a server or a session, which later news made superfluous.
    Superseded,
}

/// A change with its number.
pub type Numbered = (u64, Arc<Change>);

/// What a change is about.
#[derive(Debug, PartialEq, Eq, Hash)]
enum About {
    Server(String),
    Session(String),
}

impl About {
    fn of(change: &Change) -> Option<Self> {
        match change {
            Change::Session(record) => Some(Self::Session(record.id.to_string())),
            Change::SessionRemoved { id, .. } => Some(Self::Session(id.clone())),
            Change::Server(record) => Some(Self::Server(record.server.server_id.to_string())),
            Change::ServerRemoved(id) => Some(Self::Server(id.clone())),
            Change::Superseded => None,
        }
    }
}

#[derive(Debug)]
struct Kept {
    last: u64,
    changes: VecDeque<Numbered>,
    /// Number of the last news of each server and session: only the last counts, and the records are large.
    last_of: HashMap<About, u64>,
    superseded: Arc<Change>,
}

#[derive(Debug)]
struct Inner {
    epoch: String,
    kept: Mutex<Kept>,
    listeners: broadcast::Sender<Numbered>,
}

impl Kept {
    /// Frees what an earlier news of the same server or session takes up.
    fn supersede(&mut self, change: &Change) {
        let Some(about) = About::of(change) else {
            return;
        };
        let before = self.last_of.insert(about, self.last);
        let first = self.changes.front().map_or(self.last, |(n, _)| *n);
        let place = before.and_then(|n| n.checked_sub(first));
        let place = place.and_then(|p| usize::try_from(p).ok());
        if let Some(entry) = place.and_then(|p| self.changes.get_mut(p)) {
            entry.1 = self.superseded.clone();
        }
    }

    /// Drops the oldest change.
    fn forget_first(&mut self) {
        let Some((number, change)) = self.changes.pop_front() else {
            return;
        };
        if let Some(about) = About::of(&change)
            && self.last_of.get(&about) == Some(&number)
        {
            self.last_of.remove(&about);
        }
    }
}

/// The stream of changes; clones share it.
#[derive(Debug, Clone)]
pub struct Events {
    inner: Arc<Inner>,
}

impl Events {
    /// An empty stream. The epoch tells numbers of this process from those of another.
    pub fn new(epoch: String) -> Self {
        let kept = Kept {
            last: 0,
            changes: VecDeque::new(),
            last_of: HashMap::new(),
            superseded: Arc::new(Change::Superseded),
        };
        Self {
            inner: Arc::new(Inner {
                epoch,
                kept: Mutex::new(kept),
                listeners: broadcast::Sender::new(BEHIND),
            }),
        }
    }

    /// The epoch.
    pub fn epoch(&self) -> &str {
        &self.inner.epoch
    }

    /// Numbers, keeps and tells a change.
    pub fn publish(&self, change: Change) {
        let mut kept = lock(&self.inner.kept);
        kept.last += 1;
        kept.supersede(&change);
        let numbered = (kept.last, Arc::new(change));
        kept.changes.push_back(numbered.clone());
        if kept.changes.len() > KEPT {
            kept.forget_first();
        }
        // Told under the lock: numbers reach every listener in order. Nobody listening is fine.
        let _nobody = self.inner.listeners.send(numbered);
    }

    /// Number of the last change, and what comes after it.
    pub fn listen(&self) -> (u64, broadcast::Receiver<Numbered>) {
        let kept = lock(&self.inner.kept);
        (kept.last, self.inner.listeners.subscribe())
    }

    /// The changes after the one of this id (`<epoch>-<number>`); none when that is not known (any more).
    pub fn since(&self, id: &str) -> Option<Vec<Numbered>> {
        let (epoch, number) = id.rsplit_once('-')?;
        let number: u64 = number.parse().ok()?;
        let kept = lock(&self.inner.kept);
        let first = kept.changes.front().map_or(kept.last + 1, |(n, _)| *n);
        if epoch != self.inner.epoch || number > kept.last || number + 1 < first {
            return None;
        }
        let skip = usize::try_from(number + 1 - first).unwrap_or(usize::MAX);
        let later = kept.changes.iter().skip(skip);
        let later = later.filter(|(_, change)| **change != Change::Superseded);
        Some(later.cloned().collect())
    }

    /// The id of a change.
    pub fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.inner.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removed(n: u64) -> Change {
        Change::SessionRemoved {
            id: n.to_string(),
            seen_by: Vec::new(),
        }
    }

    fn numbers(events: &Events, id: &str) -> Option<Vec<u64>> {
        Some(events.since(id)?.into_iter().map(|(n, _)| n).collect())
    }

    #[test]
    fn a_known_id_goes_on_where_it_was() {
        let events = Events::new("e-1".into());
        assert_eq!(numbers(&events, "e-1-0"), Some(vec![]));
        for n in 1..=3 {
            events.publish(removed(n));
        }
        assert_eq!(numbers(&events, "e-1-1"), Some(vec![2, 3]));
        assert_eq!(numbers(&events, "e-1-3"), Some(vec![]));
        for unknown in ["e-1-4", "e-2-1", "", "e-1-x", "-"] {
            assert_eq!(numbers(&events, unknown), None, "{unknown}");
        }
    }

    #[test]
    fn only_the_last_news_of_a_server_is_kept() {
        let server = |id: &str, sessions: u32| {
            Change::Server(Box::new(
                serde_json::from_value(serde_json::json!({
                    "server": {"serverId": id, "sessions": sessions},
                    "lastSeen": "1970-01-01T00:00:00Z", "online": true
                }))
                .unwrap(),
            ))
        };
        let events = Events::new("e".into());
        for change in [
            server("a", 1),
            removed(2),
            server("b", 1),
            server("a", 2),
            server("a", 3),
        ] {
            events.publish(change);
        }
        assert_eq!(numbers(&events, "e-0"), Some(vec![2, 3, 5]));
        assert_eq!(numbers(&events, "e-4"), Some(vec![5]));
    }

    #[test]
    fn only_the_last_news_of_a_session_is_kept() {
        let session = |digit: &str, version: u64| {
            Change::Session(Box::new(
                serde_json::from_value(serde_json::json!({
                    "id": digit.repeat(16), "serverId": "a", "login": "ada", "state": "running", "name": "n",
                    "command": "xterm", "started": "1970-01-01T00:00:00Z",
                    "changed": "1970-01-01T00:00:00Z", "version": version
                }))
                .unwrap(),
            ))
        };
        let gone = Change::SessionRemoved {
            id: "b".repeat(16),
            seen_by: Vec::new(),
        };
        let events = Events::new("e".into());
        for change in [session("a", 1), session("b", 1), session("a", 2), gone] {
            events.publish(change);
        }
        assert_eq!(numbers(&events, "e-0"), Some(vec![3, 4]));
        for n in 0..u64::try_from(KEPT).unwrap() {
            events.publish(removed(n));
        }
        assert_eq!(
            lock(&events.inner.kept).last_of.len(),
            KEPT,
            "no more than the changes"
        );
    }

    #[test]
    fn what_is_no_longer_kept_is_not_known() {
        let events = Events::new("e".into());
        let all = u64::try_from(KEPT).unwrap() + 5;
        for n in 1..=all {
            events.publish(removed(n));
        }
        assert_eq!(numbers(&events, "e-4"), None);
        assert_eq!(numbers(&events, "e-5").unwrap().len(), KEPT);
    }
}
