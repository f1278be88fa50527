//! `fleet.get`: everything that is known of servers and sessions, numbered as the published changes are.
//!
//! Only the manager that holds the lease numbers changes. Any other one passes the question on to it,
//! over the subject that only managers hear, and hands the answer back as it is.

use std::time::Duration;

use fastx_core::names::ServerId;
use fastx_core::wire::fleet::{FleetGet, FleetSnapshot};
use fastx_core::wire::problem::Problem;

use crate::core::{Core, store_problem};
use crate::fleet::Command;
use crate::store::Collection;
use crate::wire::ManagerNews;

/// Time for the holder to answer, below the deadline of the one who asks.
const LIMIT: Duration = Duration::from_secs(3);

/// Answers `fleet.get`.
pub(crate) async fn get(core: &Core, get: FleetGet) -> Result<FleetSnapshot, Problem> {
    if let Some(snapshot) = own_snapshot(core, get.clone()).await {
        return Ok(snapshot);
    }
    let nobody = || {
        Problem::unavailable(
            "no-manager",
            "No cluster manager publishes at this moment; one takes over within seconds.",
        )
    };
    let bus = core.bus().ok_or_else(nobody)?;
    bus.request(bus.subjects().stored(), &ManagerNews::Snapshot(get), LIMIT)
        .await
        .map_err(|problem| {
            tracing::warn!(%problem, "the manager that publishes did not give its snapshot");
            nobody()
        })
}

/// A part of the snapshot of this manager's own fleet, while it holds the lease.
pub(crate) async fn own_snapshot(core: &Core, get: FleetGet) -> Option<FleetSnapshot> {
    if !core.is_leading() {
        return None;
    }
    let asked = core.ask(|answer| Command::Snapshot(get, answer));
    asked.await.flatten()
}

/// Forgets a server that was removed from the cluster, with its sessions and its request to join: who asks under the
/// name from now on is somebody new.
pub(crate) async fn forget(core: &Core, server: &ServerId) -> Result<(), Problem> {
    let sessions = core
        .store
        .list(Collection::Sessions, Some(server.as_str()))
        .await
        .map_err(|e| store_problem(&e))?;
    for document in sessions {
        core.store
            .delete(Collection::Sessions, &document.id)
            .await
            .map_err(|e| store_problem(&e))?;
    }
    for kind in [Collection::Servers, Collection::Joins] {
        core.store
            .delete(kind, server.as_str())
            .await
            .map_err(|e| store_problem(&e))?;
    }
    let _ = core.fleet.send(Command::Remove(server.clone())).await;
    core.tell(&ManagerNews::Removed {
        server: server.clone(),
    })
    .await;
    tracing::info!(%server, "a server was forgotten");
    Ok(())
}
