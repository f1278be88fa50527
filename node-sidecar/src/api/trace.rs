//! Gives each request an id that stands in its answer and in the log.

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::dto::ProblemDocument;
use super::error::Carried;
use crate::keys::random_hex;
use crate::metrics::Metrics;

/// Header of the answer that carries the id.
const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// The layer.
pub(super) async fn trace(
    State(metrics): State<Metrics>,
    request: Request,
    next: Next,
) -> Response {
    let id = random_hex::<8>(&mut rand::rng());
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "(unknown)".to_owned(), |p| p.as_str().to_owned());
    let span = tracing::info_span!("request", trace_id = %id);
    let mut response = next.run(request).instrument(span).await;
    if let Some(Carried(mut problem)) = response.extensions_mut().remove::<Carried>() {
        problem.trace_id.clone_from(&id);
        let (status, kind) = (problem.status, &problem.kind);
        metrics.refused(kind);
        if status >= 500 {
            tracing::warn!(trace_id = %id, %method, %route, status, %kind, detail = %problem.detail, "request failed");
        } else {
            tracing::info!(trace_id = %id, %method, %route, status, %kind, detail = %problem.detail, "request refused");
        }
        let body = serde_json::to_vec(&ProblemDocument::from(&problem)).unwrap_or_default();
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(body);
    } else {
        tracing::debug!(trace_id = %id, %method, %route, status = response.status().as_u16(), "request answered");
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(TRACE_ID, value);
    }
    response
}
