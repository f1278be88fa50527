//! Sessions: what is asked for, what is known of them, and what happened to them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::ticket::Mode;
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
    /// Who they are, as far as the node that has the session tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub viewer_list: Vec<ViewerRecord>,
    /// Whom its owner lets in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
    /// Since when no person has done anything in it; none while somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<Timestamp>,
    /// When the rules of its profile end it, unless somebody comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Planned>,
    /// What is about to happen to it or to its viewers, unless somebody answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<Planned>,
    /// Why it ended, in words, with the end of the program's output when it failed.
    #[serde(default)]
    pub end_reason: String,
    /// Grows with each change that the node reports; older reports are dropped.
    pub version: u64,
}

/// How a viewer reaches a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Way {
    /// At the address of the session's node.
    #[default]
    Direct,
    /// Through another node.
    Relay,
}

/// Somebody who looks at a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewerRecord {
    /// Who.
    pub login: LoginName,
    /// What they may do.
    pub mode: Mode,
    /// Since when.
    pub since: Timestamp,
    /// How they come.
    #[serde(default)]
    pub way: Way,
    /// Where from, as the node says that let them in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
}

/// What will happen, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// When.
    pub at: Timestamp,
    /// What and why, for people.
    pub text: String,
}

/// The owner's leave for others to see a session, or to work in it, for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Names it within its session.
    pub id: String,
    /// Whom it is for; none: whoever has its link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginName>,
    /// SHA-256 in hexadecimal of the link's secret; empty when it has no link.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub link: String,
    /// Who has accepted its link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guests: Vec<LoginName>,
    /// What guests may do.
    pub mode: Mode,
    /// When it ends.
    pub expires: Timestamp,
    /// Whether it is over: its time has come, or the owner took it back.
    /// It stays for a while, so that those whom it let in learn of its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
}

impl Share {
    /// Whether it is for this login, in force or over.
    pub fn names(&self, login: &LoginName) -> bool {
        self.login.as_ref() == Some(login) || self.guests.contains(login)
    }

    /// Whether it is in force.
    pub fn holds(&self, now: Timestamp) -> bool {
        !self.over && self.expires > now
    }
}

impl SessionRecord {
    /// The most that its shares let this login do; none when they let it do nothing.
    pub fn shared_with(&self, login: &LoginName, now: Timestamp) -> Option<&Share> {
        let mine = |share: &&Share| share.holds(now) && share.names(login);
        let shares = || self.shares.iter().filter(mine);
        // Of two that let the same be done, the one that lasts longer.
        let latest = |mode| {
            shares()
                .filter(|share| share.mode == mode)
                .max_by_key(|share| share.expires)
        };
        latest(Mode::Control).or_else(|| latest(Mode::View))
    }

    /// Whether this login was let in by a share that is over.
    pub fn was_shared_with(&self, login: &LoginName) -> bool {
        self.shares.iter().any(|share| share.names(login))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// What the first version wrote.
    fn first() -> serde_json::Value {
        json!({
            "id": "0".repeat(16), "serverId": "a", "login": "ada", "state": "running", "name": "n",
            "command": "xterm", "started": "1970-01-01T00:00:00Z",
            "changed": "1970-01-01T00:00:00Z", "version": 1
        })
    }

    #[test]
    fn a_record_of_the_first_version_is_read_and_what_is_new_is_left_out_while_empty() {
        let record: SessionRecord = serde_json::from_value(first()).unwrap();
        let written = serde_json::to_value(&record).unwrap();
        for new in ["viewerList", "shares", "idleSince", "ends", "warning"] {
            assert!(written.get(new).is_none(), "{new}");
        }
    }

    #[test]
    fn the_best_share_in_force_counts() {
        let mut record: SessionRecord = serde_json::from_value(first()).unwrap();
        let (bob, eve): (LoginName, LoginName) = ("bob".parse().unwrap(), "eve".parse().unwrap());
        let share = |id: &str, login: Option<&LoginName>, mode, expires| Share {
            id: id.to_owned(),
            login: login.cloned(),
            link: String::new(),
            guests: Vec::new(),
            mode,
            expires: at(expires),
            over: false,
        };
        record.shares = vec![
            share("1", Some(&bob), Mode::View, 300),
            share("2", Some(&bob), Mode::Control, 100),
            share("3", None, Mode::View, 400),
        ];
        let id = |record: &SessionRecord, login, now| {
            record.shared_with(login, at(now)).map(|s| s.id.clone())
        };
        assert_eq!(id(&record, &bob, 0).as_deref(), Some("2"));
        assert_eq!(
            id(&record, &bob, 100).as_deref(),
            Some("1"),
            "ends on the second"
        );
        assert_eq!(
            id(&record, &eve, 0),
            None,
            "the link has to be accepted first"
        );
        record.shares[2].guests.push(eve.clone());
        assert_eq!(id(&record, &eve, 399).as_deref(), Some("3"));
        record.shares[2].over = true;
        assert_eq!(id(&record, &eve, 0), None);
        assert!(record.was_shared_with(&eve));
    }
}
