//! What can be done to a session, wherever it runs.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fastx_core::names::SessionId;
use fastx_core::secret::Secret;
use fastx_core::subject::Operation;
use fastx_core::wire::operations::{
    Act, ActAnswer, DecisionAnswer, DecisionGet, Empty, SessionAct, SessionPurge,
};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::{SessionRecord, SessionState};
use fastx_core::wire::ticket::Mode;
use fastx_lifecycle::clock;
use jiff::Timestamp;

use super::happen::Event;
use super::{Admission, Sessions, shares, texts};
use crate::locks::lock;
use crate::logins::{User, Want};

/// So much of the end of a log is shown.
const LOG_BYTES: u32 = 64 * 1024;
/// Longest reason for an end, characters.
const MAX_REASON: usize = 300;
/// A link that has been away for so long does not come back by itself.
const ABSENT: Duration = Duration::from_mins(3);
/// Widest small picture.
const MAX_WIDTH: u32 = 640;

/// Whether somebody may do this to a session. Managers end sessions and send viewers away, but do not look into them.
fn may(user: &User, act: &Act, record: &SessionRecord, now: Timestamp) -> Result<(), Problem> {
    let admission = Admission::of(record, &user.login, now);
    let want = match act {
        // The secret decides.
        Act::Accept { .. } => return Ok(()),
        Act::Stay
            if admission
                .as_ref()
                .is_some_and(|a| a.limit(Mode::Control) == Mode::Control) =>
        {
            return Ok(());
        }
        Act::Terminate { .. } | Act::Disconnect | Act::Purge => Want::Oversee,
        Act::Params { .. }
        | Act::Log
        | Act::Screenshot { .. }
        | Act::Share { .. }
        | Act::Unshare { .. }
        | Act::Stay => Want::Own,
    };
    match (user.may(want, record), admission) {
        // A guest knows of the session: there is no need to deny it.
        (Err(problem), Some(Admission::Guest { .. })) if problem.status == 404 => {
            Err(Problem::forbidden(&format!(
                "The session belongs to {}; only its owner may do this.",
                record.login
            )))
        }
        (allowed, _) => allowed,
    }
}

impl Sessions {
    /// Does it here or asks the session's node to.
    pub async fn act(&self, user: &User, id: &SessionId, act: Act) -> Result<ActAnswer, Problem> {
        let check = |record: &SessionRecord| may(user, &act, record, clock::now());
        let record = self.find_if(id, check).await?;
        if record.server_id == self.inner.parts.me {
            return self.act_here(user, id, act).await;
        }
        let request = SessionAct {
            token: user.token.clone(),
            id: id.clone(),
            act,
        };
        let transport = &self.inner.parts.transport;
        let answer: ActAnswer = transport
            .node(&record.server_id, Operation::SessionAct, &request)
            .await?;
        if let Some(session) = &answer.session {
            self.learn(session.clone());
        }
        Ok(answer)
    }

    /// Does it to a session of this node.
    pub(super) async fn act_here(
        &self,
        user: &User,
        id: &SessionId,
        act: Act,
    ) -> Result<ActAnswer, Problem> {
        let known = match act {
            // Forgotten here already, perhaps, when the managers could not be told.
            Act::Purge => self.record(id),
            _ => self.own(id),
        };
        let record = known.ok_or_else(|| Problem::not_found("such session"))?;
        may(user, &act, &record, clock::now())?;
        let Some(uid) = self.live_uid(id) else {
            return match act {
                // It is over: what was wanted is so.
                Act::Terminate { .. } | Act::Disconnect => Ok(answer(record)),
                Act::Unshare { share } => self.unshare_here(id, &share),
                Act::Accept { .. } => Err(shares::no_share()),
                Act::Purge => self.purge_here(user, id).await,
                _ => Err(ended(&record)),
            };
        };
        match act {
            Act::Terminate { reason } => self.terminate(user, uid, id, reason).await,
            Act::Disconnect => {
                let why = format!("Disconnected by {}.", user.login);
                self.inner.viewers.disconnect(id, &why);
                Ok(answer(record))
            }
            Act::Params { name, params } => {
                texts::check_texts(name.as_deref().unwrap_or_default(), &params)?;
                let name = name.unwrap_or_default();
                let session = self.hub().params(uid, id, name, params).await?;
                self.link_report(uid, &session);
                let record = self.own(id).unwrap_or(record);
                self.happened(&record, Event::Params, &[]);
                Ok(answer(record))
            }
            Act::Share {
                login,
                mode,
                minutes,
            } => self.share_here(user, id, login, mode, minutes),
            Act::Unshare { share } => self.unshare_here(id, &share),
            Act::Accept { secret } => self.accept_here(user, id, secret.expose()),
            Act::Stay => Ok(self.stay_here(id)),
            Act::Purge => self.purge_lost(user, uid, id).await,
            Act::Log => Ok(ActAnswer {
                text: self.hub().log(uid, id, LOG_BYTES).await?,
                ..ActAnswer::default()
            }),
            Act::Screenshot { width } => {
                let width = width.clamp(16, MAX_WIDTH);
                let png = self.inner.pictures.get(self.hub(), uid, id, width).await?;
                Ok(ActAnswer {
                    png: BASE64.encode(&*png),
                    ..ActAnswer::default()
                })
            }
        }
    }

