//! Displays: what opens them, what does not, and who may type.

use fastx_core::token::{self, Kind};
use fastx_core::wire::ticket::TicketClaims;
use serde_json::{Value, json};

use crate::cluster::{Cluster, TestNode, eventually};
use crate::http::{Client, host};
use crate::viewer::Viewer;

async fn viewers(client: &Client, node: &TestNode, id: &str, wanted: u64) -> Value {
    eventually("the viewers are counted", || async {
        let session = client.get(node, &format!("sessions/{id}")).await.json()["session"].clone();
        if session["viewers"] == wanted {
            Ok(session)
        } else {
            Err(session.to_string())
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_opens_the_display_once() {
    let mut cluster = Cluster::new().await;
    let mut node = cluster.node("a", &["ada"]).await;
    let ada = Client::browser(&node, "ada").await;
    let id = ada.start(&node, "").await;
    let ways = ada.ways(&node, &id, "control").await;
    assert_eq!(ways.len(), 1);
    assert_eq!(
        ways[0]["url"],
        format!("wss://{}/api/v1/sessions/{id}/display", host(&node))
    );
    let ticket = ways[0]["ticket"].as_str().unwrap();

    let mut viewer = Viewer::open(&node, &id, ticket).await;
    let size = viewer.handshake().await.unwrap();
    assert_eq!(size, (640, 480));
    viewers(&ada, &node, &id, 1).await;
    viewer.key().await;
    viewer.pointer().await;
    let frame = viewer.frame(size).await.unwrap();
    assert_eq!(&frame[..3], [0x80, 0x60, 0x30]);
    assert_eq!(node.link.inputs(&id.parse().unwrap()), 2);

    let mut second = Viewer::open(&node, &id, ticket).await;
    assert_eq!(second.closed().await, 4401, "a ticket is good once");
    drop(viewer);
    let session = viewers(&ada, &node, &id, 0).await;
    assert!(session["lastConnect"].is_string() && session["lastDisconnect"].is_string());

    // Also after a restart of the node: used ones are on disk.
    node.stop().await;
    let again = cluster.start(&node.id).await;
    let mut third = Viewer::open(&again, &id, ticket).await;
    assert_eq!(third.closed().await, 4401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_right_ticket_opens() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let (id, other) = (ada.start(&node, "").await, ada.start(&node, "").await);
    let ticket = ada.ticket(&node, &id, "control").await;
    let claims: TicketClaims = token::peek(&ticket).unwrap();
    let forge = |change: &dyn Fn(&mut TicketClaims)| {
        let mut forged = claims.clone();
        change(&mut forged);
        token::sign(
            Kind::Ticket,
            &forged,
            &ed25519_dalek::SigningKey::from_bytes(&[9; 32]),
        )
    };
    let login = ada.bearer.clone().unwrap();
    for (bad, why) in [
        (forge(&|_| {}), "another key"),
        (
            forge(&|c| c.iss = "zz".parse().unwrap()),
            "an unknown issuer",
        ),
        (format!("{ticket}x"), "a changed signature"),
        (login, "a login is no ticket"),
        ("junk".to_owned(), "junk"),
    ] {
        let mut viewer = Viewer::open(&node, &id, &bad).await;
        assert_eq!(viewer.closed().await, 4401, "{why}");
    }
    let mut foreign = Viewer::open(&node, &other, &ticket).await;
    assert_eq!(foreign.closed().await, 4401, "it is for another session");
    let evil = Viewer::open_from(&node, &id, &ticket, Some("https://evil.example")).await;
    assert_eq!(evil.err(), Some(403), "a page of another address");
    let own = format!("https://{}", host(&node));
    let mut good = Viewer::open_from(&node, &id, &ticket, Some(&own))
        .await
        .unwrap();
    good.handshake().await.unwrap();

    let elsewhere = forge(&|c| c.aud = "zz".parse().unwrap());
    let mut lost = Viewer::open(&node, &id, &elsewhere).await;
    assert_eq!(
        lost.closed().await,
        4503,
        "no server of that name to relay to"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_an_attempt_voids_its_siblings() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let id = ada.start(&node, "").await;
    let session: fastx_core::names::SessionId = id.parse().unwrap();
    let attempt = fastx_node::display::Attempt {
        id: "x".into(),
        login: "ada".parse().unwrap(),
        session,
        server: node.id.clone(),
        mode: fastx_core::wire::ticket::Mode::Control,
        login_jti: String::new(),
        login_ends: jiff::Timestamp::MAX,
        address: String::new(),
    };
    let tickets = node.node.displays().tickets();
    let now = fastx_lifecycle::clock::now();
    let (first, second) = (
        tickets.issue(&attempt, now).0,
        tickets.issue(&attempt, now).0,
    );
    Viewer::open(&node, &id, &first)
        .await
        .handshake()
        .await
        .unwrap();
    assert_eq!(Viewer::open(&node, &id, &second).await.closed().await, 4401);
    let early = now - jiff::SignedDuration::from_secs(60);
    let late = fastx_node::display::Attempt {
        id: "y".into(),
        ..attempt
    };
    let expired = tickets.issue(&late, early).0;
    assert_eq!(
        Viewer::open(&node, &id, &expired).await.closed().await,
        4401
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_only_view_cannot_type() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let id = ada.start(&node, "").await;
    let ticket = ada.ticket(&node, &id, "view").await;
    let mut viewer = Viewer::open(&node, &id, &ticket).await;
    let size = viewer.handshake().await.unwrap();
    for _ in 0..5 {
        viewer.key().await;
        viewer.pointer().await;
    }
    viewer.frame(size).await.unwrap();
    assert_eq!(node.link.inputs(&id.parse().unwrap()), 0);
    viewer.send(&[77]).await;
    assert_eq!(
        viewer.closed().await,
        1002,
        "what cannot be read is not passed on"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_learn_why_they_have_to_go() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let id = ada.start(&node, "").await;
    let open = || Viewer::at(&ada, &node, &id);
    let mut viewer = open().await;
    let answer = ada
        .post(&node, &format!("sessions/{id}/disconnect"), json!({}))
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(viewer.closed().await, 4408);

    let mut viewer = open().await;
    let ticket = ada.ticket(&node, &id, "control").await;
    node.link.end(&id.parse().unwrap(), "its program ended");
    assert_eq!(viewer.closed().await, 4410);
    let mut late = Viewer::open(&node, &id, &ticket).await;
    assert_eq!(late.closed().await, 4410);

    let id = ada.start(&node, "").await;
    let mut viewer = Viewer::at(&ada, &node, &id).await;
    node.shutdown.trigger();
    assert_eq!(viewer.closed().await, 1001);
}
