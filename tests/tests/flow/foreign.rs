//! A second login tries everything of the first's, and gets nothing.

use fastx_tests::Failure;
use fastx_tests::demo::{Demo, terminal};
use fastx_tests::viewer::{Viewer, ticket};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_gets_nothing() -> Result<(), Failure> {
    let demo = Demo::find().await?;
    demo.ready().await?;
    let owner = demo.sign_in("manager", "alpha").await?;
    let other = demo.sign_in("grace", "beta").await?;
    let session = terminal(&owner, "alpha").await?;
    let id = session.id.to_string();

    assert!(
        other.sessions().await?.is_empty(),
        "a list shows own sessions only"
    );
    for (method, path, body) in [
        (Method::GET, String::new(), None),
        (Method::PATCH, String::new(), Some(json!({"name": "mine"}))),
        (Method::DELETE, String::new(), None),
        (
            Method::POST,
            "/connect".into(),
            Some(json!({"mode": "view"})),
        ),
        (Method::POST, "/disconnect".into(), None),
        (Method::GET, "/decision".into(), None),
        (Method::GET, "/log".into(), None),
        (Method::GET, "/screenshot".into(), None),
    ] {
        for address in ["alpha", "beta"] {
            let (status, text) = other
                .at(&demo.address(address))
                .raw(
                    method.clone(),
                    &format!("/sessions/{id}{path}"),
                    body.clone(),
                )
                .await?;
            assert_eq!(status.as_u16(), 404, "{method} {path} at {address}: {text}");
            assert!(text.contains("\"type\""), "a problem document: {text}");
        }
    }

    // The owner's ticket works once, even where nobody watches who brings it.
    let (url, paper) = ticket(&owner, &id).await?;
    Viewer::with_ticket(&url, &paper).await?.picture().await?;
    assert!(
        Viewer::with_ticket(&url, &paper).await.is_err(),
        "a used ticket is refused"
    );

    let (status, text) = other
        .raw(Method::POST, "/sessions", Some(json!({"command": "xterm"})))
        .await?;
    assert!(!status.is_success(), "the nodes are not grace's: {text}");
    assert!(
        text.contains("belongs to other users"),
        "every refusal says why: {text}"
    );
    owner.end(&session).await
}
