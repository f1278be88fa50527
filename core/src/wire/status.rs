//! What a manager tells the operator about the cluster, from a real round trip and not from pod readiness.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{CallerId, ServerId};

/// The state of the cluster as one manager sees it; `GET /v1/status` and event `status` of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// When it was put together, by the manager's clock.
    pub at: Timestamp,
    /// Manager that says so.
    pub manager: CallerId,
    /// Whether that manager holds the lease.
    pub leading: bool,
    /// The store: a document was written and read back.
    pub store: PartStatus,
    /// The bus.
    pub bus: PartStatus,
    /// Managers that have been heard of within the last 15 s, this one included.
    pub managers: Vec<CallerId>,
    /// Revision of the root document in force; empty before the first.
    #[serde(default)]
    pub revision: String,
    /// Generation of that root document.
    #[serde(default)]
    pub generation: u64,
    /// Every node that was ever heard of and not forgotten.
    pub nodes: BTreeMap<ServerId, NodeStatus>,
    /// Hosts that asked to join and were not refused, those without an identity first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joins: Vec<JoinStatus>,
}

/// A host that asked to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinStatus {
    /// Name that it wants to have.
    pub server_id: ServerId,
    /// Public half of its bus key.
    pub public_key: String,
    /// Name of the host, in its own words.
    #[serde(default)]
    pub hostname: String,
    /// Whether somebody has decided that it may join.
    #[serde(default)]
    pub accepted: bool,
    /// Whether an identity was made for it.
    #[serde(default)]
    pub identified: bool,
}

/// Whether a part that the managers need does its work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PartStatus {
    /// It does.
    pub ok: bool,
    /// What is wrong, in words; empty when it is well.
    pub detail: String,
    /// How long the last round trip took, milliseconds; 0 when none was made.
    pub round_trip_ms: u64,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Whether it was heard of lately.
    pub online: bool,
    /// When it was last heard of.
    pub last_seen: Timestamp,
    /// Boot of its process.
    #[serde(default)]
    pub boot: String,
    /// Version of its software.
    #[serde(default)]
    pub version: String,
    /// Revision of the configuration that it says it runs.
    #[serde(default)]
    pub config_revision: String,
    /// Generation of the `broker.json` that it says it runs.
    #[serde(default)]
    pub broker_generation: u64,
    /// Its sessions that are not over.
    #[serde(default)]
    pub sessions: u32,
    /// What keeps it from doing its work.
    #[serde(default)]
    pub faults: Vec<String>,
}
