//! Sharing: who may come, as what, for how long, and who may say so.

use axum::http::Method;
use fastx_core::wire::session::SessionRecord;
use serde_json::{Value, json};

use crate::cluster::{Cluster, TestNode, eventually};
use crate::http::{Answer, Client};
use crate::viewer::Viewer;

async fn share(client: &Client, node: &TestNode, id: &str, body: Value) -> Answer {
    client
        .post(node, &format!("sessions/{id}/shares"), body)
        .await
}

async fn shared(client: &Client, node: &TestNode, id: &str, login: &str, mode: &str) -> Value {
    let body = json!({"login": login, "mode": mode, "minutes": 5});
    let answer = share(client, node, id, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

/// Waits until this user sees the session at this node.
async fn seen(client: &Client, node: &TestNode, id: &str) -> Value {
    eventually("the session is seen", || async {
        let answer = client.get(node, &format!("sessions/{id}")).await;
        match answer.status.as_u16() {
            200 => Ok(answer.json()["session"].clone()),
            other => Err(other.to_string()),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_sees_what_was_shared_and_no_more_until_it_is_taken_back() {
    let mut cluster = Cluster::new().await;
    let (a, b) = cluster.pair(&["ada", "bob"]).await;
    let ada = Client::program(&a, "ada").await;
    let bob = Client::program(&b, "bob").await;
    // Shared at one node, running on the other, looked at by way of a relay.
    let id = ada.start(&a, "a").await;
    let made = shared(&ada, &a, &id, "bob", "view").await;
    assert_eq!(
        (&made["login"], &made["url"]),
        (&json!("bob"), &Value::Null)
    );
    let session = seen(&bob, &b, &id).await;
    assert_eq!(session["mine"], false);
    assert_eq!(session["sharedWithMe"]["mode"], "view");
    assert_eq!(
        (
            &session["shares"],
            &session["command"],
            &session["viewersList"]
        ),
        (&json!([]), &json!(""), &json!([])),
        "what is the owner's stays the owner's"
    );
    let listed = bob.get(&b, "sessions").await.json();
    assert_eq!(listed["sessions"][0]["id"], id.as_str());

    let mut viewer = Viewer::at(&bob, &b, &id).await;
    viewer.key().await;
    viewer.pointer().await;
    viewer.frame((640, 480)).await.unwrap();
    assert_eq!(
        a.link.inputs(&id.parse().unwrap()),
        0,
        "asked for control, got a view"
    );
    let session = seen(&ada, &a, &id).await;
    let there = &session["viewersList"][0];
    assert_eq!(
        (
            &there["login"],
            &there["mode"],
            &there["path"],
            &there["address"]
        ),
        (
            &json!("bob"),
            &json!("view"),
            &json!("relay"),
            &json!("127.0.0.1")
        )
    );
    assert_eq!(
        (&session["mine"], session.get("sharedWithMe")),
        (&json!(true), None)
    );

    let path = format!("sessions/{id}/shares/{}", made["id"].as_str().unwrap());
    let early = bob.ticket(&b, &id, "view").await;
    let refused = bob.call(&b, Method::DELETE, &path, None).await;
    assert_eq!(refused.problem(), (403, "not-allowed".into()));
    assert_eq!(ada.call(&a, Method::DELETE, &path, None).await.status, 204);
    let (code, reason) = viewer.closed_why().await;
    assert_eq!(code, 4408);
    assert!(reason.contains("stopped sharing"), "{reason}");
    let mut late = Viewer::open(&b, &id, &early).await;
    assert_eq!(
        late.closed().await,
        4401,
        "the share decides, not the ticket"
    );
    eventually("the guest sees nothing any more", || async {
        match bob.get(&b, &format!("sessions/{id}")).await.status.as_u16() {
            404 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    assert_eq!(bob.get(&b, "sessions").await.json()["sessions"], json!([]));
    let again = ada.call(&a, Method::DELETE, &path, None).await;
    assert_eq!(again.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_the_link_comes_in_once_it_is_accepted() {
    let mut cluster = Cluster::new().await;
    let (a, b) = cluster.pair(&["ada"]).await;
    let ada = Client::program(&a, "ada").await;
    let bob = Client::browser(&b, "bob").await;
    let id = ada.start(&a, "a").await;
    let made = shared(&ada, &a, &id, "", "control").await;
    let url = made["url"].as_str().unwrap();
    let secret = url.strip_prefix("/share/").unwrap();
    assert_eq!(
        bob.get(&b, &format!("sessions/{id}")).await.status,
        404,
        "not before it was accepted"
    );
    let answer = bob.post(&b, &format!("shares/{secret}"), json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["sessionId"]),
        (200, &json!(id))
    );
    let again = bob.post(&b, &format!("shares/{secret}"), json!({})).await;
    assert_eq!(again.status, 200);
    let mut viewer = Viewer::at(&bob, &b, &id).await;
    viewer.key().await;
    viewer.frame((640, 480)).await.unwrap();
    assert_eq!(a.link.inputs(&id.parse().unwrap()), 1);

    // The record has no secret in it, and the owner sees who came.
    let session: SessionRecord = a.node.sessions().own(&id.parse().unwrap()).unwrap();
    assert!(
        !serde_json::to_string(&session)
            .unwrap()
            .contains(&secret[16..])
    );
    let session = seen(&ada, &a, &id).await;
    assert_eq!(session["shares"][0]["guests"], json!(["bob"]));
    assert_eq!(
        session["shares"][0].get("url"),
        None,
        "the link is told once"
    );

    let path = format!("sessions/{id}/shares/{}", made["id"].as_str().unwrap());
    assert_eq!(ada.call(&a, Method::DELETE, &path, None).await.status, 204);
    assert_eq!(viewer.closed().await, 4408);
    let mut wrong = secret.to_owned();
    wrong.replace_range(47.., if secret.ends_with('0') { "1" } else { "0" });
    for bad in [secret, &wrong, "x", &"0".repeat(48), &secret[..47]] {
        let refused = bob.post(&b, &format!("shares/{bad}"), json!({})).await;
        assert_eq!(refused.problem(), (404, "no-share".into()), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_owner_shares_and_only_within_bounds() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada", "bob"]).await;
    let (ada, bob, max) = (
        Client::program(&node, "ada").await,
        Client::program(&node, "bob").await,
        Client::program(&node, "max").await,
    );
    let id = ada.start(&node, "").await;
    let body = json!({"login": "bob", "mode": "control", "minutes": 5});
    let kind = |answer: Answer| answer.problem();
    assert_eq!(
        kind(share(&bob, &node, &id, body.clone()).await),
        (404, "not-found".into())
    );
    assert_eq!(
        kind(share(&max, &node, &id, body.clone()).await),
        (403, "not-allowed".into())
    );
    shared(&ada, &node, &id, "bob", "control").await;
    let mut onward = body.clone();
    onward["login"] = json!("eve");
    assert_eq!(
        kind(share(&bob, &node, &id, onward).await),
        (403, "not-allowed".into()),
        "a guest lets nobody in"
    );
    for (field, bad) in [
        ("minutes", json!(0)),
        ("minutes", json!(10_081)),
        ("login", json!("ada")),
        ("login", json!("a b")),
    ] {
        let mut body = body.clone();
        body[field] = bad.clone();
        let refused = share(&ada, &node, &id, body).await;
        assert_eq!(
            refused.problem(),
            (422, "bad-request".into()),
            "{field} {bad}"
        );
    }
    for (field, bad) in [
        ("mode", json!("own")),
        ("minutes", json!(-1)),
        ("minutes", json!("1")),
    ] {
        let mut body = body.clone();
        body[field] = bad.clone();
        let status = share(&ada, &node, &id, body).await.status.as_u16();
        assert!(matches!(status, 400 | 422), "{field} {bad}: {status}");
    }
    let foreign = format!("sessions/{id}/shares/0000000000000000");
    assert_eq!(
        ada.call(&node, Method::DELETE, &foreign, None).await.status,
        404
    );
    for _ in 1..32 {
        shared(&ada, &node, &id, "eve", "view").await;
    }
    assert_eq!(
        kind(share(&ada, &node, &id, body.clone()).await),
        (409, "too-many-shares".into())
    );
    ada.call(&node, Method::DELETE, &format!("sessions/{id}"), None)
        .await;
    eventually("it is over", || async {
        let state =
            ada.get(&node, &format!("sessions/{id}")).await.json()["session"]["state"].clone();
        if state == "ended" {
            Ok(())
        } else {
            Err(state.to_string())
        }
    })
    .await;
    assert_eq!(
        kind(share(&ada, &node, &id, body).await),
        (410, "session-ended".into())
    );
}
