//! Ends the view of whoever's login is ended: as revocations come, and as the managers say where some may have been missed.

use std::time::Duration;

use fastx_core::subject::Operation;
use fastx_core::wire::operations::{TokenAnswer, TokenCheck};
use fastx_lifecycle::shutdown::Shutdown;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::Sessions;

/// The logins of open views are looked up this often even when nothing seems to have been missed.
const LOOK: Duration = Duration::from_mins(5);

/// Listens until shutdown.
pub(super) async fn run(sessions: Sessions, shutdown: Shutdown) {
    let mut revoked = sessions.inner.parts.logins.revocations();
    let mut transport = sessions.inner.parts.transport.clone();
    let mut ticks = interval_at(Instant::now() + LOOK, LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let bus = tokio::select! {
        () = shutdown.triggered() => return,
        bus = transport.connected() => bus,
    };
    let Some(bus) = bus else { return };
    let mut state = bus.state();
    loop {
        tokio::select! {
            () = shutdown.triggered() => return,
            heard = revoked.recv() => match heard {
                Ok(jtis) => sessions.inner.viewers.logins_ended(&jtis),
                Err(RecvError::Lagged(_)) => sessions.look_up_logins().await,
                Err(RecvError::Closed) => return,
            },
            changed = state.changed() => {
                if changed.is_err() {
                    return;
                }
                if state.borrow_and_update().is_connected() {
                    sessions.look_up_logins().await;
                }
            }
            _ = ticks.tick() => sessions.look_up_logins().await,
        }
    }
}

impl Sessions {
    /// Asks the managers about the logins of all open views. While they are away, views stay as they are.
    async fn look_up_logins(&self) {
        let transport = &self.inner.parts.transport;
        let mut ended = Vec::new();
        for jti in self.inner.viewers.logins() {
            let request = TokenCheck { jti: jti.clone() };
            match transport.store(Operation::TokenCheck, &request).await {
                Ok(TokenAnswer { token: None }) => ended.push(jti),
                Ok(TokenAnswer { token: Some(_) }) => {}
                Err(problem) => {
                    tracing::debug!(%problem, "the logins of open views cannot be looked up now");
                    break;
                }
            }
        }
        self.inner.viewers.logins_ended(&ended);
    }
}
