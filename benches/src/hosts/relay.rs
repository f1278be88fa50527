//! A display of one host through another, beside the same display direct.

use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::Bench;
use fastx_tests::person::Person;
use fastx_tests::processes::Process;
use fastx_tests::viewer::Viewer;
use serde_json::json;

use super::{LIMIT, people};
use crate::bare;
use crate::figure::{Aim, Figure, Unit};
use crate::relay::{GEOMETRY, Rounds, Way};

pub(crate) async fn run(bench: &Bench, quick: bool) -> Result<Vec<Figure>, Failure> {
    let (alpha, beta) = (bench.host(0), bench.host(1));
    let (turns, rounds) = Rounds::of(quick);
    let person = people(alpha).await?.remove(0);
    let body =
        json!({"command": "exec xterm -e cat", "geometry": GEOMETRY, "serverId": alpha.name()});
    let session = eventually(LIMIT, "a session starts", async || {
        person.start(body.clone()).await
    })
    .await?;
    let id = session.id.to_string();
    let inside = bench.display(&session)?;
    let there = person.at(&beta.url());
    eventually(LIMIT, "the other host knows the session", async || {
        Viewer::open(&there, &id).await?.close().await
    })
    .await?;
    let (mut socket, mut direct, mut relayed) = (Way::default(), Way::default(), Way::default());
    for _ in 0..turns {
        plain(&inside, &id, &mut socket, rounds).await?;
        measure(&person, &id, &mut direct, rounds).await?;
        measure(&there, &id, &mut relayed, rounds).await?;
    }
    let added = |percent: usize| {
        let name = format!("hosts: relayed beside direct, added latency p{percent}");
        Figure::new(name, Unit::Us, relayed.added(&socket, percent))
            .beside(direct.added(&socket, percent))
    };
    Ok(vec![
        Figure::new(
            "hosts: relayed beside direct, throughput",
            Unit::MiBps,
            relayed.throughput(),
        )
        .beside(direct.throughput())
        .aim(Aim::RatioAtLeast(0.5)),
        added(50),
        added(99),
    ])
}

async fn measure(person: &Person, id: &str, way: &mut Way, rounds: Rounds) -> Result<(), Failure> {
    let mut display = Viewer::open(person, id).await?.into_display();
    way.measure(&mut display, rounds).await
}

/// The display's own socket, through the file system of its host.
async fn plain(inside: &Process, id: &str, way: &mut Way, rounds: Rounds) -> Result<(), Failure> {
    let socket = std::path::PathBuf::from(format!("/tmp/fastx-2001/{}/rfb.sock", &id[..8]));
    let mut display = bare::open(inside, &socket).await?;
    way.measure(&mut display, rounds).await
}
