//! Session records: the node that has a session says what it is; the store keeps the newest word.

use std::collections::BTreeSet;

use fastx_core::names::{CallerId, SessionId};
use fastx_core::parts::parts;
use fastx_core::subject::Operation;
use fastx_core::wire::operations::{Empty, SessionPurge, SessionPut};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::server::ServerRecord;
use fastx_core::wire::session::{SessionRecord, SessionState};
use jiff::{SignedDuration, Timestamp};

use crate::access::own;
use crate::core::{Core, store_problem};
use crate::fleet::Command;
use crate::store::{Collection, Document, Draft, StoreError};
use crate::wire::ManagerNews;

/// How long the record of an ended session stays in the store.
const KEEP: SignedDuration = SignedDuration::from_hours(24 * 7);

/// Records of one message; a node has far fewer sessions.
const MOST: usize = 5000;

/// `session.put`.
pub(crate) async fn put(
    core: &Core,
    caller: &CallerId,
    body: SessionPut,
) -> Result<Empty, Problem> {
    if body.sessions.len() > MOST {
        return Err(Problem::bad_request(format!(
            "More than {MOST} sessions at once."
        )));
    }
    for record in &body.sessions {
        own(caller, Operation::SessionPut, &record.server_id)?;
    }
    let mut stored = Vec::new();
    for record in &body.sessions {
        if let Some(news) = keep(core, record).await? {
            stored.push(news);
        }
    }
    let known = body.known.or_else(|| {
        let ids = || body.sessions.iter().map(|s| s.id.clone());
        body.complete.then(|| ids().collect())
    });
    let twin = known.is_some() && has_twin(core, caller).await;
    if let Some(known) = known.filter(|_| !twin) {
        stored.extend(end_unknown(core, caller, &known).await?);
    }
    // Those that were found to be over may be many.
    for sessions in parts(stored) {
        // The own fleet learns of it directly: the bus may be slow, and the answer means that it is known.
        let _ = core.fleet.send(Command::Sessions(sessions.clone())).await;
        core.tell(&ManagerNews::Sessions { sessions }).await;
    }
    if twin {
        // Refused, so that the report comes again once there is only one.
        return Err(Problem::new(
            409,
            "server-twice",
            "Two hosts have one identity",
        )
        .detail(format!(
            "Several hosts speak as the server {caller}; what one of them does not know may run on the other."
        ))
        .action("Stop fastx on the clone, remove /var/lib/fastx there, and let it join again."));
    }
    Ok(Empty {})
}

/// `session.purge`.
pub(crate) async fn purge(
    core: &Core,
    caller: &CallerId,
    body: &SessionPurge,
) -> Result<Empty, Problem> {
    let id = body.id.as_str();
    let document = core
        .store
        .get(Collection::Sessions, id)
        .await
        .map_err(|e| store_problem(&e))?;
    // One that cannot be read is of no use to anybody.
    let record = document.and_then(|d| d.read::<SessionRecord>().ok());
    // Its own server knows best; another one speaks for it only when it is not there.
    let foreign = |r: &SessionRecord| r.server_id.as_str() != caller.as_str();
    if let Some(record) = record.filter(|r| r.state.is_live() && foreign(r)) {
        let servers = core.ask(Command::Census).await.unwrap_or_default();
        let there = |(server, _): &(ServerRecord, u32)| {
            server.online && server.server.server_id == record.server_id
        };
        if servers.iter().any(there) {
            return Err(
                Problem::new(409, "session-lives", "The session is not over")
                    .detail(format!(
                        "Its server {} is there and has it.",
                        record.server_id
                    ))
                    .action("End the session first."),
            );
        }
    }
    core.store
        .delete(Collection::Sessions, id)
        .await
        .map_err(|e| store_problem(&e))?;
    tracing::info!(%caller, session = %body.id, by = %body.by, "the record of a session was purged");
    let _ = core.fleet.send(Command::Purge(body.id.clone())).await;
    core.tell(&ManagerNews::Purged {
        session: body.id.clone(),
    })
    .await;
    Ok(Empty {})
}

async fn has_twin(core: &Core, caller: &CallerId) -> bool {
    let Ok(server) = caller.as_str().parse() else {
        return false;
    };
    let asked = core.ask(|answer| Command::HasTwin(server, answer));
    asked.await.unwrap_or(false)
}

/// Stores a record unless the same or a newer one is there; gives it when it was stored.
async fn keep(core: &Core, record: &SessionRecord) -> Result<Option<SessionRecord>, Problem> {
    let id = record.id.as_str();
    let written = core
        .modify(Collection::Sessions, id, |present| newer(present, record))
        .await?;
    Ok(written.map(|_| record.clone()))
}

fn newer(present: Option<&Document>, record: &SessionRecord) -> Result<Option<Draft>, StoreError> {
    if let Some(document) = present {
        let known: SessionRecord = document.read()?;
        // The id belongs to the server that brought it first.
        if known.server_id != record.server_id || known.version >= record.version {
            return Ok(None);
        }
    }
    draft(record).map(Some)
}

fn draft(record: &SessionRecord) -> Result<Draft, StoreError> {
    let draft = Draft::new(record.id.as_str(), record.server_id.as_str(), record)?;
    Ok(match expiry(record) {
        Some(at) => draft.expires(at),
        None => draft,
    })
}

fn expiry(record: &SessionRecord) -> Option<Timestamp> {
    (record.state == SessionState::Ended).then(|| record.changed + KEEP)
}

/// Marks sessions of the caller as ended that it does not know any more.
async fn end_unknown(
    core: &Core,
    caller: &CallerId,
    known: &BTreeSet<SessionId>,
) -> Result<Vec<SessionRecord>, Problem> {
    let documents = core
        .store
        .list(Collection::Sessions, Some(caller.as_str()))
        .await
        .map_err(|e| store_problem(&e))?;
    let mut ended = Vec::new();
    for document in documents {
        let Ok(mut record) = document.read::<SessionRecord>() else {
            tracing::error!(session = %document.id, "a stored session cannot be read");
            continue;
        };
        if !record.state.is_live() || known.contains(&record.id) {
            continue;
        }
        record.state = SessionState::Ended;
        record.changed = core.now();
        record.version += 1;
        "Its server does not know it any more.".clone_into(&mut record.end_reason);
        ended.extend(keep(core, &record).await?);
    }
    Ok(ended)
}
