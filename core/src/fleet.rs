//! What is known of all servers and sessions: written by heartbeats and reports, read by everybody.
//!
//! [`Fleet`] is the managers' side: it turns heartbeats and session reports into numbered changes.
//! [`View`] is the nodes' side: it follows a snapshot and the changes after it, and notices gaps.
//! Both are plain data; the receiver's clock is an argument.

mod twins;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::names::{ServerId, SessionId};
use crate::parts::Room;
use crate::wire::fleet::{FleetDelta, FleetGet, FleetMark, FleetSnapshot};
use crate::wire::server::{Heartbeat, ServerRecord};
use crate::wire::session::{SessionRecord, SessionState};
use twins::Boots;

/// Silence after which a server leaves every choice and is shown as lost.
pub const SILENCE_LIMIT: SignedDuration = SignedDuration::from_secs(90);

/// How long an ended session stays in snapshots.
pub const KEEP_ENDED: SignedDuration = SignedDuration::from_mins(10);

/// How many ended sessions of one login stay in snapshots; the oldest go first.
const KEEP_ENDED_EACH: usize = 128;

/// A moment by two clocks: silence is measured by the one that nobody can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// For documents and people.
    pub wall: Timestamp,
    /// Since some beginning, never back and never ahead.
    pub steady: Duration,
}

impl From<Timestamp> for Moment {
    /// Where the clock is never set.
    fn from(wall: Timestamp) -> Self {
        let steady = wall.duration_since(Timestamp::UNIX_EPOCH);
        Self {
            wall,
            steady: steady.try_into().unwrap_or_default(),
        }
    }
}

/// What became of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is news.
    Fresh,
    /// An older or repeated one of the same boot, or that of another host with the same identity: ignored.
    Stale,
}

/// The managers' side.
#[derive(Debug, Default)]
pub struct Fleet {
    servers: BTreeMap<ServerId, ServerRecord>,
    sessions: BTreeMap<SessionId, SessionRecord>,
    /// When each server was last heard of, by the steady clock.
    heard: BTreeMap<ServerId, Duration>,
    /// Which of its processes speak.
    boots: BTreeMap<ServerId, Boots>,
    pending: FleetDelta,
    epoch: u64,
    sequence: u64,
}

impl Fleet {
    /// A fleet as it was stored.
    pub fn restore(servers: Vec<ServerRecord>, sessions: Vec<SessionRecord>) -> Self {
        Self {
            servers: servers
                .into_iter()
                .map(|r| (r.server.server_id.clone(), r))
                .collect(),
            sessions: sessions.into_iter().map(|s| (s.id.clone(), s)).collect(),
            ..Self::default()
        }
    }

    /// Starts numbering anew under a new lease.
    pub fn lead(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.sequence = 0;
        self.pending = FleetDelta::default();
    }

    /// Takes in a heartbeat. Only news of the server object goes into the next batch at once;
    /// `last_seen` alone does not.
    pub fn heartbeat(&mut self, mut beat: Heartbeat, now: impl Into<Moment>) -> Recorded {
        let now = now.into();
        let id = beat.server.server_id.clone();
        let before = self.servers.get(&id);
        if let Some(known) = before
            && known.boot == beat.boot
            && beat.sequence <= known.sequence
        {
            return Recorded::Stale;
        }
        let boots = self.boots.entry(id.clone()).or_default();
        let hostname = &beat.server.hostname;
        if !boots.spoke(&beat.boot, beat.sequence, hostname, now.steady)
            || !boots.counts(&beat.boot, now.steady)
        {
            return Recorded::Stale;
        }
        beat.server.faults.extend(boots.fault(now.steady));
        let news = before.is_none_or(|known| !known.online || known.server != beat.server);
        let came_back = before.is_some_and(|known| !known.online);
        let record = ServerRecord {
            server: beat.server,
            last_seen: now.wall,
            online: true,
            boot: beat.boot,
            sequence: beat.sequence,
        };
        if news {
            put_server(&mut self.pending, record.clone());
        }
        self.servers.insert(id.clone(), record);
        self.heard.insert(id.clone(), now.steady);
        if came_back {
            self.set_reachable(&id, now.wall);
        }
        Recorded::Fresh
    }

