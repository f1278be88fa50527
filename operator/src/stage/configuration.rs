//! What the resources say, as it reaches the managers.

use super::managers::Site;
use super::*;

#[tokio::test]
async fn event_scripts_of_the_resource_reach_the_managers_and_a_fault_changes_nothing() {
    let spec = |start: &str| {
        format!(
            "sessions:\n  profiles:\n    - name: default\n      eventScripts: {{start: {start}, terminate: \"#!/bin/sh\\nrm -f x\"}}"
        )
    };
    let site = Site::new(&spec("xset s off"));
    site.settle().await;
    let scripts =
        || site.managers.lock().unwrap().cluster_part()["profiles"][0]["eventScripts"].clone();
    let first = json!({"start": "xset s off", "terminate": "#!/bin/sh\nrm -f x"});
    assert_eq!(scripts(), first);
    site.stage.with_cluster(&spec("\"#!sh\\ntrue\""));
    site.settle().await;
    assert_eq!(scripts(), first, "the last good one stays");
    let said = site.condition("fastxclusters", "site", "Ready").unwrap();
    assert_eq!(said["reason"], "InvalidSpec");
    let message = said["message"].as_str().unwrap();
    assert!(
        message.contains("profile `default`") && message.contains("`start`, line 1"),
        "{message}"
    );
    site.stage.with_cluster(&spec("xset s on"));
    site.settle().await;
    assert_eq!(scripts()["start"], "xset s on");
}

/// What runs Pods and names this Secret, as `plural/name`.
fn mounting(stage: &Stage, secret: &str) -> Vec<String> {
    let server = stage.server.lock().unwrap();
    let runs = |path: &&String| {
        ["deployments/", "statefulsets/", "pods/"]
            .iter()
            .any(|kind| path.starts_with(kind))
    };
    let named = format!("\"{secret}\"");
    let all = server.objects.iter().filter(|(path, _)| runs(path));
    all.filter(|(_, object)| object["spec"].to_string().contains(&named))
        .map(|(path, _)| path.clone())
        .collect()
}

#[tokio::test]
async fn only_managers_see_the_users_and_only_they_and_the_store_its_login() {
    let stage = Stage::new();
    stage.put("secrets", "people", |_| ());
    stage.with_cluster("authentication: {local: {usersSecretRef: {name: people}}}");
    stage.with_node(&crate::node::tests::node("pod: {}"));
    stage.settle().await;
    assert!(stage.get("pods", "desk").is_some());
    assert_eq!(mounting(&stage, "people"), ["deployments/site-manager"]);
    let of_store = mounting(&stage, "site-store-login");
    assert_eq!(
        of_store,
        ["deployments/site-manager", "statefulsets/site-store"]
    );
    // The keys of the bus are the operator's alone.
    assert_eq!(mounting(&stage, "site-bus-keys"), Vec::<String>::new());
    assert_eq!(mounting(&stage, "site-authority"), Vec::<String>::new());
}

#[tokio::test]
async fn an_external_store_is_named_to_managers_alone() {
    let stage = Stage::new();
    stage.put("secrets", "db", |_| ());
    stage.with_cluster("store: {engine: External, external: {uriSecretRef: {name: db, key: uri}}}");
    stage.with_node(&crate::node::tests::node("pod: {}"));
    stage.settle().await;
    assert_eq!(mounting(&stage, "db"), ["deployments/site-manager"]);
}
