//! What the node knows of its own sessions. The links say what runs; whose it is stands in the node's own record.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fastx_core::names::{LoginName, ServerId, SessionId};
use fastx_core::wire::link::LinkSession;
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::{SessionRecord, SessionState};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::texts::{MAX_NAME, params_fit};

/// How long the record of an ended session stays on the node.
const KEEP_ENDED: SignedDuration = SignedDuration::from_hours(1);
/// Sessions that the node takes on; a link that reports more is not believed.
pub(super) const LIMIT: usize = 512;
/// Records of ended sessions that are kept, of one user and of all; the oldest go first.
const ENDED_EACH: usize = 64;
const ENDED: usize = 512;
const MAX_REASON: usize = 4000;

/// A session of this node, as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnSession {
    /// What the cluster sees.
    pub record: SessionRecord,
    /// Linux user that it runs as.
    pub uid: u32,
    /// Hash of the request that it came from, to tell a repetition from another request; empty when adopted.
    #[serde(default)]
    pub request: String,
    /// Who asked for its end.
    #[serde(default)]
    pub ended_by: Option<LoginName>,
    /// The reason that they gave.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ended_for: String,
    /// Which rule ended it, in words.
    #[serde(default)]
    pub end_why: Option<String>,
    /// When somebody last answered a warning: the clocks of the profile begin there.
    #[serde(default)]
    pub stayed: Option<Timestamp>,
    /// Why it could not start: the answer to a repetition.
    #[serde(default)]
    pub failure: Option<Problem>,
}

/// What became of an attempt to begin a session.
#[derive(Debug, PartialEq)]
pub(super) enum Begun {
    /// It is new: start it.
    New,
    /// The same request came before.
    Known(Box<OwnSession>),
    /// The id is taken by another request.
    Conflict,
    /// The node has too many.
    Full,
}

/// All sessions of the node.
#[derive(Debug)]
pub(super) struct Registry {
    me: ServerId,
    sessions: BTreeMap<SessionId, OwnSession>,
    /// Those whose start this process waits for: a link need not know them yet.
    in_flight: BTreeSet<SessionId>,
    /// Those whose record was purged: a link tells of ended ones for a while, which makes no new record.
    purged: VecDeque<SessionId>,
}

