//! Whether the store works: a document is written and read back, again and again.

use std::sync::Arc;
use std::time::Duration;

use fastx_core::wire::status::PartStatus;
use fastx_lifecycle::health::Pulse;
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::core::Core;
use crate::store::{Collection, Document, Draft, StoreError, modify};

/// Pause between two round trips.
const INTERVAL: Duration = Duration::from_secs(5);

/// Makes a round trip each few seconds and says what came of it.
pub(crate) async fn run(core: Arc<Core>, result: watch::Sender<PartStatus>, pulse: Pulse) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        pulse.beat();
        let begun = Instant::now();
        let status = match round_trip(&core).await {
            Ok(()) => PartStatus {
                ok: true,
                detail: String::new(),
                round_trip_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            },
            Err(error) => PartStatus {
                ok: false,
                detail: error.to_string(),
                round_trip_ms: 0,
            },
        };
        core.metrics.store_up.set(i64::from(status.ok));
        result.send_if_modified(|last| {
            if last.ok != status.ok {
                let (ok, detail) = (status.ok, &status.detail);
                tracing::info!(ok, detail, "the store's state changed");
            }
            *last = status;
            true
        });
        if result.is_closed() {
            return;
        }
    }
}

/// Writes a new value and reads it back.
async fn round_trip(core: &Core) -> Result<(), StoreError> {
    let now = core.now();
    let (id, mark) = (core.name.as_str(), core.pace.mark());
    let draft = Draft::new(id, "", &mark)?.expires(now + SignedDuration::from_hours(24));
    modify(
        &*core.store,
        &core.pace,
        Collection::Probes,
        id,
        now,
        |_| Ok(Some(draft.clone())),
    )
    .await?;
    let read: Option<String> = core
        .store
        .get(Collection::Probes, id)
        .await?
        .as_ref()
        .map(Document::read)
        .transpose()?;
    if read.as_ref() == Some(&mark) {
        Ok(())
    } else {
        Err(StoreError::Refused(
            "what was written did not come back".to_owned(),
        ))
    }
}
