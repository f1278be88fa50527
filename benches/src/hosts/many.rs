//! A hundred sessions on one host: memory, processor time at rest, and a restart of the service with all of them.

use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::eventually::{always, eventually};
use fastx_tests::hosts::{Bench, Host};
use fastx_tests::processes::Process;
use tokio::time::Instant;

use super::{Desktop, LIMIT, answer_all, start, view_all};
use crate::figure::{Aim, Figure, Unit};
use crate::memory::mib;
use crate::samples::Samples;

/// Ticks of the kernel's clock in a second, as `/proc` counts them.
const TICKS: f64 = 100.0;

pub(crate) async fn run(bench: &Bench, quick: bool) -> Result<Vec<Figure>, Failure> {
    let host = bench.host(0);
    let (count, rest, rounds) = if quick { (8, 5, 2) } else { (100, 60, 5) };
    let begun = Instant::now();
    let desktops = start(bench, host, count).await?;
    let took = begun.elapsed();
    view_all(&desktops).await?;
    let mut figures = vec![Figure::new(
        format!("hosts: start of {count} sessions, four at once, for each"),
        Unit::Ms,
        took.as_secs_f64() * 1e3 / f64::from(u32::try_from(count)?),
    )];
    figures.extend(memory(host, count)?);
    figures.extend(at_rest(host, rest).await?);
    figures.extend(restarts(bench, host, &desktops, rounds).await?);
    Ok(figures)
}

/// Ours, and what the sessions bring along themselves.
fn groups(host: &Host) -> Result<[(&'static str, Vec<Process>); 4], Failure> {
    let all = host.processes()?;
    let of = |patterns: &[&str]| -> Vec<Process> {
        let fits = |p: &&Process| patterns.iter().any(|pattern| p.command.contains(pattern));
        all.iter().filter(fits).cloned().collect()
    };
    Ok([
        (
            "node and its script process",
            of(&["fastx-node", "fastx-script"]),
        ),
        ("links, four users", of(&["fastx-link run"])),
        ("supervisors", of(&["fastx-link supervise"])),
        ("Xvnc and terminals", of(&["Xvnc", "xterm", "cat"])),
    ])
}

fn memory(host: &Host, count: usize) -> Result<Vec<Figure>, Failure> {
    let mut figures = Vec::new();
    let mut ours = 0;
    for (what, processes) in groups(host)? {
        let own: Vec<u64> = processes
            .iter()
            .map(|p| p.memory().map(|m| m.own))
            .collect::<Result<_, _>>()?;
        let sum: u64 = own.iter().sum();
        if !what.starts_with("Xvnc") {
            ours += sum;
        }
        let name = format!("hosts: memory with {count} sessions, {what}");
        figures.push(Figure::new(name, Unit::MiB, mib(sum)));
    }
    let each = mib(ours) / f64::from(u32::try_from(count)?);
    let name = "hosts: memory, all of ours for each session";
    figures.push(Figure::new(name, Unit::MiB, each));
    Ok(figures)
}

/// Processor time of a process so far, seconds.
fn spent(process: &Process) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap_or_default();
    let fields: Vec<f64> = stat
        .rsplit_once(") ")
        .map(|(_, rest)| rest.split(' ').filter_map(|f| f.parse().ok()).collect())
        .unwrap_or_default();
    // The state, a letter, is left out: user time is the eleventh number from there, system time the next one.
    fields.iter().skip(10).take(2).sum::<f64>() / TICKS
}

async fn at_rest(host: &Host, seconds: u32) -> Result<Vec<Figure>, Failure> {
    let groups = groups(host)?;
    let sum = |processes: &[Process]| processes.iter().map(spent).sum::<f64>();
    let before: Vec<f64> = groups.iter().map(|(_, p)| sum(p)).collect();
    let time = Duration::from_secs(u64::from(seconds));
    always(time, "waiting", async || Ok::<(), Failure>(())).await?;
    let figures = groups
        .iter()
        .zip(before)
        .map(|((what, processes), before)| {
            let share = (sum(processes) - before) / f64::from(seconds) * 100.0;
            let name = format!("hosts: processor at rest over {seconds} s, {what}");
            Figure::new(name, Unit::Percent, share)
        });
    Ok(figures.collect())
}

/// From the command to what people have of it: the API answers, each session answers through its link, and each
/// display has been opened once more. What the last of these costs by itself is measured before, without a restart.
async fn restarts(
    bench: &Bench,
    host: &Host,
    desktops: &[Desktop],
    rounds: usize,
) -> Result<Vec<Figure>, Failure> {
    let (mut answers, mut links) = (Samples::default(), Samples::default());
    let (mut back, mut opened) = (Samples::default(), Samples::default());
    let mut alone = Samples::default();
    for _ in 0..rounds {
        bench.joined(host).await?;
        let begun = Instant::now();
        view_all(desktops).await?;
        alone.push(begun.elapsed());
        let begun = Instant::now();
        host.root("systemctl restart fastx-node")?;
        let first = desktops.first().ok_or("no session")?;
        eventually(LIMIT, "the list", async || {
            first.person.sessions().await.map(drop)
        })
        .await?;
        answers.push(begun.elapsed());
        // One session of each user: their links are there again.
        view_all(&desktops[..desktops.len().min(4)]).await?;
        links.push(begun.elapsed());
        answer_all(desktops).await?;
        back.push(begun.elapsed());
        view_all(desktops).await?;
        opened.push(begun.elapsed());
    }
    let lost = desktops.iter().filter(|d| !d.display.lives()).count();
    let count = desktops.len();
    let times = |what: &str, samples: &Samples, percent: usize| {
        let name = format!("hosts: restart with {count} sessions, {what}, p{percent} of {rounds}");
        Figure::new(name, Unit::Ms, samples.ms(percent))
    };
    Ok(vec![
        times("until the list is there", &answers, 50),
        times("until a viewer of each user is back", &links, 50),
        times("until each answers through its link", &back, 50).aim(Aim::AtMost(3000.0)),
        times("until each answers through its link", &back, 100).aim(Aim::AtMost(3000.0)),
        times("until each display was opened once", &opened, 50).beside(alone.ms(50)),
        times("until each display was opened once", &opened, 100).beside(alone.ms(100)),
        Figure::new(
            "hosts: sessions lost in the restarts",
            Unit::Count,
            f64::from(u32::try_from(lost)?),
        )
        .aim(Aim::AtMost(0.0)),
    ])
}
