//! Hears of revoked logins, and doubts what it knows when it may have missed some.

use std::time::Duration;

use fastx_bus::Bus;
use fastx_core::wire::operations::Revoked;
use fastx_lifecycle::backoff::Backoff;
use fastx_lifecycle::shutdown::Shutdown;

use super::Logins;
use crate::locks::lock;
use crate::retry::pause;
use crate::transport::Transport;

/// Listens until shutdown.
pub async fn run(logins: Logins, mut transport: Transport, shutdown: Shutdown) {
    let work = async {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
        while let Some(bus) = transport.connected().await {
            let _ended = listen(&logins, &bus, &mut backoff).await;
            pause(&mut backoff).await;
        }
    };
    tokio::select! {
        () = shutdown.triggered() => {}
        () = work => {}
    }
}

async fn listen(logins: &Logins, bus: &Bus, backoff: &mut Backoff) -> Option<()> {
    let mut revocations = match bus.subscribe(bus.subjects().revoke()).await {
        Ok(subscription) => subscription,
        Err(error) => {
            tracing::warn!(%error, "revocations of logins cannot be heard yet");
            return None;
        }
    };
    backoff.reset();
    let mut state = bus.state();
    lock(&logins.inner.cache).doubt();
    loop {
        tokio::select! {
            changed = state.changed() => {
                changed.ok()?;
                lock(&logins.inner.cache).doubt();
            }
            message = revocations.next() => match message?.body::<Revoked>() {
                Ok(revoked) => logins.revoked(revoked.jtis),
                Err(problem) => {
                    tracing::warn!(%problem, "a revocation cannot be read");
                    lock(&logins.inner.cache).doubt();
                }
            },
        }
    }
}
