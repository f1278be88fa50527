//! The configuration, for administrators.

use axum::extract::State;
use fastx_core::wire::config::ScriptLimits;
use fastx_core::wire::problem::Problem;

use super::dto::{
    ProblemDocument, ScriptCheck, ScriptText, SystemChange, SystemDocument, SystemHistory,
};
use super::error::ApiError;
use super::extract::{Json, PathText, SignedIn};
use crate::logins::User;
use crate::node::Node;
use crate::scripts::{self, MAX_SCRIPT};
use crate::system::{self, Scope};

type Settings = Result<axum::Json<SystemDocument>, ApiError>;
type History = Result<axum::Json<SystemHistory>, ApiError>;

async fn get(node: &Node, user: &User, scope: &Scope) -> Settings {
    let document = system::read(node.transport(), user, scope).await?;
    Ok(axum::Json(SystemDocument::new(scope.name(), document)))
}

async fn put(node: &Node, user: &User, scope: &Scope, change: SystemChange) -> Settings {
    let (generation, document) = (change.generation, change.document.into());
    let stored = system::write(node.transport(), user, scope, generation, document).await?;
    Ok(axum::Json(SystemDocument::new(scope.name(), stored)))
}

async fn history(node: &Node, user: &User, scope: &Scope) -> History {
    let versions = system::history(node.transport(), user, scope).await?;
    Ok(axum::Json(SystemHistory::new(scope.name(), versions)))
}

async fn version(node: &Node, user: &User, scope: &Scope, generation: u64) -> Settings {
    let document = system::version(node.transport(), user, scope, generation).await?;
    Ok(axum::Json(SystemDocument::new(scope.name(), document)))
}

/// The settings of all servers
#[utoipa::path(get, operation_id = "getGlobalSettings", path = "/api/v1/system/global", tag = "system",
    responses((status = 200, body = SystemDocument)))]
pub(super) async fn get_global(State(node): State<Node>, SignedIn(user): SignedIn) -> Settings {
    get(&node, &user, &Scope::Global).await
}

/// Replace the settings of all servers
#[utoipa::path(put, operation_id = "putGlobalSettings", path = "/api/v1/system/global", tag = "system", request_body = SystemChange,
    responses(
        (status = 200, body = SystemDocument),
        (status = 409, body = ProblemDocument, content_type = "application/problem+json", description = "`managed-by-kubernetes`, `config-changed`"),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json", description = "`config-part-invalid`, `script-invalid`")))]
pub(super) async fn put_global(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Json(change): Json<SystemChange>,
) -> Settings {
    put(&node, &user, &Scope::Global, change).await
}

/// The settings of this server
#[utoipa::path(get, operation_id = "getLocalSettings", path = "/api/v1/system/local", tag = "system",
    responses((status = 200, body = SystemDocument)))]
pub(super) async fn get_local(State(node): State<Node>, SignedIn(user): SignedIn) -> Settings {
    get(&node, &user, &Scope::Local(node.me().clone())).await
}

/// Replace the settings of this server
#[utoipa::path(put, operation_id = "putLocalSettings", path = "/api/v1/system/local", tag = "system", request_body = SystemChange,
    responses(
        (status = 200, body = SystemDocument),
        (status = 409, body = ProblemDocument, content_type = "application/problem+json", description = "`managed-by-kubernetes`, `config-changed`"),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json", description = "`config-part-invalid`")))]
pub(super) async fn put_local(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Json(change): Json<SystemChange>,
) -> Settings {
    put(&node, &user, &Scope::Local(node.me().clone()), change).await
}

/// Earlier versions of the settings of all servers
#[utoipa::path(get, operation_id = "getGlobalSettingsHistory", path = "/api/v1/system/global/history", tag = "system",
    responses((status = 200, body = SystemHistory)))]
pub(super) async fn get_global_history(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
) -> History {
    history(&node, &user, &Scope::Global).await
}

/// The settings of all servers as they were in a version
#[utoipa::path(get, operation_id = "getGlobalSettingsVersion", path = "/api/v1/system/global/history/{generation}", tag = "system",
    params(("generation" = u64, Path, description = "Generation of the version")),
    responses(
        (status = 200, body = SystemDocument),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "`no-such-version`")))]
pub(super) async fn get_global_version(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    PathText(generation): PathText<u64>,
) -> Settings {
    version(&node, &user, &Scope::Global, generation).await
}

/// Earlier versions of the settings of this server
#[utoipa::path(get, operation_id = "getLocalSettingsHistory", path = "/api/v1/system/local/history", tag = "system",
    responses((status = 200, body = SystemHistory)))]
pub(super) async fn get_local_history(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
) -> History {
    history(&node, &user, &Scope::Local(node.me().clone())).await
}

/// The settings of this server as they were in a version
#[utoipa::path(get, operation_id = "getLocalSettingsVersion", path = "/api/v1/system/local/history/{generation}", tag = "system",
    params(("generation" = u64, Path, description = "Generation of the version")),
    responses(
        (status = 200, body = SystemDocument),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "`no-such-version`")))]
pub(super) async fn get_local_version(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    PathText(generation): PathText<u64>,
) -> Settings {
    version(&node, &user, &Scope::Local(node.me().clone()), generation).await
}

/// Whether a script compiles; nothing is stored
#[utoipa::path(post, operation_id = "checkScript", path = "/api/v1/system/scripts/check", tag = "system", request_body = ScriptText,
    responses((status = 200, body = ScriptCheck)))]
pub(super) async fn check_script(
    SignedIn(_admin): SignedIn,
    Json(script): Json<ScriptText>,
) -> Result<axum::Json<ScriptCheck>, ApiError> {
    if script.source.len() > MAX_SCRIPT {
        return Err(Problem::new(422, "bad-request", "The request is not valid")
            .detail(format!("`source` may have at most {MAX_SCRIPT} bytes."))
            .into());
    }
    let compiled = scripts::compile(&script.source, ScriptLimits::default()).await;
    Ok(axum::Json(compiled.into()))
}
