//! Every operation of the API with every role, and with none.

use axum::http::Method;
use fastx_core::roles::{Right, Role};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::cluster::{Cluster, TestNode};
use crate::http::{Client, send};

/// An operation of the document.
struct Operation {
    method: Method,
    path: String,
    right: Option<String>,
}

fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&fastx_node::api::document()).unwrap();
    let mut found = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            found.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.strip_prefix("/api/v1/").unwrap().to_owned(),
                right: operation["x-right"].as_str().map(str::to_owned),
            });
        }
    }
    // Signing out comes last, for it ends the login of the test.
    found.sort_by_key(|operation| operation.path == "logout");
    found
}

/// Status, and kind of the problem when it is a refusal.
async fn outcome(client: &Client, node: &TestNode, operation: &Operation) -> (u16, String) {
    let path = operation
        .path
        .split('/')
        .map(|part| match part {
            "{serverId}" => "zz",
            part if part.starts_with('{') => "0000000000000000",
            part => part,
        })
        .collect::<Vec<_>>()
        .join("/");
    let body = (operation.method != Method::GET).then(|| json!({}));
    let request = client.request(node, operation.method.clone(), &path, body);
    let response = send(node, request).await;
    let status = response.status().as_u16();
    // Streams that are allowed do not end.
    if status < 400 {
        return (status, String::new());
    }
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    (status, body["type"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_gets_what_the_table_says() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let operations = operations();
    assert!(operations.len() > 20);
    for operation in &operations {
        let (status, kind) = outcome(&Client::default(), &node, operation).await;
        let refused = status == 401 && kind == "not-signed-in";
        let (method, path) = (&operation.method, &operation.path);
        assert_eq!(
            refused,
            operation.right.is_some(),
            "{method} {path}: {status} {kind}"
        );
    }
    for (login, role) in [
        ("ada", Role::User),
        ("max", Role::Manager),
        ("eva", Role::Admin),
    ] {
        let client = Client::program(&node, login).await;
        assert_eq!(client.get(&node, "me").await.json()["role"], role.name());
        for operation in &operations {
            let (status, kind) = outcome(&client, &node, operation).await;
            let right = operation.right.as_deref().unwrap_or("signed-in");
            let right = Right::ALL.into_iter().find(|r| r.name() == right);
            let allowed = right.is_none_or(|right| role.may(right));
            let refused = status == 403 && kind == "not-allowed";
            let (method, path) = (&operation.method, &operation.path);
            assert_eq!(
                refused, !allowed,
                "{login}: {method} {path}: {status} {kind}"
            );
            assert_ne!(status, 401, "{login}: {method} {path}: {kind}");
        }
    }
}
