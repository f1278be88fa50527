//! The stream of changes: server-sent events that go on where a browser left off.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use fastx_core::roles::Right;
use fastx_core::wire::session::SessionRecord;
use fastx_lifecycle::clock;
use futures::Stream;
use futures::stream;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::dto::{
    ListSessions, OneSession, ProblemDocument, ResetEvent, ServerDocument, ServerEvent,
    ServerRemovedEvent, SessionRemovedEvent, SignedOutEvent,
};
use super::extract::{Query, SignedIn};
use super::{servers, sessions};
use crate::events::{Change, Numbered};
use crate::logins::User;
use crate::node::Node;
use crate::sessions::Admission;

/// Time between two comment lines.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const LAST_ID: &str = "last-event-id";

/// Changes of my sessions and of the servers as server-sent events
#[utoipa::path(get, operation_id = "streamEvents", path = "/api/v1/events", tag = "events", params(ListSessions,
        ("Last-Event-ID" = Option<String>, Header, description = "Goes on after this event; otherwise, or when it is not known, the stream begins with `reset`")),
    responses(
        (status = 200, content_type = "text/event-stream", body = String,
            description = "Events `reset`, `session`, `sessionRemoved`, `server`, `serverRemoved`, `signedOut`"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn stream(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Query(query): Query<ListSessions>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers.get(LAST_ID).and_then(|v| v.to_str().ok());
    let (mut sent, listener) = node.events().listen();
    let revoked = node.logins().revocations();
    let mut listening = Listening {
        all: query.all && user.role.may(Right::SessionsOfAll),
        node,
        user,
        listener,
        revoked,
        sent: 0,
        waiting: Vec::new(),
        servers: HashMap::new(),
        over: false,
    };
    match last.and_then(|id| listening.node.events().since(id)) {
        Some(missed) => {
            sent = missed.last().map_or(sent, |(n, _)| *n);
            let events: Vec<Event> = missed
                .iter()
                .filter_map(|change| listening.event(change))
                .collect();
            listening.waiting = events.into_iter().rev().collect();
        }
        None => listening.waiting.push(listening.reset(sent)),
    }
    listening.sent = sent;
    let events = stream::unfold(listening, |mut listening| async move {
        let event = listening.next().await?;
        Some((Ok(event), listening))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

struct Listening {
    node: Node,
    user: User,
    all: bool,
    listener: broadcast::Receiver<Numbered>,
    revoked: broadcast::Receiver<Arc<Vec<String>>>,
    /// Number of the last change that was sent or left out.
    sent: u64,
    /// Events to be sent first, last one first.
    waiting: Vec<Event>,
    /// What users saw of servers last: for them most news of a server is none.
    servers: HashMap<String, (String, bool)>,
    over: bool,
}

impl Listening {
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.waiting.pop() {
            return Some(event);
        }
        if self.over {
            return None;
        }
        let left = self.user.expires.duration_since(clock::now());
        let expiry = tokio::time::sleep(Duration::try_from(left).unwrap_or_default());
        tokio::pin!(expiry);
        let shutdown = self.node.shutdown().clone();
        loop {
            tokio::select! {
                // The browser comes back by itself, to this server or another.
                () = shutdown.triggered() => return None,
                () = &mut expiry => return Some(self.signed_out("The login has expired.")),
                revoked = self.revoked.recv() => match revoked {
                    Ok(jtis) if jtis.contains(&self.user.jti) => {
                        return Some(self.signed_out("The login was ended."));
                    }
                    Ok(_) => {}
                    // Whether it is still valid is for the next request to find out.
                    Err(RecvError::Lagged(_)) => return Some(self.signed_out("Please sign in again.")),
                    Err(RecvError::Closed) => return None,
                },
                change = self.listener.recv() => match change {
                    Ok(change) if change.0 <= self.sent => {}
                    Ok(change) => {
                        self.sent = change.0;
                        if let Some(event) = self.event(&change) {
                            return Some(event);
                        }
                    }
                    Err(RecvError::Lagged(_)) => {
                        let (sent, listener) = self.node.events().listen();
                        (self.sent, self.listener) = (sent, listener);
                        return Some(self.reset(sent));
                    }
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    fn sees(&self, record: &SessionRecord) -> bool {
        self.all || Admission::of(record, &self.user.login, clock::now()).is_some()
    }

    fn signed_out(&mut self, reason: &str) -> Event {
        self.over = true;
        event(
            "signedOut",
            &SignedOutEvent {
                reason: reason.to_owned(),
            },
        )
    }

    /// Everything as it is now.
    fn reset(&self, number: u64) -> Event {
        let own = self.node.sessions().list(&self.user, self.all);
        let everything = ResetEvent {
            sessions: own
                .into_iter()
                .map(|s| sessions::document(&self.node, &self.user, s))
                .collect(),
            servers: servers::documents(&self.node, &self.user),
        };
        event("reset", &everything).id(self.node.events().id(number))
    }

    /// A change as this user may see it.
    fn event(&mut self, (number, change): &Numbered) -> Option<Event> {
        let made = match change.as_ref() {
            Change::Session(record) if self.sees(record) => {
                let session = sessions::document(&self.node, &self.user, (**record).clone());
                event("session", &OneSession { session })
            }
            // It was shared with this user until now.
            Change::Session(record) if record.was_shared_with(&self.user.login) => event(
                "sessionRemoved",
                &SessionRemovedEvent {
                    id: record.id.to_string(),
                },
            ),
            Change::SessionRemoved { id, seen_by }
                if self.all || seen_by.contains(&self.user.login) =>
            {
                event("sessionRemoved", &SessionRemovedEvent { id: id.clone() })
            }
            Change::Session(_) | Change::SessionRemoved { .. } | Change::Superseded => return None,
            Change::Server(record) => {
                let full = self.user.role.may(Right::ServersInFull);
                let server = ServerDocument::new(record, full);
                let shown = (server.hostname.clone(), server.online);
                let before = self.servers.insert(server.server_id.clone(), shown.clone());
                if !full && before == Some(shown) {
                    return None;
                }
                event("server", &ServerEvent { server })
            }
            Change::ServerRemoved(id) => event(
                "serverRemoved",
                &ServerRemovedEvent {
                    server_id: id.clone(),
                },
            ),
        };
        Some(made.id(self.node.events().id(*number)))
    }
}

fn event<T: Serialize>(name: &str, data: &T) -> Event {
    // One line: a document has no line break outside of its strings, and those are escaped.
    Event::default()
        .event(name)
        .data(serde_json::to_string(data).unwrap_or_default())
}
