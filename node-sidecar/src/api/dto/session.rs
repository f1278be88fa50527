//! Sessions: what is asked for and what is answered.

use std::collections::BTreeMap;

use fastx_core::wire::session::{SessionRecord, SessionState};
use fastx_core::wire::ticket::Mode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    DecisionDocument, Limits, ShareDocument, SharedWithMe, ViewerDocument, WarningDocument,
};
use crate::logins::{User, Want};

/// What can be started.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Applications {
    /// Applications by name.
    pub applications: Vec<ApplicationDocument>,
    /// Whether a free command line may be started.
    pub command_allowed: bool,
    /// Whether the user may name the server.
    pub server_choice_allowed: bool,
}

/// An application.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Application)]
pub struct ApplicationDocument {
    /// Stable id.
    pub name: String,
    /// For people.
    pub title: String,
    /// Name of an icon.
    pub icon: String,
    /// `desktop` or `rootless`.
    pub window_mode: String,
    /// Profile of its sessions.
    pub profile: String,
}

/// State of a session.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Accepted, display not there yet.
    Starting,
    /// The display answers.
    Running,
    /// Being ended.
    Ending,
    /// Over.
    Ended,
    /// Its server is silent: not known to be over.
    Unreachable,
}

impl From<SessionState> for State {
    fn from(state: SessionState) -> Self {
        match state {
            SessionState::Starting => Self::Starting,
            SessionState::Running => Self::Running,
            SessionState::Ending => Self::Ending,
            SessionState::Ended => Self::Ended,
            SessionState::Unreachable => Self::Unreachable,
        }
    }
}

/// A session.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub struct SessionDocument {
    /// Its id.
    pub id: String,
    /// Where it runs.
    pub server_id: String,
    /// Host name of that server, for people.
    pub server_name: String,
    /// Whose it is.
    pub login: String,
    /// State.
    pub state: State,
    /// Name for people.
    pub name: String,
    /// Application that it was started from; empty for a plain command.
    pub application: String,
    /// Command line.
    pub command: String,
    /// Profile.
    pub profile: String,
    /// Size, `WIDTHxHEIGHT`.
    pub geometry: String,
    /// X display, such as `:1`.
    pub display: String,
    /// Free parameters.
    pub params: BTreeMap<String, String>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub started: Timestamp,
    /// When its state last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed: Timestamp,
    /// When the last viewer came.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_connect: Option<Timestamp>,
    /// When the last viewer left.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_disconnect: Option<Timestamp>,
    /// Viewers now.
    pub viewers: u32,
    /// Who they are; only for the owner and for managers.
    pub viewers_list: Vec<ViewerDocument>,
    /// Whether it is the user's own.
    pub mine: bool,
    /// Whom the owner lets in; only for the owner.
    pub shares: Vec<ShareDocument>,
    /// What the owner lets the user do; absent for one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_with_me: Option<SharedWithMe>,
    /// Since when no person has done anything in it; absent while somebody does.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<Timestamp>,
    /// When the rules of its profile end it, unless somebody comes.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// Why they do.
    pub ends_reason: String,
    /// What is about to happen unless somebody answers or types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<WarningDocument>,
    /// Limits of its profile; only in the answer about one session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Why it ended.
    pub end_reason: String,
    /// Grows with each change.
    pub version: u64,
}

