//! Documents of the HTTP API: a promise to every client, described in the OpenAPI document.

use std::collections::BTreeMap;

use fastx_core::wire::decision::{Decision, ScriptStep, ServerVerdict};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::server::ServerRecord;
use fastx_core::wire::session::{SessionRecord, SessionState};
use fastx_core::wire::ticket::Mode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

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
        }
    }
}

/// What became of one server in a decision.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The server.
    pub server_id: String,
    /// Whether it was chosen.
    pub chosen: bool,
    /// Who left it out: `cluster`, or a script's name; empty when nobody did.
    pub by: String,
    /// Why, for people.
    pub reason: String,
}

impl From<ServerVerdict> for Verdict {
    fn from(v: ServerVerdict) -> Self {
        Self {
            server_id: v.server_id.to_string(),
            chosen: v.chosen,
            by: v.by,
            reason: v.reason,
        }
    }
}

/// What one script of the chain did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Step {
    /// Name of the script.
    pub script: String,
    /// `chose`, `filtered`, `passed`, `threw`, `failed`.
    pub outcome: String,
    /// Server that was chosen, servers that were kept, or the message that was thrown.
    pub detail: String,
    /// How long it ran, microseconds.
    pub micros: u64,
}

impl From<ScriptStep> for Step {
    fn from(s: ScriptStep) -> Self {
        Self {
            script: s.script,
            outcome: s.outcome,
            detail: s.detail,
            micros: s.micros,
        }
    }
}

/// How a server was chosen.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Decision)]
pub struct DecisionDocument {
    /// `session/start`.
    pub action: String,
    /// Who asked.
    pub login: String,
    /// Node that ran the chain.
    pub local: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The chosen server.
    pub chosen: Option<String>,
    /// Every server of the cluster.
    pub servers: Vec<Verdict>,
    /// The chain, in order, as far as it ran.
    pub steps: Vec<Step>,
    /// Revision of the configuration that the scripts came from.
    pub config_revision: String,
}

impl From<Decision> for DecisionDocument {
    fn from(d: Decision) -> Self {
        Self {
            action: d.action,
            login: d.login.to_string(),
            local: d.local.to_string(),
            at: d.at,
            chosen: d.chosen.map(|id| id.to_string()),
            servers: d.servers.into_iter().map(Verdict::from).collect(),
            steps: d.steps.into_iter().map(Step::from).collect(),
            config_revision: d.config_revision,
        }
    }
}

/// What everybody may know before signing in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Name of the cluster for people.
    pub cluster: String,
    /// Message of the day.
    pub message: String,
    /// Sign-in methods, in order.
    pub methods: Vec<String>,
    /// This server.
    pub server_id: String,
    /// Version of the software.
    pub version: String,
    /// Version of the API.
    pub api_version: u32,
}

/// A sign-in.
#[derive(Debug, Deserialize, ToSchema)]
pub struct LoginRequest {
    /// Method; `local`.
    pub method: String,
    /// Login name.
    pub login: String,
    /// Password.
    #[schema(value_type = String, format = Password)]
    pub password: fastx_core::secret::Secret,
    /// Whether a program asks: the answer then brings the token, and no cookie is set.
    #[serde(default)]
    pub token: bool,
}

/// The user of a login.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// Login name.
    pub login: String,
    /// `user`, `manager` or `admin`.
    pub role: String,
    /// Groups that the sign-in method vouches for.
    pub groups: Vec<String>,
    /// The server that answers.
    pub server_id: String,
    /// When the login ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires: Timestamp,
    /// Value of the header `X-Fastx-Csrf` for whatever changes something.
    pub csrf: String,
    /// Name of the cluster for people.
    pub cluster: String,
}

/// Answer to a sign-in.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoginAnswer {
    /// Who signed in.
    pub user: Me,
    /// Value of the header `X-Fastx-Csrf`.
    pub csrf: String,
    /// The token, when a program asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

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
