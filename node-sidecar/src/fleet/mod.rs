//! The node's view of all servers and sessions, and what changes in it.

mod follow;

pub use follow::run;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use fastx_core::fleet::{Followed, View};
use fastx_core::names::{LoginName, ServerId, SessionId};
use fastx_core::wire::fleet::{FleetDelta, FleetSnapshot};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::server::ServerRecord;
use fastx_core::wire::session::SessionRecord;
use tokio::sync::watch;

use crate::events::{Change, Events};
use crate::locks::{read, write};

/// The view; clones share it.
#[derive(Debug, Clone)]
pub struct Fleet {
    me: ServerId,
    view: Arc<RwLock<View>>,
    /// How much managers have ever told.
    told: Arc<watch::Sender<Told>>,
    events: Events,
}

/// How much managers have told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    /// The whole view, which may be older than this node's first heartbeat.
    View,
    /// A view with this node in it.
    Me,
}

impl Fleet {
    /// An empty view.
    pub fn new(me: ServerId, events: Events) -> Self {
        Self {
            me,
            view: Arc::default(),
            told: Arc::new(watch::Sender::new(Told::Nothing)),
            events,
        }
    }

    /// Waits until a manager has told the whole view; a node that has just started does not know it yet.
    ///
    /// In the first view after its start a node may be missing itself: that one is waited out, too.
    pub async fn told(&self, limit: Duration) -> Result<(), Problem> {
        let mut told = self.told.subscribe();
        let waiting = told.wait_for(|told| *told == Told::Me);
        let in_time = tokio::time::timeout(limit, waiting).await.is_ok();
        if in_time || *self.told.borrow() != Told::Nothing {
            return Ok(());
        }
        let detail =
            "This server has just started and no manager has told it yet which servers there are.";
        Err(Problem::unavailable("no-manager", detail))
    }

    /// All servers.
    pub fn servers(&self) -> Vec<ServerRecord> {
        read(&self.view).servers.values().cloned().collect()
    }

    /// One server.
    pub fn server(&self, id: &ServerId) -> Option<ServerRecord> {
        read(&self.view).servers.get(id).cloned()
    }

    /// Host name of a server for people.
    pub fn hostname(&self, id: &ServerId) -> String {
        read(&self.view)
            .servers
            .get(id)
            .map(|r| r.server.hostname.clone())
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| id.to_string())
    }

    /// All sessions.
    pub fn sessions(&self) -> Vec<SessionRecord> {
        read(&self.view).sessions.values().cloned().collect()
    }

    /// One session.
    pub fn session(&self, id: &SessionId) -> Option<SessionRecord> {
        read(&self.view).sessions.get(id).cloned()
    }

    /// Replaces the view; whoever listens hears what is different.
    pub fn reset(&self, snapshot: FleetSnapshot) {
        let changes = {
            let mut view = write(&self.view);
            let before = view.clone();
            if view.reset(snapshot) != Followed::Applied {
                return;
            }
            differences(&before, &view)
        };
        self.tell(changes);
        self.note_told();
    }

    /// Applies a batch; true when a snapshot is needed.
    pub fn follow(&self, delta: FleetDelta) -> bool {
        let changes = {
            let mut view = write(&self.view);
            let changes = changes_of(&delta, &view);
            match view.follow(delta) {
                Followed::Applied => changes,
                Followed::Old => return false,
                Followed::Gap => return true,
            }
        };
        self.tell(changes);
        self.note_told();
        false
    }

    fn note_told(&self) {
        let now = if read(&self.view).servers.contains_key(&self.me) {
            Told::Me
        } else {
            Told::View
        };
        self.told.send_if_modified(|told| {
            let more = now > *told;
            *told = (*told).max(now);
            more
        });
    }

    /// What the node itself has is told by the node itself, sooner.
    fn tell(&self, changes: Vec<Change>) {
        for change in changes {
            if matches!(&change, Change::Session(s) if s.server_id == self.me) {
                continue;
            }
            self.events.publish(change);
        }
    }
}

fn changes_of(delta: &FleetDelta, before: &View) -> Vec<Change> {
    let servers = delta
        .servers
        .iter()
        .cloned()
        .map(|s| Change::Server(Box::new(s)));
    let sessions = delta
        .sessions
        .iter()
        .cloned()
        .map(|s| Change::Session(Box::new(s)));
    let gone_servers = delta
        .removed_servers
        .iter()
        .cloned()
        .map(Change::ServerRemoved);
    let gone_sessions = delta
        .removed_sessions
        .iter()
        .map(|id| Change::SessionRemoved {
            id: id.clone(),
            seen_by: id
                .parse::<SessionId>()
                .ok()
                .and_then(|id| before.sessions.get(&id))
                .map(seen_by)
                .unwrap_or_default(),
        });
    servers
        .chain(sessions)
        .chain(gone_servers)
        .chain(gone_sessions)
        .collect()
}