    async fn terminate(
        &self,
        user: &User,
        uid: u32,
        id: &SessionId,
        reason: String,
    ) -> Result<ActAnswer, Problem> {
        check_reason(&reason)?;
        tracing::info!(session = %id, by = %user.login, reason, "session is being ended");
        let mut former = None;
        self.edit(id, |own| {
            let by = own.ended_by.replace(user.login.clone());
            let reason = std::mem::replace(&mut own.ended_for, reason.trim().to_owned());
            former = Some((own.record.state, by, reason));
            own.record.state = SessionState::Ending;
        });
        self.want_link(user, uid).await;
        match self.hub().terminate(uid, id).await {
            Ok(()) => self.take_in(uid, id),
            Err(problem) if self.is_lost(id, &problem) => {}
            Err(problem) => {
                // As it was, as far as anybody knows; the next report of the link tells.
                self.edit(id, |own| {
                    if let Some(former) = former
                        && own.record.state == SessionState::Ending
                    {
                        (own.record.state, own.ended_by, own.ended_for) = former;
                    }
                });
                return Err(problem);
            }
        }
        Ok(ActAnswer {
            session: self.own(id),
            ..ActAnswer::default()
        })
    }

    /// Whether the link has answered that it does not have the session, or that it has ended: it is over then.
    pub(super) fn is_lost(&self, id: &SessionId, problem: &Problem) -> bool {
        if !matches!(problem.status, 404 | 410) {
            return false;
        }
        let lost = {
            let mut registry = lock(&self.inner.registry);
            // The link need not have heard of one that is just being started.
            if registry.is_in_flight(id) {
                return false;
            }
            registry.lost(id, clock::now())
        };
        if let Some(record) = lost {
            self.note_end(&record, true);
            self.tell(record);
        }
        true
    }

    /// The answer of the link said how the session is now; no report of its own need follow.
    pub(super) fn take_in(&self, uid: u32, id: &SessionId) {
        let links = self.hub().snapshot();
        let known = links
            .iter()
            .filter(|(of, _)| *of == uid)
            .flat_map(|(_, sessions)| sessions);
        if let Some(session) = known.into_iter().find(|s| s.start.id == *id) {
            self.link_report(uid, session);
        }
    }

    /// Makes the user a guest of whatever session this link is for; its id.
    pub async fn accept(&self, user: &User, secret: &str) -> Result<SessionId, Problem> {
        let id = shares::session_of_link(secret).ok_or_else(shares::no_share)?;
        let act = Act::Accept {
            secret: Secret::new(secret),
        };
        match self.act(user, &id, act).await {
            Ok(_) => Ok(id),
            Err(problem) if problem.kind == "not-found" => Err(shares::no_share()),
            Err(problem) => Err(problem),
        }
    }

