//! The System section of a cluster: who may, what Kubernetes manages, and who forges.

use axum::http::Method;
use fastx_bus::Bus;
use fastx_core::secret::Secret;
use fastx_core::subject::Operation;
use fastx_core::wire::config::{RootDocument, hash};
use fastx_core::wire::operations::{ConfigAnswer, ConfigEdit, ConfigEdited, ConfigGet};
use fastx_core::wire::problem::Problem;
use serde_json::{Value, json};

use crate::cluster::{Cluster, TestNode, acquainted, eventually};
use crate::http::Client;

async fn put(client: &Client, node: &TestNode, path: &str, change: &Value) -> (u16, String) {
    client
        .call(node, Method::PUT, path, Some(change.clone()))
        .await
        .problem()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admins_change_settings_and_others_do_not() {
    let mut cluster = Cluster::new().await;
    cluster.part.roles.admin_users = vec!["ada".into()];
    let (a, b) = (cluster.node("a", &[]).await, cluster.node("b", &[]).await);
    acquainted(&b, &[&a]).await;
    let (ada, max) = (
        Client::browser(&a, "ada").await,
        Client::program(&a, "max").await,
    );
    let before = ada.get(&a, "system/global").await.json();
    let mut change =
        json!({"generation": before["generation"], "document": before["document"].clone()});
    change["document"]["message"] = json!("Back at noon.");
    let forbidden = (403, "not-allowed".to_owned());
    assert_eq!(max.get(&a, "system/global").await.problem(), forbidden);
    assert_eq!(put(&max, &a, "system/global", &change).await, forbidden);
    let nobody = Client::default();
    assert_eq!(put(&nobody, &a, "system/local", &change).await.0, 401);

    assert_eq!(
        put(&ada, &a, "system/global", &change).await,
        (200, String::new())
    );
    eventually("the other node runs it", || async {
        let message = b.node.configuration().current().cluster.message.clone();
        if message == "Back at noon." {
            Ok(())
        } else {
            Err(message)
        }
    })
    .await;
    assert_eq!(
        put(&ada, &a, "system/global", &change).await,
        (409, "config-changed".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_says_who_and_an_earlier_version_comes_back() {
    let mut cluster = Cluster::new().await;
    cluster.part.roles.admin_users = vec!["ada".into()];
    let a = cluster.node("a", &[]).await;
    let ada = Client::browser(&a, "ada").await;
    let change = async |message: &str| {
        let before = ada.get(&a, "system/global").await.json();
        let mut document = before["document"].clone();
        document["message"] = json!(message);
        let change = json!({"generation": before["generation"], "document": document});
        let stored = put(&ada, &a, "system/global", &change).await;
        assert_eq!(stored, (200, String::new()));
    };
    let history = async |scope: &str| {
        let path = format!("system/{scope}/history");
        ada.get(&a, &path).await.json()["versions"].clone()
    };
    let local = history("local").await;
    change("one").await;
    change("two").await;
    let versions = history("global").await;
    let newest = &versions[0];
    assert_eq!(
        [&newest["via"], &newest["by"], &newest["inForce"]],
        [&json!("administrator"), &json!("ada"), &json!(true)]
    );
    assert!(
        newest["at"].is_string() && versions[1]["inForce"] == false,
        "{versions}"
    );
    let path = format!("system/global/history/{}", versions[1]["generation"]);
    let earlier = ada.get(&a, &path).await.json();
    assert_eq!(earlier["document"]["message"], "one");
    let first = versions.as_array().unwrap().last().unwrap();
    assert_eq!(first["via"], "kubernetes", "{versions}");
    assert_eq!(
        history("local").await,
        local,
        "other settings, other history"
    );

    let before = ada.get(&a, "system/global").await.json();
    let back = json!({"generation": before["generation"], "document": earlier["document"]});
    assert_eq!(put(&ada, &a, "system/global", &back).await.0, 200);
    let after = history("global").await;
    let (len, was) = (
        after.as_array().unwrap().len(),
        versions.as_array().unwrap().len(),
    );
    assert_eq!(len, was + 1, "coming back is a version of its own");
    let gone = ada.get(&a, "system/global/history/99").await.problem();
    assert_eq!(gone, (404, "no-such-version".to_owned()));
    let max = Client::program(&a, "max").await;
    let refused = max.get(&a, "system/global/history").await.problem();
    assert_eq!(refused, (403, "not-allowed".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kubernetes_manages_is_shown_and_left_alone() {
    let mut cluster = Cluster::new().await;
    cluster.part.roles.admin_users = vec!["ada".into()];
    cluster.part.managed_by = "desks/site".into();
    let a = cluster.node("a", &[]).await;
    let ada = Client::browser(&a, "ada").await;
    let before = ada.get(&a, "system/global").await.json();
    assert_eq!(before["managedBy"], "desks/site");
    let change = json!({"generation": before["generation"], "document": {}});
    let answer = ada
        .call(&a, Method::PUT, "system/global", Some(change))
        .await;
    assert_eq!(answer.problem(), (409, "managed-by-kubernetes".to_owned()));
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("desks/site")
    );
}

/// A node without an admin, as one that was taken over would try.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_cannot_change_the_configuration_by_itself() {
    let mut cluster = Cluster::new().await;
    cluster.part.roles.admin_users = vec!["ada".into()];
    let a = cluster.node("a", &[]).await;
    let evil = Bus::in_process(
        &cluster.hub,
        "evil".parse().unwrap(),
        "site".parse().unwrap(),
    );
    let root: ConfigAnswer = evil
        .store(Operation::ConfigGet, &ConfigGet::root())
        .await
        .unwrap();
    let part = json!({"roles": {"adminUsers": ["mallory"]}});
    let edit = |token: Option<&str>| {
        let before = root.root.clone().unwrap();
        ConfigEdit {
            token: token.map(Secret::new),
            root: Some(RootDocument {
                generation: before.generation + 1,
                cluster: hash(&part),
                ..before
            }),
            parts: [(hash(&part), part.clone())].into(),
        }
    };
    let attempt = async |token: Option<&str>| {
        let stored: Result<ConfigEdited, Problem> =
            evil.store(Operation::ConfigPut, &edit(token)).await;
        stored.map_err(|problem| problem.status)
    };
    let bob = Client::program(&a, "bob").await.bearer.unwrap();
    let ada = Client::program(&a, "ada").await.bearer.unwrap();
    let mut forged = ada.clone();
    forged.truncate(forged.rfind('.').unwrap());
    forged.push_str(&bob[bob.rfind('.').unwrap()..]);
    assert_eq!(attempt(None).await, Err(403));
    assert_eq!(attempt(Some(&bob)).await, Err(403), "not an admin's");
    assert_eq!(attempt(Some(&forged)).await, Err(401), "another signature");
    cluster.manager.revoke("ada").await;
    assert_eq!(attempt(Some(&ada)).await, Err(401), "a revoked one");
    let after: ConfigAnswer = evil
        .store(Operation::ConfigGet, &ConfigGet::root())
        .await
        .unwrap();
    assert_eq!(after.root, root.root);
}
