//! The OpenAPI document, derived from the handlers and their documents.

use std::sync::LazyLock;

use utoipa::OpenApi;

use super::{
    applications, connect, conversation, describe, documents, dto, events, login, oidc, rights,
    servers, sessions, shares, system, tokens,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "FastX node API",
        description = "Desktops of a cluster: sign in, start, connect."
    ),
    paths(
        login::info,
        login::login,
        conversation::answer,
        oidc::begin,
        oidc::finish,
        login::logout,
        login::me,
        applications::list,
        sessions::list,
        sessions::start,
        sessions::get,
        sessions::terminate,
        sessions::change,
        sessions::disconnect,
        sessions::stay,
        sessions::purge,
        shares::share,
        shares::unshare,
        shares::accept,
        connect::connect,
        connect::display,
        documents::decision,
        documents::log,
        documents::screenshot,
        servers::list,
        conversation::open_link,
        conversation::answer_link,
        tokens::list,
        tokens::make,
        tokens::change,
        tokens::end,
        tokens::users,
        events::stream,
        system::get_global,
        system::put_global,
        system::get_global_history,
        system::get_global_version,
        system::get_local,
        system::put_local,
        system::get_local_history,
        system::get_local_version,
        system::check_script,
        serve,
    ),
    components(schemas(
        dto::ResetEvent,
        dto::SessionRemovedEvent,
        dto::ServerEvent,
        dto::ServerRemovedEvent,
        dto::SignedOutEvent,
    ))
)]
struct Api;

/// The document as JSON, indented.
pub fn document() -> String {
    let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
    document["info"]["version"] = crate::VERSION.into();
    rights::describe(&mut document);
    describe::complete(&mut document);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// This document
#[utoipa::path(get, operation_id = "getOpenApi", path = "/api/v1/openapi.json", tag = "api",
    responses((status = 200, body = Object, description = "OpenAPI")))]
pub(super) async fn serve() -> ([(axum::http::HeaderName, &'static str); 1], &'static str) {
    static DOCUMENT: LazyLock<String> = LazyLock::new(document);
    (
        [(axum::http::header::CONTENT_TYPE, "application/json")],
        &DOCUMENT,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn every_operation_describes_its_refusals() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        assert_eq!(paths.len(), 36);
        for (path, operations) in paths {
            for (method, operation) in operations.as_object().unwrap() {
                let public = path.ends_with("/info") || path.ends_with("/openapi.json");
                let responses = operation["responses"].as_object().unwrap();
                let refusals = responses
                    .iter()
                    .filter(|(_, r)| r["content"]["application/problem+json"].is_object());
                assert!(public || refusals.count() > 0, "{method} {path}");
                assert!(
                    operation["operationId"].is_string() && operation["summary"].is_string(),
                    "{method} {path}"
                );
            }
        }
    }
}
