//! Starts everything that a manager does on its store and bus; the same in the process and in tests.

use std::sync::Arc;
use std::time::Duration;

use fastx_bus::Bus;
use fastx_core::wire::server::ServerRecord;
use fastx_core::wire::status::{ClusterStatus, PartStatus};
use fastx_lifecycle::health::Liveness;
use fastx_lifecycle::shutdown::Shutdown;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::core::Core;
use crate::fleet::{self, Command};
use crate::serve::Ears;
use crate::{holder, probe, status, sweep};

/// Batches of server records that may wait for the store.
const RECORDS: usize = 16;

/// Silence after which a loop counts as stuck. A probe may wait for a slow store several times.
const STUCK: Duration = Duration::from_mins(1);

/// Pause before subscriptions that ended are made again.
const AGAIN: Duration = Duration::from_secs(5);

/// What runs from the start, whether store and bus are there or not. Gives the status as it changes.
pub(crate) fn start(
    core: &Arc<Core>,
    commands: mpsc::Receiver<Command>,
    liveness: &Liveness,
    tasks: &mut JoinSet<()>,
) -> watch::Receiver<ClusterStatus> {
    let (records, due) = mpsc::channel::<Vec<ServerRecord>>(RECORDS);
    let store = watch::Sender::new(PartStatus {
        detail: "not looked at yet".to_owned(),
        ..PartStatus::default()
    });
    let (status, reader) = watch::channel(status::unknown(core));
    let fleet_pulse = liveness.register("fleet", STUCK);
    let probe_pulse = liveness.register("store probe", STUCK);
    tasks.spawn(fleet::run(Arc::clone(core), commands, records, fleet_pulse));
    tasks.spawn(sweep::record(Arc::clone(core), due));
    tasks.spawn(status::run(Arc::clone(core), store.subscribe(), status));
    tasks.spawn(probe::run(Arc::clone(core), store, probe_pulse));
    reader
}

/// What needs the bus and a store that was prepared.
pub(crate) fn join(
    core: &Arc<Core>,
    bus: Bus,
    ears: Ears,
    shutdown: &Shutdown,
    tasks: &mut JoinSet<()>,
) {
    tasks.spawn(listen(Arc::clone(core), bus, ears));
    tasks.spawn(holder::run(Arc::clone(core), shutdown.clone()));
    tasks.spawn(sweep::run(Arc::clone(core)));
    tasks.spawn(sweep::beat(Arc::clone(core)));
}

async fn listen(core: Arc<Core>, bus: Bus, ears: Ears) {
    let mut ears = Some(ears);
    loop {
        if let Some(ears) = ears.take() {
            ears.listen(Arc::clone(&core), bus.clone()).await;
        }
        tokio::time::sleep(AGAIN).await;
        match Ears::open(&bus).await {
            Ok(opened) => ears = Some(opened),
            Err(error) => tracing::warn!(%error, "this manager cannot listen"),
        }
    }
}
