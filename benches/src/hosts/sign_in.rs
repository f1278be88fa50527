//! Signing in by SSH with a password: the whole way through the host's sshd, name service, managers and back; and from
//! there, by a link that the login starts, to the first picture.

use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::people::{PEOPLE, password};
use fastx_tests::hosts::{Bench, Host};
use fastx_tests::person::Person;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::LIMIT;
use crate::figure::{Aim, Figure, Unit};
use crate::samples::Samples;
use crate::start::{Ours, our_start};

/// sshd lets so many be about to sign in; more are turned away at random.
const AT_ONCE: usize = 4;

async fn once(host: &Host, n: usize) -> Result<Person, Failure> {
    let login = PEOPLE[n % PEOPLE.len()].login;
    Person::sign_in_by("ssh", &host.url(), login, &password(login)).await
}

/// Each time with no link on the host: the login starts it, and a session on it is seen.
async fn to_the_picture(host: &Host, count: usize) -> Result<Vec<Figure>, Failure> {
    let (mut signed, mut ours) = (Samples::default(), Ours::default());
    for n in 0..count {
        let links = host.processes()?;
        for link in links
            .iter()
            .filter(|p| p.command.contains("fastx-link run"))
        {
            link.kill()?;
            eventually(LIMIT, "the link is gone", async || {
                if link.lives() {
                    Err("it lives")
                } else {
                    Ok(())
                }
            })
            .await?;
        }
        let begun = Instant::now();
        let person = once(host, n).await?;
        signed.push(begun.elapsed());
        our_start(&person, &mut ours).await?;
    }
    let times = |what: &str, samples: &Samples, percent: usize| {
        let name = format!("hosts: {what}, p{percent} of {count}");
        Figure::new(name, Unit::Ms, samples.ms(percent))
    };
    let mut figures = vec![
        times("SSH sign-in that starts the link", &signed, 50),
        times("SSH sign-in that starts the link", &signed, 95),
        times("click to first picture", &ours.whole, 50).aim(Aim::AtMost(250.0)),
        times("click to first picture", &ours.whole, 95).aim(Aim::AtMost(600.0)),
    ];
    figures.extend(ours.steps("hosts"));
    Ok(figures)
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
    let mut figures = vec![
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
    ];
    figures.extend(to_the_picture(host, count).await?);
    Ok(figures)
}
