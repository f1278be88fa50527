//! Choosing a server, relaying to it, and finding the same home everywhere.

use std::time::Duration;

use fastx_core::wire::decision::Decision;
use fastx_tests::Failure;
use fastx_tests::demo::{Demo, terminal};
use fastx_tests::eventually::eventually;
use fastx_tests::viewer::Viewer;
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_start_can_be_explained() -> Result<(), Failure> {
    let demo = Demo::find().await?;
    demo.ready().await?;
    let person = demo.sign_in("ada", "any").await?;
    let session = person
        .start(json!({"command": "xterm", "name": "explained"}))
        .await?;
    let path = format!("/sessions/{}/decision", session.id);
    let decision: Decision = person.call(Method::GET, &path, None).await?;
    assert_eq!(decision.chosen.as_ref(), Some(&session.server_id));
    assert_eq!(
        decision.servers.len(),
        2,
        "a verdict for every server: {decision:?}"
    );
    assert!(
        decision
            .servers
            .iter()
            .all(|v| v.chosen || !v.reason.is_empty()),
        "{decision:?}"
    );
    assert!(!decision.steps.is_empty(), "{decision:?}");
    person.end(&session).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_relays_to_the_other() -> Result<(), Failure> {
    let demo = Demo::find().await?;
    demo.ready().await?;
    let person = demo.sign_in("manager", "alpha").await?;
    for (server, through) in [("alpha", "beta"), ("beta", "alpha")] {
        let session = terminal(&person, server).await?;
        assert_eq!(
            session.server_id.as_str(),
            server,
            "a manager may name the server"
        );
        let at = person.at(&demo.address(through));
        // The other node hears of the session a moment later.
        let mut viewer = eventually(
            Duration::from_secs(30),
            "the other node knows the session",
            async || Viewer::open(&at, session.id.as_ref()).await,
        )
        .await?;
        assert_eq!(viewer.size, (800, 600));
        viewer.picture().await?;
        person.end(&session).await?;
        let code = viewer.closed(Duration::from_secs(10)).await?;
        assert_eq!(code, 4410, "the viewer hears that the session ended");
    }
    Ok(())
}
