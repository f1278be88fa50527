//! Keeps the view up to date: batches as they come, a snapshot after each gap and each reconnect.

use std::time::Duration;

use fastx_bus::Bus;
use fastx_core::subject::Operation;
use fastx_core::wire::fleet::{FleetDelta, FleetSnapshot};
use fastx_core::wire::operations::Empty;
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
    loop {
        let wait = if need && !snapshot(fleet, bus).await {
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

async fn snapshot(fleet: &Fleet, bus: &Bus) -> bool {
    let answer: Result<FleetSnapshot, _> = bus.store(Operation::FleetGet, &Empty {}).await;
    match answer {
        Ok(snapshot) => {
            fleet.reset(snapshot);
            true
        }
        Err(problem) => {
            tracing::debug!(%problem, "the state of the cluster cannot be asked for");
            false
        }
    }
}