impl SessionDocument {
    /// A session as this user sees it: guests see how it looks and not what was typed to start it.
    pub fn new(record: SessionRecord, server_name: String, user: &User, now: Timestamp) -> Self {
        let mine = record.login == user.login;
        let oversees = user.may(Want::Oversee, &record).is_ok();
        let as_guest = (!mine).then(|| record.shared_with(&user.login, now));
        let shared_with_me = as_guest.flatten().map(SharedWithMe::from);
        let shares = record.shares.into_iter().filter(|s| mine && s.holds(now));
        let viewers = record.viewer_list.into_iter().filter(|_| oversees);
        let (ends_at, ends_reason) = record.ends.map(|e| (e.at, e.text)).unzip();
        Self {
            id: record.id.to_string(),
            server_id: record.server_id.to_string(),
            server_name,
            login: record.login.to_string(),
            state: record.state.into(),
            name: record.name,
            application: record.application,
            command: if oversees {
                record.command
            } else {
                String::new()
            },
            profile: record.profile,
            geometry: record.geometry,
            display: record.display,
            params: if oversees {
                record.params
            } else {
                BTreeMap::new()
            },
            started: record.started,
            changed: record.changed,
            last_connect: record.last_connect,
            last_disconnect: record.last_disconnect,
            viewers: record.viewers,
            viewers_list: viewers.map(ViewerDocument::from).collect(),
            mine,
            shares: shares.map(ShareDocument::from).collect(),
            shared_with_me,
            idle_since: record.idle_since,
            ends_at,
            ends_reason: ends_reason.unwrap_or_default(),
            warning: record.warning.map(WarningDocument::from),
            limits: None,
            end_reason: if oversees {
                record.end_reason
            } else {
                String::new()
            },
            version: record.version,
        }
    }
}

/// Several sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sessions {
    /// Newest first.
    pub sessions: Vec<SessionDocument>,
}

/// One session.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneSession {
    /// The session.
    pub session: SessionDocument,
}

/// What to start.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub struct StartSession {
    /// Name of an application; or give `command`.
    pub application: String,
    /// Command line; or give `application`.
    pub command: String,
    /// Name for people; empty for the application's.
    pub name: String,
    /// `WIDTHxHEIGHT`; empty for the default.
    pub geometry: String,
    /// Profile; empty for the application's.
    pub profile: String,
    /// Wanted server, where choosing is allowed.
    pub server_id: String,
    /// Free parameters.
    pub params: BTreeMap<String, String>,
}

/// A started session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StartedSession)]
pub struct Started {
    /// The session.
    pub session: SessionDocument,
    /// How its server was chosen.
    pub decision: DecisionDocument,
}

/// What to change; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChangeSession {
    /// New name.
    pub name: Option<String>,
    /// Parameters to set; an empty value removes.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
}

/// How a session is ended.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EndSession {
    /// Why, for the owner: shown with the ended session.
    #[serde(default)]
    #[param(max_length = 300)]
    pub reason: String,
}

/// Filter of the list of sessions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListSessions {
    /// Those of everybody; for managers.
    #[serde(default)]
    pub all: bool,
}

/// What a viewer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ViewerMode {
    /// See and type.
    Control,
    /// See only.
    View,
}

impl From<ViewerMode> for Mode {
    fn from(mode: ViewerMode) -> Self {
        match mode {
            ViewerMode::Control => Self::Control,
            ViewerMode::View => Self::View,
        }
    }
}

/// A wish to see a session.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ConnectRequest {
    /// What the viewer may do.
    pub mode: ViewerMode,
}

/// Ways to a session.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectAnswer {
    /// Id of the attempt: its tickets void each other.
    pub attempt: String,
    /// What the viewer may do: less than was asked for when the session is shared for viewing only.
    pub mode: ViewerMode,
    /// The ways, to be tried in this order.
    pub candidates: Vec<Candidate>,
}

/// One way to a session.
#[derive(Debug, Serialize, ToSchema)]
pub struct Candidate {
    /// `direct` to the session's node, or `relay` by way of this one.
    pub kind: String,
    /// Address of the WebSocket.
    pub url: String,
    /// Ticket; goes into the subprotocol `fastx.ticket.<ticket>`.
    pub ticket: String,
    /// When the ticket ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires: Timestamp,
}

/// Text of a log.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogText {
    /// The last lines that the session's programs printed.
    pub text: String,
}

/// Size of a small picture.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ScreenshotQuery {
    /// Largest width, pixels; 320 when absent, and never more than 640.
    #[param(maximum = 65535)]
    pub width: Option<u16>,
}
