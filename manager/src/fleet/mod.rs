//! Heartbeats and session records become numbered changes: one task owns the fleet, others send it commands.
//!
//! Every manager feeds its own fleet, so that each can take over at once.
//! Only the one that holds the lease publishes, numbers, and writes server records to the store.
//! Snapshots carry the holder's epoch and number, so only the holder gives them:
//! another manager that is asked for one passes the question on (see [`crate::operations`]).

mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fastx_core::fleet::{Fleet, KEEP_ENDED, Moment};
use fastx_core::names::{ServerId, SessionId};
use fastx_core::wire::fleet::{FleetDelta, FleetGet, FleetSnapshot};
use fastx_core::wire::server::{Heartbeat, ServerRecord};
use fastx_core::wire::session::{SessionRecord, SessionState};
use fastx_lifecycle::health::Pulse;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::core::Core;

pub use record::Recorder;

/// Pause between batches.
const BATCH: Duration = Duration::from_millis(250);

/// Pause between signs of life when nothing changes.
const BEAT: Duration = Duration::from_secs(5);

/// Commands that may wait.
pub(crate) const QUEUE: usize = 4096;

/// What the fleet task can be told.
#[derive(Debug)]
pub enum Command {
    /// A node spoke.
    Heartbeat(Box<Heartbeat>),
    /// These records were stored.
    Sessions(Vec<SessionRecord>),
    /// What the store holds, at the start and when this manager takes over.
    Merge(Vec<ServerRecord>, Vec<SessionRecord>),
    /// A server was forgotten.
    Remove(ServerId),
    /// The record of a session was purged.
    Purge(SessionId),
    /// Give a part of the snapshot; none when this manager does not hold the lease.
    Snapshot(FleetGet, oneshot::Sender<Option<FleetSnapshot>>),
    /// Say whether two hosts speak as this server.
    HasTwin(ServerId, oneshot::Sender<bool>),
    /// Give the servers and how many live sessions each has.
    Census(oneshot::Sender<Vec<(ServerRecord, u32)>>),
}

/// Epoch and end of the lease, while it is held.
pub type Leading = Option<(u64, Instant)>;

/// The fleet and what is to be done about it; no I/O in here.
#[derive(Debug, Default)]
pub(crate) struct State {
    fleet: Fleet,
    epoch: Option<u64>,
    /// Epoch that the numbers belong to.
    numbered: u64,
    /// Takes over with the next batch: everybody must learn of the epoch.
    announce: bool,
    changed: BTreeSet<ServerId>,
}

impl State {
    /// Takes part in the change of the lease; true when this manager has just got it.
    pub(crate) fn lead(&mut self, epoch: Option<u64>) -> bool {
        if self.epoch == epoch {
            return false;
        }
        self.epoch = epoch;
        let Some(epoch) = epoch else { return false };
        self.announce = true;
        let new = self.numbered != epoch;
        if new {
            // Under an epoch that it had before, the numbers go on: what was not published is a gap.
            self.fleet.lead(epoch);
            self.numbered = epoch;
        }
        new
    }

    pub(crate) fn apply(&mut self, command: Command, now: impl Into<Moment>) {
        let now = now.into();
        match command {
            Command::Heartbeat(beat) => {
                let id = beat.server.server_id.clone();
                self.fleet.heartbeat(*beat, now);
                self.changed.insert(id);
            }
            Command::Sessions(sessions) => {
                for session in sessions {
                    self.fleet.session(session);
                }
            }
            Command::Merge(servers, sessions) => self.merge(servers, sessions, now.wall),
            Command::Remove(server) => self.remove(&server),
            Command::Purge(session) => self.fleet.remove_session(&session),
            Command::Snapshot(get, answer) => {
                let _ = answer.send(self.epoch.map(|_| self.fleet.part(&get)));
            }
            Command::HasTwin(server, answer) => {
                let _ = answer.send(self.fleet.has_twin(&server, now));
            }
            Command::Census(answer) => {
                let _ = answer.send(self.census());
            }
        }
    }

    /// Adds what is not known yet. A stored server counts as just heard of: it has the whole limit to speak up.
    fn merge(&mut self, servers: Vec<ServerRecord>, sessions: Vec<SessionRecord>, now: Timestamp) {
        for mut record in servers {
            if record.online {
                record.last_seen = now;
            }
            self.fleet.stored_server(record);
        }
        let over = |s: &SessionRecord| {
            s.state == SessionState::Ended && now.duration_since(s.changed) > KEEP_ENDED
        };
        for session in sessions.into_iter().filter(|s| !over(s)) {
            self.fleet.session(session);
        }
    }

