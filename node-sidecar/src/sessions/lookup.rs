//! Finding a session: the node's own first, then what other nodes answered a moment ago, then the view of the cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::SessionRecord;
use fastx_lifecycle::clock;
use tokio::time::Instant;

use super::{Admission, Sessions};
use crate::events::Change;
use crate::locks::lock;
use crate::logins::{User, Want};

/// How long the answer of another node counts before the managers' word must have arrived.
const RECENT: Duration = Duration::from_secs(30);
/// How long a request waits for a session that was perhaps just started by way of another node.
const SOON: Duration = Duration::from_secs(1);

/// What other nodes answered a moment ago.
pub(super) type Recent = BTreeMap<SessionId, (Instant, SessionRecord)>;

impl Sessions {
    /// The sessions of a user and those shared with them, newest first; of everybody for a manager who asks for all.
    pub fn list(&self, user: &User, all: bool) -> Vec<SessionRecord> {
        let now = clock::now();
        let mut sessions: Vec<SessionRecord> = self
            .all()
            .into_values()
            .filter(|s| {
                Admission::of(s, &user.login, now).is_some()
                    || all && user.may(Want::Oversee, s).is_ok()
            })
            .collect();
        sessions.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| a.id.cmp(&b.id)));
        sessions
    }

    /// A session, if the user may do that to it.
    pub async fn find(
        &self,
        user: &User,
        id: &SessionId,
        want: Want,
    ) -> Result<SessionRecord, Problem> {
        self.find_if(id, |record| user.may(want, record)).await
    }

    /// A session that the user may see: an own one, a shared one, for managers every one.
    pub async fn find_seen(&self, user: &User, id: &SessionId) -> Result<SessionRecord, Problem> {
        let seen = |record: &SessionRecord| match Admission::of(record, &user.login, clock::now()) {
            Some(_) => Ok(()),
            None => user.may(Want::Oversee, record),
        };
        self.find_if(id, seen).await
    }

    /// A session that the user may look into, and as what.
    pub async fn find_open(
        &self,
        user: &User,
        id: &SessionId,
    ) -> Result<(SessionRecord, Admission), Problem> {
        let now = clock::now();
        let open = |record: &SessionRecord| match Admission::of(record, &user.login, now) {
            Some(_) => Ok(()),
            None => user.may(Want::Own, record),
        };
        let record = self.find_if(id, open).await?;
        let admission = Admission::of(&record, &user.login, now);
        let admission = admission.ok_or_else(|| Problem::not_found("such session"))?;
        Ok((record, admission))
    }

    /// A session, if it passes. One that is not known may become so in a moment.
    pub(super) async fn find_if(
        &self,
        id: &SessionId,
        check: impl Fn(&SessionRecord) -> Result<(), Problem>,
    ) -> Result<SessionRecord, Problem> {
        let (_, mut changes) = self.inner.parts.events.listen();
        let until = Instant::now() + SOON;
        loop {
            if let Some(record) = self.record(id) {
                check(&record)?;
                return Ok(record);
            }
            if tokio::time::timeout_at(until, changes.recv())
                .await
                .is_err()
            {
                return Err(Problem::not_found("such session"));
            }
        }
    }

    /// Remembers what another node answered.
    pub(super) fn learn(&self, record: SessionRecord) {
        if record.server_id == self.inner.parts.me {
            return;
        }
        let now = Instant::now();
        let known = self.record(&record.id);
        let mut recent = lock(&self.inner.recent);
        recent.retain(|_, (learned, _)| now.duration_since(*learned) < RECENT);
        if known.is_none_or(|k| k.version < record.version) {
            recent.insert(record.id.clone(), (now, record.clone()));
            drop(recent);
            let change = Change::Session(Box::new(record));
            self.inner.parts.events.publish(change);
        }
    }

    /// Forgets what another node answered.
    pub(super) fn unlearn(&self, id: &SessionId) {
        lock(&self.inner.recent).remove(id);
    }

    /// Everything that is known, the node's own knowledge of its own sessions first.
    pub(super) fn all(&self) -> BTreeMap<SessionId, SessionRecord> {
        let fleet = self.inner.parts.fleet.sessions();
        let mut all: BTreeMap<_, _> = fleet.into_iter().map(|s| (s.id.clone(), s)).collect();
        let now = Instant::now();
        for (id, (learned, record)) in lock(&self.inner.recent).iter() {
            let newer = all
                .get(id)
                .is_none_or(|known| known.version < record.version);
            if newer && now.duration_since(*learned) < RECENT {
                all.insert(id.clone(), record.clone());
            }
        }
        for own in lock(&self.inner.registry).iter() {
            all.insert(own.record.id.clone(), own.record.clone());
        }
        all
    }

    pub(super) fn record(&self, id: &SessionId) -> Option<SessionRecord> {
        if let Some(own) = self.own(id) {
            return Some(own);
        }
        let fleet = self.inner.parts.fleet.session(id);
        let recent = lock(&self.inner.recent);
        let recent = recent
            .get(id)
            .filter(|(learned, _)| learned.elapsed() < RECENT)
            .map(|(_, record)| record);
        match (fleet, recent) {
            (Some(fleet), Some(recent)) if recent.version > fleet.version => Some(recent.clone()),
            (None, Some(recent)) => Some(recent.clone()),
            (fleet, _) => fleet,
        }
    }
}
