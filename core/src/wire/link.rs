//! What a node and a user's link say to each other over the node's Unix socket.
//!
//! Each frame is a 4-byte big-endian length and that many bytes of JSON, at most [`MAX_FRAME`].
//! A file descriptor, where a message brings one, travels as `SCM_RIGHTS` with the frame's first byte.
//! The node takes nothing in here as proof of identity: only the uid of the socket's peer counts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::session::SessionState;
use crate::names::{LoginName, SessionId};

/// Largest frame, bytes of JSON.
pub const MAX_FRAME: usize = 1024 * 1024;

/// Version of this protocol.
pub const SCHEMA: u32 = 1;

/// Name of the node's socket in the folder that node and desktop share.
pub const SOCKET_NAME: &str = "link.sock";

/// From the link to the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum FromLink {
    /// First frame: who speaks and everything that runs.
    Hello {
        /// Protocol version of the link.
        schema: u32,
        /// Version of the link's program.
        version: String,
        /// Every session that the link has found alive or just ended.
        sessions: Vec<LinkSession>,
        /// How many more sessions there are: those that one frame has no room for follow, each in a frame of its own.
        #[serde(default)]
        following: u32,
        /// What is wrong on the link's side, for people; such as a home that cannot be written.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        faults: Vec<String>,
    },
    /// A session is new or has changed.
    Session {
        /// The session as it is now.
        session: LinkSession,
    },
    /// The answer to a call. [`LinkCall::OpenDisplay`] brings a file descriptor with it.
    Answer {
        /// Number of the call.
        call: u64,
        /// What came of it.
        #[serde(flatten)]
        result: LinkResult,
    },
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LinkResult {
    /// Done; with the session after it, or text that was asked for.
    Ok {
        /// The session after the call, where there is one.
        #[serde(default)]
        session: Option<Box<LinkSession>>,
        /// The text of a log.
        #[serde(default)]
        text: String,
    },
    /// Refused or failed.
    Err(Problem),
}

/// From the node to the link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToLink {
    /// Number of the call; the answer carries it.
    pub call: u64,
    /// What to do.
    #[serde(flatten)]
    pub what: LinkCall,
}

/// What a node can ask of a link. Every call may be repeated safely.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum LinkCall {
    /// Start a session; when one of this id runs already, that one is the answer.
    /// Answers once the display accepts connections.
    Start {
        /// The session to start.
        start: LinkStart,
    },
    /// End a session and all its programs.
    Terminate {
        /// The session.
        id: SessionId,
    },
    /// Open one more connection to the display; the answer brings the connected socket.
    OpenDisplay {
        /// The session.
        id: SessionId,
    },
    /// Change name and parameters.
    Params {
        /// The session.
        id: SessionId,
        /// New name; empty leaves it.
        #[serde(default)]
        name: String,
        /// Parameters to set; an empty value removes.
        #[serde(default)]
        params: BTreeMap<String, String>,
    },
    /// The last lines that the session's programs printed.
    Log {
        /// The session.
        id: SessionId,
        /// At most so many bytes from the end.
        bytes: u32,
    },
    /// Show whoever sits at the session a notice for so long, where a program for that is installed.
    /// It replaces the one before; an empty text takes that away.
    Notice {
        /// The session.
        id: SessionId,
        /// What to say.
        text: String,
        /// For how long.
        seconds: u32,
    },
    /// Run an administrator's script at an event of the session; answered once it was started.
    Event {
        /// The session.
        id: SessionId,
        /// Name of the event, such as `connect`.
        event: String,
        /// Run by `/bin/sh -c`, or as a file of its own when it begins with `#!`.
        script: String,
        /// What else it is told.
        #[serde(default)]
        env: BTreeMap<String, String>,
    },
    /// Go to another server with the user's own keys, asking nobody, and run one command there.
    Reach {
        /// Where to.
        reach: LinkReach,
    },
    /// Still there?
    Ping,
}

/// The way of a user to another server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkReach {
    /// Name or address of its sshd.
    pub host: String,
    /// Port of it.
    pub port: u16,
    /// The user's login.
    pub login: LoginName,
    /// Keys of hosts that the node knows, in the form of OpenSSH's `known_hosts`.
    #[serde(default)]
    pub known_hosts: String,
    /// Command line for the user's shell there.
    pub command: String,
}

/// What a link needs to start a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkStart {
    /// Its id.
    pub id: SessionId,
    /// Login that it belongs to; kept with the session so that it can be told after a loss of the node's own state.
    pub login: LoginName,
    /// Name for people.
    pub name: String,
    /// Application, or empty.
    #[serde(default)]
    pub application: String,
    /// Command line, run by `/bin/sh -c`.
    pub command: String,
    /// Profile, or empty.
    #[serde(default)]
    pub profile: String,
    /// `WIDTHxHEIGHT`.
    pub geometry: String,
    /// Whether it ends with its last window (`true`) or with its command.
    #[serde(default)]
    pub rootless: bool,
    /// Free parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Further environment of the program.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// A session as the link sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkSession {
    /// What it was started with.
    #[serde(flatten)]
    pub start: LinkStart,
    /// State.
    pub state: SessionState,
    /// X display, such as `:1`; empty before it is there.
    #[serde(default)]
    pub display: String,
    /// Process id of the X server, in the link's own numbering; 0 before it is there.
    #[serde(default)]
    pub display_pid: u32,
    /// Start time of that process, clock ticks since boot: together they name it for good.
    #[serde(default)]
    pub display_started: u64,
    /// When the session was started.
    pub started: Timestamp,
    /// When its state last changed.
    pub changed: Timestamp,
    /// Why it ended, with the end of the program's output when it failed.
    #[serde(default)]
    pub end_reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_form_that_the_other_version_reads() {
        let call = ToLink {
            call: 7,
            what: LinkCall::Terminate {
                id: "00000000000000aa".parse().unwrap(),
            },
        };
        assert_eq!(
            serde_json::to_string(&call).unwrap(),
            r#"{"call":7,"type":"terminate","id":"00000000000000aa"}"#
        );
        let answer = FromLink::Answer {
            call: 7,
            result: LinkResult::Ok {
                session: None,
                text: String::new(),
            },
        };
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(
            text,
            r#"{"type":"answer","call":7,"ok":{"session":null,"text":""}}"#
        );
        assert_eq!(serde_json::from_str::<FromLink>(&text).unwrap(), answer);
    }
}
