//! From the click to the whole picture of a session that runs already, against a connection to its own socket.

use fastx_tests::Failure;
use fastx_tests::demo::{Demo, of_node};
use fastx_tests::viewer::Viewer;
use serde_json::json;
use tokio::time::Instant;

use crate::bare::{self, GEOMETRY};
use crate::figure::{Aim, Figure, Unit};
use crate::relay::socket_of;
use crate::samples::Samples;

pub(crate) async fn run(demo: &Demo, quick: bool) -> Result<Vec<Figure>, Failure> {
    let rounds = if quick { 10 } else { 100 };
    let person = demo.sign_in("manager", "alpha").await?;
    let far = person.at(&demo.address("beta"));
    let session = person
        .start(
            json!({"command": "xterm", "name": "bench", "geometry": GEOMETRY, "serverId": "alpha"}),
        )
        .await?;
    let id = session.id.to_string();
    let inside = demo.process(&of_node("alpha"), &["Xvnc", &id[..8]]).await?;
    let (mut direct, mut relayed, mut peer) =
        (Samples::default(), Samples::default(), Samples::default());
    // The first round fills caches and is not counted.
    for turn in 0..=rounds {
        for (at, samples) in [(&person, &mut direct), (&far, &mut relayed)] {
            let begun = Instant::now();
            let mut viewer = Viewer::open(at, &id).await?;
            viewer.frame().await?;
            if turn > 0 {
                samples.push(begun.elapsed());
            }
            viewer.close().await?;
        }
        let begun = Instant::now();
        bare::open(&inside, &socket_of(&id)).await?.frame().await?;
        if turn > 0 {
            peer.push(begun.elapsed());
        }
    }
    person.end(&session).await?;
    let figure = |what: &str, samples: &Samples, percent: usize| {
        let name = format!("reattach: {what}, p{percent}, {} rounds", samples.len());
        Figure::new(name, Unit::Ms, samples.ms(percent)).beside(peer.ms(percent))
    };
    Ok(vec![
        figure("direct", &direct, 50).aim(Aim::AtMost(100.0)),
        figure("direct", &direct, 95),
        figure("through the other node", &relayed, 50).aim(Aim::AtMost(150.0)),
        figure("through the other node", &relayed, 95),
    ])
}
