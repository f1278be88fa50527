//! What managers write into the store and tell each other.

#[cfg(feature = "mongo")]
use std::collections::BTreeMap;

#[cfg(feature = "mongo")]
use fastx_core::names::BusNamespace;
use fastx_core::names::{CallerId, ServerId, SessionId};
#[cfg(feature = "mongo")]
use fastx_core::secret::Secret;
#[cfg(feature = "mongo")]
use fastx_core::wire::broker::{BrokerConfig, TransporterType};
use fastx_core::wire::fleet::FleetGet;
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
    /// Which process of that name holds it; empty when it was handed back, and where only one can have the name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub process: String,
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
    /// Whoever holds the lease: send a part of the snapshot. Answered with a `FleetSnapshot`.
    Snapshot(FleetGet),
}

/// Servers that asked to join with one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InvitationBody {
    /// Their names.
    pub servers: std::collections::BTreeSet<ServerId>,
}

#[cfg(feature = "mongo")]
/// Everything that is decided when a cluster is set up on plain machines: all files follow from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetupState {
    /// Form of this document.
    pub schema: u32,
    /// Kind of transporter.
    pub transporter: TransporterType,
    /// Name of the cluster on the bus.
    pub namespace: BusNamespace,
    /// Host name of this machine for members; empty until it is known.
    pub host: String,
    /// Port of the transporter.
    pub port: u16,
    /// A transporter that somebody else runs.
    #[serde(default)]
    pub given: Option<BrokerConfig>,
    /// Where the store is.
    pub store_uri: Secret,
    /// Authority of its certificate; empty for the system's.
    #[serde(default)]
    pub store_ca: String,
    /// Who may join unasked: `Declared` or `Any`.
    pub discovery: String,
    /// Seeds of the bus's keys, hexadecimal.
    pub seeds: Secret,
    /// Seed of the managers' key, hexadecimal.
    pub manager_seed: Secret,
    /// Seed of the join file's key, hexadecimal.
    pub join_seed: Secret,
    /// Name of the join file, which says what it admits to.
    pub join_name: CallerId,
    /// Password of Redis.
    pub password: Secret,
    /// Time in all identities, so that equal input gives equal text.
    pub issued: Timestamp,
    /// Revoked public keys, and since when.
    #[serde(default)]
    pub revoked: BTreeMap<String, Timestamp>,
    /// Number of the members' `broker.json`.
    pub generation: u64,
    /// The certificate authority.
    pub authority: BTreeMap<String, Secret>,
    /// Certificate of the bus.
    pub bus: BTreeMap<String, Secret>,
    /// Certificate of the managers.
    pub manager: BTreeMap<String, Secret>,
    /// Certificate and key of a public authority for the bus.
    #[serde(default)]
    pub public: Option<PublicCertificate>,
}

#[cfg(feature = "mongo")]
/// A certificate that somebody else's authority signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublicCertificate {
    /// Chain, PEM.
    pub certificate: String,
    /// Key, PEM.
    pub key: Secret,
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_question_for_a_snapshot_is_that_of_the_first_version_with_more_in_it() {
        let first: ManagerNews = serde_json::from_value(json!({"type": "snapshot"})).unwrap();
        assert_eq!(first, ManagerNews::Snapshot(FleetGet::default()));
        let now = ManagerNews::Snapshot(FleetGet {
            parts: true,
            after: None,
        });
        let written = serde_json::to_value(now).unwrap();
        assert_eq!(written, json!({"type": "snapshot", "parts": true}));
    }
}
