//! `fastx-manager setup` in a folder: what it writes starts a real bus, a manager and a host join, and again is nothing.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use clap::Parser;
use fastx_bus::testing::{free_port, nats_server, try_join};
use fastx_core::identity::user_key;
use fastx_core::subject::Operation;
use fastx_core::wire::broker::{BrokerConfig, BrokerError, Credentials};
use fastx_core::wire::fleet::FleetSnapshot;
use fastx_core::wire::join::{JoinAnswer, JoinAsk};
use fastx_core::wire::operations::Empty;
use fastx_lifecycle::clock;
use fastx_manager::operations::joins::{Admission, Discovery};
use fastx_manager::setup::{self, Options, SetupError};
use fastx_manager::testing;
use tempfile::TempDir;

use crate::support::{PATIENCE, eventually};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

/// A root with the users of the services, who are whoever runs the test.
struct Machine {
    dir: TempDir,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let about = std::fs::metadata(dir.path()).unwrap();
        let line = |name| format!("{name}:x:{}:{}::/:/bin/false\n", about.uid(), about.gid());
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(
            dir.path().join("etc/passwd"),
            line("fastx") + &line("fastx-bus"),
        )
        .unwrap();
        std::fs::write(dir.path().join("uri"), "mongodb://u:hunter2@db/\n").unwrap();
        Self { dir }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    fn read(&self, below: &str) -> String {
        std::fs::read_to_string(self.path(below)).unwrap()
    }

    fn broker(&self, below: &str) -> BrokerConfig {
        BrokerConfig::parse(&self.read(below)).unwrap()
    }

