//! The configuration that the node runs: fetched by hash, checked, kept on disk, replaced whole.

mod follow;

pub use follow::run;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use fastx_core::names::ServerId;
use fastx_core::subject::Operation;
use fastx_core::wire::config::{ClusterPart, NodePart, Profile, RootDocument, hash};
use fastx_core::wire::operations::{ConfigAnswer, ConfigGet};
use fastx_core::wire::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::disk;
use crate::locks::lock;
use crate::transport::Transport;

/// Newest version of root and parts that this build reads.
const SCHEMA: u32 = 1;

/// One state of the configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Current {
    /// The root that it came from; generation 0 before the first.
    pub root: RootDocument,
    /// What all nodes share.
    pub cluster: Arc<ClusterPart>,
    /// What this node alone has.
    pub node: Arc<NodePart>,
    /// Revision as this node sees it; empty before the first.
    pub revision: String,
}

impl Current {
    /// The profile of that name; `default` for an empty one. An undefined default has no limits.
    pub fn profile(&self, name: &str) -> Option<Profile> {
        let wanted = if name.is_empty() { "default" } else { name };
        let found = self.cluster.profiles.iter().find(|p| p.name == wanted);
        match found {
            Some(profile) => Some(profile.clone()),
            None if wanted == "default" => Some(Profile {
                clipboard: "both".to_owned(),
                ..Profile::default()
            }),
            None => None,
        }
    }
}

/// Form of `config.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    root: RootDocument,
    cluster: Value,
    node: Value,
    issuers: BTreeMap<String, bool>,
}

/// Why a root is not applied.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    /// Written for a newer version.
    #[error("configuration {what} has schema {schema}, this version reads up to {SCHEMA}")]
    UnknownSchema {
        /// Which document.
        what: &'static str,
        /// Its schema.
        schema: u32,
    },
    /// An older one than what runs.
    #[error("configuration generation {offered} is older than the running {running}")]
    Older {
        /// What was offered.
        offered: u64,
        /// What runs.
        running: u64,
    },
    /// A part does not have the content that the root names.
    #[error("the {0} part of the configuration does not match its hash")]
    WrongHash(&'static str),
    /// A part cannot be read.
    #[error("the {what} part of the configuration is not valid: {reason}")]
    Invalid {
        /// Which part.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A part cannot be fetched.
    #[error("the {what} part of the configuration cannot be fetched: {problem}")]
    Fetch {
        /// Which part.
        what: &'static str,
        /// Why.
        problem: Problem,
    },
}

#[derive(Debug)]
struct Inner {
    me: ServerId,
    path: PathBuf,
    transport: Transport,
    current: watch::Sender<Arc<Current>>,
    /// Whether logins count that another node issued, by the hash of that node's part.
    issuers: Mutex<BTreeMap<String, bool>>,
    /// How many configurations were put in force: what is written later must not be what was in force before.
    turns: Mutex<u64>,
    written: Mutex<u64>,
}

/// The node's configuration; clones share it.
#[derive(Debug, Clone)]
pub struct Configuration {
    inner: Arc<Inner>,
}

impl Configuration {
    /// Starts from the last good copy on disk.
    pub fn open(me: ServerId, local_dir: &std::path::Path, transport: Transport) -> Self {
        let path = local_dir.join("config.json");
        let (current, issuers) = disk::load::<Kept>(&path)
            .and_then(|kept| {
                let current = assemble(&me, kept.root, kept.cluster, kept.node).ok()?;
                Some((current, kept.issuers))
            })
            .unwrap_or_default();
        if current.root.generation > 0 {
            tracing::info!(revision = %current.revision, "starting with the last good configuration");
        }
        Self {
            inner: Arc::new(Inner {
                me,
                path,
                transport,
                current: watch::Sender::new(Arc::new(current)),
                issuers: Mutex::new(issuers),
                turns: Mutex::default(),
                written: Mutex::default(),
            }),
        }
    }

    /// The configuration now.
    pub fn current(&self) -> Arc<Current> {
        self.inner.current.borrow().clone()
    }

    /// Follows changes.
    pub fn watch(&self) -> watch::Receiver<Arc<Current>> {
        self.inner.current.subscribe()
    }

    /// Whether there has ever been one.
    pub fn is_loaded(&self) -> bool {
        self.current().root.generation > 0
    }

    /// Fetches what a root names and makes it the current configuration.
    pub async fn apply(&self, root: RootDocument) -> Result<(), Refused> {
        let running = self.current();
        if root == running.root {
            return Ok(());
        }
        if root.schema > SCHEMA {
            return Err(Refused::UnknownSchema {
                what: "root",
                schema: root.schema,
            });
        }
        if root.generation < running.root.generation {
            return Err(Refused::Older {
                offered: root.generation,
                running: running.root.generation,
            });
        }
        let cluster = self.fetch("cluster", &root.cluster).await?;
        let node = match root.nodes.get(&self.inner.me) {
            Some(wanted) => self.fetch("node", wanted).await?,
            // Not (or no longer) a member in the operator's eyes: run with everything off.
            None => serde_json::json!({}),
        };
        let current = assemble(&self.inner.me, root.clone(), cluster.clone(), node.clone())?;
        if current.revision != running.revision {
            tracing::info!(revision = %current.revision, "configuration applied");
        }
        let issuers = {
            let mut issuers = lock(&self.inner.issuers);
            issuers.retain(|hash, _| root.nodes.values().any(|h| h == hash));
            issuers.clone()
        };
        let turn = self.replace(current)?;
        let kept = Kept {
            root,
            cluster,
            node,
            issuers,
        };
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || inner.keep(turn, &kept));
        Ok(())
    }

    /// Whether logins of this issuer count, as the configuration says (never as the issuer itself says).
    pub async fn logins_count(&self, issuer: &ServerId) -> Result<bool, Problem> {
        let current = self.current();
        if *issuer == self.inner.me {
            return Ok(current.node.logins);
        }
        let Some(wanted) = current.root.nodes.get(issuer).cloned() else {
            return Ok(false);
        };
        if let Some(&known) = lock(&self.inner.issuers).get(&wanted) {
            return Ok(known);
        }
        let part = self
            .fetch("node", &wanted)
            .await
            .map_err(|refused| match refused {
                Refused::Fetch { problem, .. } => problem,
                other => Problem::internal(other.to_string()),
            })?;
        let logins = part.get("logins").and_then(Value::as_bool).unwrap_or(false);
        lock(&self.inner.issuers).insert(wanted, logins);
        Ok(logins)
    }

    async fn fetch(&self, what: &'static str, wanted: &str) -> Result<Value, Refused> {
        let request = ConfigGet::part(wanted);
        let answer: ConfigAnswer = self
            .inner
            .transport
            .store(Operation::ConfigGet, &request)
            .await
            .map_err(|problem| Refused::Fetch { what, problem })?;
        let part = answer.part.unwrap_or_default();
        if hash(&part) == wanted {
            Ok(part)
        } else {
            Err(Refused::WrongHash(what))
        }
    }

    /// Puts a configuration in force, unless a newer one came while its parts were fetched; its turn.
    fn replace(&self, current: Current) -> Result<u64, Refused> {
        let mut turns = lock(&self.inner.turns);
        let running = self.current().root.generation;
        if current.root.generation < running {
            return Err(Refused::Older {
                offered: current.root.generation,
                running,
            });
        }
        self.inner.current.send_replace(Arc::new(current));
        *turns += 1;
        Ok(*turns)
    }
}

