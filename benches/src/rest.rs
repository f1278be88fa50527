//! The operator while nothing changes: what it asks the API server, and its memory.

use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::demo::{Demo, OPERATOR_NAMESPACE, of_operator};
use fastx_tests::eventually::always;
use fastx_tests::processes;
use fastx_tests::requests::{Counter, Counts};

use crate::figure::{Aim, Figure, Unit};
use crate::memory::mib;

pub(crate) async fn run(demo: &Demo, quick: bool) -> Result<Vec<Figure>, Failure> {
    let seconds = if quick { 15 } else { 300 };
    let counter = Counter::attach(&demo.client, OPERATOR_NAMESPACE, "fastx-operator").await?;
    let before = counter.counts().await?;
    let time = Duration::from_secs(seconds);
    always(time, "waiting", async || Ok::<(), Failure>(())).await?;
    let after = counter.counts().await?;
    counter.remove().await?;
    let grown = |what: &str, count: fn(&Counts) -> u64| {
        let name = format!("operator at rest: {what} in {seconds} s, both replicas");
        let more = u32::try_from(count(&after) - count(&before)).unwrap_or(u32::MAX);
        Figure::new(name, Unit::Count, f64::from(more))
    };
    let mut figures = vec![
        grown("requests", |c| c.others).aim(Aim::AtMost(0.0)),
        grown("reads and renewals of its Lease", |c| c.leases),
        grown("beginnings of watches", |c| c.watches),
    ];
    for pod in demo.pods(&of_operator()).await? {
        let uid = pod.metadata.uid.unwrap_or_default();
        let process = processes::one_of_pod(&uid, &["fastx-operator"])?;
        let memory = mib(process.memory()?.resident);
        figures.push(
            Figure::new("operator at rest: resident memory", Unit::MiB, memory)
                .aim(Aim::AtMost(24.0)),
        );
    }
    Ok(figures)
}