    fn try_run(&self, arguments: &[&str]) -> Result<String, SetupError> {
        let root = self.dir.path().display().to_string();
        let start = ["setup", "--root", &root, "--bus-program", "/usr/bin/bus"];
        let parsed = Arguments::try_parse_from(start.iter().chain(arguments)).unwrap();
        let mut out = Vec::new();
        setup::run(&parsed.options, clock::now(), &mut rand::rng(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn run(&self, arguments: &[&str]) -> String {
        let uri = self.path("uri").display().to_string();
        let mut all = vec!["--store-uri-file", &uri];
        all.extend(arguments);
        self.try_run(&all).unwrap()
    }

    /// Inode, mode and content of everything below `etc`.
    fn tree(&self) -> BTreeMap<PathBuf, (u64, u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path("etc")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let about = std::fs::symlink_metadata(&path).unwrap();
                if about.is_dir() {
                    folders.push(path);
                } else {
                    let content = std::fs::read(&path).unwrap();
                    found.insert(path, (about.ino(), about.mode() & 0o7777, content));
                }
            }
        }
        found
    }

    /// Runs the bus with the written configuration, as it would be below `/`.
    async fn start(&self, program: &Path, config: &str, port: u16) -> Running {
        let text = self
            .read(config)
            .replace("/etc/fastx", &self.path("etc/fastx").display().to_string())
            .replace("/var/lib/fastx-bus", &self.dir.path().display().to_string())
            .replace("127.0.0.1:8222", "127.0.0.1:-1");
        let here = self.path("config-here");
        std::fs::write(&here, text).unwrap();
        let mut command = Command::new(program);
        if config.ends_with("nats.conf") {
            command.arg("-c");
        }
        let child = command
            .arg(here)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the bus server is installed");
        let running = Running(child);
        eventually("the bus listens", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
        })
        .await;
        running
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn again_changes_nothing_and_what_is_damaged_comes_back() {
    let machine = Machine::new();
    let dry = machine.run(&["--dry-run"]);
    assert!(
        dry.contains("would write /etc/fastx/manager/broker.json"),
        "{dry}"
    );
    assert_eq!(machine.tree().len(), 1, "a dry run writes nothing");

    let said = machine.run(&[]);
    for word in [
        "firewall-cmd",
        "4222/tcp",
        "/etc/fastx/join.json",
        "`host` is empty",
    ] {
        assert!(said.contains(word), "`{word}` in {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    let tree = machine.tree();
    for (path, (_, mode, content)) in &tree {
        let secret = String::from_utf8_lossy(content);
        let secret = ["hunter2", "PRIVATE KEY", "\"seed\"", "\"jwt\""]
            .iter()
            .any(|word| secret.contains(word));
        assert!(
            !secret || mode.trailing_zeros() >= 6,
            "{} has {mode:o}",
            path.display()
        );
    }
    assert_eq!(
        BrokerConfig::parse(&machine.read("etc/fastx/join.json")).unwrap_err(),
        BrokerError::NoHost
    );
    assert!(machine.run(&[]).starts_with("nothing to change"));
    assert_eq!(machine.tree(), tree, "not one file was touched");

    std::fs::remove_file(machine.path("etc/fastx/bus/nats.conf")).unwrap();
    let said = machine.run(&[]);
    assert!(said.contains("wrote /etc/fastx/bus/nats.conf"), "{said}");
    let content = |tree: BTreeMap<PathBuf, (u64, u32, Vec<u8>)>| {
        tree.into_iter()
            .map(|(path, (_, mode, content))| (path, mode, content))
            .collect::<Vec<_>>()
    };
    assert_eq!(content(machine.tree()), content(tree));
}

#[test]
fn what_is_made_anew_is_revoked_and_numbered() {
    let machine = Machine::new();
    machine.run(&["--host", "cm.example"]);
    let (before, file) = (
        machine.broker("etc/fastx/manager/broker.json"),
        machine.broker("etc/fastx/join.json"),
    );
    assert_eq!(file.host, "cm.example");
    machine.run(&[
        "--rotate",
        "identity",
        "--rotate",
        "join-file",
        "--rotate",
        "certificates",
    ]);
    let after = machine.broker("etc/fastx/manager/broker.json");
    assert_eq!(after.generation, before.generation + 1);
    assert_ne!(after.credentials, before.credentials);
    assert_eq!(after.ca, before.ca, "members trust the same authority");
    assert_ne!(
        machine.broker("etc/fastx/join.json").credentials,
        file.credentials
    );
    let (_, key) = user_key([9; 32]);
    let said = machine.run(&["--revoke", &key]);
    assert!(said.contains("nats.conf"), "{said}");
    assert!(matches!(
        machine.try_run(&["--revoke", "UNONSENSE"]),
        Err(SetupError::NotAKey(_))
    ));
    let tree = machine.tree();
    let refused = machine.try_run(&["--transporter", "redis"]);
    assert!(matches!(refused, Err(SetupError::Fixed { .. })));
    let refused = machine.try_run(&["--namespace", "other"]);
    assert!(matches!(refused, Err(SetupError::Fixed { .. })));
    assert_eq!(machine.tree(), tree, "a refusal changes nothing");
}

#[test]
fn nothing_is_half_applied() {
    let machine = Machine::new();
    assert!(matches!(machine.try_run(&[]), Err(SetupError::NoStore)));
    // A folder stands where a file is to be beside others: the last ones cannot be written, so none is.
    std::fs::create_dir_all(machine.path("etc/systemd")).unwrap();
    std::fs::write(machine.path("etc/systemd/system"), "").unwrap();
    let before = machine.tree();
    let uri = machine.path("uri").display().to_string();
    let failed = machine.try_run(&["--store-uri-file", &uri]);
    assert!(matches!(failed, Err(SetupError::File { .. })), "{failed:?}");
    assert_eq!(machine.tree(), before);
}

#[tokio::test]
async fn the_written_nats_takes_managers_and_hosts_that_join() {
    let (machine, port) = (Machine::new(), free_port());
    machine.run(&["--host", "localhost", "--port", &port.to_string()]);
    let _bus = machine
        .start(&nats_server(), "etc/fastx/bus/nats.conf", port)
        .await;
    let manager = try_join(machine.broker("etc/fastx/manager/broker.json"))
        .await
        .unwrap();
    let manager = testing::join_bus(manager, std::sync::Arc::default()).await;
    let signing = machine.read("etc/fastx/manager/signing.json");
    manager.core().set_admission(Admission {
        discovery: Discovery::Any { most: 5 },
        signing: Some(serde_json::from_str(&signing).unwrap()),
    });
    let file = machine.broker("etc/fastx/join.json");
    let host = try_join(file.clone()).await.unwrap();
    let (seed, public_key) = user_key([5; 32]);
    let ask = JoinAsk {
        server_id: "desk".parse().unwrap(),
        public_key,
        hostname: "desk".into(),
        version: String::new(),
    };
    let answer: JoinAnswer = host
        .request(host.subjects().join(host.caller()), &ask, PATIENCE)
        .await
        .unwrap();
    let JoinAnswer::Accepted { jwt } = answer else {
        panic!("{answer:?}");
    };
    let caller = "desk".parse().unwrap();
    let node = try_join(BrokerConfig {
        credentials: Some(Credentials { caller, jwt, seed }),
        ..file
    })
    .await
    .unwrap();
    eventually("the node asks a manager", async || {
        node.store::<_, FleetSnapshot>(Operation::FleetGet, &Empty {})
            .await
            .is_ok()
    })
    .await;
}

#[tokio::test]
async fn the_written_redis_takes_all_with_its_broker_file() {
    let (machine, port) = (Machine::new(), free_port());
    machine.run(&[
        "--transporter",
        "redis",
        "--host",
        "localhost",
        "--port",
        &port.to_string(),
    ]);
    let _bus = machine
        .start(Path::new("redis-server"), "etc/fastx/bus/redis.conf", port)
        .await;
    let join = |name: &'static str| {
        fastx_bus::testing::redis::try_join(machine.broker("etc/fastx/broker.json"), name)
    };
    let manager = join("manager-1").await.unwrap();
    let _manager = testing::join_bus(manager, std::sync::Arc::default()).await;
    let node = join("desk").await.unwrap();
    eventually("the node asks a manager", async || {
        node.store::<_, FleetSnapshot>(Operation::FleetGet, &Empty {})
            .await
            .is_ok()
    })
    .await;
    let refused = machine.try_run(&["--rotate", "join-file"]);
    assert!(matches!(refused, Err(SetupError::NoMembers(_))));
}