impl Registry {
    /// The sessions that were kept. Nobody views them yet; who did left no later than now.
    pub(super) fn restore(me: ServerId, kept: Vec<OwnSession>, now: Timestamp) -> Self {
        let sessions = kept
            .into_iter()
            .filter(|s| s.record.server_id == me)
            .map(|mut s| {
                if s.record.viewers > 0 {
                    s.record.last_disconnect = Some(now);
                }
                no_viewers(&mut s.record);
                (s.record.id.clone(), s)
            })
            .collect();
        Self {
            me,
            sessions,
            in_flight: BTreeSet::new(),
            purged: VecDeque::new(),
        }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &OwnSession> {
        self.sessions.values()
    }

    /// One of them.
    pub(super) fn get(&self, id: &SessionId) -> Option<&OwnSession> {
        self.sessions.get(id)
    }

    /// Sessions that are not over.
    pub(super) fn live(&self) -> usize {
        self.iter().filter(|s| s.record.state.is_live()).count()
    }

    /// Takes on a session that is about to be started.
    pub(super) fn begin(&mut self, new: OwnSession) -> Begun {
        match self.sessions.get(&new.record.id) {
            Some(known)
                if known.record.login == new.record.login && known.request == new.request =>
            {
                Begun::Known(Box::new(known.clone()))
            }
            Some(_) => Begun::Conflict,
            None if self.live() >= LIMIT => Begun::Full,
            None => {
                self.sessions.insert(new.record.id.clone(), new);
                Begun::New
            }
        }
    }

    /// Whether the start of this session is waited for.
    pub(super) fn is_in_flight(&self, id: &SessionId) -> bool {
        self.in_flight.contains(id)
    }

    /// Notes that a start is waited for, or no longer.
    pub(super) fn set_in_flight(&mut self, id: &SessionId, waited_for: bool) {
        if waited_for {
            self.in_flight.insert(id.clone());
        } else {
            self.in_flight.remove(id);
        }
    }

    /// Changes a record; gives it back when something really changed.
    pub(super) fn edit(
        &mut self,
        id: &SessionId,
        now: Timestamp,
        edit: impl FnOnce(&mut OwnSession),
    ) -> Option<SessionRecord> {
        let own = self.sessions.get_mut(id)?;
        let before = own.clone();
        edit(own);
        if *own == before {
            return None;
        }
        if own.record.state != before.record.state {
            own.record.changed = now;
        }
        own.record.version = next_version(before.record.version, now);
        Some(own.record.clone())
    }

    /// Takes in what a link says of one session. `allowed` says whether an unknown session of that login is believed.
    pub(super) fn report(
        &mut self,
        uid: u32,
        session: &LinkSession,
        allowed: impl Fn(&SessionId, &LoginName) -> bool,
        now: Timestamp,
    ) -> Option<SessionRecord> {
        let id = &session.start.id;
        match self.sessions.get(id) {
            // Somebody else's link: it cannot know.
            Some(own) if own.uid != uid => None,
            Some(_) => self.edit(id, now, |own| follow(own, session)),
            None if self.purged.contains(id) && !session.state.is_live() => None,
            None if !self.has_room(uid, session.state) => None,
            None if !allowed(id, &session.start.login) => None,
            None => {
                let own = adopt(&self.me, uid, session, now);
                let record = own.record.clone();
                self.sessions.insert(id.clone(), own);
                Some(record)
            }
        }
    }

    /// Whether a session that only a link knows is taken on. Ended ones never keep out one that runs.
    fn has_room(&self, uid: u32, state: SessionState) -> bool {
        if state.is_live() {
            return self.live() < LIMIT;
        }
        let ended = || self.iter().filter(|s| !s.record.state.is_live());
        ended().count() < ENDED && ended().filter(|s| s.uid == uid).count() < ENDED_EACH
    }

    /// Takes in everything that a link has: what it does not have any more is over.
    pub(super) fn snapshot(
        &mut self,
        uid: u32,
        sessions: &[LinkSession],
        allowed: impl Fn(&SessionId, &LoginName) -> bool,
        now: Timestamp,
    ) -> Vec<SessionRecord> {
        let mut changed: Vec<SessionRecord> = sessions
            .iter()
            .filter_map(|s| self.report(uid, s, &allowed, now))
            .collect();
        let missing: Vec<SessionId> = self
            .iter()
            .filter(|s| {
                s.uid == uid && s.record.state.is_live() && !self.in_flight.contains(&s.record.id)
            })
            .map(|s| s.record.id.clone())
            .filter(|id| !sessions.iter().any(|s| s.start.id == *id))
            .collect();
        for id in missing {
            changed.extend(self.lost(&id, now));
        }
        changed
    }

    /// Its link does not have it any more: it is over.
    pub(super) fn lost(&mut self, id: &SessionId, now: Timestamp) -> Option<SessionRecord> {
        self.edit(id, now, |own| {
            own.record.state = SessionState::Ended;
            no_viewers(&mut own.record);
            if let Some(reason) = reason(own) {
                own.record.end_reason = reason;
            } else if own.record.end_reason.is_empty() {
                "The desktop was restarted, and the session is gone."
                    .clone_into(&mut own.record.end_reason);
            }
        })
    }

    /// Forgets a session that is over; false when it is not.
    pub(super) fn purge(&mut self, id: &SessionId) -> bool {
        let over = self.get(id).is_none_or(|s| !s.record.state.is_live());
        if over && self.sessions.remove(id).is_some() {
            if self.purged.len() >= LIMIT {
                self.purged.pop_front();
            }
            self.purged.push_back(id.clone());
        }
        over
    }

    /// Forgets sessions that ended long ago, and the oldest of too many; their ids.
    pub(super) fn forget_old(&mut self, now: Timestamp) -> Vec<SessionId> {
        let mut ended: Vec<&OwnSession> =
            self.iter().filter(|s| !s.record.state.is_live()).collect();
        ended.sort_by_key(|s| std::cmp::Reverse(s.record.changed));
        let mut each: BTreeMap<u32, usize> = BTreeMap::new();
        let mut kept = 0;
        let mut goes = |own: &&OwnSession| {
            let mine = each.entry(own.uid).or_default();
            let stays = now.duration_since(own.record.changed) <= KEEP_ENDED
                && *mine < ENDED_EACH
                && kept < ENDED;
            *mine += usize::from(stays);
            kept += usize::from(stays);
            !stays
        };
        let old: Vec<SessionId> = ended
            .into_iter()
            .filter(|own| goes(own))
            .map(|own| own.record.id.clone())
            .collect();
        for id in &old {
            self.sessions.remove(id);
        }
        old
    }
}

/// Versions also grow when the node has lost its memory: they are never below the clock.
fn next_version(before: u64, now: Timestamp) -> u64 {
    (before + 1).max(u64::try_from(now.as_millisecond()).unwrap_or(0))
}

fn clip(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// Who or what ended it, as far as the node knows.
fn reason(own: &OwnSession) -> Option<String> {
    match (&own.ended_by, &own.end_why) {
        (Some(login), _) if own.ended_for.is_empty() => Some(format!("Ended by {login}.")),
        (Some(login), _) => Some(format!("Ended by {login}: {}", own.ended_for)),
        (None, rule) => rule.clone(),
    }
}

fn follow(own: &mut OwnSession, link: &LinkSession) {
    let told = reason(own);
    let record = &mut own.record;
    record.state = link.state;
    record.name = clip(&link.start.name, MAX_NAME);
    // A user's own program speaks there: what nobody may ask for, it may not bring along either.
    if params_fit(&link.start.params) {
        record.params.clone_from(&link.start.params);
    }
    record.geometry = clip(&link.start.geometry, 16);
    record.display = clip(&link.display, 32);
    if link.state == SessionState::Running && own.failure.take().is_some() {
        // Its start was given up too early.
        record.end_reason.clear();
    }
    match told {
        // Who or what ended it, the node knows better.
        Some(told) => record.end_reason = told,
        None if link.end_reason.is_empty() => {}
        None => record.end_reason = clip(&link.end_reason, MAX_REASON),
    }
    if !link.state.is_live() {
        no_viewers(record);
    }
}

/// What is only true while it runs.
fn no_viewers(record: &mut SessionRecord) {
    record.viewers = 0;
    record.viewer_list.clear();
    if !record.state.is_live() {
        (record.ends, record.warning) = (None, None);
    }
}

fn adopt(me: &ServerId, uid: u32, link: &LinkSession, now: Timestamp) -> OwnSession {
    let start = &link.start;
    let record = SessionRecord {
        id: start.id.clone(),
        server_id: me.clone(),
        login: start.login.clone(),
        state: link.state,
        name: clip(&start.name, MAX_NAME),
        application: clip(&start.application, MAX_NAME),
        command: clip(&start.command, MAX_REASON),
        profile: clip(&start.profile, MAX_NAME),
        geometry: clip(&start.geometry, 16),
        display: clip(&link.display, 32),
        params: Some(start.params.clone())
            .filter(params_fit)
            .unwrap_or_default(),
        started: link.started,
        changed: link.changed,
        last_connect: None,
        last_disconnect: None,
        viewers: 0,
        viewer_list: Vec::new(),
        shares: Vec::new(),
        idle_since: None,
        ends: None,
        warning: None,
        end_reason: clip(&link.end_reason, MAX_REASON),
        version: next_version(0, now),
    };
    OwnSession {
        record,
        uid,
        request: String::new(),
        ended_by: None,
        ended_for: String::new(),
        end_why: None,
        stayed: None,
        failure: None,
    }
}

#[cfg(test)]
mod tests;
