//! The web client: embedded files, long-lived where their name carries a hash, under a strict policy.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use fastx_core::names::hex;
use rust_embed::{EmbeddedFile, RustEmbed};
use tower_http::compression::CompressionLayer;

use crate::node::Node;

#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Assets;

/// Page for every path that is not a file: the client finds its way itself.
const INDEX: &str = "index.html";

/// Everything outside of `/api`.
pub fn router(node: Node) -> Router {
    Router::new()
        .fallback(serve)
        .layer(CompressionLayer::new().gzip(true))
        .with_state(Arc::new(node))
}

async fn serve(
    State(node): State<Arc<Node>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let (name, file) = match Assets::get(path) {
        Some(file) if !path.is_empty() => (path, file),
        // A missing file is missing; a missing page is the client's to say.
        _ if path.starts_with("assets/") => return StatusCode::NOT_FOUND.into_response(),
        _ => match Assets::get(INDEX) {
            Some(file) => (INDEX, file),
            None => return no_client(),
        },
    };
    let tag = format!("\"{}\"", &hex(&file.metadata.sha256_hash())[..32]);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|v| v.as_bytes() == tag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        answer(name, file, &headers)
    };
    let headers = response.headers_mut();
    let caching = if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    secure(headers, &node);
    response
}

/// The file, already compressed where the build has made that and the browser takes it.
fn answer(name: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let accepted = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|v| v.to_str().ok());
    let brotli = accepted
        .flat_map(|v| v.split(','))
        .any(|e| e.trim().split(';').next() == Some("br"));
    let compressed = brotli.then(|| Assets::get(&format!("{name}.br"))).flatten();
    let kind = (header::CONTENT_TYPE, content_type(name));
    match compressed {
        Some(small) => ([kind, (header::CONTENT_ENCODING, "br")], bytes(small)).into_response(),
        None => ([kind], bytes(file)).into_response(),
    }
}

fn bytes(file: EmbeddedFile) -> Bytes {
    match file.data {
        std::borrow::Cow::Borrowed(data) => Bytes::from_static(data),
        std::borrow::Cow::Owned(data) => data.into(),
    }
}

fn no_client() -> Response {
    let text = "This build has no web client. The API is at /api/v1.\n";
    (
        StatusCode::NOT_FOUND,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        text,
    )
        .into_response()
}

fn secure(headers: &mut HeaderMap, node: &Node) {
    let servers = node.fleet().servers();
    let members = servers
        .iter()
        .flat_map(|r| &r.server.urls)
        .map(String::as_str);
    if let Ok(policy) = HeaderValue::from_str(&policy(members)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(
        "permissions-policy",
        HeaderValue::from_static("camera=(), microphone=(), geolocation=(), clipboard-read=(self), clipboard-write=(self), fullscreen=(self)"),
    );
    headers.insert(
        "cross-origin-opener-policy",
        HeaderValue::from_static("same-origin"),
    );
}

/// The policy of the page. Members that browsers may reach directly are named, and nobody else.
fn policy<'a>(members: impl Iterator<Item = &'a str>) -> String {
    let mut connect = String::from("'self'");
    for url in members {
        let Some(host) = url.trim_end_matches('/').strip_prefix("https://") else {
            continue;
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
        if !host.is_empty() && host.bytes().all(plain) {
            connect.push_str(" wss://");
            connect.push_str(host);
        }
    }
    // Style attributes are set by the client's widgets; scripts and style sheets are files only.
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; \
         img-src 'self' data: blob:; font-src 'self'; manifest-src 'self'; worker-src 'self'; \
         connect-src {connect}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_members_and_nobody_else() {
        let members = [
            "https://a.example:3300/",
            "http://b.example",
            "https://c.example; script-src *",
        ];
        let policy = policy(members.into_iter());
        assert!(
            policy.contains("connect-src 'self' wss://a.example:3300; base-uri"),
            "{policy}"
        );
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; "));
        assert!(!policy.contains("unsafe-eval"));
    }
}
