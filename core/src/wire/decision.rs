//! A decision with its trace: for every server, whether it was chosen, and if not, who left it out and why.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{LoginName, ServerId};

/// What became of one server in a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerVerdict {
    /// The server.
    pub server_id: ServerId,
    /// Whether it was chosen.
    pub chosen: bool,
    /// Who left it out: `cluster` for the rules of the cluster, otherwise the script's name; empty when nobody did.
    #[serde(default)]
    pub by: String,
    /// Why, for people.
    #[serde(default)]
    pub reason: String,
}

/// What one script of the chain did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScriptStep {
    /// Name of the script.
    pub script: String,
    /// `chose`, `filtered`, `passed`, `threw`, `failed`.
    pub outcome: String,
    /// Server that was chosen, servers that were kept, or the message that was thrown.
    #[serde(default)]
    pub detail: String,
    /// How long it ran, microseconds.
    #[serde(default)]
    pub micros: u64,
}

/// A whole decision; kept with the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// `session/start` or `user/login`.
    pub action: String,
    /// Who asked.
    pub login: LoginName,
    /// Node that ran the chain.
    pub local: ServerId,
    /// When.
    pub at: Timestamp,
    /// The chosen server; none when it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<ServerId>,
    /// Every server of the cluster.
    pub servers: Vec<ServerVerdict>,
    /// The chain, in order, as far as it ran.
    pub steps: Vec<ScriptStep>,
    /// Revision of the configuration that the scripts came from.
    #[serde(default)]
    pub config_revision: String,
}
