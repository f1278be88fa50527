//! Hosts that ask to join: who may, under which name, and who has to decide.
//!
//! The name under which a host asks is that of its join file, which the bus server vouches for; it says how many
//! servers may join with it and until when. What was asked is kept, so that asking again is harmless, and so that
//! an administrator (or the operator, where that one signs) can decide later.

use fastx_core::identity::{check_public_key, sign_node};
use fastx_core::names::{CallerId, ServerId};
use fastx_core::subject::{Member, member_of};
use fastx_core::wire::join::{
    Invitation, JoinAnswer, JoinAsk, JoinDecision, JoinRecord, JoinState, SigningKey,
};
use fastx_core::wire::problem::Problem;
use jiff::Timestamp;

use crate::core::{Core, store_problem};
use crate::fleet::Command;
use crate::store::{Collection, Document, Draft, Pace, Store, StoreError, modify};
use crate::wire::InvitationBody;

/// Keys of earlier holders of a name that are remembered.
const REMEMBERED: usize = 8;

/// Who may join without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Discovery {
    /// An administrator accepts each one.
    #[default]
    Declared,
    /// Whoever has a join file, up to so many servers.
    Any {
        /// How many.
        most: u32,
    },
}

/// How requests to join are answered.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    /// Who may join without being asked for.
    pub discovery: Discovery,
    /// Signs identities; none where somebody else does.
    pub signing: Option<SigningKey>,
}

/// `join.<caller>.ask`.
pub(crate) async fn ask(
    core: &Core,
    caller: &CallerId,
    body: &JoinAsk,
) -> Result<JoinAnswer, Problem> {
    let invitation = Invitation::of(caller).map_err(|e| Problem::forbidden(&format!("{e}.")))?;
    if invitation.expires <= core.now() {
        return Err(refused("join-expired", "The join file has ended.")
            .action("Ask your administrator for a new join file."));
    }
    check(body)?;
    let present = record(core, &body.server_id).await?;
    if let Some(present) = &present
        && present.public_key != body.public_key
    {
        not_alive(core, present, body).await?;
    }
    use_up(core, &invitation, &body.server_id).await?;
    let admission = core.admission();
    let decided = decide(core, admission.discovery).await?;
    let id = body.server_id.as_str();
    let mut kept = None;
    core.modify(Collection::Joins, id, |document| {
        let before = document.map(Document::read::<JoinRecord>).transpose()?;
        let next = next(
            before.clone(),
            body,
            &invitation,
            decided.clone(),
            core.now(),
        );
        let draft = Draft::new(id, "", &next)?;
        let changed = before.as_ref() != Some(&next);
        kept = Some(next);
        Ok(changed.then_some(draft))
    })
    .await?;
    let kept = kept.ok_or_else(|| Problem::internal("The request was not kept."))?;
    let answer = answer(core, &admission, &kept)?;
    // Where the operator signs, it writes the settings as well.
    if admission.signing.is_some() && matches!(answer, JoinAnswer::Accepted { .. }) {
        super::welcome::welcome(core, &kept).await?;
    }
    Ok(answer)
}

fn check(body: &JoinAsk) -> Result<(), Problem> {
    let caller = CallerId::from(body.server_id.clone());
    if member_of(&caller) != Member::Node {
        return Err(Problem::bad_request(format!(
            "`{}` cannot be the name of a server: the prefixes `manager-` and `join-` are taken.",
            body.server_id
        )));
    }
    check_public_key(&body.public_key).map_err(|e| Problem::bad_request(format!("{e}.")))?;
    let printable = |text: &str| text.len() <= 255 && !text.chars().any(char::is_control);
    if !printable(&body.hostname) || !printable(&body.version) {
        return Err(Problem::bad_request(
            "`hostname` and `version` must have at most 255 printable characters.",
        ));
    }
    Ok(())
}

fn refused(kind: &str, detail: impl Into<String>) -> Problem {
    Problem::new(403, kind, "The host may not join").detail(detail)
}

/// Refuses a name whose server is alive on another host.
async fn not_alive(core: &Core, present: &JoinRecord, body: &JoinAsk) -> Result<(), Problem> {
    let census = core.ask(Command::Census).await.unwrap_or_default();
    let alive = census
        .iter()
        .any(|(record, _)| record.server.server_id == body.server_id && record.online);
    if !alive {
        return Ok(());
    }
    tracing::warn!(
        server = %body.server_id, holder = %present.hostname, claimant = %body.hostname,
        "a host asks for the name of a server that is alive"
    );
    Err(Problem::new(409, "server-exists", "The name is taken")
        .detail(format!(
            "The server `{}` is alive on the host `{}`, and the host `{}` asks for its name.",
            body.server_id, present.hostname, body.hostname
        ))
        .action("Give this host another name (FX_SERVER_ID), or end the other server first."))
}

/// Counts the servers that joined with the same file.
async fn use_up(core: &Core, invitation: &Invitation, server: &ServerId) -> Result<(), Problem> {
    let id = format!("invitation.{}", invitation.id);
    let mut full = false;
    core.modify(Collection::Joins, &id, |document| {
        let mut body: InvitationBody = match document {
            Some(document) => document.read()?,
            None => InvitationBody::default(),
        };
        full = false;
        if body.servers.contains(server) {
            return Ok(None);
        }
        if body.servers.len() >= usize::try_from(invitation.uses).unwrap_or(usize::MAX) {
            full = true;
            return Ok(None);
        }
        body.servers.insert(server.clone());
        Draft::new(&id, INVITATIONS, &body).map(|draft| Some(draft.expires(invitation.expires)))
    })
    .await?;
    if full {
        return Err(refused(
            "join-used-up",
            format!(
                "{} servers have joined with this file already.",
                invitation.uses
            ),
        )
        .action("Ask your administrator for a new join file."));
    }
    Ok(())
}