    fn remove(&mut self, server: &ServerId) {
        let sessions: Vec<_> = self
            .fleet
            .sessions()
            .filter(|s| s.server_id == *server)
            .map(|s| s.id.clone())
            .collect();
        for id in sessions {
            self.fleet.remove_session(&id);
        }
        self.fleet.remove_server(server);
        self.changed.remove(server);
    }

    fn census(&self) -> Vec<(ServerRecord, u32)> {
        let mut live: BTreeMap<&ServerId, u32> = BTreeMap::new();
        for session in self.fleet.sessions().filter(|s| s.state.is_live()) {
            *live.entry(&session.server_id).or_default() += 1;
        }
        self.fleet
            .servers()
            .map(|r| {
                (
                    r.clone(),
                    live.get(&r.server.server_id).copied().unwrap_or(0),
                )
            })
            .collect()
    }

    /// What is to be published now, if this manager publishes.
    pub(crate) fn tick(&mut self, beat_due: bool, now: impl Into<Moment>) -> Option<FleetDelta> {
        self.fleet.expire(now);
        let beat = beat_due || self.announce;
        let batch = self.fleet.batch(beat && self.epoch.is_some());
        self.announce = false;
        batch.filter(|_| self.epoch.is_some())
    }

    /// Servers that spoke or changed since the last call.
    pub(crate) fn take_changed(&mut self) -> Vec<ServerRecord> {
        let changed = std::mem::take(&mut self.changed);
        self.fleet
            .servers()
            .filter(|r| !r.online || changed.contains(&r.server.server_id))
            .cloned()
            .collect()
    }
}

/// Runs the fleet. It runs from the start, also while the bus is not there yet.
pub(crate) async fn run(
    core: Arc<Core>,
    mut commands: mpsc::Receiver<Command>,
    records: mpsc::Sender<Vec<ServerRecord>>,
    pulse: Pulse,
) {
    let mut state = State::default();
    let mut batches = interval(BATCH);
    batches.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut published = Instant::now();
    let begun = Instant::now();
    let moment = || Moment {
        wall: core.now(),
        steady: begun.elapsed(),
    };
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => state.apply(command, moment()),
                None => return,
            },
            _ = batches.tick() => {
                pulse.beat();
                let now = Instant::now();
                let held = core.leading.borrow().filter(|(_, until)| now < *until);
                state.lead(held.map(|(epoch, _)| epoch));
                let due = now.duration_since(published) >= BEAT;
                if let Some(delta) = state.tick(due, moment()) {
                    published = now;
                    publish(&core, &delta).await;
                }
                if held.is_some() {
                    // A full queue means that the store is slow: the next heartbeat brings the record again.
                    let _ = records.try_send(state.take_changed());
                }
            }
        }
    }
}

