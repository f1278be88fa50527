//! How a server was chosen.

use fastx_core::wire::decision::{Decision, ScriptStep, ServerVerdict};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// What became of one server in a decision.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The server.
    pub server_id: String,
    /// Whether it was chosen.
    pub chosen: bool,
    /// Who left it out: `cluster`, or a script's name; empty when nobody did.
    pub by: String,
    /// Why, for people.
    pub reason: String,
}

impl From<ServerVerdict> for Verdict {
    fn from(v: ServerVerdict) -> Self {
        Self {
            server_id: v.server_id.to_string(),
            chosen: v.chosen,
            by: v.by,
            reason: v.reason,
        }
    }
}

/// What one script of the chain did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Step {
    /// Name of the script.
    pub script: String,
    /// `chose`, `filtered`, `passed`, `threw`, `failed`.
    pub outcome: String,
    /// Server that was chosen, servers that were kept, or the message that was thrown.
    pub detail: String,
    /// How long it ran, microseconds.
    pub micros: u64,
}

impl From<ScriptStep> for Step {
    fn from(s: ScriptStep) -> Self {
        Self {
            script: s.script,
            outcome: s.outcome,
            detail: s.detail,
            micros: s.micros,
        }
    }
}

/// How a server was chosen.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Decision)]
pub struct DecisionDocument {
    /// `session/start`.
    pub action: String,
    /// Who asked.
    pub login: String,
    /// Node that ran the chain.
    pub local: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The chosen server.
    pub chosen: Option<String>,
    /// Every server of the cluster.
    pub servers: Vec<Verdict>,
    /// The chain, in order, as far as it ran.
    pub steps: Vec<Step>,
    /// Revision of the configuration that the scripts came from.
    pub config_revision: String,
}

impl From<Decision> for DecisionDocument {
    fn from(d: Decision) -> Self {
        Self {
            action: d.action,
            login: d.login.to_string(),
            local: d.local.to_string(),
            at: d.at,
            chosen: d.chosen.map(|id| id.to_string()),
            servers: d.servers.into_iter().map(Verdict::from).collect(),
            steps: d.steps.into_iter().map(Step::from).collect(),
            config_revision: d.config_revision,
        }
    }
}
