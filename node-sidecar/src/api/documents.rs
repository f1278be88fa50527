//! What belongs to a session: its decision, its log, its picture.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fastx_core::names::hex;
use fastx_core::wire::operations::Act;
use fastx_core::wire::problem::Problem;
use sha2::{Digest as _, Sha256};

use super::dto::{DecisionDocument, LogText, ProblemDocument, ScreenshotQuery};
use super::error::ApiError;
use super::extract::{Id, Query, SignedIn};
use crate::node::Node;

const DEFAULT_WIDTH: u16 = 320;

/// How the session's server was chosen
#[utoipa::path(get, operation_id = "getDecision", path = "/api/v1/sessions/{id}/decision", tag = "sessions", params(("id" = String, Path)),
    responses(
        (status = 200, body = DecisionDocument),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn decision(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Id(id): Id,
) -> Result<axum::Json<DecisionDocument>, ApiError> {
    let decision = node.sessions().decision(&user, &id).await?;
    Ok(axum::Json(decision.into()))
}

/// The last lines that the session's programs printed
#[utoipa::path(get, operation_id = "getLog", path = "/api/v1/sessions/{id}/log", tag = "sessions", params(("id" = String, Path)),
    responses(
        (status = 200, body = LogText),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 410, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn log(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Id(id): Id,
) -> Result<axum::Json<LogText>, ApiError> {
    let answer = node.sessions().act(&user, &id, Act::Log).await?;
    Ok(axum::Json(LogText { text: answer.text }))
}

/// A small picture of the session's screen
#[utoipa::path(get, operation_id = "getScreenshot", path = "/api/v1/sessions/{id}/screenshot", tag = "sessions",
    params(("id" = String, Path), ScreenshotQuery),
    responses(
        (status = 200, content_type = "image/png", body = Vec<u8>),
        (status = 304, description = "The picture with this ETag is still right"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 410, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn screenshot(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Id(id): Id,
    Query(query): Query<ScreenshotQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let width = query.width.unwrap_or(DEFAULT_WIDTH).into();
    let answer = node
        .sessions()
        .act(&user, &id, Act::Screenshot { width })
        .await?;
    let png = BASE64.decode(&answer.png).map_err(|_| {
        Problem::internal("The session's server sent a picture that cannot be read.")
    })?;
    let tag = format!("\"{}\"", &hex(&Sha256::digest(&png))[..32]);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|v| v.as_bytes() == tag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "image/png")], Bytes::from(png)).into_response()
    };
    let headers = response.headers_mut();
    // Kept by the browser, but never shown without asking whether it is still right.
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}
