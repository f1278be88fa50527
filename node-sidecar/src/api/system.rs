//! The configuration, for administrators.

use axum::extract::State;

use super::dto::{ProblemDocument, SystemChange, SystemDocument};
use super::error::ApiError;
use super::extract::{Json, SignedIn};
use crate::node::Node;
use crate::system::{self, Scope};

/// The settings of all servers
#[utoipa::path(get, operation_id = "getGlobalSettings", path = "/api/v1/system/global", tag = "system",
    responses(
        (status = 200, body = SystemDocument),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn get_global(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
) -> Result<axum::Json<SystemDocument>, ApiError> {
    let document = system::read(node.transport(), &user, &Scope::Global).await?;
    Ok(axum::Json(SystemDocument::new("global", document)))
}

/// Replace the settings of all servers
#[utoipa::path(put, operation_id = "putGlobalSettings", path = "/api/v1/system/global", tag = "system", request_body = SystemChange,
    responses(
        (status = 200, body = SystemDocument),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, body = ProblemDocument, content_type = "application/problem+json", description = "`managed-by-kubernetes`, `config-changed`"),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn put_global(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Json(change): Json<SystemChange>,
) -> Result<axum::Json<SystemDocument>, ApiError> {
    let scope = Scope::Global;
    let document = change.document.into();
    let stored =
        system::write(node.transport(), &user, &scope, change.generation, document).await?;
    Ok(axum::Json(SystemDocument::new("global", stored)))
}

/// The settings of this server
#[utoipa::path(get, operation_id = "getLocalSettings", path = "/api/v1/system/local", tag = "system",
    responses(
        (status = 200, body = SystemDocument),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn get_local(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
) -> Result<axum::Json<SystemDocument>, ApiError> {
    let scope = Scope::Local(node.me().clone());
    let document = system::read(node.transport(), &user, &scope).await?;
    Ok(axum::Json(SystemDocument::new("local", document)))
}

/// Replace the settings of this server
#[utoipa::path(put, operation_id = "putLocalSettings", path = "/api/v1/system/local", tag = "system", request_body = SystemChange,
    responses(
        (status = 200, body = SystemDocument),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, body = ProblemDocument, content_type = "application/problem+json", description = "`managed-by-kubernetes`, `config-changed`"),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn put_local(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Json(change): Json<SystemChange>,
) -> Result<axum::Json<SystemDocument>, ApiError> {
    let scope = Scope::Local(node.me().clone());
    let document = change.document.into();
    let stored =
        system::write(node.transport(), &user, &scope, change.generation, document).await?;
    Ok(axum::Json(SystemDocument::new("local", stored)))
}
