//! Events of the stream.

use serde::Serialize;
use utoipa::ToSchema;

use super::{ServerDocument, SessionDocument};

/// Event `reset`: everything as it is now.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResetEvent {
    /// Sessions.
    pub sessions: Vec<SessionDocument>,
    /// Servers.
    pub servers: Vec<ServerDocument>,
}

/// Event `sessionRemoved`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionRemovedEvent {
    /// Id of the session.
    pub id: String,
}

/// Event `server`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServerEvent {
    /// The server.
    pub server: ServerDocument,
}

/// Event `serverRemoved`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerRemovedEvent {
    /// Its name.
    pub server_id: String,
}

/// Event `signedOut`: the login has ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct SignedOutEvent {
    /// Why, for people.
    pub reason: String,
}
