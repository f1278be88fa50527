//! The managers' HTTPS address: configuration in, status out, for the operator alone.
//!
//! The connection is mutual TLS: only certificates of the cluster's own authority come this far.
//! Any of them may read; only [`WRITER`] may change something.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, put};
use axum::{Json, Router};
use fastx_core::names::ServerId;
use fastx_core::wire::history::{Author, Via};
use fastx_core::wire::join::{JoinDecision, JoinList};
use fastx_core::wire::management::{ConfigPut, ConfigState, ConfigStored};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::status::ClusterStatus;
use fastx_lifecycle::https::Peer;
use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::tls::common_name;
use futures::Stream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::core::{Core, store_problem};
use crate::operations::{configuration, fleet, joins};

/// Common name of the client certificate that may change things.
pub const WRITER: &str = "fastx-operator";

/// Largest body: the parts of several hundred nodes at once.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Longest pause between two events of the status stream.
const STREAM_PAUSE: Duration = Duration::from_secs(10);

/// What the handlers need.
#[derive(Debug, Clone)]
pub struct Api {
    pub(crate) core: Arc<Core>,
    pub(crate) status: watch::Receiver<ClusterStatus>,
    pub(crate) shutdown: Shutdown,
}

/// Routes of the address.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/v1/config", get(get_config).put(put_config))
        .route("/v1/status", get(get_status))
        .route("/v1/status/stream", get(stream_status))
        .route("/v1/servers/{server}", delete(forget_server))
        .route("/v1/joins", get(get_joins))
        .route("/v1/joins/{server}", put(put_join))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(admit))
        .fallback(async || problem(Problem::not_found("such address")))
        .with_state(api)
}

/// Lets readers read and the writer write.
async fn admit(request: Request, next: Next) -> Response {
    if request.method() == Method::GET {
        return next.run(request).await;
    }
    let name = request
        .extensions()
        .get::<Peer>()
        .and_then(|peer| peer.client_certificate.as_deref())
        .and_then(common_name);
    if name.as_deref() != Some(WRITER) {
        let detail = format!("Only `{WRITER}` may change something here.");
        return problem(Problem::forbidden(&detail));
    }
    next.run(request).await
}

fn problem(problem: Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, kind, Json(problem)).into_response()
}

/// [`Json`] sets its own content type, which must not win over the problem's.
fn answer<T: serde::Serialize>(result: Result<T, Problem>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(refusal) => problem(refusal),
    }
}

async fn get_config(State(api): State<Api>) -> Response {
    answer(match configuration::root(&api.core).await {
        Ok(Some(root)) => Ok(ConfigState { root }),
        Ok(None) => Err(Problem::not_found("configuration yet")),
        Err(error) => Err(store_problem(&error)),
    })
}

async fn put_config(
    State(api): State<Api>,
    body: Result<Json<ConfigPut>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let body = match body {
        Ok(Json(body)) => body,
        Err(rejection) => {
            let status = rejection.status().as_u16();
            let refusal = Problem::new(status, "bad-request", "The request is not valid");
            return problem(refusal.detail(rejection.body_text()));
        }
    };
    let stored = configuration::put(&api.core, &body, &Author::new(Via::Kubernetes, "")).await;
    answer(
        stored
            .map(|root| ConfigStored {
                revision: root.revision(),
            })
            .map_err(|e| e.problem()),
    )
}

/// Without the identities that were given: they are of no use to anybody else.
async fn get_joins(State(api): State<Api>) -> Response {
    answer(match joins::list(&*api.core.store).await {
        Ok(mut joins) => {
            for join in &mut joins {
                join.jwt = None;
            }
            Ok(JoinList { joins })
        }
        Err(error) => Err(store_problem(&error)),
    })
}

async fn put_join(
    State(api): State<Api>,
    Path(server): Path<String>,
    body: Result<Json<JoinDecision>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let server: ServerId = match server.parse() {
        Ok(server) => server,
        Err(error) => return problem(Problem::bad_request(format!("{error}."))),
    };
    let Ok(Json(decision)) = body else {
        return problem(Problem::bad_request(
            "The body must have `state` and `publicKey`.",
        ));
    };
    let core = &api.core;
    let settled = joins::settle(&*core.store, &core.pace, &server, &decision, core.now()).await;
    match settled {
        Ok(Some(_)) => StatusCode::NO_CONTENT.into_response(),
        Ok(None) => problem(Problem::not_found("such request to join")),
        Err(error) => problem(store_problem(&error)),
    }
}

async fn get_status(State(api): State<Api>) -> Response {
    Json(api.status.borrow().clone()).into_response()
}

async fn forget_server(State(api): State<Api>, Path(server): Path<String>) -> Response {
    let server: ServerId = match server.parse() {
        Ok(server) => server,
        Err(error) => return problem(Problem::bad_request(format!("{error}."))),
    };
    match fleet::forget(&api.core, &server).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => problem(refusal),
    }
}

async fn stream_status(State(api): State<Api>) -> Response {
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(5));
    Sse::new(events(api.status, api.shutdown))
        .keep_alive(keep_alive)
        .into_response()
}

/// The status at once, on each change, and now and then; it ends when the manager does.
fn events(
    status: watch::Receiver<ClusterStatus>,
    shutdown: Shutdown,
) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold((status, true), move |(mut status, first)| {
        let shutdown = shutdown.clone();
        async move {
            if !first {
                let due = Instant::now() + STREAM_PAUSE;
                tokio::select! {
                    () = shutdown.triggered() => return None,
                    changed = status.changed() => changed.ok()?,
                    () = sleep_until(due) => {}
                }
            }
            let now = status.borrow_and_update().clone();
            let event = Event::default().event("status").json_data(now).ok()?;
            Some((Ok(event), (status, false)))
        }
    })
}
