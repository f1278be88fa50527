//! Lists of logins: seeing, naming and ending them, and making some for programs.

use axum::http::Method;
use serde_json::{Value, json};

use crate::cluster::{Cluster, TestNode, acquainted, eventually};
use crate::http::Client;

async fn tokens(client: &Client, node: &TestNode, query: &str) -> Vec<Value> {
    let answer = client.get(node, &format!("tokens{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["tokens"].as_array().unwrap().clone()
}

async fn ended(client: &Client, node: &TestNode) {
    eventually("the login has ended", || async {
        match client.get(node, "me").await.status.as_u16() {
            401 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
}

fn bearer(token: &str) -> Client {
    Client {
        bearer: Some(token.to_owned()),
        ..Client::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_see_name_and_end_their_own_logins() {
    let mut cluster = Cluster::new().await;
    let a = cluster.node("a", &["ada"]).await;
    let b = cluster.node("b", &["ada"]).await;
    acquainted(&b, &[&a]).await;
    let (ada, other) = (
        Client::browser(&a, "ada").await,
        Client::program(&a, "ada").await,
    );
    let bob = Client::program(&a, "bob").await;
    assert_eq!(other.get(&b, "me").await.status, 200);

    let list = tokens(&ada, &a, "").await;
    assert_eq!(list.len(), 2, "{list:?}");
    let of_other = list.iter().find(|t| t["current"] == false).unwrap();
    assert_eq!(
        (&of_other["method"], &of_other["issuer"], &of_other["login"]),
        (&json!("local"), &json!("a"), &Value::Null)
    );
    let path = format!("tokens/{}", of_other["id"].as_str().unwrap());
    let label = Some(json!({"label": "laptop"}));
    let named = ada.call(&a, Method::PATCH, &path, label.clone()).await;
    assert_eq!(named.status, 204, "{named:?}");
    let list = tokens(&ada, &b, "").await;
    assert!(list.iter().any(|t| t["label"] == "laptop"), "{list:?}");

    for method in [Method::PATCH, Method::DELETE] {
        let refused = bob.call(&a, method, &path, label.clone()).await;
        assert_eq!(refused.problem(), (404, "not-found".into()));
    }
    assert_eq!(other.get(&b, "me").await.status, 200);
    assert_eq!(ada.call(&a, Method::DELETE, &path, None).await.status, 204);
    ended(&other, &a).await;
    ended(&other, &b).await;
    assert_eq!(ada.get(&a, "me").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_gets_a_login_that_makes_no_others() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let max = Client::program(&node, "max").await;
    let wish = json!({"label": "backup", "days": 90});
    let made = max.post(&node, "tokens", wish.clone()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let program = bearer(made.json()["token"].as_str().unwrap());
    let me = program.get(&node, "me").await.json();
    assert_eq!(
        (&me["login"], &me["role"]),
        (&json!("max"), &json!("manager"))
    );
    let more = program.post(&node, "tokens", wish).await;
    assert_eq!(more.problem(), (403, "not-allowed".into()));
    for wrong in [
        json!({"label": "x", "days": 0}),
        json!({"label": "x", "days": 91}),
        json!({"label": "x".repeat(201)}),
        json!({"label": "a\nb"}),
    ] {
        let refused = max.post(&node, "tokens", wrong).await;
        assert_eq!(refused.problem(), (400, "bad-request".into()));
    }
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("tokens/{id}");
    assert_eq!(
        max.call(&node, Method::DELETE, &path, None).await.status,
        204
    );
    ended(&program, &node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admins_end_everybodys_logins_and_managers_see_who_is_there() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let (ada, max, eva) = (
        Client::program(&node, "ada").await,
        Client::program(&node, "max").await,
        Client::program(&node, "eva").await,
    );
    ada.start(&node, "a").await;
    for query in ["?all=true", "?login=ada"] {
        let refused = max.get(&node, &format!("tokens{query}")).await;
        assert_eq!(refused.problem(), (403, "not-allowed".into()));
    }
    assert_eq!(tokens(&eva, &node, "?all=true").await.len(), 3);
    let of_ada = tokens(&eva, &node, "?login=ada").await;
    assert_eq!(of_ada[0]["login"], "ada");

    let refused = ada.get(&node, "users").await;
    assert_eq!(refused.problem(), (403, "not-allowed".into()));
    let users = eventually("the session is seen", || async {
        let users = max.get(&node, "users").await.json()["users"].clone();
        let ada = users
            .as_array()
            .unwrap()
            .iter()
            .find(|u| u["login"] == "ada");
        match ada {
            Some(ada) if ada["sessions"] == 1 => Ok(users.clone()),
            _ => Err(users.to_string()),
        }
    })
    .await;
    assert_eq!(users.as_array().unwrap().len(), 3);
    assert!(users[0]["lastSignIn"].is_string() && users[0]["tokens"] == 1);

    let path = format!("tokens/{}", of_ada[0]["id"].as_str().unwrap());
    let refused = max.call(&node, Method::DELETE, &path, None).await;
    assert_eq!(refused.problem(), (404, "not-found".into()));
    assert_eq!(
        eva.call(&node, Method::DELETE, &path, None).await.status,
        204
    );
    ended(&ada, &node).await;
}
