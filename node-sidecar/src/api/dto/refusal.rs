//! Refusals.

use fastx_core::wire::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use super::Verdict;

/// A refusal that a person can act on (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// Stable kind, such as `no-server-fits`; programs match on it.
    pub r#type: String,
    /// The same for people, a few words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened, to what and why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What the reader can do about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// Stands in the server's log, too.
    pub trace_id: String,
    /// For each server, why it was not chosen; only with `no-server-fits`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<Verdict>,
    /// The server that asks who the user is; only with `authentication-required`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server_id: String,
    /// Whom it asks for; only with `authentication-required`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub login: String,
}

impl From<&Problem> for ProblemDocument {
    fn from(problem: &Problem) -> Self {
        Self {
            r#type: problem.kind.clone(),
            title: problem.title.clone(),
            status: problem.status,
            detail: problem.detail.clone(),
            action: problem.action.clone(),
            trace_id: problem.trace_id.clone(),
            servers: problem.servers.iter().cloned().map(Verdict::from).collect(),
            server_id: problem.server_id.clone(),
            login: problem.login.clone(),
        }
    }
}
