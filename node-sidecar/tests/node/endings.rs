//! Ends by rule: announced, answered, carried out; and records that are purged.

use std::time::Duration;

use axum::http::Method;
use fastx_lifecycle::clock;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::cluster::{Cluster, TestNode, eventually, within};
use crate::http::Client;
use crate::viewer::Viewer;

/// Longer than any limit here: what is waited for comes when its limit is over.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until the session looks like this to a client.
async fn until(
    client: &Client,
    node: &TestNode,
    id: &str,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    within(PATIENCE, what, || async {
        let answer = client.get(node, &format!("sessions/{id}")).await.json();
        let session = answer["session"].clone();
        if wanted(&session) {
            Ok(session)
        } else {
            Err(answer.to_string())
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_session_is_announced_can_be_kept_and_ends() {
    let mut cluster = Cluster::new().await;
    cluster.part.profiles[0].end_disconnected_seconds = 30;
    let node = cluster.node("a", &["ada", "bob"]).await;
    let (ada, bob) = (
        Client::program(&node, "ada").await,
        Client::program(&node, "bob").await,
    );
    let id = &ada.terminal(&node).await;
    let session = until(&ada, &node, id, "the end is announced", |s| {
        s["warning"].is_object()
    })
    .await;
    assert_eq!(session["limits"]["endDisconnectedSeconds"], 30);
    assert_eq!(session["limits"]["clipboard"], "both");
    assert_eq!(session["endsAt"], session["warning"]["at"]);
    assert!(
        session["endsReason"]
            .as_str()
            .unwrap()
            .contains("30 seconds")
    );
    assert!(session["idleSince"].is_string());
    let stranger = bob
        .post(&node, &format!("sessions/{id}/stay"), json!({}))
        .await;
    assert_eq!(stranger.status, 404);
    let kept = ada
        .post(&node, &format!("sessions/{id}/stay"), json!({}))
        .await;
    assert_eq!(kept.status, 200, "{kept:?}");
    let kept = &kept.json()["session"];
    assert_eq!(kept.get("warning"), None);
    assert!(
        kept["endsAt"].as_str() > session["endsAt"].as_str(),
        "{kept}"
    );
    let ended = until(&ada, &node, id, "it ends", |s| s["state"] == "ended").await;
    assert_eq!(ended["endReason"], "Nobody looked at it for 30 seconds.");
    assert_eq!((ended.get("endsAt"), ended.get("warning")), (None, None));
    let late = ada
        .post(&node, &format!("sessions/{id}/stay"), json!({}))
        .await;
    assert_eq!(late.problem(), (410, "session-ended".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_is_lowered_is_announced_before_it_ends_a_session() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let id = "00000000000000aa";
    let hours_ago = clock::now() - SignedDuration::from_hours(3);
    let old = json!({
        "id": id, "login": "ada", "name": "n", "command": "xterm", "profile": "small", "geometry": "640x480",
        "state": "running", "display": ":1", "started": hours_ago, "changed": hours_ago
    });
    node.link.play(serde_json::from_value(old).unwrap());
    until(&ada, &node, id, "it is there", |s| s["state"] == "running").await;
    cluster.part.profiles[0].end_disconnected_seconds = 3600;
    cluster.configure().await;
    let told = until(&ada, &node, id, "its end is announced", |s| {
        s["warning"].is_object() || s["state"] != "running"
    })
    .await;
    assert_eq!(told["state"], "running", "{told}");
    let left: jiff::Timestamp = told["endsAt"].as_str().unwrap().parse().unwrap();
    let left = left.duration_since(clock::now());
    let minutes = SignedDuration::from_mins;
    assert!(left > minutes(3) && left <= minutes(5), "{left}");
    let kept = ada
        .post(&node, &format!("sessions/{id}/stay"), json!({}))
        .await;
    assert_eq!(kept.status, 200, "{kept:?}");
    assert_eq!(kept.json()["session"].get("warning"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_types_nothing_is_warned_and_disconnected() {
    let mut cluster = Cluster::new().await;
    cluster.part.profiles[0].disconnect_idle_seconds = 30;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let id = &ada.terminal(&node).await;
    let mut viewer = Viewer::at(&ada, &node, id).await;
    until(&ada, &node, id, "a warning", |s| s["warning"].is_object()).await;
    viewer.key().await;
    until(&ada, &node, id, "a key answers it", |s| {
        s.get("warning").is_none()
    })
    .await;
    until(&ada, &node, id, "another warning", |s| {
        s["warning"].is_object()
    })
    .await;
    let (code, reason) = viewer.closed_why().await;
    assert_eq!(code, 4408);
    assert!(
        reason.contains("Nothing was typed for 30 seconds"),
        "{reason}"
    );
    let session = until(&ada, &node, id, "nobody looks", |s| s["viewers"] == 0).await;
    assert_eq!(
        (&session["state"], session.get("endsAt")),
        (&json!("running"), None)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_of_a_session_that_is_over_can_be_purged() {
    let mut cluster = Cluster::new().await;
    let (a, b) = cluster.pair(&["ada", "bob"]).await;
    let (ada, bob, max) = (
        Client::program(&a, "ada").await,
        Client::program(&a, "bob").await,
        Client::program(&a, "max").await,
    );
    for (server, purger) in [("a", &ada), ("b", &max)] {
        let id = ada.start(&a, server).await;
        let path = format!("sessions/{id}/record");
        let early = purger.call(&a, Method::DELETE, &path, None).await;
        assert_eq!(early.problem(), (409, "session-lives".into()), "{server}");
        ada.call(&a, Method::DELETE, &format!("sessions/{id}"), None)
            .await;
        until(&ada, &a, &id, "it is over", |s| s["state"] == "ended").await;
        let stranger = bob.call(&a, Method::DELETE, &path, None).await;
        assert_eq!(stranger.status, 404);
        let purged = purger.call(&a, Method::DELETE, &path, None).await;
        assert_eq!(purged.status, 204, "{purged:?}");
        for node in [&a, &b] {
            eventually("it is forgotten everywhere", || async {
                let list = max.get(node, "sessions?all=true").await.json();
                if list.to_string().contains(&id) {
                    Err(list.to_string())
                } else {
                    Ok(())
                }
            })
            .await;
        }
        assert_eq!(cluster.manager.session_state(&id).await, None);
    }
}
