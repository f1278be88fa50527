//! The server object and the heartbeat that carries it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::names::ServerId;

/// A compute node as scripts, managers and administrators see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerObject {
    /// Name of the node.
    pub server_id: ServerId,
    /// Host name for people.
    #[serde(default)]
    pub hostname: String,
    /// Addresses at which browsers may reach it, such as `https://host:3300`.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Addresses at which other members reach it.
    #[serde(default)]
    pub peer_urls: Vec<String>,
    /// CPU in use, percent of all processors.
    #[serde(default)]
    pub cpu: f64,
    /// Free memory, bytes.
    #[serde(default)]
    pub freemem: u64,
    /// All memory, bytes.
    #[serde(default)]
    pub totalmem: u64,
    /// Users with a login issued here.
    #[serde(default)]
    pub logged_in_users: u32,
    /// Running sessions.
    #[serde(default)]
    pub sessions: u32,
    /// Seconds since the host started.
    #[serde(default)]
    pub uptime: u64,
    /// Load averages of 1, 5 and 15 minutes.
    #[serde(default)]
    pub loadavg: [f64; 3],
    /// Version of the node software.
    #[serde(default)]
    pub version: String,
    /// The administrator's constant data.
    #[serde(default)]
    pub static_data: Map<String, Value>,
    /// What the metric scripts printed.
    #[serde(default)]
    pub metrics: Map<String, Value>,
    /// Whether sessions may start here.
    #[serde(default)]
    pub start_sessions: bool,
    /// Whether logins issued here count.
    #[serde(default)]
    pub logins: bool,
    /// Login names that may use the node; empty means everybody.
    #[serde(default)]
    pub users: Vec<String>,
    /// Revision of the configuration that the node runs; empty before the first.
    #[serde(default)]
    pub config_revision: String,
    /// Generation of the `broker.json` that the node runs.
    #[serde(default)]
    pub broker_generation: u64,
    /// Ed25519 public key (base64url, no padding) that signs the node's logins and tickets.
    #[serde(default)]
    pub signing_key: String,
    /// SHA-256 (lower-case hex) of the DER certificate that the node shows to peers.
    #[serde(default)]
    pub peer_fingerprint: String,
    /// What keeps the node from doing its work, in words; empty when all is well.
    #[serde(default)]
    pub faults: Vec<String>,
    /// What an administrator should know although sessions start, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// What a node sends about itself every few seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// Document version.
    pub schema: u32,
    /// Drawn at each start of the node process.
    pub boot: String,
    /// Grows by one with each heartbeat of a boot.
    pub sequence: u64,
    /// The node.
    pub server: ServerObject,
}

/// A server with what the managers know about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerRecord {
    /// The last reported object.
    pub server: ServerObject,
    /// When a manager last heard of it, by the manager's clock.
    pub last_seen: Timestamp,
    /// False once it has been silent for longer than the limit (90 s).
    pub online: bool,
    /// Boot of the last heartbeat.
    #[serde(default)]
    pub boot: String,
    /// Sequence of the last heartbeat.
    #[serde(default)]
    pub sequence: u64,
}
