//! Signing in, staying signed in, signing out.

use axum::http::Method;
use serde_json::json;

use crate::cluster::{Cluster, acquainted, eventually};
use crate::http::{Client, host};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_and_a_program_sign_in() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let info = Client::default().get(&node, "info").await.json();
    assert_eq!(
        (info["cluster"].as_str(), info["apiVersion"].as_u64()),
        (Some("Test"), Some(1))
    );
    assert_eq!(info["methods"], json!(["local"]));

    for client in [
        Client::browser(&node, "ada").await,
        Client::program(&node, "ada").await,
    ] {
        let me = client.get(&node, "me").await;
        assert_eq!(me.status, 200);
        assert_eq!(me.json()["login"], "ada");
        assert_eq!(me.json()["role"], "user");
        assert_eq!(me.headers["cache-control"], "no-store");
    }
    let max = Client::program(&node, "max")
        .await
        .get(&node, "me")
        .await
        .json();
    assert_eq!(
        (max["role"].as_str(), &max["groups"]),
        (Some("manager"), &json!(["ops"]))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_sign_ins_are_refused_with_problems() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let anybody = Client::default();
    let login = |login: &str, password: &str| json!({"method": "local", "login": login, "password": password});
    let refusals = [
        (login("ada", "wrong"), 401, "wrong-credentials"),
        (login("a b", "wrong"), 401, "wrong-credentials"),
        (
            json!({"method": "ssh", "login": "ada", "password": "pw-ada"}),
            400,
            "bad-request",
        ),
        (json!({"method": "local"}), 422, "bad-request"),
    ];
    for (body, status, kind) in refusals {
        let answer = anybody.post(&node, "login", body).await;
        assert_eq!(answer.problem(), (status, kind.to_owned()));
    }
    assert_eq!(
        anybody.get(&node, "me").await.problem(),
        (401, "not-signed-in".into())
    );
    assert_eq!(
        anybody.get(&node, "nothing").await.problem(),
        (404, "not-found".into())
    );
    let wrong = anybody.call(&node, Method::PUT, "me", None).await;
    assert_eq!(wrong.problem(), (405, "wrong-method".into()));
    let foreign = Client {
        origin: Some("https://evil.example".into()),
        ..Client::default()
    };
    let answer = foreign.post(&node, "login", login("ada", "pw-ada")).await;
    assert_eq!(answer.problem(), (403, "foreign-origin".into()));

    cluster.hub.set_connected(&node.id.clone().into(), false);
    let answer = anybody.post(&node, "login", login("ada", "pw-ada")).await;
    assert_eq!(answer.problem().0, 503);
    assert!(answer.headers.get("retry-after").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_changes_nothing_without_csrf_and_origin() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::browser(&node, "ada").await;
    let start = json!({"command": "xterm"});
    let attempts = [
        (
            Client {
                csrf: None,
                ..ada.clone()
            },
            "csrf",
        ),
        (
            Client {
                csrf: Some("x".repeat(24)),
                ..ada.clone()
            },
            "csrf",
        ),
        (
            Client {
                origin: None,
                ..ada.clone()
            },
            "foreign-origin",
        ),
        (
            Client {
                origin: Some("https://evil.example".into()),
                ..ada.clone()
            },
            "foreign-origin",
        ),
        (
            Client {
                origin: Some(format!("http://{}", host(&node))),
                ..ada.clone()
            },
            "foreign-origin",
        ),
    ];
    for (client, kind) in attempts {
        let answer = client.post(&node, "sessions", start.clone()).await;
        assert_eq!(answer.problem(), (403, kind.to_owned()), "{client:?}");
    }
    assert_eq!(ada.post(&node, "sessions", start).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_counts_on_every_node_until_it_is_ended() {
    let mut cluster = Cluster::new().await;
    let a = cluster.node("a", &["ada"]).await;
    let b = cluster.node("b", &["ada"]).await;
    acquainted(&b, &[&a]).await;
    let ada = Client::program(&a, "ada").await;
    assert_eq!(ada.get(&b, "me").await.json()["serverId"], "b");
    let other = Client::program(&a, "ada").await;
    assert_eq!(ada.call(&a, Method::POST, "logout", None).await.status, 204);
    for node in [&a, &b] {
        eventually("the login has ended", || async {
            let answer = ada.get(node, "me").await;
            if answer.status == 401 {
                Ok(())
            } else {
                Err(answer.status.to_string())
            }
        })
        .await;
    }
    assert_eq!(
        other.get(&b, "me").await.status,
        200,
        "another login of the same user goes on"
    );
    cluster.manager.revoke("ada").await;
    eventually("all logins have ended", || async {
        let answer = other.get(&b, "me").await;
        if answer.status == 401 {
            Ok(())
        } else {
            Err(answer.status.to_string())
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_says_whose_logins_count() {
    let mut cluster = Cluster::new().await;
    let a = cluster.node("a", &["ada"]).await;
    let b = cluster.node("b", &["ada"]).await;
    acquainted(&b, &[&a]).await;
    let ada = Client::program(&a, "ada").await;
    assert_eq!(ada.get(&b, "me").await.status, 200);
    cluster.parts.get_mut(&a.id).unwrap().logins = false;
    cluster.configure().await;
    for node in [&a, &b] {
        eventually("the login does not count any more", || async {
            let answer = ada.get(node, "me").await;
            if answer.status == 401 {
                Ok(())
            } else {
                Err(answer.status.to_string())
            }
        })
        .await;
    }
    let body = json!({"method": "local", "login": "ada", "password": "pw-ada"});
    let answer = Client::default().post(&a, "login", body).await;
    assert_eq!(answer.problem(), (403, "logins-off".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_cut_off_accepts_what_it_had_seen_valid() {
    let mut cluster = Cluster::new().await;
    let a = cluster.node("a", &["ada"]).await;
    let b = cluster.node("b", &["ada"]).await;
    acquainted(&b, &[&a]).await;
    let (seen, unseen) = (
        Client::program(&a, "ada").await,
        Client::program(&a, "ada").await,
    );
    assert_eq!(seen.get(&b, "me").await.status, 200);
    cluster.hub.set_connected(&b.id.clone().into(), false);
    assert_eq!(seen.get(&b, "me").await.status, 200);
    let id = seen.start(&b, "b").await;
    assert_eq!(seen.get(&b, &format!("sessions/{id}")).await.status, 200);
    let answer = unseen.get(&b, "me").await;
    assert_eq!(
        answer.problem().0,
        503,
        "not seen before: refused with a reason"
    );
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("not seen this login")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_token_is_nobody() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let token = ada.bearer.unwrap();
    let claims: fastx_core::wire::login::Claims = fastx_core::token::peek(&token).unwrap();
    let stranger = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let forged = fastx_core::token::sign(fastx_core::token::Kind::Login, &claims, &stranger);
    let mut unknown = claims.clone();
    unknown.iss = "zz".parse().unwrap();
    let unknown = fastx_core::token::sign(fastx_core::token::Kind::Login, &unknown, &stranger);
    for bad in [
        forged,
        unknown,
        format!("{token}x"),
        "a.b.c".into(),
        "x".repeat(9000),
        String::new(),
    ] {
        let client = Client {
            bearer: Some(bad),
            ..Client::default()
        };
        assert_eq!(
            client.get(&node, "me").await.problem(),
            (401, "not-signed-in".into())
        );
    }
}
