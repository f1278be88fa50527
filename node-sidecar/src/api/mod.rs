//! The HTTP API: handlers translate, the services decide.

mod applications;
mod connect;
mod conversation;
mod describe;
mod documents;
pub mod dto;
mod error;
mod events;
mod extract;
mod login;
mod oidc;
mod openapi;
mod origin;
mod rights;
mod servers;
mod sessions;
mod shares;
mod system;
mod tokens;
mod trace;

pub use openapi::document;
pub use rights::page as roles_page;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::routing::{delete, get, post};
use fastx_core::wire::config::MAX_PART_BYTES;
use fastx_core::wire::problem::Problem;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use self::error::ApiError;
use crate::node::Node;

/// Largest request, bytes.
const MAX_BODY: usize = 64 * 1024;

/// Largest settings document with what surrounds it, bytes.
const MAX_SETTINGS: usize = MAX_PART_BYTES + 4096;

fn system_routes() -> Router<Node> {
    Router::new()
        .route(
            "/system/global",
            get(system::get_global).put(system::put_global),
        )
        .route(
            "/system/local",
            get(system::get_local).put(system::put_local),
        )
        .route("/system/global/history", get(system::get_global_history))
        .route(
            "/system/global/history/{generation}",
            get(system::get_global_version),
        )
        .route("/system/local/history", get(system::get_local_history))
        .route(
            "/system/local/history/{generation}",
            get(system::get_local_version),
        )
        .route("/system/scripts/check", post(system::check_script))
        .layer(DefaultBodyLimit::max(MAX_SETTINGS))
}

/// Everything below `/api`.
pub fn router(node: Node) -> Router {
    let metrics = node.metrics().clone();
    let v1 = Router::new()
        .route("/info", get(login::info))
        .route("/login", post(login::login))
        .route("/login/conversations/{id}", post(conversation::answer))
        .route("/login/oidc", get(oidc::begin))
        .route("/login/oidc/callback", get(oidc::finish))
        .route("/logout", post(login::logout))
        .route("/me", get(login::me))
        .route("/applications", get(applications::list))
        .route("/sessions", get(sessions::list).post(sessions::start))
        .route(
            "/sessions/{id}",
            get(sessions::get)
                .delete(sessions::terminate)
                .patch(sessions::change),
        )
        .route("/sessions/{id}/connect", post(connect::connect))
        .route("/sessions/{id}/display", get(connect::display))
        .route("/sessions/{id}/disconnect", post(sessions::disconnect))
        .route("/sessions/{id}/stay", post(sessions::stay))
        .route("/sessions/{id}/record", delete(sessions::purge))
        .route("/sessions/{id}/shares", post(shares::share))
        .route("/sessions/{id}/shares/{share}", delete(shares::unshare))
        .route("/shares/{secret}", post(shares::accept))
        .route("/sessions/{id}/decision", get(documents::decision))
        .route("/sessions/{id}/log", get(documents::log))
        .route("/sessions/{id}/screenshot", get(documents::screenshot))
        .route("/servers", get(servers::list))
        .route("/servers/{serverId}/link", post(conversation::open_link))
        .route(
            "/servers/{serverId}/link/{conversation}",
            post(conversation::answer_link),
        )
        .route("/tokens", get(tokens::list).post(tokens::make))
        .route("/tokens/{id}", delete(tokens::end).patch(tokens::change))
        .route("/users", get(tokens::users))
        .route("/events", get(events::stream))
        .merge(system_routes())
        .route("/openapi.json", get(openapi::serve))
        .method_not_allowed_fallback(wrong_method)
        .with_state(node);
    Router::new()
        .nest("/api/v1", v1)
        .route("/api/{*rest}", axum::routing::any(unknown))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(SetResponseHeaderLayer::if_not_present(
            CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(axum::middleware::from_fn_with_state(metrics, trace::trace))
}

async fn wrong_method() -> ApiError {
    Problem::new(405, "wrong-method", "Not allowed")
        .detail("This address does not take that method.")
        .into()
}

async fn unknown() -> ApiError {
    Problem::new(404, "not-found", "Not found")
        .detail("The API has no such address; version 1 is at /api/v1.")
        .into()
}
