//! A cluster of nodes in this process.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fastx_bus::testing::redis::{RedisServer, try_join};
use fastx_bus::{Bus, Hub};
use fastx_core::names::ServerId;
use fastx_core::wire::config::{Application, ClusterPart, NodePart, NodeUsers, Profile, RoleRules};
use fastx_lifecycle::shutdown::Shutdown;
use fastx_node::accounts::Programs;
use fastx_node::app::{self, BusSource};
use fastx_node::config::{Config, Membership, Place};
use fastx_node::links::launch::Passwordless;
use fastx_node::links::testing::FakeLink;
use fastx_node::node::Node;
use fastx_node::ssh::Target;
use tokio::task::JoinHandle;

use crate::manager::Manager;

/// Waits until something is so, or fails with what was seen last.
pub(crate) async fn eventually<T, F>(what: &str, look: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    within(Duration::from_secs(15), what, look).await
}

/// The same for what may take so long.
pub(crate) async fn within<T, F>(limit: Duration, what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let mut last = String::new();
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            match look().await {
                Ok(value) => return value,
                Err(seen) => last = seen,
            }
        }
    };
    let Ok(value) = tokio::time::timeout(limit, waiting).await else {
        panic!("{what}: not within {limit:?}; last seen: {last}");
    };
    value
}

/// One node with a link.
pub(crate) struct TestNode {
    pub(crate) id: ServerId,
    pub(crate) addr: SocketAddr,
    pub(crate) fingerprint: String,
    pub(crate) node: Node,
    pub(crate) link: FakeLink,
    pub(crate) shutdown: Shutdown,
    pub(crate) running: JoinHandle<()>,
    pub(crate) dir: PathBuf,
}

impl TestNode {
    /// Ends the process of the node: nothing of it writes any more after that.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.trigger();
        let ended = tokio::time::timeout(Duration::from_secs(30), &mut self.running).await;
        ended.expect("the node ends").unwrap();
    }
}

/// The cluster. `ada` and `bob` are users, `max` is a manager and `eva` an admin by group.
pub(crate) struct Cluster {
    pub(crate) hub: Hub,
    /// Carries the messages instead of the hub.
    redis: Option<RedisServer>,
    pub(crate) manager: Manager,
    pub(crate) part: ClusterPart,
    pub(crate) parts: BTreeMap<ServerId, NodePart>,
    /// Where the nodes sign people in, and what they know of it.
    pub(crate) sshd: Target,
    pub(crate) ssh_keys: Option<PathBuf>,
    pub(crate) accounts: Programs,
    pub(crate) link: PathBuf,
    generation: u64,
    dir: tempfile::TempDir,
}

impl Cluster {
    pub(crate) async fn new() -> Self {
        let hub = Hub::new();
        let manager = Manager::start(&hub).await;
        Self::with(hub, manager, None)
    }

    /// The same over a real Redis.
    pub(crate) async fn over_redis() -> Self {
        let redis = RedisServer::start().await;
        let manager = Manager::start_on(
            on_redis(&redis, "manager-1").await,
            on_redis(&redis, "probe").await,
        )
        .await;
        Self::with(Hub::new(), manager, Some(redis))
    }

