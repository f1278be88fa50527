//! The way to a display: candidates with tickets, and the socket itself.

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, State};
use axum::http::HeaderMap;
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::request::Parts;
use axum::response::Response;
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::{SessionState, Way};
use fastx_core::wire::ticket::{SUBPROTOCOL, SUBPROTOCOL_PREFIX};
use fastx_lifecycle::clock;

use super::dto::{Candidate, ConnectAnswer, ConnectRequest, ProblemDocument};
use super::error::ApiError;
use super::extract::{Address, Id, Json, KnownOrigin, SignedIn};
use crate::display::{Attempt, MAX_MESSAGE, READ_BUFFER};
use crate::keys::random_hex;
use crate::node::Node;
use crate::peer::PEER_NAME;

/// Ways to a session, each with a ticket
#[utoipa::path(post, operation_id = "connectSession", path = "/api/v1/sessions/{id}/connect", tag = "sessions", params(("id" = String, Path)),
    request_body = ConnectRequest,
    responses(
        (status = 200, body = ConnectAnswer),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 410, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn connect(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    page: KnownOrigin,
    Address(address): Address,
    Id(id): Id,
    Json(body): Json<ConnectRequest>,
) -> Result<axum::Json<ConnectAnswer>, ApiError> {
    let (record, admission) = node.sessions().find_open(&user, &id).await?;
    if record.state == SessionState::Ended {
        return Err(crate::sessions::ended(&record).into());
    }
    let attempt = Attempt {
        id: random_hex::<8>(&mut rand::rng()),
        login: user.login,
        session: record.id,
        server: record.server_id,
        mode: admission.limit(body.mode.into()),
        login_jti: user.jti,
        login_ends: user.expires,
        address,
    };
    let ways = ways(&node, &attempt, &page.host);
    let candidates = ways.into_iter().map(|(kind, base)| {
        let (ticket, expires) = node.displays().tickets().issue(&attempt, clock::now());
        Candidate {
            kind: kind.to_owned(),
            url: format!("{base}/api/v1/sessions/{}/display", attempt.session),
            ticket,
            expires,
        }
    });
    Ok(axum::Json(ConnectAnswer {
        attempt: attempt.id.clone(),
        mode: attempt.mode.into(),
        candidates: candidates.collect(),
    }))
}

/// Where to try, in order: the session's node itself, then by way of this one.
fn ways(node: &Node, attempt: &Attempt, host: &str) -> Vec<(&'static str, String)> {
    let here = format!("wss://{host}");
    if attempt.server == *node.me() {
        return vec![("direct", here)];
    }
    let target = node.fleet().server(&attempt.server);
    let urls = target.map(|r| r.server.urls).unwrap_or_default();
    let direct = urls.iter().filter_map(|url| {
        let host = url.trim_end_matches('/').strip_prefix("https://")?;
        Some(("direct", format!("wss://{host}")))
    });
    direct.chain([("relay", here)]).collect()
}

/// A WebSocket request whose faults are problems.
#[derive(Debug)]
pub(super) struct Upgrade(WebSocketUpgrade);

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let upgrade: Result<WebSocketUpgrade, _> =
            WebSocketUpgrade::from_request_parts(parts, state).await;
        upgrade.map(Self).map_err(|_| {
            Problem::new(426, "no-websocket", "A WebSocket is needed")
                .detail("This address speaks RFB over a WebSocket in HTTP/1.1.")
                .into()
        })
    }
}

/// The display as a WebSocket that carries RFB; the ticket travels as a subprotocol
#[utoipa::path(get, operation_id = "openDisplay", path = "/api/v1/sessions/{id}/display", tag = "sessions", params(("id" = String, Path)),
    responses(
        (status = 101, description = "Refusals come as close codes: 4401 ticket refused, 4404 no such session, 4408 sent away: by the owner or a manager, for idleness, or because the login has ended, 4410 session ended, 4503 session's server not reachable, 1001 server going away"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 426, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn display(
    State(node): State<Node>,
    page: KnownOrigin,
    Id(id): Id,
    headers: HeaderMap,
    Upgrade(upgrade): Upgrade,
) -> Response {
    let ticket = ticket_of(&headers);
    let displays = node.displays().clone();
    // Members call each other by a name of their own. Whoever pretends changes no more than what is shown of the way.
    let way = if page.host == PEER_NAME {
        Way::Relay
    } else {
        Way::Direct
    };
    upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER)
        .max_message_size(MAX_MESSAGE)
        .on_upgrade(move |socket| async move { displays.serve(socket, id, ticket, way).await })
}

fn ticket_of(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .find_map(|p| p.trim().strip_prefix(SUBPROTOCOL_PREFIX))
        .map(str::to_owned)
}
