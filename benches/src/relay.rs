//! The same display over five ways: its own socket, our two, and HAProxy with one and two hops of TLS.
//!
//! Latency is asking for a corner of the screen and having it; the socket's own is subtracted.
//! Throughput is whole pictures of plain pixels, one after the other, as fast as they come.

use std::path::PathBuf;
use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::demo::{Demo, of_node};
use fastx_tests::person::Person;
use fastx_tests::rfb::{Area, Display, Plain, Wire};
use fastx_tests::viewer::{Socket, Viewer, tls};
use serde_json::json;
use tokio::time::Instant;

use crate::bare;
use crate::figure::{Aim, Figure, Unit};
use crate::samples::Samples;
use crate::terminator::{self, Terminator};

const CORNER: Area = Area {
    width: 16,
    height: 16,
};
/// A screen whose picture has 8 MiB.
pub(crate) const GEOMETRY: &str = "1920x1080";

/// Where a session of the demo takes RFB connections, in its container.
pub(crate) fn socket_of(id: &str) -> PathBuf {
    PathBuf::from(format!("/tmp/fastx-1000/{}/rfb.sock", &id[..8]))
}

/// What was measured on one way.
#[derive(Debug, Default)]
pub(crate) struct Way {
    latency: Samples,
    bytes: u64,
    time: Duration,
}

impl Way {
    pub(crate) async fn measure<W: Wire>(
        &mut self,
        display: &mut Display<W>,
        rounds: Rounds,
    ) -> Result<(), Failure> {
        display.frame().await?;
        for _ in 0..rounds.probes {
            let begun = Instant::now();
            display.part(CORNER).await?;
            self.latency.push(begun.elapsed());
        }
        let begun = Instant::now();
        while begun.elapsed() < rounds.bulk {
            self.bytes += display.frame().await?;
        }
        self.time += begun.elapsed();
        Ok(())
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a throughput needs no more than 52 bits"
    )]
    pub(crate) fn throughput(&self) -> f64 {
        self.bytes as f64 / (1024.0 * 1024.0) / self.time.as_secs_f64()
    }

    /// What the way adds to the socket's own latency.
    pub(crate) fn added(&self, socket: &Self, percent: usize) -> f64 {
        self.latency.us(percent) - socket.latency.us(percent)
    }
}

/// How much is done in a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounds {
    probes: usize,
    bulk: Duration,
}

impl Rounds {
    /// How many turns, and what is done in each.
    pub(crate) fn of(quick: bool) -> (u32, Self) {
        let (turns, probes, bulk) = if quick { (2, 50, 300) } else { (10, 300, 1000) };
        let bulk = Duration::from_millis(bulk);
        (turns, Self { probes, bulk })
    }
}

pub(crate) async fn run(demo: &Demo, quick: bool) -> Result<Vec<Figure>, Failure> {
    let (turns, rounds) = Rounds::of(quick);
    let person = demo.sign_in("manager", "alpha").await?;
    let session = person
        .start(
            json!({"command": "xterm", "name": "bench", "geometry": GEOMETRY, "serverId": "alpha"}),
        )
        .await?;
    let id = session.id.to_string();
    let inside = demo.process(&of_node("alpha"), &["Xvnc", &id[..8]]).await?;
    let alpha = address(demo, "alpha").await?;
    let beta = address(demo, "beta").await?;
    let peer = Terminator::start(&inside, &inside.path(&socket_of(&id))).await?;
    let mut socket = Way::default();
    let (mut direct, mut relay) = (Way::default(), Way::default());
    let (mut one, mut two) = (Way::default(), Way::default());
    for _ in 0..turns {
        let mut display = bare::open(&inside, &socket_of(&id)).await?;
        socket.measure(&mut display, rounds).await?;
        ours(&person, &alpha, &id, &mut direct, rounds).await?;
        theirs(&alpha, terminator::ONE, &mut one, rounds).await?;
        ours(&person, &beta, &id, &mut relay, rounds).await?;
        theirs(&alpha, terminator::TWO, &mut two, rounds).await?;
    }
    peer.end().await?;
    person.end(&session).await?;
    let mut figures = vec![Figure::new(
        "relay: throughput of the socket itself",
        Unit::MiBps,
        socket.throughput(),
    )];
    for (what, ours, theirs) in [("direct", &direct, &one), ("relayed", &relay, &two)] {
        let added = |percent: usize| {
            let name = format!("relay: {what}, added latency p{percent}");
            Figure::new(name, Unit::Us, ours.added(&socket, percent))
                .beside(theirs.added(&socket, percent))
        };
        figures.push(
            Figure::new(
                format!("relay: {what}, throughput"),
                Unit::MiBps,
                ours.throughput(),
            )
            .beside(theirs.throughput())
            .aim(Aim::RatioAtLeast(0.8)),
        );
        figures.push(added(50).aim(Aim::RatioAtMost(1.5)));
        figures.push(added(99));
    }
    Ok(figures)
}

/// A pod's own address: no rule of the service network on the way.
async fn address(demo: &Demo, node: &str) -> Result<String, Failure> {
    let pod = demo.pod(&of_node(node)).await?;
    let ip = pod.status.and_then(|s| s.pod_ip);
    Ok(ip.ok_or("the pod has no address")?)
}

async fn ours(
    person: &Person,
    ip: &str,
    id: &str,
    way: &mut Way,
    rounds: Rounds,
) -> Result<(), Failure> {
    let at = person.at(&format!("https://{ip}:3300"));
    let mut display: Display<Socket> = Viewer::open(&at, id).await?.into_display();
    way.measure(&mut display, rounds).await
}

async fn theirs(ip: &str, port: u16, way: &mut Way, rounds: Rounds) -> Result<(), Failure> {
    let mut display = Display::open(Plain(tls(ip, port).await?)).await?;
    way.measure(&mut display, rounds).await
}
