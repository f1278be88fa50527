//! A manager within a test: a store in memory, a bus within the process, users and configuration by calls.
#![expect(
    clippy::missing_panics_doc,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use fastx_bus::{Bus, Hub};
use fastx_core::names::{BusNamespace, ServerId};
use fastx_core::wire::config::{ClusterPart, NodePart, RootDocument, hash};
use fastx_core::wire::history::{Author, Via};
use fastx_core::wire::management::ConfigPut;
use fastx_core::wire::status::ClusterStatus;
use fastx_lifecycle::clock;
use fastx_lifecycle::health::Liveness;
use fastx_lifecycle::shutdown::Shutdown;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::core::Core;
use crate::engine;
use crate::operations::{PutError, configuration};
use crate::serve::Ears;
use crate::store::Pace;
use crate::store::memory::MemoryStore;
use crate::users::Users;

/// Longest wait of a test.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running manager; it ends when this is dropped.
#[derive(Debug)]
pub struct Handle {
    core: Arc<Core>,
    store: Arc<MemoryStore>,
    users: Arc<Mutex<BTreeMap<String, String>>>,
    status: watch::Receiver<ClusterStatus>,
    shutdown: Shutdown,
    _tasks: JoinSet<()>,
}

/// Starts one manager, `manager-1`, and waits until it publishes.
pub async fn start(hub: &Hub, namespace: BusNamespace) -> Handle {
    let handle = join(hub, namespace, "manager-1", Arc::default()).await;
    handle
        .wait_status("it publishes", |status| status.leading)
        .await;
    handle
}

/// Starts a further manager on a store that others use, too.
pub async fn join(
    hub: &Hub,
    namespace: BusNamespace,
    name: &str,
    store: Arc<MemoryStore>,
) -> Handle {
    let name = name.parse().expect("a manager's name");
    let bus = Bus::in_process(hub, name, namespace);
    join_bus(bus, store).await
}

/// Starts a manager on any bus.
pub async fn join_bus(bus: Bus, store: Arc<MemoryStore>) -> Handle {
    let users = Arc::new(Mutex::new(BTreeMap::new()));
    let seed = fastx_core::wire::config::hash(bus.caller());
    let seed = u64::from_str_radix(&seed[..16], 16).unwrap_or_default();
    let (core, commands) = Core::new(
        bus.caller().clone(),
        String::new(),
        store.clone(),
        Pace::new(seed),
        clock::now,
        Users::Memory(users.clone()),
    );
    let mut tasks = JoinSet::new();
    let shutdown = Shutdown::new();
    let status = engine::start(&core, commands, &Liveness::new(), &mut tasks);
    let ears = Ears::open(&bus).await.expect("a manager may listen");
    core.bus.send_replace(Some(bus.clone()));
    engine::join(&core, bus, ears, &shutdown, &mut tasks);
    Handle {
        core,
        store,
        users,
        status,
        shutdown,
        _tasks: tasks,
    }
}

/// Text of a user's file, hashed with the smallest costs.
pub fn user_file(password: &str, groups: &[&str]) -> String {
    user_file_of(password, groups, 8)
}

/// Text of a user's file whose check takes these many KiB of memory.
pub fn user_file_of(password: &str, groups: &[&str], kib: u32) -> String {
    let params = Params::new(kib, 1, 1, None).expect("these costs are valid");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: argon2::password_hash::phc::PasswordHash = argon2
        .hash_password_with_salt(password.as_bytes(), b"salt of the tests")
        .expect("a short password can be hashed");
    format!("{hash}\ngroups: {}\n", groups.join(","))
}

impl Handle {
    /// The store, to look into it or to send it away.
    pub fn store(&self) -> &Arc<MemoryStore> {
        &self.store
    }

    /// What all parts of the manager share.
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Says where the secret of the OIDC client and the authorities of its provider are.
    pub fn oidc_files_at(&self, secret: std::path::PathBuf, ca: std::path::PathBuf) {
        self.core.oidc.files_at(secret, ca);
    }

    /// Adds a local user, or changes the password.
    pub fn add_user(&self, login: &str, password: &str, groups: &[&str]) {
        self.add_user_file(login, user_file(password, groups));
    }

    /// Adds a local user whose file has this text.
    pub fn add_user_file(&self, login: &str, text: String) {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.insert(login.to_owned(), text);
    }

    /// Puts a configuration in force, of the next generation.
    pub async fn put_config(
        &self,
        cluster: &ClusterPart,
        nodes: &BTreeMap<ServerId, NodePart>,
    ) -> RootDocument {
        let before = configuration::root(&self.core).await.expect("a store");
        let mut body = ConfigPut {
            root: RootDocument {
                schema: 1,
                generation: before.map_or(0, |root| root.generation) + 1,
                ..RootDocument::default()
            },
            parts: BTreeMap::new(),
        };
        let mut part = |value: serde_json::Result<Value>| {
            let value = value.expect("a part is JSON");
            let name = hash(&value);
            body.parts.insert(name.clone(), value);
            name
        };
        body.root.cluster = part(serde_json::to_value(cluster));
        for (server, node) in nodes {
            let name = part(serde_json::to_value(node));
            body.root.nodes.insert(server.clone(), name);
        }
        self.put(&body).await.expect("a newer configuration")
    }

    /// Stores a configuration as the operator would.
    pub async fn put(&self, body: &ConfigPut) -> Result<RootDocument, PutError> {
        configuration::put(&self.core, body, &Author::new(Via::Kubernetes, "")).await
    }

    /// The routes of its HTTPS address.
    pub fn router(&self) -> axum::Router {
        crate::api::router(crate::api::Api {
            core: self.core.clone(),
            status: self.status.clone(),
            shutdown: self.shutdown.clone(),
        })
    }

    /// The status now.
    pub fn status(&self) -> ClusterStatus {
        self.status.borrow().clone()
    }

    /// Waits for a status; fails with the last one when it does not come.
    pub async fn wait_status(
        &self,
        what: &str,
        wanted: impl Fn(&ClusterStatus) -> bool,
    ) -> ClusterStatus {
        let mut status = self.status.clone();
        let found = timeout(PATIENCE, status.wait_for(|s| wanted(s))).await;
        if let Ok(Ok(found)) = found {
            return found.clone();
        }
        let last = self.status();
        assert!(wanted(&last), "in vain: {what}; last: {last:?}");
        last
    }

    /// Ends the manager in order: it hands the lease back.
    pub async fn stop(self) {
        let leading = self.core.is_leading();
        self.shutdown.trigger();
        if leading {
            let _ = timeout(PATIENCE, self.core.handed_back.notified()).await;
        }
    }
}