    fn with(hub: Hub, manager: Manager, redis: Option<RedisServer>) -> Self {
        let part = ClusterPart {
            schema: 1,
            display_name: "Test".into(),
            roles: RoleRules {
                manager_groups: vec!["ops".into()],
                admin_groups: vec!["chiefs".into()],
                ..RoleRules::default()
            },
            applications: vec![Application {
                name: "term".into(),
                title: "Terminal".into(),
                command: "xterm".into(),
                icon: "terminal".into(),
                window_mode: "rootless".into(),
                profile: "small".into(),
                ..Application::default()
            }],
            profiles: vec![Profile {
                name: "small".into(),
                max_geometry: "1024x768".into(),
                ..Profile::default()
            }],
            offline_grace_seconds: 3600,
            ..ClusterPart::default()
        };
        Self {
            hub,
            redis,
            manager,
            part,
            parts: BTreeMap::new(),
            sshd: "127.0.0.1:22".parse().unwrap(),
            ssh_keys: None,
            accounts: Programs::default(),
            link: "/bin/true".into(),
            generation: 0,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Starts the nodes `a` and `b`, which belong to these logins, and waits until they know each other.
    pub(crate) async fn pair(&mut self, logins: &[&str]) -> (TestNode, TestNode) {
        let a = self.node("a", logins).await;
        let b = self.node("b", logins).await;
        acquainted(&a, &[&b]).await;
        acquainted(&b, &[&a]).await;
        (a, b)
    }

    /// Starts a node that belongs to these logins and waits until the cluster knows it.
    pub(crate) async fn node(&mut self, name: &str, logins: &[&str]) -> TestNode {
        let id: ServerId = name.parse().unwrap();
        let mut part = NodePart {
            schema: 1,
            hostname: format!("{name}.test"),
            start_sessions: true,
            logins: true,
            users: Some(NodeUsers {
                logins: logins.iter().map(|&l| l.to_owned()).collect(),
                linux_user: "user".into(),
                uid: rustix::process::geteuid().as_raw(),
            }),
            ..NodePart::default()
        };
        self.parts.insert(id.clone(), part.clone());
        self.configure().await;
        let node = self.start(&id).await;
        part.peer_urls = vec![format!("https://127.0.0.1:{}", node.addr.port())];
        self.parts.insert(id.clone(), part);
        self.configure().await;
        self.settle(&[&node]).await;
        node
    }

    /// Starts the process of a node that is configured already; also again, with what it left on disk.
    pub(crate) async fn start(&self, id: &ServerId) -> TestNode {
        let dir = self.dir.path().join(id.as_str());
        let path = |name: &str| dir.join(name);
        std::fs::create_dir_all(path("run")).unwrap();
        let config = Config {
            place: Place::Pod,
            passwordless: Passwordless::Disable,
            config_dir: path("etc"),
            local_dir: path("var"),
            link_dir: path("run"),
            link_binary: self.link.clone(),
            tls_dir: path("tls"),
            web_addr: ([127, 0, 0, 1], 0).into(),
            health_addr: ([127, 0, 0, 1], 0).into(),
            server_id: None,
            ssh: self.sshd.clone(),
            ssh_keys_dir: self.ssh_keys.clone().unwrap_or_else(|| path("ssh")),
            ssh_programs: "/usr/bin".into(),
            askpass: env!("CARGO_BIN_EXE_fastx-node").into(),
            accounts: self.accounts.clone(),
            membership: Membership::Required,
            log_level: "info".into(),
        };
        let bus = match &self.redis {
            Some(redis) => on_redis(redis, id.as_str()).await,
            None => Bus::in_process(&self.hub, id.clone().into(), "site".parse().unwrap()),
        };
        let shutdown = Shutdown::new();
        let app = app::build(config, BusSource::Given(bus), shutdown.clone())
            .await
            .unwrap();
        let (addr, node) = (app.web_addr, app.node.clone());
        let running = tokio::spawn(app.run());
        let uid = rustix::process::geteuid().as_raw();
        eventually("the node lets its user's link in", || async {
            let known = node
                .configuration()
                .current()
                .node
                .users
                .as_ref()
                .map(|u| u.uid);
            if known == Some(uid) {
                Ok(())
            } else {
                Err(format!("{known:?}"))
            }
        })
        .await;
        let link = join(&path("run"), &node, uid).await;
        let fingerprint = node
            .server_object(fastx_node::readings::Readings::default())
            .peer_fingerprint;
        TestNode {
            id: id.clone(),
            addr,
            fingerprint,
            node,
            link,
            shutdown,
            running,
            dir,
        }
    }

    /// Puts the configuration in force as it is now.
    pub(crate) async fn configure(&mut self) {
        self.generation = self.manager.configure(&self.part, &self.parts).await;
    }

    /// Waits until these nodes run the configuration, and the managers know it.
    pub(crate) async fn settle(&self, nodes: &[&TestNode]) {
        eventually("nodes run the configuration", || async {
            for node in nodes {
                let current = node.node.configuration().current();
                let known = node.node.fleet().server(&node.id);
                let told = known.as_ref().is_some_and(|r| {
                    r.server.config_revision == current.revision && r.server.faults.is_empty()
                });
                if current.root.generation != self.generation || !told {
                    return Err(format!(
                        "{} runs {:?}, known as {known:?}",
                        node.id, current.root
                    ));
                }
            }
            Ok(())
        })
        .await;
    }
}

/// A member that has nothing but the `broker.json` that all share.
async fn on_redis(redis: &RedisServer, name: &str) -> Bus {
    let mut broker = redis.broker();
    broker.namespace = "site".parse().unwrap();
    try_join(broker, name).await.unwrap()
}

/// Dials until the node lets the link in: it may hear of its users a moment after its configuration.
pub(crate) async fn join(dir: &Path, node: &Node, uid: u32) -> FakeLink {
    let link = FakeLink::connect(dir).await.unwrap();
    let link = tokio::sync::Mutex::new(link);
    eventually("the link is there", || async {
        if node.sessions().hub().present(uid) {
            return Ok(());
        }
        let redialled = link.lock().await.reconnect().await;
        Err(format!("{redialled:?}"))
    })
    .await;
    link.into_inner()
}

/// Waits until a node sees all of these servers with the keys that they have.
pub(crate) async fn acquainted(node: &TestNode, others: &[&TestNode]) {
    eventually("nodes know each other", || async {
        for other in others {
            let known = node.node.fleet().server(&other.id);
            let peer_urls = known.map(|r| r.server.peer_urls).unwrap_or_default();
            if !peer_urls
                .iter()
                .any(|u| u.ends_with(&format!(":{}", other.addr.port())))
            {
                return Err(format!("{} sees {} at {peer_urls:?}", node.id, other.id));
            }
        }
        Ok(())
    })
    .await;
}
