//! Carries one viewer's bytes between its WebSocket and the display, and says who hung up.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use bytes::{Bytes, BytesMut};
use fastx_core::names::SessionId;
use fastx_lifecycle::clock;
use fastx_lifecycle::shutdown::Shutdown;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::MissedTickBehavior;

use super::close::Close;
use super::filter::{Filter, Rules};
use crate::sessions::{Sessions, ViewerGuard};

/// Bytes of the display in one message: small, so that the display itself notices a slow viewer.
const PIECE: usize = 32 * 1024;
/// Time between two pings, so that no proxy cuts a quiet line.
pub(super) const PING: Duration = Duration::from_secs(20);
/// Pings without any sign of life after which a viewer is gone.
pub(super) const MISSES: u32 = 2;
/// A viewer that takes nothing for so long is gone.
const STALLED: Duration = Duration::from_mins(1);
/// How long a viewer gets to take the close frame.
const CLOSING: Duration = Duration::from_secs(2);
/// How long to wait for the link's word on why a display has gone.
const WHY: Duration = Duration::from_secs(2);

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    /// The viewer hung up.
    ViewerLeft,
    /// The viewer does not answer any more.
    ViewerLost,
    /// The display closed the connection.
    DisplayClosed,
    /// This side ends it.
    Close(Close),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ViewerLeft => f.write_str("it hung up"),
            Self::ViewerLost => f.write_str("it does not answer any more"),
            Self::DisplayClosed => f.write_str("the display closed the connection"),
            Self::Close(close) => close.fmt(f),
        }
    }
}

/// A viewer's stay.
pub(super) struct View<'a> {
    /// Ends the stay when dropped.
    pub guard: &'a ViewerGuard,
    /// The sessions of the node.
    pub sessions: &'a Sessions,
    /// The session.
    pub id: &'a SessionId,
    /// Counts what goes through.
    pub bytes: crate::metrics::Bytes,
    /// The end of the process.
    pub shutdown: &'a Shutdown,
}

/// Runs to the end of the viewer's stay.
pub(super) async fn run(socket: WebSocket, display: UnixStream, view: View<'_>) -> End {
    let (sessions, id) = (view.sessions, view.id);
    let rule = sessions.clipboard_rule(id);
    let rules = Rules::new(view.guard.viewer().mode, &rule);
    let (mut sink, mut stream) = socket.split();
    let (from_display, to_display) = display.into_split();
    let missed = AtomicU32::new(0);
    let end = tokio::select! {
        end = inbound(&mut stream, to_display, Filter::new(rules), &view, &missed) => end,
        end = outbound(&mut sink, from_display, &view, &missed) => end,
        () = sessions.clipboard_rule_is_not(id, &rule) => End::Close(Close::new_rules()),
        why = view.guard.sent_away() => End::Close(Close::disconnected(&why)),
        () = view.shutdown.triggered() => End::Close(Close::going_away()),
    };
    let end = match end {
        End::DisplayClosed => End::Close(why_closed(sessions, id).await),
        other => other,
    };
    if let End::Close(close) = &end {
        let _gone = tokio::time::timeout(CLOSING, async {
            if sink.send(close.clone().message()).await.is_ok() {
                while let Some(Ok(_)) = stream.next().await {}
            }
        })
        .await;
    }
    end
}

async fn inbound(
    stream: &mut SplitStream<WebSocket>,
    mut display: OwnedWriteHalf,
    mut filter: Filter,
    view: &View<'_>,
    missed: &AtomicU32,
) -> End {
    let mut out = Vec::with_capacity(1024);
    while let Some(message) = stream.next().await {
        missed.store(0, Ordering::Relaxed);
        let bytes = match message {
            Ok(Message::Binary(bytes)) => bytes,
            Ok(Message::Ping(_) | Message::Pong(_)) => continue,
            Ok(Message::Text(_)) => return End::Close(Close::protocol("Text is not RFB.")),
            Ok(Message::Close(_)) | Err(_) => return End::ViewerLeft,
        };
        view.bytes.came(bytes.len());
        out.clear();
        match filter.push(&bytes, &mut out) {
            Ok(seen) if seen.input => view.guard.viewer().typed(clock::now()),
            Ok(_) => {}
            Err(broken) => return End::Close(Close::protocol(&format!("{broken}."))),
        }
        if display.write_all(&out).await.is_err() {
            return End::DisplayClosed;
        }
        if out.capacity() > PIECE {
            // A large clipboard was the exception.
            out = Vec::with_capacity(1024);
        }
    }
    End::ViewerLeft
}

async fn outbound(
    sink: &mut SplitSink<WebSocket, Message>,
    mut display: OwnedReadHalf,
    view: &View<'_>,
    missed: &AtomicU32,
) -> End {
    let mut pings = tokio::time::interval_at(tokio::time::Instant::now() + PING, PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut buffer = BytesMut::with_capacity(PIECE);
    loop {
        buffer.reserve(PIECE);
        let message = tokio::select! {
            read = display.read_buf(&mut buffer) => match read {
                Ok(0) | Err(_) => return End::DisplayClosed,
                Ok(count) => {
                    view.bytes.went(count);
                    Message::Binary(buffer.split().freeze())
                }
            },
            _ = pings.tick() => {
                if missed.fetch_add(1, Ordering::Relaxed) >= MISSES {
                    return End::ViewerLost;
                }
                Message::Ping(Bytes::new())
            }
        };
        match tokio::time::timeout(STALLED, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::ViewerLeft,
            Err(_) => return End::ViewerLost,
        }
    }
}

/// The display usually goes a moment before the link says that the session is over.
async fn why_closed(sessions: &Sessions, id: &SessionId) -> Close {
    let until = tokio::time::Instant::now() + WHY;
    loop {
        match sessions.own(id) {
            None => return Close::ended(""),
            Some(record) if !record.state.is_live() => return Close::ended(&record.end_reason),
            Some(_) if tokio::time::Instant::now() >= until => {
                return Close::failed("The display closed the connection.");
            }
            Some(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