    /// Whether two hosts speak as this server: what one of them knows is not all that there is.
    pub fn has_twin(&self, id: &ServerId, now: impl Into<Moment>) -> bool {
        let now = now.into().steady;
        self.boots.get(id).is_some_and(|boots| boots.clash(now))
    }

    /// Marks servers that have been silent for too long, and their sessions as unreachable.
    pub fn expire(&mut self, now: impl Into<Moment>) {
        let Moment { wall: now, steady } = now.into();
        let limit = SILENCE_LIMIT.unsigned_abs();
        let mut lost: Vec<ServerId> = Vec::new();
        for (id, _) in self.servers.iter().filter(|(_, r)| r.online) {
            // One that only the store knows has the whole limit to speak up.
            let heard = *self.heard.entry(id.clone()).or_insert(steady);
            if steady.saturating_sub(heard) > limit {
                lost.push(id.clone());
            }
        }
        for id in lost {
            if let Some(record) = self.servers.get_mut(&id) {
                record.online = false;
                put_server(&mut self.pending, record.clone());
            }
            for session in self.sessions.values_mut() {
                if session.server_id == id && session.state.is_live() {
                    session.state = SessionState::Unreachable;
                    session.changed = now;
                    put_session(&mut self.pending, session.clone());
                }
            }
        }
        let over: Vec<SessionId> = self
            .sessions
            .values()
            .filter(|s| {
                s.state == SessionState::Ended && now.duration_since(s.changed) > KEEP_ENDED
            })
            .map(|s| s.id.clone())
            .collect();
        for id in over {
            self.remove_session(&id);
        }
    }

    /// A server that came back has its sessions again until its own report says otherwise.
    fn set_reachable(&mut self, server: &ServerId, now: Timestamp) {
        for session in self.sessions.values_mut() {
            if session.server_id == *server && session.state == SessionState::Unreachable {
                session.state = SessionState::Running;
                session.changed = now;
                put_session(&mut self.pending, session.clone());
            }
        }
    }

    /// Takes in a stored session record.
    pub fn session(&mut self, record: SessionRecord) {
        let newer = self.sessions.get(&record.id).is_none_or(|known| {
            record.version > known.version
                || known.state == SessionState::Unreachable && record.version == known.version
        });
        if newer && self.make_room(&record) {
            put_session(&mut self.pending, record.clone());
            self.sessions.insert(record.id.clone(), record);
        }
    }

    /// Forgets ended sessions of a login that has too many; false when the new one is the oldest of them.
    fn make_room(&mut self, new: &SessionRecord) -> bool {
        if new.state != SessionState::Ended {
            return true;
        }
        let ended = |s: &&SessionRecord| {
            s.state == SessionState::Ended && s.login == new.login && s.id != new.id
        };
        let ended: Vec<&SessionRecord> = self.sessions.values().filter(ended).collect();
        if ended.len() < KEEP_ENDED_EACH {
            return true;
        }
        let oldest = ended.iter().min_by_key(|s| s.changed);
        match oldest.map(|s| (s.changed, s.id.clone())) {
            Some((changed, id)) if changed <= new.changed => {
                self.remove_session(&id);
                true
            }
            _ => {
                // It lived until now, perhaps.
                self.remove_session(&new.id);
                false
            }
        }
    }

    /// Takes in a stored server record, unless the server has spoken already.
    pub fn stored_server(&mut self, record: ServerRecord) {
        let id = record.server.server_id.clone();
        if !self.servers.contains_key(&id) {
            put_server(&mut self.pending, record.clone());
            self.servers.insert(id, record);
        }
    }

    /// Forgets a server, its node having left the cluster.
    pub fn remove_server(&mut self, id: &ServerId) {
        self.heard.remove(id);
        self.boots.remove(id);
        if self.servers.remove(id).is_some() {
            self.pending.servers.retain(|r| r.server.server_id != *id);
            self.pending.removed_servers.push(id.to_string());
        }
    }

    /// Forgets a session.
    pub fn remove_session(&mut self, id: &SessionId) {
        if self.sessions.remove(id).is_some() {
            self.pending.sessions.retain(|s| s.id != *id);
            self.pending.removed_sessions.push(id.to_string());
        }
    }

