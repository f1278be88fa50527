//! Sessions: list, start, change, end.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use fastx_core::wire::operations::{Act, ActAnswer};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::{SessionRecord, StartRequest};
use fastx_lifecycle::clock;

use super::dto::{
    ChangeSession, EndSession, Limits, ListSessions, OneSession, ProblemDocument, SessionDocument,
    Sessions, StartSession, Started,
};
use super::error::ApiError;
use super::extract::{Address, Id, Json, Query, SignedIn};
use crate::keys::random_hex;
use crate::logins::User;
use crate::node::Node;

const KEY_HEADER: &str = "idempotency-key";

/// A session as the API shows it to this user.
pub(super) fn document(node: &Node, user: &User, record: SessionRecord) -> SessionDocument {
    let server_name = node.fleet().hostname(&record.server_id);
    SessionDocument::new(record, server_name, user, clock::now())
}

/// My sessions and those shared with me; for managers also everybody's
#[utoipa::path(get, operation_id = "listSessions", path = "/api/v1/sessions", tag = "sessions", params(ListSessions),
    responses(
        (status = 200, body = Sessions),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Query(query): Query<ListSessions>,
) -> axum::Json<Sessions> {
    let sessions = node.sessions().list(&user, query.all);
    let sessions = sessions
        .into_iter()
        .map(|s| document(&node, &user, s))
        .collect();
    axum::Json(Sessions { sessions })
}

/// Start a session
#[utoipa::path(post, operation_id = "startSession", path = "/api/v1/sessions", tag = "sessions", request_body = StartSession,
    params(("Idempotency-Key" = Option<String>, Header, description = "A repetition under the same key gets the same answer")),
    responses(
        (status = 201, body = Started),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, body = ProblemDocument, content_type = "application/problem+json", description = "`key-reused`"),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "`no-server-fits`, with `servers`")))]
pub(super) async fn start(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Address(address): Address,
    headers: HeaderMap,
    Json(body): Json<StartSession>,
) -> Result<(StatusCode, axum::Json<Started>), ApiError> {
    let key = match headers.get(KEY_HEADER).map(|v| v.to_str()) {
        None => random_hex::<16>(&mut rand::rng()),
        Some(Ok(key)) if (1..=128).contains(&key.len()) => key.to_owned(),
        Some(_) => {
            return Err(Problem::bad_request(
                "Idempotency-Key must have 1 to 128 visible characters.",
            )
            .into());
        }
    };
    let start = StartRequest {
        command: body.command,
        application: body.application,
        geometry: body.geometry,
        name: body.name,
        profile: body.profile,
        server_id: body.server_id,
        params: body.params,
    };
    let started = node.sessions().start(&user, start, &key, &address).await?;
    let answer = Started {
        session: document(&node, &user, started.session),
        decision: started.decision.into(),
    };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

/// One session
#[utoipa::path(get, operation_id = "getSession", path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
    responses(
        (status = 200, body = OneSession),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn get(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Id(id): Id,
) -> Result<axum::Json<OneSession>, ApiError> {
    let record = node.sessions().find_seen(&user, &id).await?;
    let profile = node.configuration().current().profile(&record.profile);
    let mut session = document(&node, &user, record);
    session.limits = profile.map(Limits::from);
    Ok(axum::Json(OneSession { session }))
}

/// End a session
#[utoipa::path(delete, operation_id = "terminateSession", path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path), EndSession),
    responses(
        (status = 202, description = "It is being ended"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn terminate(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Id(id): Id,
    Query(query): Query<EndSession>,
) -> Result<Response, ApiError> {
    let reason = query.reason;
    crate::sessions::check_reason(&reason)?;
    let act = Act::Terminate { reason };
    node.sessions().act(&user, &id, act).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// Change name and parameters of a session
#[utoipa::path(patch, operation_id = "changeSession", path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
    request_body = ChangeSession,
    responses(
        (status = 200, body = OneSession),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 410, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn change(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Id(id): Id,
    Json(body): Json<ChangeSession>,
) -> Result<axum::Json<OneSession>, ApiError> {
    let act = Act::Params {
        name: body.name,
        params: body.params,
    };
    let answer = node.sessions().act(&user, &id, act).await?;
    let session = document(&node, &user, after(answer)?);
    Ok(axum::Json(OneSession { session }))
}

fn after(answer: ActAnswer) -> Result<SessionRecord, Problem> {
    let missing = "The session's server did not say how the session is now.";
    answer.session.ok_or_else(|| Problem::internal(missing))
}

/// Answer a warning: the time until the profile's limits begins anew
#[utoipa::path(post, operation_id = "staySession", path = "/api/v1/sessions/{id}/stay", tag = "sessions", params(("id" = String, Path)),
    responses(
        (status = 200, body = OneSession),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 410, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn stay(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Id(id): Id,
) -> Result<axum::Json<OneSession>, ApiError> {
    let answer = node.sessions().act(&user, &id, Act::Stay).await?;
    let session = document(&node, &user, after(answer)?);
    Ok(axum::Json(OneSession { session }))
}

/// Forget the record of a session that has ended, or that nobody can end: its server or desktop side is gone
#[utoipa::path(delete, operation_id = "purgeSession", path = "/api/v1/sessions/{id}/record", tag = "sessions", params(("id" = String, Path)),
    responses(
        (status = 204, description = "A server or desktop side that comes back with the session still running reports it anew"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, body = ProblemDocument, content_type = "application/problem+json", description = "`session-lives`"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn purge(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Id(id): Id,
) -> Result<StatusCode, ApiError> {
    node.sessions().purge(&user, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Send all viewers of a session away; the session goes on
#[utoipa::path(post, operation_id = "disconnectSession", path = "/api/v1/sessions/{id}/disconnect", tag = "sessions", params(("id" = String, Path)),
    responses(
        (status = 204),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn disconnect(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Id(id): Id,
) -> Result<StatusCode, ApiError> {
    node.sessions().act(&user, &id, Act::Disconnect).await?;
    Ok(StatusCode::NO_CONTENT)
}
