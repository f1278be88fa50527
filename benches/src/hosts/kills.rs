//! Random kills of everything of ours on a host with sessions, one after the other without waiting for calm.

use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::Bench;
use fastx_tests::processes::Process;
use rand::seq::IndexedRandom as _;

use super::{LIMIT, start, view_all};
use crate::figure::{Aim, Figure, Unit};

/// What is killed. The script process runs only after the node has chosen a server once.
const VICTIMS: [&str; 4] = [
    "/usr/lib/fastx/fastx-node",
    "fastx-script",
    "fastx-link run",
    "fastx-link supervise",
];

pub(crate) async fn run(bench: &Bench, quick: bool) -> Result<Vec<Figure>, Failure> {
    let host = bench.host(0);
    let (count, kills) = if quick { (4, 10) } else { (20, 200) };
    let desktops = start(bench, host, count).await?;
    let mut rng = rand::rng();
    for turn in 1..=kills {
        // What was just killed may be on its way back.
        eventually(LIMIT, "something to kill", async || {
            let all = host.processes()?;
            let kinds = VICTIMS.map(|pattern| {
                let fits = |p: &&Process| p.command.contains(pattern);
                all.iter().filter(fits).collect::<Vec<_>>()
            });
            let there: Vec<&Vec<&Process>> = kinds.iter().filter(|kind| !kind.is_empty()).collect();
            let one = there
                .choose(&mut rng)
                .and_then(|kind| kind.choose(&mut rng));
            one.ok_or("none runs")?.kill()
        })
        .await
        .map_err(|error| format!("kill {turn}: {error}"))?;
    }
    let lost = desktops.iter().filter(|d| !d.display.lives()).count();
    if lost == 0 {
        // Also found again, every one.
        view_all(&desktops).await?;
    }
    let name = format!("hosts: sessions lost of {count} in {kills} random kills");
    let lost = f64::from(u32::try_from(lost)?);
    Ok(vec![
        Figure::new(name, Unit::Count, lost).aim(Aim::AtMost(0.0)),
    ])
}
