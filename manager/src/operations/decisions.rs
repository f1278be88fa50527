//! Decisions, kept with their sessions so that anybody can see later why a server was chosen.

use fastx_core::names::CallerId;
use fastx_core::subject::Operation;
use fastx_core::wire::config::hash;
use fastx_core::wire::decision::Decision;
use fastx_core::wire::operations::{DecisionAnswer, DecisionGet, DecisionPut, Empty};
use fastx_core::wire::problem::Problem;
use jiff::SignedDuration;

use crate::access::own;
use crate::core::{Core, store_problem};
use crate::store::{Collection, Draft};

/// How long they are kept.
const KEEP: SignedDuration = SignedDuration::from_hours(24 * 30);

/// `decision.put`. The first one of a session stands; a repeated message changes nothing.
pub(crate) async fn put(
    core: &Core,
    caller: &CallerId,
    body: &DecisionPut,
) -> Result<Empty, Problem> {
    own(caller, Operation::DecisionPut, &body.decision.local)?;
    let id = match &body.session {
        Some(session) => session.to_string(),
        // Equal content gives an equal id, so that repeating is harmless here, too.
        None => format!("refused-{}", hash(&body.decision)),
    };
    let draft = Draft::new(&id, caller.as_str(), &body.decision)
        .map_err(|e| store_problem(&e))?
        .expires(core.now() + KEEP);
    core.store
        .insert(Collection::Decisions, &draft, core.now())
        .await
        .map_err(|e| store_problem(&e))?;
    Ok(Empty {})
}

/// `decision.get`.
pub(crate) async fn get(core: &Core, body: &DecisionGet) -> Result<DecisionAnswer, Problem> {
    let document = core
        .store
        .get(Collection::Decisions, body.session.as_str())
        .await
        .map_err(|e| store_problem(&e))?;
    let decision: Option<Decision> = document
        .map(|d| d.read())
        .transpose()
        .map_err(|e| store_problem(&e))?;
    Ok(DecisionAnswer { decision })
}
