//! A client's way to a display: tickets, the socket at the session's node, the relay to another node, small pictures.

mod close;
mod filter;
mod picture;
mod relay;
mod splice;
mod tickets;

pub use close::Close;
pub use picture::Pictures;
pub(crate) use relay::{MAX_MESSAGE, READ_BUFFER};
pub use tickets::{Attempt, Tickets};

use axum::extract::ws::WebSocket;
use fastx_core::names::{ServerId, SessionId};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::Way;
use fastx_core::wire::ticket::TicketClaims;
use fastx_lifecycle::clock;
use fastx_lifecycle::shutdown::Shutdown;
use std::sync::Arc;
use tokio::sync::Semaphore;

use crate::hints::Hints;
use crate::sessions::{self, Admission, Coming, LOGIN_ENDED, NotLetIn, Sessions};

/// Viewers and relayed viewers of a node at once.
const AT_ONCE: usize = 1024;

/// Serves display sockets; clones share it.
#[derive(Debug, Clone)]
pub struct Displays {
    sessions: Sessions,
    tickets: Tickets,
    hints: Hints,
    slots: Arc<Semaphore>,
    shutdown: Shutdown,
}

impl Displays {
    /// Without any viewer.
    pub fn new(sessions: Sessions, tickets: Tickets, hints: Hints, shutdown: Shutdown) -> Self {
        Self {
            sessions,
            tickets,
            hints,
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            shutdown,
        }
    }

    /// What displays and sessions share.
    fn node(&self) -> &sessions::Parts {
        self.sessions.parts()
    }

    /// Waits until every viewer has been told that this process ends.
    pub async fn drained(&self) {
        let all = u32::try_from(AT_ONCE).unwrap_or(u32::MAX);
        let _closed = self.slots.acquire_many(all).await;
    }

    /// The tickets of this node.
    pub fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    /// Serves one socket to its end: here, or by way of the session's node.
    pub async fn serve(&self, socket: WebSocket, id: SessionId, ticket: Option<String>, way: Way) {
        let Ok(_slot) = self.slots.try_acquire() else {
            return self.refuse(socket, Close::full()).await;
        };
        let Some(ticket) = ticket else {
            return self.refuse(socket, Close::refused("there is none")).await;
        };
        let peeked = fastx_core::token::peek::<TicketClaims>(&ticket);
        match peeked {
            Ok(claims) if claims.session != id => {
                self.refuse(socket, Close::refused("it is for another session"))
                    .await;
            }
            Ok(claims) if claims.aud == self.node().me => {
                self.serve_here(socket, &id, &ticket, way).await;
            }
            // Relayed unopened: only the session's node can tell whether it is good.
            Ok(claims) => {
                let target = self.node().fleet.server(&claims.aud).filter(|r| r.online);
                let stay = relay::Stay {
                    id: &id,
                    ticket: &ticket,
                    login_jti: &claims.login_jti,
                    revoked: self.node().logins.revocations(),
                    me: &self.node().me,
                    reached: &|| self.note_reached(&claims.aud),
                    bytes: self.node().metrics.bytes(true),
                    shutdown: &self.shutdown,
                };
                match relay::run(socket, target, stay).await {
                    Ok(()) => {}
                    Err(relay::NoWay { socket, close, why }) => {
                        self.note_unreachable(&claims.aud, why);
                        self.refuse(socket, close).await;
                    }
                }
            }
            Err(error) => {
                self.refuse(socket, Close::refused(&error.to_string()))
                    .await;
            }
        }
    }

    fn note_reached(&self, server: &ServerId) {
        if self.hints.reached(server) {
            self.node().news.notify_one();
        }
    }

    fn note_unreachable(&self, server: &ServerId, why: Option<String>) {
        if why.is_some_and(|why| self.hints.unreachable(server, &why)) {
            self.node().news.notify_one();
        }
    }

    /// Says why a viewer is not let in.
    async fn refuse(&self, socket: WebSocket, close: Close) {
        self.node()
            .metrics
            .refused(&format!("close-{}", close.code));
        close::send(socket, close).await;
    }

    async fn serve_here(&self, socket: WebSocket, id: &SessionId, ticket: &str, way: Way) {
        let claims = match self.tickets.redeem(ticket, id, clock::now()).await {
            Ok(claims) => claims,
            Err(why) => return self.refuse(socket, Close::refused(&why)).await,
        };
        let Some(record) = self.sessions.own(id) else {
            return self.refuse(socket, Close::unknown()).await;
        };
        // What a guest may do follows from the share as it is now, not from what the issuer knew of it.
        let Some(admission) = Admission::of(&record, &claims.sub, clock::now()) else {
            let close = Close::refused("the session is not theirs, or no longer shared with them");
            return self.refuse(socket, close).await;
        };
        let Some(uid) = self.sessions.live_uid(id) else {
            return self.refuse(socket, Close::ended(&record.end_reason)).await;
        };
        let display = match self.sessions.hub().open_display(uid, id).await {
            Ok(display) => display,
            Err(problem) => return self.refuse(socket, not_opened(&problem)).await,
        };
        let guard = match self.sessions.view(Coming {
            claims: &claims,
            admission: admission.clone(),
            way,
        }) {
            Ok(guard) => guard,
            Err(NotLetIn::Full) => return self.refuse(socket, Close::full()).await,
            Err(NotLetIn::LoginEnded) => {
                return self.refuse(socket, Close::disconnected(LOGIN_ENDED)).await;
            }
        };
        // A share that was taken back before this viewer was counted has not sent it away.
        let now = self.sessions.own(id);
        let now = now.and_then(|r| Admission::of(&r, &claims.sub, clock::now()));
        if now != Some(admission) {
            let close = Close::refused("the sharing of the session has changed");
            return self.refuse(socket, close).await;
        }
        tracing::info!(session = %id, login = %claims.sub, mode = ?guard.viewer().mode, issuer = %claims.iss, "viewer connected");
        let view = splice::View {
            guard: &guard,
            sessions: &self.sessions,
            id,
            bytes: self.node().metrics.bytes(false),
            shutdown: &self.shutdown,
        };
        let end = splice::run(socket, display, view).await;
        tracing::info!(session = %id, login = %claims.sub, %end, "viewer gone");
    }
}

fn not_opened(problem: &Problem) -> Close {
    tracing::warn!(%problem, "a display cannot be opened");
    if matches!(problem.status, 404 | 410) {
        Close::unknown()
    } else {
        Close::unreachable(&problem.detail)
    }
}