    /// The changes since the last call, numbered; none when there are none and `beat` is false.
    /// What one message cannot hold comes with the next call.
    pub fn batch(&mut self, beat: bool) -> Option<FleetDelta> {
        let mut delta = self.take_pending();
        let empty = delta == FleetDelta::default();
        if empty && !beat {
            return None;
        }
        if empty {
            delta.beat = true;
        } else {
            self.sequence += 1;
        }
        delta.epoch = self.epoch;
        delta.sequence = self.sequence;
        Some(delta)
    }

    fn take_pending(&mut self) -> FleetDelta {
        let mut room = Room::default();
        let pending = &mut self.pending;
        FleetDelta {
            removed_servers: take_fitting(&mut pending.removed_servers, &mut room),
            removed_sessions: take_fitting(&mut pending.removed_sessions, &mut room),
            servers: take_fitting(&mut pending.servers, &mut room),
            sessions: take_fitting(&mut pending.sessions, &mut room),
            ..FleetDelta::default()
        }
    }

    /// The part of the snapshot that was asked for.
    pub fn part(&self, get: &FleetGet) -> FleetSnapshot {
        let mut part = FleetSnapshot {
            epoch: self.epoch,
            sequence: self.sequence,
            ..FleetSnapshot::default()
        };
        let mut room = if get.parts {
            Room::default()
        } else {
            Room::new(WHOLE_BYTES, usize::MAX)
        };
        let mark = get.after.clone().unwrap_or_default();
        if mark.session.is_none() {
            for (id, record) in self
                .servers
                .range((bound(mark.server.clone()), Bound::Unbounded))
            {
                if !room.take(record) {
                    return ended_early(part, get);
                }
                part.more = Some(FleetMark {
                    server: Some(id.clone()),
                    session: None,
                });
                part.servers.push(record.clone());
            }
        }
        let from = (bound(mark.session), Bound::Unbounded);
        for (id, record) in self.sessions.range(from) {
            if !room.take(record) {
                return ended_early(part, get);
            }
            part.more = Some(FleetMark {
                server: None,
                session: Some(id.clone()),
            });
            part.sessions.push(record.clone());
        }
        part.more = None;
        part
    }

    /// Everything, as of the last batch. Call [`Self::batch`] first, or readers see some changes twice (harmless).
    pub fn snapshot(&self) -> FleetSnapshot {
        FleetSnapshot {
            epoch: self.epoch,
            sequence: self.sequence,
            servers: self.servers.values().cloned().collect(),
            sessions: self.sessions.values().cloned().collect(),
            more: None,
        }
    }

    /// All servers by id.
    pub fn servers(&self) -> impl Iterator<Item = &ServerRecord> {
        self.servers.values()
    }

    /// All sessions by id.
    pub fn sessions(&self) -> impl Iterator<Item = &SessionRecord> {
        self.sessions.values()
    }

    /// One session.
    pub fn session_of(&self, id: &SessionId) -> Option<&SessionRecord> {
        self.sessions.get(id)
    }
}

/// Most bytes of records for a node that cannot ask for parts: a message of the cluster's own bus has 8 MiB.
const WHOLE_BYTES: usize = 7 * 1024 * 1024;

fn bound<T>(after: Option<T>) -> Bound<T> {
    after.map_or(Bound::Unbounded, Bound::Excluded)
}

/// Who cannot ask for more has to do with what fits; the changes bring the rest as it changes.
fn ended_early(mut part: FleetSnapshot, get: &FleetGet) -> FleetSnapshot {
    if !get.parts {
        part.more = None;
    }
    part
}

/// Takes the first ones that there is room for.
fn take_fitting<T: Serialize>(from: &mut Vec<T>, room: &mut Room) -> Vec<T> {
    let fitting = from.iter().take_while(|item| room.take(item)).count();
    from.drain(..fitting).collect()
}

fn put_server(delta: &mut FleetDelta, record: ServerRecord) {
    delta
        .servers
        .retain(|r| r.server.server_id != record.server.server_id);
    delta.servers.push(record);
}

fn put_session(delta: &mut FleetDelta, record: SessionRecord) {
    delta.sessions.retain(|s| s.id != record.id);
    delta.sessions.push(record);
}

