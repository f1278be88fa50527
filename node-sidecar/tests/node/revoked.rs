//! Open views end with the login that opened them.

use std::time::Duration;

use fastx_core::token::{self, Kind};
use fastx_core::wire::ticket::TicketClaims;
use serde_json::json;
use tokio::time::Instant;

use crate::cluster::{Cluster, eventually};
use crate::http::Client;
use crate::viewer::Viewer;

/// An ended login is over everywhere within a second; a busy machine needs more. What is made up for takes a minute.
const SOON: Duration = Duration::from_secs(15);

async fn ends(viewer: &mut Viewer, since: Instant) {
    let (code, reason) = viewer.closed_why().await;
    assert_eq!(code, 4408, "{reason}");
    assert!(
        reason.contains("login") && reason.contains("has ended"),
        "{reason}"
    );
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_views_end_with_their_login_on_every_node() {
    let mut cluster = Cluster::new().await;
    let (a, b) = cluster.pair(&["ada"]).await;
    let (first, second) = (
        Client::program(&a, "ada").await,
        Client::program(&a, "ada").await,
    );
    let (here, there) = (first.start(&a, "a").await, first.start(&a, "b").await);
    let mut direct = Viewer::at(&first, &a, &here).await;
    let mut relayed = Viewer::at(&first, &a, &there).await;
    let mut other = Viewer::at(&second, &a, &here).await;
    // Asked for before the end, used after it.
    let late = first.ticket(&a, &there, "control").await;
    let since = Instant::now();
    assert_eq!(first.post(&a, "logout", json!({})).await.status, 204);
    ends(&mut direct, since).await;
    ends(&mut relayed, since).await;
    let mut late = Viewer::open(&b, &there, &late).await;
    assert_eq!(late.closed().await, 4408);

    // The same user's other login has nothing to do with it, until an administrator ends all of them.
    let size = (640, 480);
    other.frame(size).await.unwrap();
    let mut relayed = Viewer::at(&second, &a, &there).await;
    let since = Instant::now();
    cluster.manager.revoke("ada").await;
    ends(&mut other, since).await;
    ends(&mut relayed, since).await;
    let session: fastx_core::names::SessionId = there.parse().unwrap();
    assert!(
        b.node.sessions().live_uid(&session).is_some(),
        "the session goes on"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_ends_when_its_login_expires() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let id = ada.start(&node, "").await;
    let now = fastx_lifecycle::clock::now();
    let attempt = fastx_node::display::Attempt {
        id: "x".into(),
        login: "ada".parse().unwrap(),
        session: id.parse().unwrap(),
        server: node.id.clone(),
        mode: fastx_core::wire::ticket::Mode::Control,
        login_jti: "j".into(),
        login_ends: now + jiff::SignedDuration::from_secs(6),
        address: String::new(),
    };
    let ticket = node.node.displays().tickets().issue(&attempt, now).0;
    let mut viewer = Viewer::open(&node, &id, &ticket).await;
    viewer.handshake().await.unwrap();
    let (code, reason) = viewer.closed_why().await;
    assert_eq!(code, 4408);
    assert!(reason.contains("has expired; sign in again"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_says_which_login_asked_for_it() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let id = ada.start(&node, "").await;
    let ticket = ada.ticket(&node, &id, "control").await;
    let claims: TicketClaims = token::peek(&ticket).unwrap();
    let login: fastx_core::wire::login::Claims =
        token::peek(ada.bearer.as_deref().unwrap()).unwrap();
    assert_eq!((claims.login_jti, claims.login_exp), (login.jti, login.exp));
    assert_eq!(claims.address, "127.0.0.1");

    // What a node of the version before issues is still good.
    let old = json!({"iss": "a", "aud": "a", "session": id, "sub": "ada", "mode": "control",
        "attempt": "x", "jti": "y", "exp": 1});
    let old: TicketClaims = serde_json::from_value(old).unwrap();
    assert_eq!((old.login_jti.as_str(), old.login_exp), ("", 0));
    let signed = token::sign(
        Kind::Ticket,
        &old,
        &ed25519_dalek::SigningKey::from_bytes(&[9; 32]),
    );
    assert_eq!(token::peek::<TicketClaims>(&signed), Ok(old));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missed_end_of_a_login_is_made_up_for() {
    let mut cluster = Cluster::new().await;
    let a = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&a, "ada").await;
    let id = ada.start(&a, "").await;
    let mut viewer = Viewer::at(&ada, &a, &id).await;
    cluster.hub.set_connected(&a.id.clone().into(), false);
    cluster.manager.revoke("ada").await;
    viewer.frame((640, 480)).await.unwrap();
    cluster.hub.set_connected(&a.id.clone().into(), true);
    eventually("the view has ended", || async {
        if a.node.sessions().viewer_count() == 0 {
            Ok(())
        } else {
            Err("it is open".to_owned())
        }
    })
    .await;
    assert_eq!(viewer.closed().await, 4408);
}
