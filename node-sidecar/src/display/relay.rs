//! Forwards a viewer to the node that has the session: the ticket goes along unopened, the messages as they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::ws::{self, WebSocket};
use fastx_core::names::{ServerId, SessionId};
use fastx_core::wire::server::ServerRecord;
use fastx_core::wire::ticket::{SUBPROTOCOL, SUBPROTOCOL_PREFIX};
use fastx_lifecycle::shutdown::Shutdown;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use http::Uri;
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::close::Close;
use super::splice::{MISSES, PING};
use crate::metrics::Bytes;
use crate::peer;
use crate::sessions::LOGIN_ENDED;

/// How long the way to the other node may take to be up.
const CONNECT: Duration = Duration::from_secs(5);
/// A side that takes nothing for so long is gone.
const STALLED: Duration = Duration::from_mins(1);
const CLOSING: Duration = Duration::from_secs(2);
/// Largest message either way.
pub(crate) const MAX_MESSAGE: usize = 8 * 1024 * 1024;
/// Buffer for reading, a connection.
pub(crate) const READ_BUFFER: usize = 16 * 1024;

type Member = WebSocketStream<TlsStream<TcpStream>>;

/// What is known of a viewer that is to be relayed.
pub(super) struct Stay<'a> {
    /// The session.
    pub id: &'a SessionId,
    /// The ticket, unopened.
    pub ticket: &'a str,
    /// Login that it says it came with. Unverified: good enough to end the stay, not to begin one.
    pub login_jti: &'a str,
    /// Logins that are ended.
    pub revoked: broadcast::Receiver<Arc<Vec<String>>>,
    /// Name of this node.
    pub me: &'a ServerId,
    /// Called once the other node has answered.
    pub reached: &'a (dyn Fn() + Sync),
    /// Counts what goes through.
    pub bytes: Bytes,
    /// The end of the process.
    pub shutdown: &'a Shutdown,
}

/// A viewer that cannot be relayed.
pub(super) struct NoWay {
    /// Its socket, unused.
    pub socket: WebSocket,
    /// What it is told.
    pub close: Close,
    /// Why the other node cannot be reached, for administrators; none when it is not known or offline.
    pub why: Option<String>,
}

/// Forwards to the end of the viewer's stay; gives the socket back when there is no way.
pub(super) async fn run(
    socket: WebSocket,
    target: Option<ServerRecord>,
    stay: Stay<'_>,
) -> Result<(), NoWay> {
    let id = stay.id;
    let Some(target) = target else {
        let close = Close::unreachable("The session's server is not known here, or is offline.");
        return Err(NoWay {
            socket,
            close,
            why: None,
        });
    };
    let server = &target.server;
    let mut failures = Vec::new();
    for url in &server.peer_urls {
        let attempt = connect(url, &server.peer_fingerprint, id, stay.ticket);
        match tokio::time::timeout(CONNECT, attempt).await {
            Ok(Ok(member)) => {
                (stay.reached)();
                tracing::info!(session = %id, server = %server.server_id, "viewer is being relayed");
                let end = forward(socket, member, stay).await;
                tracing::info!(session = %id, server = %server.server_id, %end, "relayed viewer gone");
                return Ok(());
            }
            Ok(Err(reason)) => failures.push(format!("{url}: {reason}")),
            Err(_) => failures.push(format!("{url}: no answer in time")),
        }
    }
    tracing::warn!(session = %id, server = %server.server_id, reasons = ?failures, "the session's server cannot be reached");
    let words = format!(
        "{} cannot reach the session's server {}.",
        stay.me, server.server_id
    );
    let why = if failures.is_empty() {
        "it names no address for members".to_owned()
    } else {
        failures.join("; ")
    };
    Err(NoWay {
        socket,
        close: Close::unreachable(&words),
        why: Some(why),
    })
}

async fn connect(
    url: &str,
    fingerprint: &str,
    id: &SessionId,
    ticket: &str,
) -> Result<Member, String> {
    let uri: Uri = url.parse().map_err(|_| "it is not a URL".to_owned())?;
    if uri.scheme_str() != Some("https") {
        return Err("only https is used between members".to_owned());
    }
    let host = uri
        .host()
        .ok_or("it names no host")?
        .trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(3300);
    let tcp = TcpStream::connect((host, port))
        .await
        .map_err(|e| e.to_string())?;
    tcp.set_nodelay(true).map_err(|e| e.to_string())?;
    let tls = peer::client(fingerprint).map_err(|e| e.to_string())?;
    let stream = TlsConnector::from(tls)
        .connect(peer::name(), tcp)
        .await
        .map_err(|e| e.to_string())?;
    let address = format!("wss://{}/api/v1/sessions/{id}/display", peer::PEER_NAME);
    let mut request = address.into_client_request().map_err(|e| e.to_string())?;
    let protocols = format!("{SUBPROTOCOL}, {SUBPROTOCOL_PREFIX}{ticket}");
    let protocols = protocols
        .parse()
        .map_err(|_| "the ticket has characters that cannot travel".to_owned())?;
    request
        .headers_mut()
        .insert(http::header::SEC_WEBSOCKET_PROTOCOL, protocols);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(MAX_MESSAGE));
    let (member, _answer) =
        tokio_tungstenite::client_async_with_config(request, stream, Some(config))
            .await
            .map_err(|e| e.to_string())?;
    Ok(member)
}

