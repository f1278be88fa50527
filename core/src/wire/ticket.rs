//! Tickets: the right to open one session once, within seconds.

use serde::{Deserialize, Serialize};

use crate::names::{LoginName, ServerId, SessionId};

/// How long a ticket lives, seconds.
pub const LIFETIME_SECONDS: i64 = 30;

/// WebSocket subprotocol that carries RFB.
pub const SUBPROTOCOL: &str = "binary";

/// Prefix of the WebSocket subprotocol that carries the ticket itself.
pub const SUBPROTOCOL_PREFIX: &str = "fastx.ticket.";

/// What a viewer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// See and type.
    Control,
    /// See only.
    View,
}

/// What a ticket says; signed by the node that issued it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketClaims {
    /// Node that issued and signed it.
    pub iss: ServerId,
    /// Node that has the session: the only one that redeems it.
    pub aud: ServerId,
    /// The session.
    pub session: SessionId,
    /// Who comes.
    pub sub: LoginName,
    /// What they may do.
    pub mode: Mode,
    /// One attempt to connect has several tickets, one a way; the first redeemed voids its siblings.
    pub attempt: String,
    /// Unique id of this ticket.
    pub jti: String,
    /// Seconds since 1970 when it ends.
    pub exp: i64,
    /// Id of the login that it was asked for with: its viewer leaves when that login is ended.
    /// Empty in tickets of older versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub login_jti: String,
    /// Seconds since 1970 when that login ends, and with it the viewer's stay; 0 in tickets of older versions.
    #[serde(default)]
    pub login_exp: i64,
    /// Address of the client, for the owner of the session to recognise it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
}
