//! What is done now and then: expired documents go, and what the bus may have lost is repaired from the store.

use std::sync::Arc;
use std::time::Duration;

use fastx_core::wire::server::ServerRecord;
use fastx_core::wire::session::SessionRecord;
use fastx_lifecycle::steady::PutOff;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::core::Core;
use crate::fleet::{Command, Recorder};
use crate::operations::configuration;
use crate::store::{Collection, Draft, StoreError};
use crate::wire::ManagerNews;

/// Pause between repairs.
const REPAIR: Duration = Duration::from_secs(30);

/// Repairs between two sweeps.
const SWEEP_EACH: u32 = 4;

/// For so long after the clock was set nothing is removed as expired: all logins would go at once, if it was set wrong.
const AFTER_JUMP: Duration = Duration::from_hours(2);

/// Pause between signs of life among managers.
const BEAT: Duration = Duration::from_secs(5);

/// Reads the store into the fleet.
pub(crate) async fn load(core: &Core) -> Result<(), StoreError> {
    let servers = readable::<ServerRecord>(core, Collection::Servers).await?;
    let sessions = readable::<SessionRecord>(core, Collection::Sessions).await?;
    let _ = core.fleet.send(Command::Merge(servers, sessions)).await;
    Ok(())
}

async fn readable<T: serde::de::DeserializeOwned>(
    core: &Core,
    kind: Collection,
) -> Result<Vec<T>, StoreError> {
    let documents = core.store.list(kind, None).await?;
    Ok(documents
        .iter()
        .filter_map(|document| {
            let read = document.read();
            if read.is_err() {
                tracing::error!(kind = kind.name(), id = %document.id, "a stored document cannot be read");
            }
            read.ok()
        })
        .collect())
}

/// Repairs and sweeps, while this manager holds the lease.
pub(crate) async fn run(core: Arc<Core>) {
    let mut ticks = interval(REPAIR);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut round = 0_u32;
    let mut put_off = PutOff::new(AFTER_JUMP, Instant::now(), core.now());
    loop {
        ticks.tick().await;
        let (jump, may_sweep) = put_off.look(Instant::now(), core.now());
        if let Some(jump) = jump {
            tracing::warn!(
                seconds = jump.as_secs(),
                "the clock of this manager was set, or its machine slept: expired documents are kept for two hours. Compare its clock with that of other machines, and let NTP keep it"
            );
        }
        if !core.is_leading() {
            continue;
        }
        round = round.wrapping_add(1);
        let result = async {
            load(&core).await?;
            if let Some(root) = configuration::root(&core).await? {
                configuration::announce(&core, &root).await;
            }
            if round % SWEEP_EACH == 1 && may_sweep {
                sweep(&core).await?;
            }
            Ok::<(), StoreError>(())
        };
        if let Err(error) = result.await {
            tracing::warn!(%error, "repair and sweep are put off");
        }
    }
}

async fn sweep(core: &Core) -> Result<(), StoreError> {
    for kind in Collection::ALL {
        let swept = core.store.sweep(kind, core.now()).await?;
        if swept > 0 {
            tracing::debug!(kind = kind.name(), swept, "expired documents were removed");
        }
    }
    configuration::sweep_parts(core).await
}

/// Writes server records that are due.
pub(crate) async fn record(core: Arc<Core>, mut records: mpsc::Receiver<Vec<ServerRecord>>) {
    let mut recorder = Recorder::default();
    let mut epoch = None;
    while let Some(batch) = records.recv().await {
        let held = core.leading.borrow().map(|(epoch, _)| epoch);
        if epoch != held {
            recorder.clear();
            epoch = held;
        }
        for record in batch {
            let now = core.now();
            if !recorder.due(&record, now) {
                continue;
            }
            let id = record.server.server_id.as_str();
            let written = core
                .modify(Collection::Servers, id, |_| {
                    Draft::new(id, id, &record).map(Some)
                })
                .await;
            match written {
                Ok(_) => recorder.wrote(record, now),
                // The store's failure was logged; the next heartbeat tries again.
                Err(_) => break,
            }
        }
    }
}

/// Says to the other managers that this one is there.
pub(crate) async fn beat(core: Arc<Core>) {
    let mut ticks = interval(BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let manager = core.name.clone();
        core.tell(&ManagerNews::Beat { manager }).await;
    }
}
