//! What can be done to a session, wherever it runs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fastx_core::names::SessionId;
use fastx_core::subject::Operation;
use fastx_core::wire::operations::{Act, ActAnswer, DecisionAnswer, DecisionGet, SessionAct};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::{SessionRecord, SessionState};

use super::{Sessions, start};
use crate::locks::lock;
use crate::logins::{User, Want};

/// So much of the end of a log is shown.
const LOG_BYTES: u32 = 64 * 1024;
/// Widest small picture.
const MAX_WIDTH: u32 = 640;

/// What one must be allowed for an act. Managers end sessions and send viewers away, but do not look into them.
fn want(act: &Act) -> Want {
    match act {
        Act::Terminate | Act::Disconnect => Want::Oversee,
        Act::Params { .. } | Act::Log | Act::Screenshot { .. } => Want::Own,
    }
}

impl Sessions {
    /// Does it here or asks the session's node to.
    pub async fn act(&self, user: &User, id: &SessionId, act: Act) -> Result<ActAnswer, Problem> {
        let record = self.find(user, id, want(&act)).await?;
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
        let record = self
            .own(id)
            .ok_or_else(|| Problem::not_found("such session"))?;
        user.may(want(&act), &record)?;
        let Some(uid) = self.live_uid(id) else {
            return match act {
                // It is over: what was wanted is so.
                Act::Terminate | Act::Disconnect => Ok(answer(record)),
                _ => Err(ended(&record)),
            };
        };
        match act {
            Act::Terminate => self.terminate(user, uid, id).await,
            Act::Disconnect => {
                let why = format!("Disconnected by {}.", user.login);
                self.inner.viewers.disconnect(id, &why);
                Ok(answer(record))
            }
            Act::Params { name, params } => {
                start::check_texts(name.as_deref().unwrap_or_default(), &params)?;
                let name = name.unwrap_or_default();
                let session = self.hub().params(uid, id, name, params).await?;
                self.link_report(uid, &session);
                Ok(answer(self.own(id).unwrap_or(record)))
            }
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

    async fn terminate(&self, user: &User, uid: u32, id: &SessionId) -> Result<ActAnswer, Problem> {
        tracing::info!(session = %id, by = %user.login, "session is being ended");
        self.edit(id, |own| {
            own.record.state = SessionState::Ending;
            own.ended_by = Some(user.login.clone());
        });
        if let Err(problem) = self.hub().terminate(uid, id).await {
            // Still there as far as anybody knows; the next report of the link tells.
            self.edit(id, |own| {
                if own.record.state == SessionState::Ending {
                    own.record.state = SessionState::Running;
                    own.ended_by = None;
                }
            });
            return Err(problem);
        }
        // The answer of the link said how the session is now; no report of its own need follow.
        let links = self.hub().snapshot();
        let known = links
            .iter()
            .filter(|(of, _)| *of == uid)
            .flat_map(|(_, sessions)| sessions);
        if let Some(session) = known.into_iter().find(|s| s.start.id == *id) {
            self.link_report(uid, session);
        }
        Ok(ActAnswer {
            session: self.own(id),
            ..ActAnswer::default()
        })
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