/// What a node should do after it saw a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// It is part of the view now.
    Applied,
    /// It is older than the view: dropped.
    Old,
    /// Something is missing between the view and the batch: ask for a snapshot.
    Gap,
}

/// The nodes' side.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Epoch of the view.
    pub epoch: u64,
    /// Last batch in the view.
    pub sequence: u64,
    /// Servers by id.
    pub servers: BTreeMap<ServerId, ServerRecord>,
    /// Sessions by id.
    pub sessions: BTreeMap<SessionId, SessionRecord>,
}

impl View {
    /// Replaces the view, unless the snapshot is of an older epoch.
    pub fn reset(&mut self, snapshot: FleetSnapshot) -> Followed {
        if snapshot.epoch < self.epoch {
            return Followed::Old;
        }
        *self = Self {
            epoch: snapshot.epoch,
            sequence: snapshot.sequence,
            servers: snapshot
                .servers
                .into_iter()
                .map(|r| (r.server.server_id.clone(), r))
                .collect(),
            sessions: snapshot
                .sessions
                .into_iter()
                .map(|s| (s.id.clone(), s))
                .collect(),
        };
        Followed::Applied
    }

    /// Applies a batch.
    pub fn follow(&mut self, delta: FleetDelta) -> Followed {
        if delta.beat {
            let ahead = (delta.epoch, delta.sequence) > (self.epoch, self.sequence);
            return if ahead { Followed::Gap } else { Followed::Old };
        }
        let old = delta.epoch < self.epoch
            || delta.epoch == self.epoch && delta.sequence <= self.sequence;
        if old {
            return Followed::Old;
        }
        if delta.epoch != self.epoch || delta.sequence != self.sequence + 1 {
            return Followed::Gap;
        }
        self.sequence = delta.sequence;
        for record in delta.servers {
            self.servers.insert(record.server.server_id.clone(), record);
        }
        self.servers
            .retain(|id, _| !delta.removed_servers.iter().any(|r| r == id.as_str()));
        for session in delta.sessions {
            self.sessions.insert(session.id.clone(), session);
        }
        self.sessions
            .retain(|id, _| !delta.removed_sessions.iter().any(|r| r == id.as_str()));
        Followed::Applied
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn beat(id: &str, boot: &str, sequence: u64, sessions: u32) -> Heartbeat {
        Heartbeat {
            schema: 1,
            boot: boot.into(),
            sequence,
            server: serde_json::from_value(json!({"serverId": id, "sessions": sessions})).unwrap(),
        }
    }

    fn session(id: u8, server: &str, version: u64, state: SessionState) -> SessionRecord {
        let mut record: SessionRecord = serde_json::from_value(json!({
            "id": "0".repeat(16), "serverId": server, "login": "ada", "state": "running", "name": "n",
            "command": "xterm", "started": "1970-01-01T00:00:00Z", "changed": "1970-01-01T00:00:00Z", "version": version
        }))
        .unwrap();
        record.id = SessionId::from_random([id; 8]);
        record.state = state;
        record
    }

    #[test]
    fn late_and_repeated_heartbeats_are_ignored() {
        let mut fleet = Fleet::default();
        assert_eq!(
            fleet.heartbeat(beat("a", "x", 2, 0), at(0)),
            Recorded::Fresh
        );
        assert_eq!(
            fleet.heartbeat(beat("a", "x", 2, 0), at(1)),
            Recorded::Stale
        );
        assert_eq!(
            fleet.heartbeat(beat("a", "x", 1, 0), at(1)),
            Recorded::Stale
        );
        assert_eq!(
            fleet.heartbeat(beat("a", "y", 1, 0), at(2)),
            Recorded::Fresh,
            "a new boot counts anew"
        );
    }

    #[test]
    fn a_heartbeat_without_news_makes_no_batch() {
        let mut fleet = Fleet::default();
        fleet.lead(3);
        fleet.heartbeat(beat("a", "x", 1, 0), at(0));
        assert_eq!(fleet.batch(false).unwrap().sequence, 1);
        fleet.heartbeat(beat("a", "x", 2, 0), at(5));
        assert_eq!(fleet.batch(false), None);
        fleet.heartbeat(beat("a", "x", 3, 1), at(10));
        let delta = fleet.batch(false).unwrap();
        assert_eq!(
            (delta.epoch, delta.sequence, delta.servers.len()),
            (3, 2, 1)
        );
    }

    #[test]
    fn a_silent_server_is_lost_but_its_sessions_are_not_over() {
        let mut fleet = Fleet::default();
        fleet.heartbeat(beat("a", "x", 1, 1), at(0));
        fleet.session(session(1, "a", 1, SessionState::Running));
        fleet.expire(at(90));
        assert!(fleet.servers().all(|r| r.online), "90 s is still in time");
        fleet.expire(at(91));
        assert!(fleet.servers().all(|r| !r.online));
        assert_eq!(
            fleet.sessions().next().unwrap().state,
            SessionState::Unreachable
        );
        fleet.heartbeat(beat("a", "x", 2, 1), at(200));
        assert_eq!(
            fleet.sessions().next().unwrap().state,
            SessionState::Running
        );
    }

    #[test]
    fn a_clock_that_is_set_loses_no_server() {
        let mut fleet = Fleet::default();
        let moment = |wall, steady| Moment {
            wall: at(wall),
            steady: Duration::from_secs(steady),
        };
        fleet.heartbeat(beat("a", "x", 1, 1), moment(1000, 1));
        fleet.expire(moment(90_000, 2));
        assert!(fleet.servers().all(|r| r.online), "set ahead");
        fleet.expire(moment(0, 92));
        assert!(fleet.servers().all(|r| !r.online), "silent, and set back");
    }

    #[test]
    fn two_hosts_of_one_identity_are_a_fault_of_the_server() {
        let mut fleet = Fleet::default();
        for turn in 1..5 {
            let second = i64::try_from(turn * 5).unwrap();
            fleet.heartbeat(beat("a", "x", turn, 1), at(second));
            fleet.heartbeat(beat("a", "y", turn, 2), at(second));
        }
        let record = fleet.servers().next().unwrap();
        assert_eq!(record.boot, "x", "the record does not change all the time");
        assert_eq!(record.server.faults.len(), 1);
        let id = record.server.server_id.clone();
        assert!(fleet.has_twin(&id, at(20)));
        fleet.heartbeat(beat("a", "y", 6, 2), at(90));
        let record = fleet.servers().next().unwrap();
        assert!(record.server.faults.is_empty(), "the other is silent");
        assert!(!fleet.has_twin(&id, at(90)));
    }

    #[test]
    fn an_older_report_of_a_session_changes_nothing() {
        let mut fleet = Fleet::default();
        fleet.session(session(1, "a", 5, SessionState::Ended));
        fleet.session(session(1, "a", 4, SessionState::Running));
        assert_eq!(fleet.sessions().next().unwrap().state, SessionState::Ended);
        fleet.expire(at(601));
        assert_eq!(
            fleet.sessions().count(),
            0,
            "ended ones are forgotten after ten minutes"
        );
    }

    #[test]
    fn a_stored_server_never_replaces_one_that_spoke() {
        let mut fleet = Fleet::default();
        fleet.heartbeat(beat("a", "x", 1, 3), at(0));
        let mut stored: Vec<ServerRecord> = fleet.servers().cloned().collect();
        stored[0].server.sessions = 0;
        fleet.stored_server(stored[0].clone());
        assert_eq!(fleet.servers().next().unwrap().server.sessions, 3);
        stored[0].server.server_id = "b".parse().unwrap();
        fleet.stored_server(stored.remove(0));
        assert_eq!(fleet.batch(false).unwrap().servers.len(), 2);
    }

    #[test]
    fn a_view_that_follows_equals_the_snapshot() {
        let mut fleet = Fleet::default();
        fleet.lead(1);
        let mut view = View::default();
        view.reset(fleet.snapshot());
        for step in 1..20u8 {
            fleet.heartbeat(
                beat("a", "x", step.into(), (step % 3).into()),
                at(step.into()),
            );
            fleet.session(session(step % 4, "a", step.into(), SessionState::Running));
            if step == 10 {
                fleet.remove_session(&SessionId::from_random([1; 8]));
            }
            let delta = fleet.batch(false).unwrap();
            assert_eq!(view.follow(delta), Followed::Applied);
        }
        let mut other = View::default();
        other.reset(fleet.snapshot());
        // `lastSeen` of a heartbeat without news is not sent along: compare the rest.
        for record in view.servers.values_mut().chain(other.servers.values_mut()) {
            (record.last_seen, record.sequence) = (at(0), 0);
        }
        assert_eq!(view, other);
    }

    fn large(number: usize, login: &str, state: SessionState) -> SessionRecord {
        let mut record = session(1, "a", 1, state);
        record.id = format!("{number:016x}").parse().unwrap();
        record.login = login.parse().unwrap();
        record.command = "x".repeat(4000);
        record.changed = at(i64::try_from(number).unwrap());
        record
    }

    fn bytes<T: Serialize>(value: &T) -> usize {
        serde_json::to_vec(value).unwrap().len()
    }

    #[test]
    fn snapshots_and_batches_come_in_parts_that_every_bus_takes() {
        let mut fleet = Fleet::default();
        fleet.lead(1);
        fleet.heartbeat(beat("a", "x", 1, 1), at(0));
        fleet.heartbeat(beat("b", "x", 1, 1), at(0));
        for number in 0..400 {
            fleet.session(large(number, "ada", SessionState::Running));
        }
        let mut get = FleetGet {
            parts: true,
            after: None,
        };
        let mut all = fleet.part(&get);
        while let Some(mark) = all.more.take() {
            get.after = Some(mark);
            let part = fleet.part(&get);
            assert!(bytes(&part) < 1024 * 1024);
            assert!(all.join(part));
        }
        assert_eq!(all, fleet.snapshot());
        assert!(!all.join(FleetSnapshot::default()), "of another epoch");
        let mut view = View::default();
        view.reset(FleetSnapshot {
            epoch: 1,
            ..FleetSnapshot::default()
        });
        while let Some(delta) = fleet.batch(false) {
            assert!(bytes(&delta) < 1024 * 1024);
            assert_eq!(view.follow(delta), Followed::Applied);
        }
        assert_eq!(view.sessions.len(), 400);
        let old = fleet.part(&FleetGet::default());
        assert_eq!(
            old,
            fleet.snapshot(),
            "an older node gets it in one message"
        );
    }

    #[test]
    fn ended_sessions_of_a_login_are_bounded() {
        let mut fleet = Fleet::default();
        fleet.session(large(999, "bob", SessionState::Ended));
        for number in 0..KEEP_ENDED_EACH + 5 {
            fleet.session(large(number, "ada", SessionState::Ended));
        }
        let ids: Vec<_> = fleet.sessions().map(|s| s.id.clone()).collect();
        assert_eq!(ids.len(), KEEP_ENDED_EACH + 1);
        assert_eq!(
            ids[0],
            large(5, "ada", SessionState::Ended).id,
            "the oldest are gone"
        );
        fleet.session(large(1, "ada", SessionState::Ended));
        assert_eq!(
            fleet.sessions().count(),
            KEEP_ENDED_EACH + 1,
            "older than all"
        );
    }

    #[test]
    fn gaps_and_old_epochs_are_noticed() {
        let mut view = View {
            epoch: 2,
            sequence: 5,
            ..View::default()
        };
        let delta = |epoch, sequence| FleetDelta {
            epoch,
            sequence,
            ..FleetDelta::default()
        };
        assert_eq!(view.follow(delta(1, 9)), Followed::Old);
        assert_eq!(view.follow(delta(2, 5)), Followed::Old);
        assert_eq!(view.follow(delta(2, 7)), Followed::Gap);
        assert_eq!(view.follow(delta(3, 1)), Followed::Gap);
        let beat = FleetDelta {
            beat: true,
            ..delta(2, 6)
        };
        assert_eq!(
            view.follow(beat.clone()),
            Followed::Gap,
            "a sign of life shows what was missed"
        );
        assert_eq!(view.follow(delta(2, 6)), Followed::Applied);
        assert_eq!(view.follow(beat), Followed::Old);
        assert_eq!(
            view.reset(FleetSnapshot {
                epoch: 1,
                ..FleetSnapshot::default()
            }),
            Followed::Old
        );
    }
}