/// Owner of the documents that count uses.
const INVITATIONS: &str = "invitations";

/// What becomes of a new request.
async fn decide(core: &Core, discovery: Discovery) -> Result<(JoinState, String), Problem> {
    let Discovery::Any { most } = discovery else {
        return Ok((
            JoinState::Pending,
            "an administrator has to accept it".to_owned(),
        ));
    };
    let accepted = list(&*core.store)
        .await
        .map_err(|e| store_problem(&e))?
        .iter()
        .filter(|r| r.state == JoinState::Accepted)
        .count();
    if accepted >= usize::try_from(most).unwrap_or(usize::MAX) {
        return Ok((
            JoinState::Pending,
            format!("{most} servers have joined, and no more may do so unasked"),
        ));
    }
    Ok((JoinState::Accepted, String::new()))
}

/// The record after this request.
fn next(
    before: Option<JoinRecord>,
    body: &JoinAsk,
    invitation: &Invitation,
    (state, reason): (JoinState, String),
    now: Timestamp,
) -> JoinRecord {
    let mut previous_keys = Vec::new();
    let (state, reason) = match before {
        Some(before) if before.public_key == body.public_key => {
            return JoinRecord {
                hostname: body.hostname.clone(),
                version: body.version.clone(),
                ..before
            };
        }
        // Another key under a known name: a host that was set up anew, or somebody who would like to be it.
        Some(before) => {
            let reason = format!(
                "the name belonged to the host `{}`, whose key was another one",
                before.hostname
            );
            previous_keys = before.previous_keys;
            previous_keys.insert(0, before.public_key);
            previous_keys.truncate(REMEMBERED);
            (JoinState::Pending, reason)
        }
        None => (state, reason),
    };
    JoinRecord {
        server_id: body.server_id.clone(),
        public_key: body.public_key.clone(),
        hostname: body.hostname.clone(),
        version: body.version.clone(),
        invitation: invitation.id.clone(),
        state,
        asked: now,
        reason,
        jwt: None,
        previous_keys,
    }
}

fn answer(core: &Core, admission: &Admission, kept: &JoinRecord) -> Result<JoinAnswer, Problem> {
    let pending = |detail: String| Ok(JoinAnswer::Pending { detail });
    match (kept.state, &admission.signing, &kept.jwt) {
        (JoinState::Refused, _, _) => Err(refused(
            "join-refused",
            format!("An administrator refused the server `{}`.", kept.server_id),
        )),
        (JoinState::Pending, _, _) => pending(kept.reason.clone()),
        (JoinState::Accepted, _, Some(jwt)) => Ok(JoinAnswer::Accepted { jwt: jwt.clone() }),
        (JoinState::Accepted, None, None) => {
            pending("it is accepted, and the operator has to make its identity".to_owned())
        }
        (JoinState::Accepted, Some(signing), None) => {
            let caller = CallerId::from(kept.server_id.clone());
            let jwt =
                sign_node(signing, &caller, &kept.public_key, core.now()).map_err(|error| {
                    tracing::error!(%error, "an identity cannot be signed");
                    Problem::internal("The cluster manager's signing key cannot be used.")
                })?;
            tracing::info!(server = %kept.server_id, host = %kept.hostname, "a server joined");
            Ok(JoinAnswer::Accepted { jwt })
        }
    }
}

async fn record(core: &Core, server: &ServerId) -> Result<Option<JoinRecord>, Problem> {
    let document = core
        .store
        .get(Collection::Joins, server.as_str())
        .await
        .map_err(|e| store_problem(&e))?;
    document
        .map(|d| d.read())
        .transpose()
        .map_err(|e| store_problem(&e))
}

/// All requests that are kept, the oldest first.
pub async fn list(store: &dyn Store) -> Result<Vec<JoinRecord>, StoreError> {
    let mut all: Vec<JoinRecord> = store
        .list(Collection::Joins, None)
        .await?
        .iter()
        .filter(|document| document.owner != INVITATIONS)
        .filter_map(|document| document.read().ok())
        .collect();
    all.sort_by(|a, b| (a.asked, &a.server_id).cmp(&(b.asked, &b.server_id)));
    Ok(all)
}

/// Decides a request; none when that key did not ask under this name, or not any more.
pub async fn settle(
    store: &dyn Store,
    pace: &Pace,
    server: &ServerId,
    decision: &JoinDecision,
    now: Timestamp,
) -> Result<Option<JoinRecord>, StoreError> {
    let mut found = None;
    let id = server.as_str();
    modify(store, pace, Collection::Joins, id, now, |document| {
        found = None;
        let Some(document) = document else {
            return Ok(None);
        };
        let before: JoinRecord = document.read()?;
        if before.public_key != decision.public_key {
            return Ok(None);
        }
        let record = JoinRecord {
            state: decision.state,
            jwt: decision.jwt.clone(),
            reason: String::new(),
            ..before.clone()
        };
        let draft = Draft::new(id, "", &record)?;
        // The operator says the same again until it hears that it was understood.
        let changed = record != before;
        found = Some(record);
        Ok(changed.then_some(draft))
    })
    .await?;
    Ok(found)
}
