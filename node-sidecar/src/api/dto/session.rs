//! Sessions: what is asked for and what is answered.

use std::collections::BTreeMap;

use fastx_core::wire::session::{SessionRecord, SessionState};
use fastx_core::wire::ticket::Mode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::DecisionDocument;

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
    /// Why it ended.
    pub end_reason: String,
    /// Grows with each change.
    pub version: u64,
}

impl SessionDocument {
    /// A session as its users see it.
    pub fn new(record: SessionRecord, server_name: String) -> Self {
        Self {
            id: record.id.to_string(),
            server_id: record.server_id.to_string(),
            server_name,
            login: record.login.to_string(),
            state: record.state.into(),
            name: record.name,
            application: record.application,
            command: record.command,
            profile: record.profile,
            geometry: record.geometry,
            display: record.display,
            params: record.params,
            started: record.started,
            changed: record.changed,
            last_connect: record.last_connect,
            last_disconnect: record.last_disconnect,
            viewers: record.viewers,
            end_reason: record.end_reason,
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

/// Filter of the list of sessions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListSessions {
    /// Those of everybody; for managers.
    #[serde(default)]
    pub all: bool,
}

/// What a viewer may do.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
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
    /// Largest width, pixels; 320 when absent.
    pub width: Option<u32>,
}