/// A batch that is lost makes a gap in the numbers, which readers notice with the next one.
async fn publish(core: &Core, delta: &FleetDelta) {
    let Some(bus) = core.bus() else { return };
    if let Err(error) = bus.publish(bus.subjects().fleet(), delta).await {
        tracing::warn!(%error, epoch = delta.epoch, sequence = delta.sequence, "a batch was not published");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_core::fleet::{Followed, View};
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn beat(id: &str, sequence: u64) -> Command {
        Command::Heartbeat(Box::new(Heartbeat {
            schema: 1,
            boot: "b".into(),
            sequence,
            server: serde_json::from_value(json!({"serverId": id, "sessions": sequence})).unwrap(),
        }))
    }

    fn session(id: &str, server: &str, state: &str, changed: i64) -> SessionRecord {
        serde_json::from_value(json!({
            "id": id, "serverId": server, "login": "ada", "state": state, "name": "n", "command": "xterm",
            "started": at(0).to_string(), "changed": at(changed).to_string(), "version": 1
        }))
        .unwrap()
    }

    fn snapshot(state: &mut State) -> Option<FleetSnapshot> {
        let (sender, mut receiver) = oneshot::channel();
        state.apply(Command::Snapshot(FleetGet::default(), sender), at(0));
        receiver.try_recv().unwrap()
    }

    #[test]
    fn only_the_holder_publishes_and_gives_snapshots() {
        let mut state = State::default();
        state.apply(beat("a", 1), at(0));
        assert_eq!(state.tick(true, at(1)), None);
        assert_eq!(snapshot(&mut state), None);
        assert!(state.lead(Some(4)));
        assert!(!state.lead(Some(4)));
        let first = state.tick(false, at(1)).unwrap();
        assert!(first.beat, "the new epoch is announced at once");
        assert_eq!((first.epoch, first.sequence), (4, 0));
        assert_eq!(state.tick(false, at(1)), None);
        state.lead(None);
        state.apply(beat("a", 2), at(2));
        assert_eq!(state.tick(true, at(2)), None);
    }

    #[test]
    fn a_reader_follows_through_a_take_over() {
        let (mut old, mut new) = (State::default(), State::default());
        let mut view = View::default();
        old.lead(Some(1));
        let _ = old.tick(true, at(0));
        view.reset(snapshot(&mut old).unwrap());
        for state in [&mut old, &mut new] {
            state.apply(beat("a", 1), at(1));
        }
        assert_eq!(
            view.follow(old.tick(false, at(1)).unwrap()),
            Followed::Applied
        );
        assert_eq!(new.tick(false, at(1)), None);
        new.lead(Some(2));
        assert_eq!(view.follow(new.tick(false, at(2)).unwrap()), Followed::Gap);
        view.reset(snapshot(&mut new).unwrap());
        assert_eq!(view.servers.len(), 1, "the new holder had heard the same");
        new.apply(beat("b", 1), at(3));
        assert_eq!(
            view.follow(new.tick(false, at(3)).unwrap()),
            Followed::Applied
        );
        old.apply(beat("c", 1), at(3));
        let late = old.tick(true, at(3)).unwrap();
        assert_eq!(
            view.follow(late),
            Followed::Old,
            "the old holder is not believed"
        );
    }

    #[test]
    fn numbers_go_on_under_the_same_epoch() {
        let mut state = State::default();
        state.lead(Some(1));
        let _ = state.tick(true, at(0));
        let mut view = View::default();
        view.reset(snapshot(&mut state).unwrap());
        state.apply(beat("a", 1), at(0));
        assert_eq!(
            view.follow(state.tick(false, at(0)).unwrap()),
            Followed::Applied
        );
        state.lead(None);
        state.apply(beat("b", 1), at(1));
        assert_eq!(state.tick(false, at(1)), None);
        assert!(!state.lead(Some(1)), "it is not new");
        assert_eq!(
            view.follow(state.tick(false, at(2)).unwrap()),
            Followed::Gap
        );
    }

    #[test]
    fn a_snapshot_during_a_batch_is_followed_without_loss() {
        let mut state = State::default();
        state.lead(Some(1));
        let _ = state.tick(true, at(0));
        state.apply(beat("a", 1), at(0));
        let mut view = View::default();
        view.reset(snapshot(&mut state).unwrap());
        assert_eq!(view.servers.len(), 1);
        assert_eq!(
            view.follow(state.tick(false, at(0)).unwrap()),
            Followed::Applied
        );
        assert_eq!((view.servers.len(), view.sequence), (1, 1));
    }

    #[test]
    fn stored_servers_get_the_whole_limit_to_speak_up() {
        let mut before = State::default();
        before.apply(beat("a", 1), at(0));
        let stored = before.take_changed();
        let mut state = State::default();
        let ended = session("00000000000000aa", "a", "ended", 0);
        let running = session("00000000000000bb", "a", "running", 0);
        state.apply(Command::Merge(stored, vec![ended, running]), at(10_000));
        state.lead(Some(1));
        let _ = state.tick(true, at(10_000));
        let _ = state.tick(true, at(10_080));
        let census = state.census();
        assert!(census[0].0.online);
        assert_eq!(census[0].1, 1, "what ended long ago is not restored");
        let _ = state.tick(true, at(10_091));
        assert!(!state.census()[0].0.online);
    }

    #[test]
    fn a_forgotten_server_takes_its_sessions_along() {
        let mut state = State::default();
        state.lead(Some(1));
        state.apply(beat("a", 1), at(0));
        state.apply(
            Command::Sessions(vec![session("00000000000000aa", "a", "running", 0)]),
            at(0),
        );
        let _ = state.tick(false, at(0));
        state.apply(Command::Remove("a".parse().unwrap()), at(1));
        let delta = state.tick(false, at(1)).unwrap();
        assert_eq!(
            (delta.removed_servers, delta.removed_sessions),
            (vec!["a".to_owned()], vec!["00000000000000aa".to_owned()])
        );
        assert!(state.census().is_empty());
    }
}
