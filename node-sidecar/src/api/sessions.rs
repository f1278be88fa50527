//! Sessions: list, start, change, end.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use fastx_core::wire::operations::Act;
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::{SessionRecord, StartRequest};

use super::dto::{
    ChangeSession, ListSessions, OneSession, ProblemDocument, SessionDocument, Sessions,
    StartSession, Started,
};
use super::error::ApiError;
use super::extract::{Address, Id, Json, Query, SignedIn};
use crate::keys::random_hex;
use crate::logins::Want;
use crate::node::Node;

const KEY_HEADER: &str = "idempotency-key";

/// A session as the API shows it.
pub(super) fn document(node: &Node, record: SessionRecord) -> SessionDocument {
    let server_name = node.fleet().hostname(&record.server_id);
    SessionDocument::new(record, server_name)
}

/// My sessions; for managers also everybody's
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
    let sessions = sessions.into_iter().map(|s| document(&node, s)).collect();
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
        session: document(&node, started.session),
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
    let record = node.sessions().find(&user, &id, Want::Oversee).await?;
    let session = document(&node, record);
    Ok(axum::Json(OneSession { session }))
}

/// End a session
#[utoipa::path(delete, operation_id = "terminateSession", path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
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
) -> Result<Response, ApiError> {
    node.sessions().act(&user, &id, Act::Terminate).await?;
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
    let record = answer.session.ok_or_else(|| {
        Problem::internal("The session's server did not say how the session is now.")
    })?;
    let session = document(&node, record);
    Ok(axum::Json(OneSession { session }))
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