/// Why a relayed stay ended.
#[derive(Debug)]
enum End {
    Viewer,
    Member(Option<(u16, String)>),
    ViewerLost,
    MemberLost,
    LoginEnded,
    GoingAway,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Viewer => f.write_str("the viewer hung up"),
            Self::Member(Some((code, reason))) => {
                write!(f, "the session's server closed it: {code} {reason}")
            }
            Self::Member(None) => f.write_str("the session's server hung up"),
            Self::ViewerLost => f.write_str("the viewer does not answer any more"),
            Self::MemberLost => f.write_str("the session's server does not answer any more"),
            Self::LoginEnded => f.write_str("the viewer's login has ended"),
            Self::GoingAway => f.write_str("this server ends"),
        }
    }
}

/// The session's node hears of an ended login as well; whichever is first tells the viewer.
async fn login_ended(login: &str, mut revoked: broadcast::Receiver<Arc<Vec<String>>>) {
    loop {
        match revoked.recv().await {
            Ok(jtis) if !login.is_empty() && jtis.iter().any(|jti| jti == login) => return,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

async fn forward(viewer: WebSocket, member: Member, stay: Stay<'_>) -> End {
    let (mut to_viewer, mut from_viewer) = viewer.split();
    let (mut to_member, mut from_member) = member.split();
    let missed = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let end = tokio::select! {
        end = up(&mut from_viewer, &mut to_member, &missed, &stay.bytes) => end,
        end = down(&mut from_member, &mut to_viewer, &missed, &stay.bytes) => end,
        () = login_ended(stay.login_jti, stay.revoked) => End::LoginEnded,
        () = stay.shutdown.triggered() => End::GoingAway,
    };
    let to_tell = match &end {
        End::Member(Some((code, reason))) => Some(Close::new(*code, reason)),
        End::Member(None) | End::MemberLost => Some(Close::unreachable(
            "The connection to the session's server was lost.",
        )),
        End::LoginEnded => Some(Close::disconnected(LOGIN_ENDED)),
        End::GoingAway => Some(Close::going_away()),
        End::Viewer | End::ViewerLost => None,
    };
    let _late = tokio::time::timeout(CLOSING, async {
        if let Some(close) = to_tell {
            let sent = to_viewer.send(close.message()).await;
            if sent.is_ok() {
                while let Some(Ok(_)) = from_viewer.next().await {}
            }
        }
        let frame = CloseFrame {
            code: 1000.into(),
            reason: "".into(),
        };
        let _gone = to_member.send(Message::Close(Some(frame))).await;
    })
    .await;
    end
}

type Missed = Arc<[AtomicU32; 2]>;
const VIEWER: usize = 0;
const MEMBER: usize = 1;

async fn up<S, D>(from: &mut S, to: &mut D, missed: &Missed, counted: &Bytes) -> End
where
    S: Stream<Item = Result<ws::Message, axum::Error>> + Unpin,
    D: Sink<Message, Error = WsError> + Unpin,
{
    let mut pings = tokio::time::interval_at(tokio::time::Instant::now() + PING, PING);
    loop {
        let message = tokio::select! {
            message = from.next() => {
                missed[VIEWER].store(0, Ordering::Relaxed);
                match message {
                    Some(Ok(ws::Message::Binary(bytes))) => {
                        counted.came(bytes.len());
                        Message::Binary(bytes)
                    }
                    Some(Ok(ws::Message::Text(text))) => Message::Text(text.as_str().into()),
                    Some(Ok(ws::Message::Ping(_) | ws::Message::Pong(_))) => continue,
                    Some(Ok(ws::Message::Close(_)) | Err(_)) | None => return End::Viewer,
                }
            }
            _ = pings.tick() => {
                if missed[MEMBER].fetch_add(1, Ordering::Relaxed) >= MISSES {
                    return End::MemberLost;
                }
                Message::Ping(bytes::Bytes::new())
            }
        };
        match tokio::time::timeout(STALLED, to.send(message)).await {
            Ok(Ok(())) => {}
            // What the member said last is worth more than that it takes nothing: the other direction reads it.
            Ok(Err(_)) => std::future::pending::<()>().await,
            Err(_) => return End::MemberLost,
        }
    }
}

async fn down<S, D>(from: &mut S, to: &mut D, missed: &Missed, counted: &Bytes) -> End
where
    S: Stream<Item = Result<Message, WsError>> + Unpin,
    D: Sink<ws::Message, Error = axum::Error> + Unpin,
{
    let mut pings = tokio::time::interval_at(tokio::time::Instant::now() + PING, PING);
    loop {
        let message = tokio::select! {
            message = from.next() => {
                missed[MEMBER].store(0, Ordering::Relaxed);
                match message {
                    Some(Ok(Message::Binary(bytes))) => {
                        counted.went(bytes.len());
                        ws::Message::Binary(bytes)
                    }
                    Some(Ok(Message::Text(text))) => ws::Message::Text(text.as_str().into()),
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                    Some(Ok(Message::Close(frame))) => {
                        return End::Member(frame.map(|f| (f.code.into(), f.reason.to_string())));
                    }
                    Some(Err(_)) | None => return End::Member(None),
                }
            }
            _ = pings.tick() => {
                if missed[VIEWER].fetch_add(1, Ordering::Relaxed) >= MISSES {
                    return End::ViewerLost;
                }
                ws::Message::Ping(bytes::Bytes::new())
            }
        };
        match tokio::time::timeout(STALLED, to.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::Viewer,
            Err(_) => return End::ViewerLost,
        }
    }
}
