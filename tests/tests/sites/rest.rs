//! The demo's operator while nothing changes: not a request but renewing its Lease and beginning a watch anew.

use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::demo::{Demo, OPERATOR_NAMESPACE};
use fastx_tests::eventually::always;
use fastx_tests::requests::Counter;

/// How long nothing may be asked.
const QUIET: Duration = Duration::from_secs(61);
/// A late probe of a busy machine may disturb one window; what asks regularly disturbs them all.
const WINDOWS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_asks_nothing_at_rest() -> Result<(), Failure> {
    let demo = Demo::find().await?;
    demo.ready().await?;
    let counter = Counter::attach(&demo.client, OPERATOR_NAMESPACE, "fastx-operator").await?;
    let mut seen = Vec::new();
    for _ in 0..WINDOWS {
        let before = counter.counts().await?;
        let quiet = always(QUIET, "the operator at rest", async || {
            let now = counter.counts().await?;
            if now.others == before.others {
                Ok(())
            } else {
                Err(Failure::from(format!("{before:?} became {now:?}")))
            }
        })
        .await;
        let after = counter.counts().await?;
        match quiet {
            Ok(()) => {
                assert!(after.leases > before.leases, "{before:?} became {after:?}");
                return counter.remove().await;
            }
            Err(error) => seen.push(error.to_string()),
        }
    }
    counter.remove().await?;
    Err(seen.join("\n").into())
}
