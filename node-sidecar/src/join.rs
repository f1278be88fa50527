//! Joining a cluster: from a join file to this host's own identity on the bus, whose key never leaves it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fastx_bus::{Bus, BusError, Options};
use fastx_core::identity::{public_key, user_key};
use fastx_core::names::{CallerId, ServerId};
use fastx_core::secret::Secret;
use fastx_core::wire::broker::{BrokerConfig, Credentials};
use fastx_core::wire::join::{Invitation, JoinAnswer, JoinAsk};
use fastx_core::wire::problem::Problem;
use fastx_lifecycle::private_file::Me;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::broker_file::{BrokerFileError, read};
use crate::config::Config;
use crate::disk;

/// Time for a manager to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Name of the file in `FX_CONFIG_DIR` that a node picks up when it starts without `broker.json`.
pub const FILE: &str = "join.json";

/// Form of `join-key.json`: made once, so that asking again is asking for the same.
#[derive(Serialize, Deserialize)]
struct JoinKey {
    server_id: ServerId,
    seed: Secret,
    public_key: String,
}

/// Why the host did not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The file.
    #[error(transparent)]
    File(#[from] BrokerFileError),
    /// It is a whole `broker.json` already.
    #[error("{0} is no join file but a broker.json: place it as /etc/fastx/broker.json")]
    NoInvitation(PathBuf),
    /// The host name cannot be a serverId, and none was given.
    #[error("this host needs a name: set FX_SERVER_ID")]
    NoName,
    /// The key cannot be kept.
    #[error("cannot write {0}")]
    Keep(PathBuf, #[source] std::io::Error),
    /// The bus.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A manager said no, or none answered.
    #[error("{0}")]
    Refused(Problem),
}

/// How it stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined {
    /// The host is a member; the identity is kept where the node finds it.
    Member(ServerId),
    /// Somebody has to decide; ask again later.
    Pending(String),
}

/// Asks once. The identity goes where the last good `broker.json` is kept, from where the node starts.
pub async fn ask(
    config: &Config,
    path: &Path,
    me: &Me,
    rng: &mut impl Rng,
) -> Result<Joined, JoinError> {
    let file = read(path, me)?;
    let invited = file
        .credentials
        .as_ref()
        .is_some_and(|c| Invitation::of(&c.caller).is_ok());
    if !invited {
        return Err(JoinError::NoInvitation(path.to_owned()));
    }
    let key = key(config, rng)?;
    let request = JoinAsk {
        server_id: key.server_id.clone(),
        public_key: key.public_key.clone(),
        hostname: hostname(),
        version: crate::VERSION.to_owned(),
    };
    let bus = Bus::connect(file.clone(), Options::default()).await?;
    let subject = bus.subjects().join(bus.caller());
    let answer = bus.request(subject, &request, ANSWER).await;
    match answer.map_err(JoinError::Refused)? {
        JoinAnswer::Pending { detail } => Ok(Joined::Pending(detail)),
        JoinAnswer::Accepted { jwt } => {
            let own = BrokerConfig {
                credentials: Some(Credentials {
                    caller: CallerId::from(key.server_id.clone()),
                    jwt,
                    seed: key.seed,
                }),
                ..file
            };
            let kept = config.local_dir.join("broker.json");
            disk::save(&kept, &own).map_err(|e| JoinError::Keep(kept, e))?;
            Ok(Joined::Member(key.server_id))
        }
    }
}

/// The host's name in the cluster and its key, both made once.
fn key(config: &Config, rng: &mut impl Rng) -> Result<JoinKey, JoinError> {
    let path = config.local_dir.join("join-key.json");
    if let Some(key) = disk::load::<JoinKey>(&path)
        && is_whole(&key)
    {
        return Ok(key);
    }
    let server_id = own_name(config).ok_or(JoinError::NoName)?;
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    let (seed, public_key) = user_key(bytes);
    let key = JoinKey {
        server_id,
        seed,
        public_key,
    };
    disk::save(&path, &key).map_err(|e| JoinError::Keep(path, e))?;
    Ok(key)
}

/// The host's name in the cluster: made once, so that a host that is renamed stays the same server.
/// None when nothing was set and the host name cannot be one.
pub fn own_name(config: &Config) -> Option<ServerId> {
    let path = config.local_dir.join("server-id.json");
    if let Some(id) = &config.server_id {
        return Some(id.clone());
    }
    if let Some(id) = disk::load::<ServerId>(&path) {
        return Some(id);
    }
    let id: ServerId = hostname().split('.').next()?.parse().ok()?;
    if let Err(error) = disk::save(&path, &id) {
        tracing::warn!(%error, "the name of this host cannot be kept");
    }
    Some(id)
}

fn is_whole(key: &JoinKey) -> bool {
    let credentials = Credentials {
        caller: key.server_id.clone().into(),
        jwt: Secret::default(),
        seed: key.seed.clone(),
    };
    public_key(&credentials).as_ref() == Ok(&key.public_key)
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.unwrap_or_default().trim().to_owned()
}

/// `fastx-node join FILE`: asks until the host is a member or is refused; says how it goes.
pub async fn command(config: &Config, path: &Path) -> Result<ServerId, JoinError> {
    let mut told = String::new();
    loop {
        match ask(config, path, &Me::now(), &mut rand::rng()).await? {
            Joined::Member(server) => return Ok(server),
            Joined::Pending(detail) => {
                if told != detail {
                    tracing::info!(%detail, "waiting to be let in; this can be ended and started again");
                    told = detail;
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Pause between two requests of one host.
pub const AGAIN: Duration = Duration::from_secs(15);