/// The owner of a session and all whom it was shared with.
fn seen_by(record: &SessionRecord) -> Vec<LoginName> {
    let guests = record
        .shares
        .iter()
        .flat_map(|s| s.login.iter().chain(&s.guests));
    [&record.login].into_iter().chain(guests).cloned().collect()
}

fn differences(before: &View, after: &View) -> Vec<Change> {
    let mut delta = FleetDelta::default();
    for (id, record) in &after.servers {
        if before.servers.get(id) != Some(record) {
            delta.servers.push(record.clone());
        }
    }
    for (id, session) in &after.sessions {
        if before.sessions.get(id) != Some(session) {
            delta.sessions.push(session.clone());
        }
    }
    let gone = |id: &&ServerId| !after.servers.contains_key(id);
    delta.removed_servers = before
        .servers
        .keys()
        .filter(gone)
        .map(ToString::to_string)
        .collect();
    let gone = |id: &&SessionId| !after.sessions.contains_key(id);
    delta.removed_sessions = before
        .sessions
        .keys()
        .filter(gone)
        .map(ToString::to_string)
        .collect();
    changes_of(&delta, before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn session(id: &str, server: &str, version: u64) -> SessionRecord {
        serde_json::from_value(json!({
            "id": id.repeat(16), "serverId": server, "login": "ada", "state": "running", "name": "n",
            "command": "xterm", "started": "1970-01-01T00:00:00Z", "changed": "1970-01-01T00:00:00Z", "version": version
        }))
        .unwrap()
    }

    fn told(events: &Events, since: u64) -> Vec<String> {
        let epoch = events.epoch().to_owned();
        events
            .since(&format!("{epoch}-{since}"))
            .unwrap()
            .iter()
            .map(|(_, change)| match change.as_ref() {
                Change::Session(s) => format!("+{} v{}", &s.id.as_str()[..1], s.version),
                Change::SessionRemoved { id, seen_by } => {
                    format!("-{} of {}", &id[..1], seen_by[0])
                }
                Change::Server(s) => format!("+{}", s.server.server_id),
                Change::ServerRemoved(id) => format!("-{id}"),
                Change::Superseded => unreachable!("left out"),
            })
            .collect()
    }

    #[test]
    fn a_snapshot_tells_only_what_differs() {
        let events = Events::new("e".to_owned());
        let fleet = Fleet::new("me".parse().unwrap(), events.clone());
        let snapshot = |sessions| FleetSnapshot {
            epoch: 1,
            sequence: 1,
            servers: vec![],
            sessions,
            more: None,
        };
        fleet.reset(snapshot(vec![
            session("a", "x", 1),
            session("b", "x", 1),
            session("c", "me", 1),
        ]));
        assert_eq!(
            told(&events, 0),
            ["+a v1", "+b v1"],
            "own sessions are told elsewhere"
        );
        fleet.reset(snapshot(vec![session("a", "x", 2), session("c", "me", 1)]));
        assert_eq!(told(&events, 2), ["+a v2", "-b of ada"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_view_without_this_node_is_waited_out() {
        let fleet = Fleet::new("me".parse().unwrap(), Events::new("e".to_owned()));
        let limit = Duration::from_secs(5);
        let waited = async || {
            let begun = tokio::time::Instant::now();
            (fleet.told(limit).await.is_ok(), begun.elapsed() >= limit)
        };
        assert_eq!(waited().await, (false, true), "nobody has told anything");
        let snapshot = |sequence, servers| FleetSnapshot {
            epoch: 1,
            sequence,
            servers: serde_json::from_value(servers).unwrap(),
            sessions: vec![],
            more: None,
        };
        fleet.reset(snapshot(1, json!([])));
        assert_eq!(waited().await, (true, true), "older than this node");
        let me = json!({"server": {"serverId": "me"}, "lastSeen": "1970-01-01T00:00:00Z", "online": true});
        fleet.reset(snapshot(2, json!([me])));
        assert_eq!(waited().await, (true, false));
    }

    #[test]
    fn a_gap_asks_for_a_snapshot() {
        let fleet = Fleet::new("me".parse().unwrap(), Events::new("e".to_owned()));
        let delta = |sequence| FleetDelta {
            epoch: 1,
            sequence,
            ..FleetDelta::default()
        };
        assert!(fleet.follow(delta(1)), "another epoch");
        fleet.reset(FleetSnapshot {
            epoch: 1,
            sequence: 4,
            ..FleetSnapshot::default()
        });
        assert!(!fleet.follow(delta(4)));
        assert!(!fleet.follow(delta(5)));
        assert!(fleet.follow(delta(7)));
    }
}
