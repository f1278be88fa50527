//! Keeps the view up to date: batches as they come, a snapshot after each gap and each reconnect.

use std::time::Duration;

use fastx_bus::Bus;
use fastx_core::wire::fleet::FleetDelta;
use fastx_lifecycle::backoff::Backoff;
use fastx_lifecycle::shutdown::Shutdown;

use super::Fleet;
use crate::retry::pause;
use crate::transport::Transport;

/// A view is compared with the managers' this often even when nothing seems to be missing.
const LOOK: Duration = Duration::from_mins(5);

/// Follows until shutdown.
pub async fn run(fleet: Fleet, mut transport: Transport, shutdown: Shutdown) {
    let work = async {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
        while let Some(bus) = transport.connected().await {
            let _ended = follow(&fleet, &bus, &mut backoff).await;
            pause(&mut backoff).await;
        }
    };
    tokio::select! {
        () = shutdown.triggered() => {}
        () = work => {}
    }
}

async fn follow(fleet: &Fleet, bus: &Bus, backoff: &mut Backoff) -> Option<()> {
    // Subscribed first: what changes while the snapshot is on its way is not missed.
    let mut batches = match bus.subscribe(bus.subjects().fleet()).await {
        Ok(subscription) => subscription,
        Err(error) => {
            tracing::warn!(%error, "changes of the cluster cannot be heard yet");
            return None;
        }
    };
    let mut state = bus.state();
    let mut need = true;
    let mut asking = Asking::default();
    loop {
        let wait = if need && !asking.snapshot(fleet, bus).await {
            backoff.next(&mut rand::rng())
        } else {
            need = false;
            backoff.reset();
            LOOK
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => need = true,
            changed = state.changed() => {
                changed.ok()?;
                need = true;
            }
            message = batches.next() => match message?.body::<FleetDelta>() {
                Ok(delta) => need |= fleet.follow(delta),
                Err(problem) => tracing::warn!(%problem, "a change of the cluster cannot be read"),
            },
        }
    }
}

/// Asks for snapshots, and says once that it does not get them.
#[derive(Debug, Default)]
struct Asking {
    failing: bool,
}

impl Asking {
    async fn snapshot(&mut self, fleet: &Fleet, bus: &Bus) -> bool {
        match bus.fleet().await {
            Ok(snapshot) => {
                fleet.reset(snapshot);
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the state of the cluster is known again");
                }
                true
            }
            Err(problem) if self.failing => {
                tracing::debug!(%problem, "the state of the cluster is still not known");
                false
            }
            Err(problem) => {
                self.failing = true;
                tracing::warn!(%problem, "no manager gives the state of the cluster; it is asked for again, and what is shown may be old. If this goes on, look at the managers' logs and at the bus's limit of a message (1 MiB is enough)");
                false
            }
        }
    }
}
