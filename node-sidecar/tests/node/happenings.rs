//! What a session's own side is told: event scripts of its profile, notices before its rules act; and reasons for its end.

use axum::http::Method;
use fastx_core::wire::config::EventScripts;
use serde_json::json;

use crate::cluster::{Cluster, TestNode, eventually};
use crate::http::Client;
use crate::viewer::Viewer;

/// Waits until these events, and no others, were told to the link.
async fn told(node: &TestNode, wanted: &[&str]) {
    eventually("the events are told", || async {
        let events = node.link.events();
        let mut names: Vec<&str> = events.iter().map(|(event, _, _)| event.as_str()).collect();
        // Each is told by a task of its own.
        names.sort_unstable();
        let mut sorted = wanted.to_vec();
        sorted.sort_unstable();
        if names == sorted {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_of_a_profile_run_once_at_each_event() {
    let mut cluster = Cluster::new().await;
    cluster.part.profiles[0].event_scripts = EventScripts {
        start: "echo start".into(),
        connect: "echo connect".into(),
        disconnect: "echo disconnect".into(),
        params: "echo params".into(),
        terminate: "echo terminate".into(),
    };
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let id = &ada.terminal(&node).await;
    told(&node, &["start"]).await;
    let path = format!("sessions/{id}");
    let change = json!({"name": "Thesis"});
    let changed = ada.call(&node, Method::PATCH, &path, Some(change)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    told(&node, &["start", "params"]).await;
    let viewer = Viewer::at(&ada, &node, id).await;
    told(&node, &["start", "params", "connect"]).await;
    drop(viewer);
    told(&node, &["start", "params", "connect", "disconnect"]).await;
    ada.call(&node, Method::DELETE, &path, None).await;
    let all = ["start", "params", "connect", "disconnect", "terminate"];
    told(&node, &all).await;
    for (event, script, env) in node.link.events() {
        assert_eq!(script, format!("echo {event}"));
        let viewer = env.get("FASTX_VIEWER").map(String::as_str);
        assert_eq!(
            viewer,
            event.ends_with("connect").then_some("ada"),
            "{event}"
        );
        let why = env.get("FASTX_END_REASON").map(String::as_str);
        assert_eq!(
            why,
            (event == "terminate").then_some("Ended by ada."),
            "{event}"
        );
    }
    // A session whose profile has none.
    let plain = ada.start(&node, "a").await;
    ada.call(&node, Method::DELETE, &format!("sessions/{plain}"), None)
        .await;
    told(&node, &all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warning_is_shown_in_the_session_until_somebody_types() {
    let mut cluster = Cluster::new().await;
    cluster.part.profiles[0].disconnect_idle_seconds = 12;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let id = &ada.terminal(&node).await;
    let mut viewer = Viewer::at(&ada, &node, id).await;
    let notices = async |what: &str, wanted: usize| {
        eventually(what, || async {
            let notices = node.link.notices();
            if notices.len() == wanted {
                Ok(notices)
            } else {
                Err(format!("{notices:?}"))
            }
        })
        .await
    };
    let shown = notices("a notice is shown", 1).await;
    assert!(
        shown[0].contains("types nothing for 12 seconds") && shown[0].contains("To stay"),
        "{shown:?}"
    );
    viewer.key().await;
    let gone = notices("a key takes it away", 2).await;
    assert_eq!(gone[1], "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_says_why_a_session_is_ended_and_its_owner_reads_it() {
    let mut cluster = Cluster::new().await;
    let (a, _b) = cluster.pair(&["ada"]).await;
    let (ada, max) = (
        Client::program(&a, "ada").await,
        Client::program(&a, "max").await,
    );
    for (server, words) in [("a", "Repaired%20tonight."), ("b", "Repaired+tonight.")] {
        let id = ada.start(&a, server).await;
        let long = format!("sessions/{id}?reason={}", "x".repeat(301));
        let refused = max.call(&a, Method::DELETE, &long, None).await;
        assert_eq!(refused.problem(), (400, "bad-request".into()));
        let path = format!("sessions/{id}?reason={words}");
        let ending = max.call(&a, Method::DELETE, &path, None).await;
        assert_eq!(ending.status, 202, "{ending:?}");
        eventually("the owner reads why", || async {
            let answer = ada.get(&a, &format!("sessions/{id}")).await.json();
            match answer["session"]["endReason"].as_str() {
                Some("Ended by max: Repaired tonight.") => Ok(()),
                _ => Err(answer.to_string()),
            }
        })
        .await;
    }
}
