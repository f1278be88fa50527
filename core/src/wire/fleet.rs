//! The managers' view of all servers and sessions, as a snapshot and as batched changes.

use serde::{Deserialize, Serialize};

use super::server::ServerRecord;
use super::session::SessionRecord;

/// Everything at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetSnapshot {
    /// Epoch of the manager that holds the lease.
    pub epoch: u64,
    /// Number of the last batch that is part of this snapshot.
    pub sequence: u64,
    /// All servers.
    pub servers: Vec<ServerRecord>,
    /// All sessions that are not over, and those that ended in the last ten minutes.
    pub sessions: Vec<SessionRecord>,
}

/// What changed since the batch before; published on `fleet`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FleetDelta {
    /// Epoch of the sender; batches of older epochs are dropped.
    pub epoch: u64,
    /// Grows by one a batch within an epoch; a gap means: ask for a snapshot.
    pub sequence: u64,
    /// Whether this is only a sign of life: it carries no change and repeats the last number.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub beat: bool,
    /// New or changed servers.
    pub servers: Vec<ServerRecord>,
    /// Servers that were removed.
    pub removed_servers: Vec<String>,
    /// New or changed sessions.
    pub sessions: Vec<SessionRecord>,
    /// Sessions whose record was removed.
    pub removed_sessions: Vec<String>,
}
