//! Memory of each process of the demo, and of a session in which nobody does anything.

use std::time::Duration;

use fastx_core::wire::session::SessionRecord;
use fastx_tests::Failure;
use fastx_tests::demo::{Demo, of_component, of_node, of_operator};
use fastx_tests::eventually::eventually;
use fastx_tests::processes;
use serde_json::{Value, json};

use crate::bare::GEOMETRY;
use crate::figure::{Aim, Figure, Unit};

/// A desktop is idle when its memory does not change for two looks in a row.
const SETTLED: Duration = Duration::from_mins(1);

pub(crate) async fn run(demo: &Demo) -> Result<Vec<Figure>, Failure> {
    let of = |what, selector: &str, pattern, most| (what, selector.to_owned(), pattern, most);
    let wanted = [
        of("operator", &of_operator(), "fastx-operator", Some(24.0)),
        of("manager", &of_component("manager"), "fastx-manager", None),
        of(
            "node sidecar",
            &of_component("node"),
            "fastx-node",
            Some(32.0),
        ),
        of("link", &of_component("node"), "fastx-link run", None),
        of(
            "first process of a desktop",
            &of_component("node"),
            "fastx-link init",
            None,
        ),
        of("NATS", &of_component("nats"), "nats-server", None),
        of(
            "its helper",
            &of_component("nats"),
            "fastx-operator reload",
            None,
        ),
        of("FerretDB", &of_component("store"), "ferretdb", None),
        of(
            "PostgreSQL, all processes",
            &of_component("store"),
            "postgres",
            None,
        ),
    ];
    let mut figures = Vec::new();
    for (what, selector, pattern, most) in wanted {
        for pod in demo.pods(&selector).await? {
            let bytes = of_processes(&pod.metadata.uid.unwrap_or_default(), pattern)?;
            let figure = Figure::new(format!("memory: {what}"), Unit::MiB, mib(bytes));
            figures.push(match most {
                Some(most) => figure.aim(Aim::AtMost(most)),
                None => figure,
            });
        }
    }
    for (what, body) in [
        ("a terminal", json!({"command": "xterm"})),
        ("a whole desktop", json!({"application": "desktop"})),
    ] {
        figures.push(idle_session(demo, what, body).await?);
    }
    Ok(figures)
}

/// Resident memory of one process; of several, without counting twice what they share.
fn of_processes(pod: &str, pattern: &str) -> Result<u64, Failure> {
    let all: Vec<_> = processes::of_pod(pod, pattern)?
        .iter()
        .map(processes::Process::memory)
        .collect::<Result<_, _>>()?;
    Ok(match all.as_slice() {
        [one] => one.resident,
        several => several.iter().map(|m| m.own).sum(),
    })
}

/// What a node's pod takes more while a session is there.
async fn idle_session(demo: &Demo, what: &str, mut body: Value) -> Result<Figure, Failure> {
    let person = demo.sign_in("manager", "alpha").await?;
    let pod = demo.pod(&of_node("alpha")).await?;
    let uid = pod.metadata.uid.unwrap_or_default();
    let before = settled(&uid).await?;
    body["geometry"] = GEOMETRY.into();
    body["serverId"] = "alpha".into();
    let session: SessionRecord = person.start(body).await?;
    let after = settled(&uid).await?;
    person.end(&session).await?;
    let name = format!("memory: an idle session, {what}");
    Ok(Figure::new(
        name,
        Unit::MiB,
        mib(after.saturating_sub(before)),
    ))
}

async fn settled(pod: &str) -> Result<u64, Failure> {
    let mut looks: Vec<u64> = Vec::new();
    eventually(SETTLED, "the pod's memory settles", async || {
        let mut sum = 0;
        for process in processes::of_pod(pod, "")? {
            // One that has just ended has none.
            sum += process.memory().map_or(0, |m| m.own);
        }
        looks.push(sum);
        // Looks are a fifth of a second apart: three seconds within one percent.
        let recent = looks.iter().rev().take(15);
        let (least, most) = recent.fold((u64::MAX, 0), |(a, b), n| (a.min(*n), b.max(*n)));
        if looks.len() >= 15 && most - least <= most / 100 {
            Ok(sum)
        } else {
            Err(Failure::from(format!("between {least} and {most} bytes")))
        }
    })
    .await
}

#[expect(
    clippy::cast_precision_loss,
    reason = "memory of a process needs no more than 52 bits"
)]
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
