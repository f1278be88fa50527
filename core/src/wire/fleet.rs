//! The managers' view of all servers and sessions, as a snapshot and as batched changes.

use serde::{Deserialize, Serialize};

use super::server::ServerRecord;
use super::session::SessionRecord;
use crate::names::{ServerId, SessionId};

/// `store.*.fleet.get`: give everything. Answer: [`FleetSnapshot`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FleetGet {
    /// Whether the one who asks goes on asking for what comes after a part. One who does not is an older version:
    /// it gets as much as a message of this cluster's own bus can hold.
    pub parts: bool,
    /// Where the part before this one ended; none for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<FleetMark>,
}

/// Where a part of a snapshot ended. Servers come first, then sessions, both by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FleetMark {
    /// The last server that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerId>,
    /// The last session that was told; with one, all servers were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// Everything at one moment, or a part of it.
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
    /// Where this part ended, when there is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<FleetMark>,
}

impl FleetSnapshot {
    /// Adds the part that comes after this one; false when it is of another epoch, and all has to be asked for anew.
    ///
    /// The number stays that of the first part: batches that were published meanwhile are applied after it,
    /// and bring again what a later part already had.
    pub fn join(&mut self, next: Self) -> bool {
        if next.epoch != self.epoch {
            return false;
        }
        self.servers.extend(next.servers);
        self.sessions.extend(next.sessions);
        self.more = next.more;
        true
    }
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
