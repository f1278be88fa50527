//! Sharing of sessions.

use axum::extract::State;
use axum::http::StatusCode;
use fastx_core::names::{LoginName, NameError, SessionId};
use fastx_core::wire::operations::Act;
use fastx_core::wire::problem::Problem;

use super::dto::{AcceptedShare, ProblemDocument, ShareDocument, ShareRequest};
use super::error::ApiError;
use super::extract::{Id, Json, PathText, SignedIn};
use crate::node::Node;

/// Share a session with a login, or by a link for whoever has it; only its owner may
#[utoipa::path(post, operation_id = "shareSession", path = "/api/v1/sessions/{id}/shares", tag = "sessions", params(("id" = String, Path)),
    request_body = ShareRequest,
    responses(
        (status = 201, body = ShareDocument),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, body = ProblemDocument, content_type = "application/problem+json", description = "`too-many-shares`"),
        (status = 410, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn share(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Id(id): Id,
    Json(body): Json<ShareRequest>,
) -> Result<(StatusCode, axum::Json<ShareDocument>), ApiError> {
    let login: Option<LoginName> = match body.login.as_str() {
        "" => None,
        name => Some(name.parse().map_err(|error: NameError| {
            Problem::new(422, "bad-request", "The request is not valid").detail(error.to_string())
        })?),
    };
    let act = Act::Share {
        login,
        mode: body.mode.into(),
        minutes: body.minutes,
    };
    let answer = node.sessions().act(&user, &id, act).await?;
    let share = answer.share.ok_or_else(|| {
        Problem::internal("The session's server did not say what came of the sharing.")
    })?;
    let mut document = ShareDocument::from(share);
    document.url = answer.secret.map(|s| format!("/share/{}", s.expose()));
    Ok((StatusCode::CREATED, axum::Json(document)))
}

/// Take a share back; its viewers leave at once
#[utoipa::path(delete, operation_id = "unshareSession", path = "/api/v1/sessions/{id}/shares/{share}", tag = "sessions",
    params(("id" = String, Path), ("share" = String, Path)),
    responses(
        (status = 204),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn unshare(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    PathText((id, share)): PathText<(SessionId, String)>,
) -> Result<StatusCode, ApiError> {
    let act = Act::Unshare { share };
    node.sessions().act(&user, &id, act).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accept the link of a share: the session is among one's own then, for as long as the share lasts
#[utoipa::path(post, operation_id = "acceptShare", path = "/api/v1/shares/{secret}", tag = "sessions", params(("secret" = String, Path)),
    responses(
        (status = 200, body = AcceptedShare),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "`no-share`"),
        (status = 409, body = ProblemDocument, content_type = "application/problem+json", description = "`too-many-guests`"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn accept(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    PathText(secret): PathText<String>,
) -> Result<axum::Json<AcceptedShare>, ApiError> {
    let id = node.sessions().accept(&user, &secret).await?;
    Ok(axum::Json(AcceptedShare {
        session_id: id.into(),
    }))
}
