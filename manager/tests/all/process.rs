//! The whole manager as it is deployed: a real store, a real bus, `broker.json` and certificates in files.
//! Needs `FASTX_TEST_STORE_URI` as [`crate::store`] does.

use std::path::Path;

use fastx_bus::testing::Server;
use fastx_core::secret::Secret;
use fastx_core::subject::Operation;
use fastx_core::wire::config::hash;
use fastx_core::wire::fleet::FleetSnapshot;
use fastx_core::wire::operations::{Empty, PasswordAnswer, PasswordCheck};
use fastx_lifecycle::env::{Process, Source as _};
use fastx_lifecycle::shutdown::Shutdown;
use fastx_manager::{app, config::Config, testing};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::address::{self, Authority, Client};
use crate::support::{PATIENCE, beat, eventually, put, session};

fn write(dir: &Path, authority: &Authority, uri: &str) {
    let (certificate, key) = authority.issue("manager");
    std::fs::create_dir_all(dir.join("users")).unwrap();
    for (name, text) in [
        ("uri", uri.to_owned()),
        ("tls.crt", certificate),
        ("tls.key", key),
        ("ca.crt", authority.0.pem()),
        ("users/ada", testing::user_file("secret", &["ops"])),
    ] {
        std::fs::write(dir.join(name), text).unwrap();
    }
}

#[tokio::test]
async fn it_serves_nodes_and_operator_and_follows_its_broker_file() {
    let Some(uri) = Process.get("FASTX_TEST_STORE_URI") else {
        eprintln!("not run: set FASTX_TEST_STORE_URI to the address of a FerretDB 2 or MongoDB");
        return;
    };
    let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    write(dir.path(), &authority, &uri);
    let config = Config {
        store_ca_file: Process.get("FASTX_TEST_STORE_CA").map(Into::into),
        store_database: format!("fastx_test_{}", std::process::id()),
        ..address::config(dir.path())
    };
    let app = app::build(config).await.unwrap();
    let operator = Client::new(app.api_addr().unwrap(), &authority, Some("fastx-operator"));
    let shutdown = Shutdown::new();
    let running = tokio::spawn(app.run(shutdown.clone()));
    let status = async || {
        operator
            .call("GET", "/v1/status", &Value::Null)
            .await
            .unwrap()
            .1
    };
    eventually("it misses broker.json", async || {
        status().await["bus"]["detail"]
            .as_str()
            .unwrap_or_default()
            .contains("broker.json")
    })
    .await;

    let (old, new) = (Server::start(1).await, Server::start(2).await);
    let broker = dir.path().join("broker.json");
    std::fs::write(
        &broker,
        serde_json::to_string(&old.broker("manager-1")).unwrap(),
    )
    .unwrap();
    eventually("it leads", async || status().await["leading"] == true).await;
    let node = old.join("a").await;
    beat(&node, 1).await;
    let _: Empty = node
        .store(Operation::SessionPut, &put(vec![session(1, "a", 1)], true))
        .await
        .unwrap();
    let body = PasswordCheck {
        login: "ada".parse().unwrap(),
        password: Secret::new("secret"),
        address: "::1".into(),
    };
    let answer: PasswordAnswer = node.store(Operation::PasswordCheck, &body).await.unwrap();
    assert_eq!(answer.groups, ["ops"]);
    let part = json!({"displayName": "site"});
    let root = json!({"schema": 1, "generation": 1, "cluster": hash(&part), "nodes": {}});
    let body = json!({"root": root, "parts": {hash(&part): part}});
    assert_eq!(
        operator.call("PUT", "/v1/config", &body).await.unwrap().0,
        200
    );
    eventually("store, bus and node are well", async || {
        let status = status().await;
        status["store"]["ok"] == true
            && status["bus"]["ok"] == true
            && status["nodes"]["a"]["sessions"] == 1
    })
    .await;

    let mut moved = new.broker("manager-1");
    moved.generation = 2;
    std::fs::write(&broker, serde_json::to_string(&moved).unwrap()).unwrap();
    let elsewhere = new.join("b").await;
    eventually("it answers on the other bus", async || {
        let snapshot = elsewhere
            .store::<_, FleetSnapshot>(Operation::FleetGet, &Empty {})
            .await;
        snapshot.is_ok_and(|s| s.servers.len() == 1 && s.sessions.len() == 1)
    })
    .await;
    shutdown.trigger();
    timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
}
