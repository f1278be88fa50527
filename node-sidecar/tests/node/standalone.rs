//! A server without a cluster: signs in, starts, restarts and finds everything; its settings are edited in place.

use std::path::Path;

use axum::http::Method;
use fastx_lifecycle::env::Map;
use fastx_lifecycle::shutdown::Shutdown;
use fastx_manager::testing::user_file;
use fastx_node::app::{self, BusSource};
use fastx_node::config::Config;
use fastx_node::links::testing::FakeLink;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::cluster::{TestNode, eventually, join};
use crate::http::{Answer, Client};

fn config(dir: &Path) -> Config {
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let settings = [
        ("FX_CONFIG_DIR", path("etc")),
        ("FX_LOCAL_DIR", path("var")),
        ("FX_LINK_DIR", path("run")),
        ("FX_TLS_DIR", path("tls")),
        ("FX_LINK_BINARY", "/bin/true".to_owned()),
        ("FX_WEB_ADDR", "127.0.0.1:0".to_owned()),
        ("FX_HEALTH_ADDR", "127.0.0.1:0".to_owned()),
        ("FX_CLUSTER", "auto".to_owned()),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value));
    Config::load(&Map(settings.into())).unwrap()
}

/// Starts the server as the program does when there is no `broker.json`.
async fn start(dir: &Path, link: Option<FakeLink>) -> TestNode {
    let config = config(dir);
    assert!(fastx_node::standalone::is_alone(&config));
    std::fs::create_dir_all(&config.link_dir).unwrap();
    let shutdown = Shutdown::new();
    let app = app::build(config, BusSource::Alone, shutdown.clone())
        .await
        .unwrap();
    let (addr, node) = (app.web_addr, app.node.clone());
    let running = tokio::spawn(app.run());
    eventually("it runs its configuration", || async {
        if node.configuration().is_loaded() {
            Ok(())
        } else {
            Err("no configuration".to_owned())
        }
    })
    .await;
    let link = match link {
        Some(link) => link,
        None => FakeLink::connect(&dir.join("run")).await.unwrap(),
    };
    let fingerprint = node
        .server_object(fastx_node::readings::Readings::default())
        .peer_fingerprint;
    TestNode {
        id: node.me().clone(),
        addr,
        fingerprint,
        node,
        link,
        shutdown,
        running,
        dir: dir.to_owned(),
    }
}

fn users(dir: &Path) {
    let folder = dir.join("etc/users");
    std::fs::create_dir_all(&folder).unwrap();
    for (login, groups) in [("ada", &[][..]), ("root", &[])] {
        let file = user_file(&format!("pw-{login}"), groups);
        std::fs::write(folder.join(login), file).unwrap();
    }
}

/// Puts settings, once the managers have heard of the server.
async fn put(node: &TestNode, admin: &Client, path: &str, body: &Value) -> Answer {
    eventually("the managers know the server", || async {
        let answer = admin
            .call(node, Method::PUT, path, Some(body.clone()))
            .await;
        if answer.problem().1 == "server-unheard" {
            return Err(format!("{answer:?}"));
        }
        Ok(answer)
    })
    .await
}

/// Lets `ada` use the server as the user that the test runs as.
async fn admit(node: &TestNode, admin: &Client) {
    let before = admin.get(node, "system/local").await;
    assert_eq!(before.status, 200, "{before:?}");
    let mut change = json!({
        "generation": before.json()["generation"],
        "document": before.json()["document"],
    });
    change["document"]["users"] = json!({
        "logins": ["ada"], "linuxUser": "user", "uid": rustix::process::geteuid().as_raw()
    });
    change["document"]["somethingNew"] = json!({"kept": true});
    let stored = put(node, admin, "system/local", &change).await;
    assert_eq!(stored.status, 200, "{stored:?}");
    assert_eq!(
        put(node, admin, "system/local", &change).await.problem(),
        (409, "config-changed".to_owned())
    );
    let read = admin.get(node, "system/local").await.json();
    assert_eq!(read["document"]["somethingNew"]["kept"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_alone_finds_everything_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    users(dir.path());
    let mut node = start(dir.path(), None).await;
    let admin = Client::program(&node, "root").await;
    admit(&node, &admin).await;
    let uid = rustix::process::geteuid().as_raw();
    node.link = join(&dir.path().join("run"), &node.node, uid).await;
    let ada = Client::program(&node, "ada").await;
    let id = {
        let started = Mutex::new(String::new());
        eventually("a session starts", || async {
            let body = json!({"command": "xterm", "geometry": "640x480"});
            let answer = ada.post(&node, "sessions", body).await;
            let id = answer.json()["session"]["id"].as_str().map(str::to_owned);
            *started.lock().await = id.clone().unwrap_or_default();
            id.map(drop).ok_or_else(|| format!("{answer:?}"))
        })
        .await;
        started.into_inner()
    };
    assert_eq!(
        ada.get(&node, "system/global").await.problem(),
        (403, "not-allowed".to_owned())
    );
    node.stop().await;
    let (name, link) = (node.id.clone(), node.link);

    let mut node = start(dir.path(), Some(link)).await;
    assert_eq!(node.id, name, "its name stays");
    node.link.reconnect().await.unwrap();
    let seen = Mutex::new(Value::Null);
    eventually("login and session are found again", || async {
        let answer = ada.get(&node, "sessions").await;
        *seen.lock().await = answer.json();
        let found = answer.json()["sessions"]
            .as_array()
            .is_some_and(|s| s.iter().any(|s| s["id"] == id && s["state"] == "running"));
        if found {
            Ok(())
        } else {
            Err(format!("{answer:?}"))
        }
    })
    .await;
    let settings = admin.get(&node, "system/local").await.json();
    assert_eq!(settings["document"]["users"]["logins"], json!(["ada"]));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_all_servers_are_checked_and_take_effect() {
    let dir = tempfile::tempdir().unwrap();
    users(dir.path());
    let mut node = start(dir.path(), None).await;
    let admin = Client::browser(&node, "root").await;
    let before = admin.get(&node, "system/global").await.json();
    assert_eq!(before["managedBy"], "");
    let put = async |document: Value| {
        let body = json!({"generation": before["generation"], "document": document});
        put(&node, &admin, "system/global", &body).await
    };
    let mut document = before["document"].clone();
    document["methods"] = json!(["telnet"]);
    let refused = put(document.clone()).await;
    assert_eq!(refused.problem(), (422, "config-part-invalid".to_owned()));
    document["methods"] = json!(["local"]);
    document["displayName"] = json!("Our place");
    assert_eq!(put(document).await.status, 200);
    eventually("the name is shown", || async {
        let info = admin.get(&node, "info").await;
        let text = String::from_utf8_lossy(&info.body).into_owned();
        if text.contains("Our place") {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
    node.stop().await;
}
