//! A host joins with a file: over a real NATS, with its own key, and starts with what it got.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fastx_bus::testing::Server;
use fastx_core::wire::broker::BrokerConfig;
use fastx_core::wire::join::Invitation;
use fastx_lifecycle::clock;
use fastx_lifecycle::shutdown::Shutdown;
use fastx_manager::operations::joins::{Admission, Discovery};
use fastx_manager::testing;
use fastx_node::app::{self, BusSource};
use fastx_node::config::Config;
use fastx_node::join::FILE;
use jiff::SignedDuration;

use crate::cluster::eventually;

fn config(dir: &Path) -> Config {
    Config {
        config_dir: dir.join("etc"),
        local_dir: dir.join("var"),
        link_dir: dir.join("run"),
        tls_dir: dir.join("tls"),
        web_addr: ([127, 0, 0, 1], 0).into(),
        health_addr: ([127, 0, 0, 1], 0).into(),
        server_id: Some("desk".parse().unwrap()),
        ..Config::load(&fastx_lifecycle::env::Map::default()).unwrap()
    }
}

fn place(dir: &Path, broker: &BrokerConfig) {
    for folder in ["etc", "run"] {
        std::fs::create_dir_all(dir.join(folder)).unwrap();
    }
    let path = dir.join("etc").join(FILE);
    std::fs::write(&path, serde_json::to_string(broker).unwrap()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_finds_a_join_file_joins_and_comes_back_without_it() {
    let server = Server::start(5).await;
    let manager =
        testing::join_bus(server.join("manager-1").await, std::sync::Arc::default()).await;
    manager.core().set_admission(Admission {
        discovery: Discovery::Any { most: 1 },
        signing: Some(server.signing()),
    });
    let invitation = Invitation {
        id: "abc".into(),
        uses: 1,
        expires: clock::now() + SignedDuration::from_hours(1),
    };
    let dir = tempfile::tempdir().unwrap();
    let file = server.join_file(&invitation.caller().unwrap());
    place(dir.path(), &file);
    for round in ["with the file", "with what it kept"] {
        let shutdown = Shutdown::new();
        let app = app::build(config(dir.path()), BusSource::Broker, shutdown.clone())
            .await
            .unwrap();
        assert_eq!(app.node.me().as_str(), "desk");
        let running = tokio::spawn(app.run());
        eventually(round, async || {
            let known = manager.status().nodes;
            let online = known
                .iter()
                .any(|(id, node)| id.as_str() == "desk" && node.online);
            online.then_some(()).ok_or_else(|| format!("{known:?}"))
        })
        .await;
        shutdown.trigger();
        running.await.unwrap();
        let _ = std::fs::remove_file(dir.path().join("etc").join(FILE));
    }
    let kept = std::fs::read_to_string(dir.path().join("var/broker.json")).unwrap();
    let asked = file.credentials.unwrap();
    assert!(
        !kept.contains(asked.seed.expose()),
        "the key is the host's own"
    );
}