impl Inner {
    /// Writes the copy on disk, unless a later one was written.
    fn keep(&self, turn: u64, kept: &Kept) {
        let mut written = lock(&self.written);
        if turn < *written {
            return;
        }
        match disk::save(&self.path, kept) {
            Ok(()) => *written = turn,
            Err(error) => {
                tracing::warn!(%error, "the copy of the configuration cannot be written");
            }
        }
    }
}

fn assemble(
    me: &ServerId,
    root: RootDocument,
    cluster: Value,
    node: Value,
) -> Result<Current, Refused> {
    let cluster: ClusterPart = serde_json::from_value(cluster).map_err(|e| Refused::Invalid {
        what: "cluster",
        reason: e.to_string(),
    })?;
    let node: NodePart = serde_json::from_value(node).map_err(|e| Refused::Invalid {
        what: "node",
        reason: e.to_string(),
    })?;
    for (what, schema) in [("cluster part", cluster.schema), ("node part", node.schema)] {
        if schema > SCHEMA {
            return Err(Refused::UnknownSchema { what, schema });
        }
    }
    Ok(Current {
        revision: root.node_revision(me),
        root,
        cluster: Arc::new(cluster),
        node: Arc::new(node),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(generation: u64) -> Kept {
        Kept {
            root: RootDocument {
                generation,
                ..RootDocument::default()
            },
            cluster: serde_json::json!({}),
            node: serde_json::json!({}),
            issuers: BTreeMap::new(),
        }
    }

    #[test]
    fn an_older_configuration_is_neither_put_in_force_nor_written_over_a_newer_one() {
        let dir = tempfile::tempdir().unwrap();
        let (_none, bus) = watch::channel(None);
        let me: ServerId = "a".parse().unwrap();
        let open =
            || Configuration::open(me.clone(), dir.path(), Transport::following(bus.clone()));
        let configuration = open();
        let of = |generation| {
            let Kept {
                root,
                cluster,
                node,
                ..
            } = kept(generation);
            assemble(&me, root, cluster, node).unwrap()
        };
        let old = configuration.replace(of(1)).unwrap();
        let new = configuration.replace(of(2)).unwrap();
        configuration.inner.keep(new, &kept(2));
        configuration.inner.keep(old, &kept(1));
        assert_eq!(open().current().root.generation, 2);
        let late = configuration.replace(of(1));
        assert!(matches!(
            late,
            Err(Refused::Older {
                offered: 1,
                running: 2
            })
        ));
    }
}
