//! Sessions: what is asked for, what is known of them, and what happened to them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::names::{LoginName, ServerId, SessionId};

/// State of a session, as the node that has it sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SessionState {
    /// Accepted, display not there yet.
    Starting,
    /// The display answers.
    Running,
    /// Being ended.
    Ending,
    /// Over; `end_reason` says why.
    Ended,
    /// Its server is silent: not known to be over.
    Unreachable,
}

impl SessionState {
    /// Whether the session still takes up room on its server.
    pub fn is_live(self) -> bool {
        !matches!(self, Self::Ended)
    }
}

/// What a user asks for when starting a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StartRequest {
    /// Program to run; empty with `application`.
    pub command: String,
    /// Name of an application of the configuration; empty with `command`.
    pub application: String,
    /// `WIDTHxHEIGHT`, or empty for the default.
    pub geometry: String,
    /// Name for people; empty for the application's.
    pub name: String,
    /// Session profile; empty for the default.
    pub profile: String,
    /// Wanted server, where choosing is allowed; empty to let the scripts choose.
    pub server_id: String,
    /// Free parameters.
    pub params: BTreeMap<String, String>,
}

/// A session as the whole cluster sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRecord {
    /// Its id.
    pub id: SessionId,
    /// Where it runs.
    pub server_id: ServerId,
    /// Whose it is.
    pub login: LoginName,
    /// State.
    pub state: SessionState,
    /// Name for people.
    pub name: String,
    /// Application it was started from; empty for a plain command.
    #[serde(default)]
    pub application: String,
    /// Command line that runs in it.
    pub command: String,
    /// Profile that its limits come from; empty for the default.
    #[serde(default)]
    pub profile: String,
    /// Present size, `WIDTHxHEIGHT`.
    #[serde(default)]
    pub geometry: String,
    /// X display, such as `:1`.
    #[serde(default)]
    pub display: String,
    /// Free parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// When it was accepted.
    pub started: Timestamp,
    /// When its state last changed.
    pub changed: Timestamp,
    /// When the last viewer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_connect: Option<Timestamp>,
    /// When the last viewer left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_disconnect: Option<Timestamp>,
    /// Viewers now.
    #[serde(default)]
    pub viewers: u32,
    /// Why it ended, in words, with the end of the program's output when it failed.
    #[serde(default)]
    pub end_reason: String,
    /// Grows with each change that the node reports; older reports are dropped.
    pub version: u64,
}
