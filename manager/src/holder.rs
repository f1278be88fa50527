//! Keeps looking at the lease document, takes it when it is free, renews it, and hands it back at the end.
//!
//! A manager without a bus cannot publish, so it neither takes nor keeps the lease.

use std::sync::Arc;

use fastx_bus::BusState;
use fastx_lifecycle::shutdown::Shutdown;
use tokio::time::{Instant, sleep};

use crate::core::Core;
use crate::lease::{INTERVAL, Lease, Step};
use crate::store::{Collection, Document, Draft, StoreError};
use crate::sweep;
use crate::wire::LeaseBody;

/// Id of the document.
const ID: &str = "aggregator";

/// Runs until shutdown.
pub(crate) async fn run(core: Arc<Core>, shutdown: Shutdown) {
    let mut lease = Lease::new(core.name.clone(), core.process.clone());
    let mut clash = false;
    loop {
        let connected = core
            .bus()
            .is_some_and(|bus| *bus.state().borrow() == BusState::Connected);
        let result = if connected {
            turn(&core, &mut lease).await
        } else {
            hand_back(&core, &mut lease).await
        };
        if let Err(error) = result {
            tracing::debug!(%error, "the lease could not be looked at");
        }
        if lease.clash() && !clash {
            tracing::error!(
                name = %core.name,
                "another manager runs under the name of this one and publishes; this one waits for as long as that one lives. Give each manager a name of its own (FX_NAME, on plain machines from the host name) and restart it"
            );
        }
        clash = lease.clash();
        tokio::select! {
            () = shutdown.triggered() => break,
            () = sleep(INTERVAL) => {}
        }
    }
    if let Err(error) = hand_back(&core, &mut lease).await {
        tracing::warn!(%error, "the lease could not be handed back; another manager waits for its end");
    }
    core.handed_back.notify_one();
}

async fn turn(core: &Core, lease: &mut Lease) -> Result<(), StoreError> {
    let document = core.store.get(Collection::Lease, ID).await?;
    let body: Option<LeaseBody> = document.as_ref().map(Document::read).transpose()?;
    let read = document.as_ref().map(|d| d.version).zip(body.as_ref());
    // Counted from before the write: what others see may be as old as that.
    let sent = Instant::now();
    let step = lease.next(read, sent);
    let draft = |epoch| {
        let body = LeaseBody {
            holder: core.name.to_string(),
            epoch,
            process: core.process.clone(),
        };
        Draft::new(ID, "", &body)
    };
    let now = core.now();
    let won = match step {
        Step::Wait => false,
        Step::Create { epoch } => {
            core.store
                .insert(Collection::Lease, &draft(epoch)?, now)
                .await?
        }
        Step::Replace { version, epoch } => {
            core.store
                .replace(Collection::Lease, &draft(epoch)?, version, now)
                .await?
        }
    };
    if won {
        lease.won(step, sent);
    } else {
        lease.lost();
    }
    enter(core, lease).await
}

/// Makes known what the lease says. What the store holds goes into the fleet before its first snapshot.
async fn enter(core: &Core, lease: &Lease) -> Result<(), StoreError> {
    let epoch_of = |leading: crate::fleet::Leading| leading.map(|(epoch, _)| epoch);
    let (before, after) = (
        epoch_of(*core.leading.borrow()),
        epoch_of(lease.leading(Instant::now())),
    );
    if before != after {
        if let Some(epoch) = after {
            sweep::load(core).await?;
            tracing::info!(epoch, "this manager publishes now");
        } else {
            tracing::info!("this manager does not publish any more");
        }
    }
    core.leading.send_replace(lease.leading(Instant::now()));
    core.metrics.leading.set(i64::from(after.is_some()));
    Ok(())
}

async fn hand_back(core: &Core, lease: &mut Lease) -> Result<(), StoreError> {
    core.leading.send_replace(None);
    core.metrics.leading.set(0);
    let Some((version, epoch)) = lease.hand_back() else {
        return Ok(());
    };
    let body = LeaseBody {
        holder: String::new(),
        epoch,
        process: String::new(),
    };
    let draft = Draft::new(ID, "", &body)?;
    core.store
        .replace(Collection::Lease, &draft, version, core.now())
        .await?;
    Ok(())
}
