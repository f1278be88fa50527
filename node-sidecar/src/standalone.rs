//! A server without a cluster: bus and manager live in this process, the store is one file.
//!
//! A server is alone when nothing says that it belongs to a cluster: there is no `broker.json`, it never had one,
//! no `join.json` waits to be used, `FX_CLUSTER` does not ask for one, and it does not run in a pod, where the file may come later.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fastx_bus::{Bus, Hub};
use fastx_core::names::{CallerId, ServerId};
use fastx_core::wire::config::{ClusterPart, NodePart, RootDocument, hash};
use fastx_core::wire::management::ConfigPut;
use fastx_lifecycle::health::Liveness;
use fastx_lifecycle::memory;
use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::watch::Watched;
use fastx_manager::alone::{self, Alone, AloneError};
use fastx_manager::store::sqlite::SqliteStore;
use rand::Rng as _;

use crate::config::{Config, Membership, Place};
use crate::disk;
use crate::join;
use crate::keys::random_hex;

/// The store, in the node's own folder.
pub const STORE: &str = "fastx.db";

/// Folder of the local users, beside `broker.json`.
pub const USERS: &str = "users";

/// Names within the process; nobody else sees them.
const NAMESPACE: &str = "standalone";
const MANAGER: &str = "manager-standalone";

/// Why a server cannot be alone.
#[derive(Debug, thiserror::Error)]
pub enum StandaloneError {
    /// Its name.
    #[error("the name of this server cannot be written to {0}")]
    Name(std::path::PathBuf, #[source] std::io::Error),
    /// The manager.
    #[error(transparent)]
    Manager(#[from] AloneError),
    /// A fault of ours.
    #[error("a name within the process is not valid")]
    Fixed,
}

/// Whether this server is alone.
pub fn is_alone(config: &Config) -> bool {
    match config.membership {
        Membership::Required => false,
        Membership::None => true,
        Membership::Auto => {
            // A member whose file went away goes on with the copy of its last run; one that joined has only that.
            let belongs = [
                config.config_dir.join("broker.json"),
                config.config_dir.join(join::FILE),
                config.local_dir.join("broker.json"),
            ];
            !belongs.iter().any(|file| file.symlink_metadata().is_ok())
        }
    }
}

/// Starts manager and bus, and gives the node's place on it.
pub async fn start(
    config: &Config,
    liveness: &Liveness,
    shutdown: &Shutdown,
) -> Result<(Bus, Alone), StandaloneError> {
    memory::return_large_buffers();
    let me = name(config)?;
    let namespace = || NAMESPACE.parse().map_err(|_| StandaloneError::Fixed);
    let manager: CallerId = MANAGER.parse().map_err(|_| StandaloneError::Fixed)?;
    let hub = Hub::new();
    let parts = alone::Parts {
        bus: Bus::in_process(&hub, manager, namespace()?),
        store: Arc::new(SqliteStore::new(&config.local_dir.join(STORE))),
        users: config.config_dir.join(USERS),
        seed: rand::rng().next_u64(),
        first: first(&me, &hostname(), config),
    };
    let manager = alone::start(parts, liveness, shutdown).await?;
    tracing::info!(
        node = %me,
        "no broker.json: this server is alone, and keeps everything in its own folder"
    );
    tell_of_a_cluster(&config.config_dir, shutdown);
    Ok((Bus::in_process(&hub, me.into(), namespace()?), manager))
}

/// Says what to do when a `broker.json` comes: sign-ins and settings change with it, so it is not taken up in passing.
fn tell_of_a_cluster(config_dir: &Path, shutdown: &Shutdown) {
    let file = config_dir.join("broker.json");
    let mut watched = Watched::new(vec![file.clone()]);
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        if watched.changed(&shutdown).await.is_some() {
            tracing::warn!(file = %file.display(), "there is a broker.json now: restart this service to join the cluster");
        }
    });
}

/// The name, made once and kept: host names change, and are no names of servers.
fn name(config: &Config) -> Result<ServerId, StandaloneError> {
    let path = config.local_dir.join("server-id.json");
    if let Some(name) = disk::load::<ServerId>(&path) {
        return Ok(name);
    }
    let name = match &config.server_id {
        Some(name) => name.clone(),
        None => format!("server-{}", random_hex::<4>(&mut rand::rng()))
            .parse()
            .map_err(|_| StandaloneError::Fixed)?,
    };
    disk::save(&path, &name).map_err(|e| StandaloneError::Name(path, e))?;
    Ok(name)
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// What a new server starts with; administrators change it in the System section.
/// It also has what a member needs, for it is what moves into a cluster.
fn first(me: &ServerId, hostname: &str, config: &Config) -> ConfigPut {
    // A host has users of its own, and an sshd that knows them.
    let methods: &[&str] = match config.place {
        Place::Host => &["ssh", "local"],
        Place::Pod => &["local"],
    };
    let cluster = ClusterPart::first(hostname, methods);
    let node = NodePart::first(hostname, config.web_addr.port());
    let mut parts = BTreeMap::new();
    let mut part = |value: serde_json::Value| {
        let name = hash(&value);
        parts.insert(name.clone(), value);
        name
    };
    let root = RootDocument {
        schema: 1,
        generation: 1,
        cluster: part(serde_json::to_value(cluster).unwrap_or_default()),
        nodes: [(
            me.clone(),
            part(serde_json::to_value(node).unwrap_or_default()),
        )]
        .into(),
        ..RootDocument::default()
    };
    ConfigPut { root, parts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_lifecycle::env::Map;

    fn config(dir: &Path, membership: Membership) -> Config {
        Config {
            place: Place::Pod,
            passwordless: crate::links::launch::Passwordless::Disable,
            config_dir: dir.join("etc"),
            local_dir: dir.join("var"),
            membership,
            ..Config::load(&Map::default()).unwrap()
        }
    }

    #[test]
    fn a_server_is_alone_when_nothing_says_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let auto = config(dir.path(), Membership::Auto);
        assert!(is_alone(&auto));
        assert!(!is_alone(&config(dir.path(), Membership::Required)));
        std::fs::create_dir_all(&auto.local_dir).unwrap();
        std::fs::write(auto.local_dir.join("broker.json"), "").unwrap();
        assert!(!is_alone(&auto), "a member whose file went away");
        assert!(is_alone(&config(dir.path(), Membership::None)));
    }

    #[test]
    fn a_server_with_a_join_file_is_not_alone() {
        let dir = tempfile::tempdir().unwrap();
        let auto = config(dir.path(), Membership::Auto);
        std::fs::create_dir_all(&auto.config_dir).unwrap();
        std::fs::write(auto.config_dir.join(join::FILE), "").unwrap();
        assert!(!is_alone(&auto));
        assert!(is_alone(&config(dir.path(), Membership::None)));
    }

    #[test]
    fn the_name_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path(), Membership::Auto);
        config.server_id = None;
        let first = name(&config).unwrap();
        assert!(first.as_str().starts_with("server-"));
        config.server_id = Some("other".parse().unwrap());
        assert_eq!(name(&config).unwrap(), first);
    }
}
