//! The configuration of a running cluster, read and replaced through its managers.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fastx_bus::{Bus, BusError, Options};
use fastx_core::names::CallerId;
use fastx_core::secret::Secret;
use fastx_core::subject::Operation;
use fastx_core::wire::broker::{BrokerConfig, BrokerError};
use fastx_core::wire::config::RootDocument;
use fastx_core::wire::operations::{ConfigAnswer, ConfigEdit, ConfigEdited, ConfigGet};
use fastx_core::wire::problem::Problem;
use fastx_lifecycle::private_file::{Me, admissible};
use serde_json::Value;

use super::content::Content;

/// Who asks when the file has no credentials: whoever holds such a file is trusted with everything.
const CALLER: &str = "manager-upload";

/// Why a cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read the file.
    #[error("{path} is not used: {reason}; mend it with `{mend}`")]
    Open {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// The command.
        mend: String,
    },
    /// Its content is refused.
    #[error("{path} is refused")]
    Broker {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: BrokerError,
    },
    /// The transporter.
    #[error("the cluster cannot be reached")]
    Bus(#[from] BusError),
    /// A manager refused.
    #[error("{0}")]
    Refused(Problem),
    /// A part vanished while it was read.
    #[error("the configuration was replaced while it was read")]
    Moved,
}

/// A cluster's configuration and the root that it had.
#[derive(Debug, Default)]
pub struct Read {
    /// Generation of the root; 0 when there is none yet.
    pub generation: u64,
    /// The content.
    pub content: Content,
}

/// A way to the managers.
#[derive(Debug)]
pub struct Cluster {
    bus: Bus,
    token: Option<Secret>,
}

impl Cluster {
    /// Joins the bus with this `broker.json`.
    pub async fn connect(path: &Path, token: Option<Secret>) -> Result<Self, RemoteError> {
        let config = read_broker(path, &Me::now())?;
        let caller: Option<CallerId> = match config.credentials {
            Some(_) => None,
            None => CALLER.parse().ok(),
        };
        let options = Options {
            caller,
            ..Options::default()
        };
        let bus = Bus::connect(config, options).await?;
        Ok(Self::on(bus, token))
    }

    /// On a bus that is there already.
    pub fn on(bus: Bus, token: Option<Secret>) -> Self {
        Self { bus, token }
    }

    /// Reads everything.
    pub async fn read(&self) -> Result<Read, RemoteError> {
        let Some(root) = self.get(None).await?.root else {
            return Ok(Read::default());
        };
        let mut parts = BTreeMap::new();
        for hash in root.hashes() {
            let answer = self.get(Some(hash.clone())).await?;
            parts.insert(hash.clone(), answer.part.ok_or(RemoteError::Moved)?);
        }
        Ok(Read {
            generation: root.generation,
            content: Content::of(&root, &parts),
        })
    }

    /// Replaces everything, if the configuration is still that of this generation: parts first, then one new root.
    pub async fn write(&self, generation: u64, content: &Content) -> Result<String, RemoteError> {
        let put = content.put(generation + 1);
        for (name, part) in put.parts {
            self.put(None, BTreeMap::from([(name, part)])).await?;
        }
        let stored = self.put(Some(put.root), BTreeMap::new()).await?;
        Ok(stored.revision)
    }

    async fn get(&self, hash: Option<String>) -> Result<ConfigAnswer, RemoteError> {
        let answer = self
            .bus
            .store(
                Operation::ConfigGet,
                &ConfigGet {
                    hash,
                    ..ConfigGet::root()
                },
            )
            .await;
        answer.map_err(RemoteError::Refused)
    }

    async fn put(
        &self,
        root: Option<RootDocument>,
        parts: BTreeMap<String, Value>,
    ) -> Result<ConfigEdited, RemoteError> {
        let edit = ConfigEdit {
            token: self.token.clone(),
            root,
            parts,
        };
        let stored = self.bus.store(Operation::ConfigPut, &edit).await;
        stored.map_err(RemoteError::Refused)
    }
}

fn read_broker(path: &Path, me: &Me) -> Result<BrokerConfig, RemoteError> {
    let unreadable = |source| RemoteError::Read {
        path: path.to_owned(),
        source,
    };
    let about = fs::metadata(path).map_err(unreadable)?;
    // root may read everybody's file, and is asked only that nobody else can.
    let owner = if me.uid == 0 { 0 } else { about.uid() };
    let group = if me.uid == 0 {
        me.gids.first().copied().unwrap_or_default()
    } else {
        about.gid()
    };
    admissible(about.mode(), owner, group, me, &path.display().to_string()).map_err(
        |(reason, mend)| RemoteError::Open {
            path: path.to_owned(),
            reason,
            mend,
        },
    )?;
    let text = fs::read_to_string(path).map_err(unreadable)?;
    BrokerConfig::parse(&text).map_err(|source| RemoteError::Broker {
        path: path.to_owned(),
        source,
    })
}
