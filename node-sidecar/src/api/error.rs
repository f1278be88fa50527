//! Refusals as HTTP answers: problem documents, whose body the tracing layer writes.

use std::any::Any;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use fastx_core::wire::problem::Problem;

use super::dto::ProblemDocument;

/// A refusal on its way out.
#[derive(Debug)]
pub(super) struct ApiError {
    problem: Box<Problem>,
    retry_after: Option<u32>,
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        // Tries are counted over minutes; sooner it makes no sense to come back.
        let retry_after = match problem.status {
            429 => Some(30),
            503 => Some(5),
            _ => None,
        };
        Self {
            problem: Box::new(problem),
            retry_after,
        }
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let status = rejection.status().as_u16();
        let mut problem = Problem::bad_request(match &rejection {
            // The parser's words may quote the password that was sent in the wrong field.
            JsonRejection::JsonDataError(_) => {
                "A field of the body is missing or has the wrong type.".to_owned()
            }
            JsonRejection::JsonSyntaxError(_) => "The body is not JSON.".to_owned(),
            other => other.body_text(),
        });
        problem.status = status;
        problem.into()
    }
}

impl From<PathRejection> for ApiError {
    fn from(_: PathRejection) -> Self {
        Problem::not_found("such session").into()
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Problem::bad_request(rejection.body_text()).into()
    }
}

/// The problem of an answer, for the layer that knows the trace id.
#[derive(Debug, Clone)]
pub(super) struct Carried(pub(super) Problem);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let document = ProblemDocument::from(&*self.problem);
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(Carried(*self.problem));
        response
    }
}

/// The answer when a handler panicked.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over")]
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let what = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(%what, "a handler panicked");
    ApiError::from(Problem::internal(
        "The server made a mistake; its log says more.",
    ))
    .into_response()
}
