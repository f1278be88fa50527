//! From the click to the first whole picture: the calls that a browser makes, against a plain Xvnc.

use fastx_tests::Failure;
use fastx_tests::demo::{Demo, of_node};
use fastx_tests::person::Person;
use fastx_tests::processes::Process;
use fastx_tests::viewer::{Viewer, ticket};
use serde_json::json;
use tokio::time::Instant;

use crate::bare::{self, BareDisplay, GEOMETRY};
use crate::figure::{Aim, Figure, Unit};
use crate::samples::Samples;

/// Times of our own start, in the order of its steps.
#[derive(Debug, Default)]
pub(crate) struct Ours {
    /// From the click to the first whole picture.
    pub(crate) whole: Samples,
    session: Samples,
    ticket: Samples,
    socket: Samples,
    frame: Samples,
}

pub(crate) async fn run(demo: &Demo, quick: bool) -> Result<Vec<Figure>, Failure> {
    let rounds = if quick { 5 } else { 50 };
    let person = demo.sign_in("ada", "any").await?;
    let inside = demo.process(&of_node("alpha"), &["fastx-link run"]).await?;
    let (mut ours, mut peer) = (Ours::default(), Samples::default());
    // The first of each fills caches and is not counted.
    our_start(&person, &mut Ours::default()).await?;
    bare_start(&inside, 0, &mut Samples::default()).await?;
    for turn in 1..=rounds {
        our_start(&person, &mut ours).await?;
        bare_start(&inside, turn, &mut peer).await?;
    }
    let name = |what: &str| format!("start: {what}, {} rounds", ours.whole.len());
    let mut figures = vec![
        Figure::new(
            name("click to first frame, p50"),
            Unit::Ms,
            ours.whole.ms(50),
        )
        .beside(peer.ms(50))
        .aim(Aim::AtMost(600.0)),
        Figure::new(
            name("click to first frame, p95"),
            Unit::Ms,
            ours.whole.ms(95),
        )
        .beside(peer.ms(95)),
    ];
    figures.extend(ours.steps("start"));
    Ok(figures)
}

impl Ours {
    /// The middle of each step.
    pub(crate) fn steps(&self, of: &str) -> [Figure; 4] {
        let step = |what: &str, samples: &Samples| {
            Figure::new(format!("{of}: {what}, p50"), Unit::Ms, samples.ms(50))
        };
        [
            step("POST session", &self.session),
            step("POST connect", &self.ticket),
            step("TLS, WebSocket and RFB", &self.socket),
            step("whole picture", &self.frame),
        ]
    }
}

/// One start of a terminal, seen and ended.
pub(crate) async fn our_start(person: &Person, ours: &mut Ours) -> Result<(), Failure> {
    let begun = Instant::now();
    let session = person
        .start(json!({"command": "xterm", "name": "bench", "geometry": GEOMETRY}))
        .await?;
    let id = session.id.to_string();
    let started = Instant::now();
    let (url, paper) = ticket(person, &id).await?;
    let admitted = Instant::now();
    let mut viewer = Viewer::with_ticket(&url, &paper).await?;
    let open = Instant::now();
    viewer.frame().await?;
    let shown = Instant::now();
    ours.session.push(started.duration_since(begun));
    ours.ticket.push(admitted.duration_since(started));
    ours.socket.push(open.duration_since(admitted));
    ours.frame.push(shown.duration_since(open));
    ours.whole.push(shown.duration_since(begun));
    viewer.close().await?;
    person.end(&session).await
}

async fn bare_start(inside: &Process, turn: usize, peer: &mut Samples) -> Result<(), Failure> {
    let begun = Instant::now();
    let display = BareDisplay::start(inside, turn).await?;
    let mut viewer = bare::open(inside, display.socket()).await?;
    viewer.frame().await?;
    peer.push(begun.elapsed());
    display.end(inside).await
}
