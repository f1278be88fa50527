//! What managers write into the store and tell each other.

use fastx_core::names::{CallerId, ServerId, SessionId};
use fastx_core::wire::session::SessionRecord;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Body of the lease document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseBody {
    /// Manager that holds it; empty when it was handed back.
    pub holder: String,
    /// Grows with each take-over.
    pub epoch: u64,
}

/// Message on the subject that only managers hear.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub(crate) enum ManagerNews {
    /// A manager is there.
    Beat {
        /// Which one.
        manager: CallerId,
    },
    /// These records were stored.
    Sessions {
        /// The records.
        sessions: Vec<SessionRecord>,
    },
    /// A server was forgotten, with its sessions.
    Removed {
        /// Which one.
        server: ServerId,
    },
    /// The record of a session was purged.
    Purged {
        /// Which one.
        session: SessionId,
    },
    /// Whoever holds the lease: send a snapshot. Answered with a `FleetSnapshot`.
    Snapshot,
}

/// Servers that asked to join with one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InvitationBody {
    /// Their names.
    pub servers: std::collections::BTreeSet<ServerId>,
}

/// Failed tries of a login, or from an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TriesBody {
    /// Tries since the last success or the last long pause.
    pub count: u32,
    /// The last one.
    pub last: Timestamp,
    /// No further try is looked at before.
    pub blocked: Timestamp,
}