    /// Forgets the record of a session that is over, or whose server is gone.
    pub async fn purge(&self, user: &User, id: &SessionId) -> Result<(), Problem> {
        let record = self.find(user, id, Want::Oversee).await?;
        let parts = &self.inner.parts;
        let server = parts.fleet.server(&record.server_id);
        let there = record.server_id == parts.me || server.is_some_and(|s| s.online);
        if !there {
            if record.state.is_live() && record.state != SessionState::Unreachable {
                return Err(lives());
            }
            self.purge_record(user, id).await?;
            self.unlearn(id);
            return Ok(());
        }
        match self.act(user, id, Act::Purge).await {
            Ok(_) => {}
            // Its server is not there: what the managers know decides.
            Err(problem) if matches!(problem.status, 502..=504) => {
                self.purge_record(user, id).await?;
            }
            Err(problem) => return Err(problem),
        }
        self.unlearn(id);
        Ok(())
    }

    /// Forgets a session that nobody can end: the link of its user is gone for good, as far as can be told here.
    async fn purge_lost(
        &self,
        user: &User,
        uid: u32,
        id: &SessionId,
    ) -> Result<ActAnswer, Problem> {
        let absent = self.hub().absent_for(uid);
        if absent.is_none_or(|absent| absent < ABSENT) {
            return Err(lives());
        }
        if self.bring_link(user, uid).await.is_ok() {
            return Err(lives());
        }
        tracing::warn!(session = %id, by = %user.login, uid, "a session is given up: its user's link has been away for long");
        self.edit(id, |own| {
            own.record.state = SessionState::Ended;
            own.record.end_reason = format!(
                "Given up by {}: the desktop side was not there. If it still runs, it appears again with its user's next link.",
                user.login
            );
        });
        self.purge_here(user, id).await
    }

    async fn purge_here(&self, user: &User, id: &SessionId) -> Result<ActAnswer, Problem> {
        if !lock(&self.inner.registry).purge(id) {
            return Err(lives());
        }
        self.forget_files(vec![id.clone()]).await;
        self.purge_record(user, id).await?;
        Ok(ActAnswer::default())
    }

    async fn purge_record(&self, user: &User, id: &SessionId) -> Result<(), Problem> {
        let request = SessionPurge {
            id: id.clone(),
            by: user.login.clone(),
        };
        let transport = &self.inner.parts.transport;
        let _done: Empty = transport.store(Operation::SessionPurge, &request).await?;
        Ok(())
    }

    /// The decision that a session came from.
    pub async fn decision(
        &self,
        user: &User,
        id: &SessionId,
    ) -> Result<fastx_core::wire::decision::Decision, Problem> {
        self.find(user, id, Want::Oversee).await?;
        let remembered = lock(&self.inner.decisions)
            .iter()
            .find(|(s, _)| s == id)
            .map(|(_, d)| d.clone());
        if let Some(decision) = remembered {
            return Ok(decision);
        }
        let request = DecisionGet {
            session: id.clone(),
        };
        let answer: DecisionAnswer = self
            .inner
            .parts
            .transport
            .store(Operation::DecisionGet, &request)
            .await?;
        answer
            .decision
            .ok_or_else(|| Problem::not_found("decision kept for this session"))
    }
}

/// Another node passes on what a client wrote: it is checked where it is kept.
pub(crate) fn check_reason(reason: &str) -> Result<(), Problem> {
    if reason.chars().count() > MAX_REASON || reason.chars().any(char::is_control) {
        return Err(Problem::bad_request(format!(
            "`reason` may have at most {MAX_REASON} printable characters."
        )));
    }
    Ok(())
}

fn lives() -> Problem {
    Problem::new(409, "session-lives", "The session is not over")
        .detail(format!(
            "Only the record of a session can be forgotten that has ended, whose server is gone, or whose desktop side has been away for {} minutes and cannot be started.",
            ABSENT.as_secs() / 60
        ))
        .action("End the session first.")
}

fn answer(record: SessionRecord) -> ActAnswer {
    ActAnswer {
        session: Some(record),
        ..ActAnswer::default()
    }
}

/// The session is over.
pub(crate) fn ended(record: &SessionRecord) -> Problem {
    let why = if record.end_reason.is_empty() {
        "It has ended."
    } else {
        &record.end_reason
    };
    Problem::new(410, "session-ended", "The session has ended")
        .detail(why)
        .action("Start a new one.")
}
