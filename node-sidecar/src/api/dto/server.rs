//! Servers.

use fastx_core::wire::server::ServerRecord;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A server; managers see all of it, others only the first three fields.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Server)]
pub struct ServerDocument {
    /// Its name.
    pub server_id: String,
    /// Host name for people.
    pub hostname: String,
    /// Whether it is there.
    pub online: bool,
    /// The rest, for managers.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub full: Option<ServerDetails>,
}

/// What only managers see of a server.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerDetails {
    /// When a manager last heard of it.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Timestamp,
    /// Boot of the last heartbeat.
    pub boot: String,
    /// Sequence of the last heartbeat.
    pub sequence: u64,
    /// Everything that the server says about itself.
    #[schema(value_type = Object)]
    pub server: Map<String, Value>,
}

impl ServerDocument {
    /// A server as a user or a manager sees it.
    pub fn new(record: &ServerRecord, full: bool) -> Self {
        let server = &record.server;
        let details = || {
            let object = serde_json::to_value(server).unwrap_or_default();
            ServerDetails {
                last_seen: record.last_seen,
                boot: record.boot.clone(),
                sequence: record.sequence,
                server: object.as_object().cloned().unwrap_or_default(),
            }
        };
        Self {
            server_id: server.server_id.to_string(),
            hostname: server.hostname.clone(),
            online: record.online,
            full: full.then(details),
        }
    }
}

/// All servers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Servers {
    /// By name.
    pub servers: Vec<ServerDocument>,
}
