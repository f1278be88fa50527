//! Servers.

use fastx_core::wire::server::ServerRecord;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A server; managers see all of it, others only the first three fields: the rest is absent for them.
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
    /// When a manager last heard of it.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// Boot of the last heartbeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// Sequence of the last heartbeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Everything that the server says about itself.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Map<String, Value>>,
}

impl ServerDocument {
    /// A server as a user or a manager sees it.
    pub fn new(record: &ServerRecord, full: bool) -> Self {
        let server = &record.server;
        let all = || match serde_json::to_value(server) {
            Ok(Value::Object(object)) => object,
            _ => Map::new(),
        };
        Self {
            server_id: server.server_id.to_string(),
            hostname: server.hostname.clone(),
            online: record.online,
            last_seen: full.then_some(record.last_seen),
            boot: full.then(|| record.boot.clone()),
            sequence: full.then_some(record.sequence),
            server: full.then(all),
        }
    }
}

/// All servers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Servers {
    /// By name.
    pub servers: Vec<ServerDocument>,
}
