//! A viewer at one node, the session at another.

use crate::cluster::{Cluster, acquainted, eventually};
use crate::http::{Client, host};
use crate::viewer::Viewer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_is_relayed_to_the_node_of_the_session() {
    Box::pin(relayed(Cluster::new().await)).await;
}

/// Signing in, starting elsewhere and relaying do not depend on what carries the messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_is_relayed_in_a_cluster_on_redis() {
    Box::pin(relayed(Cluster::over_redis().await)).await;
}

async fn relayed(mut cluster: Cluster) {
    let (a, b) = cluster.pair(&["ada"]).await;
    let ada = Client::program(&a, "ada").await;
    let id = ada.start(&a, "b").await;
    let ways = ada.ways(&a, &id, "control").await;
    assert_eq!(ways.len(), 1, "no direct connections are configured");
    assert_eq!(ways[0]["kind"], "relay");
    assert_eq!(
        ways[0]["url"],
        format!("wss://{}/api/v1/sessions/{id}/display", host(&a))
    );
    let ticket = ways[0]["ticket"].as_str().unwrap();

    let mut viewer = Viewer::open(&a, &id, ticket).await;
    let size = viewer.handshake().await.unwrap();
    viewer.key().await;
    viewer.frame(size).await.unwrap();
    assert_eq!(b.link.inputs(&id.parse().unwrap()), 1);
    let mut again = Viewer::open(&a, &id, ticket).await;
    assert_eq!(
        again.closed().await,
        4401,
        "the code of the session's node arrives"
    );

    let answer = ada
        .post(
            &a,
            &format!("sessions/{id}/disconnect"),
            serde_json::json!({}),
        )
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(viewer.closed().await, 4408);

    let ticket = ada.ticket(&a, &id, "view").await;
    let mut viewer = Viewer::open(&a, &id, &ticket).await;
    let size = viewer.handshake().await.unwrap();
    viewer.key().await;
    viewer.frame(size).await.unwrap();
    assert_eq!(
        b.link.inputs(&id.parse().unwrap()),
        1,
        "view-only holds over the relay"
    );
    b.link.end(&id.parse().unwrap(), "its program ended");
    assert_eq!(viewer.closed().await, 4410);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_relay_trusts_only_the_registered_certificate() {
    let mut cluster = Cluster::new().await;
    let a = cluster.node("a", &["ada"]).await;
    let b = cluster.node("b", &["ada"]).await;
    let c = cluster.node("c", &["ada"]).await;
    acquainted(&a, &[&b, &c]).await;
    acquainted(&b, &[&a]).await;
    let ada = Client::program(&a, "ada").await;
    let id = ada.start(&a, "b").await;
    // Somebody else answers at the address of b.
    cluster.parts.get_mut(&b.id).unwrap().peer_urls = vec![format!("https://{}", c.addr)];
    cluster.configure().await;
    eventually("a hears of the new address", || async {
        let known = a.node.fleet().server(&b.id).unwrap().server.peer_urls;
        if known[0].ends_with(&format!(":{}", c.addr.port())) {
            Ok(())
        } else {
            Err(known[0].clone())
        }
    })
    .await;
    let ticket = ada.ticket(&a, &id, "control").await;
    let mut viewer = Viewer::open(&a, &id, &ticket).await;
    assert_eq!(viewer.closed().await, 4503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn direct_comes_first_where_it_is_allowed() {
    let mut cluster = Cluster::new().await;
    let a = cluster.node("a", &["ada"]).await;
    let b = cluster.node("b", &["ada"]).await;
    let part = cluster.parts.get_mut(&b.id).unwrap();
    part.urls = vec![format!("https://{}", host(&b))];
    part.direct_connections = true;
    cluster.configure().await;
    cluster.settle(&[&a, &b]).await;
    acquainted(&a, &[&b]).await;
    acquainted(&b, &[&a]).await;
    let ada = Client::program(&a, "ada").await;
    let id = ada.start(&a, "b").await;
    let ways = eventually("a hears of the address of b", || async {
        let ways = ada.ways(&a, &id, "control").await;
        if ways.len() == 2 {
            Ok(ways)
        } else {
            Err(format!("{ways:?}"))
        }
    })
    .await;
    assert_eq!(
        (ways[0]["kind"].as_str(), ways[1]["kind"].as_str()),
        (Some("direct"), Some("relay"))
    );
    assert_eq!(
        ways[0]["url"],
        format!("wss://{}/api/v1/sessions/{id}/display", host(&b))
    );
    let direct = ways[0]["ticket"].as_str().unwrap();
    Viewer::open(&b, &id, direct)
        .await
        .handshake()
        .await
        .unwrap();
    let relay = ways[1]["ticket"].as_str().unwrap();
    assert_eq!(
        Viewer::open(&a, &id, relay).await.closed().await,
        4401,
        "the first one voids its siblings"
    );
}
