//! Signing in by SSH with a password: the whole way through the host's sshd, name service, managers and back.

use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::people::{PEOPLE, password};
use fastx_tests::hosts::{Bench, Host};
use fastx_tests::person::Person;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::LIMIT;
use crate::figure::{Figure, Unit};
use crate::samples::Samples;

/// sshd lets so many be about to sign in; more are turned away at random.
const AT_ONCE: usize = 4;

async fn once(host: &Host, n: usize) -> Result<(), Failure> {
    let login = PEOPLE[n % PEOPLE.len()].login;
    Person::sign_in_by("ssh", &host.url(), login, &password(login))
        .await
        .map(drop)
}

pub(crate) async fn run(bench: &Bench, quick: bool) -> Result<Vec<Figure>, Failure> {
    let host = bench.host(0);
    let count = if quick { 8 } else { 40 };
    // The first one of each also starts the link.
    for n in 0..PEOPLE.len() {
        eventually(LIMIT, "the first sign-in", async || once(host, n).await).await?;
    }
    let mut alone = Samples::default();
    for n in 0..count {
        let begun = Instant::now();
        once(host, n).await?;
        alone.push(begun.elapsed());
    }
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for n in 0..AT_ONCE {
        let url = host.url();
        running.spawn(async move {
            for turn in 0..count / AT_ONCE {
                let login = PEOPLE[(n + turn) % PEOPLE.len()].login;
                Person::sign_in_by("ssh", &url, login, &password(login)).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    for done in running.join_all().await {
        done?;
    }
    let done = f64::from(u32::try_from(count / AT_ONCE * AT_ONCE)?);
    let rate = done / begun.elapsed().as_secs_f64();
    Ok(vec![
        Figure::new(
            format!("hosts: SSH sign-in, p50 of {count}"),
            Unit::Ms,
            alone.ms(50),
        ),
        Figure::new(
            format!("hosts: SSH sign-in, p95 of {count}"),
            Unit::Ms,
            alone.ms(95),
        ),
        Figure::new(
            format!("hosts: SSH sign-ins, {AT_ONCE} at once"),
            Unit::PerSecond,
            rate,
        ),
    ])
}
