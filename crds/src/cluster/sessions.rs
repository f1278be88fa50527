//! What users can start, within which limits, who may do more, and how scripts are limited.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can be started, and its limits.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.applications) || self.applications.all(a, !has(a.profile) || a.profile == 'default' || (has(self.profiles) && self.profiles.exists(p, p.name == a.profile)))")
        .message("each application's `profile` must be `default` or the name of one of `profiles`")
)]
pub struct Sessions {
    /// Applications that users see. When unset: a desktop, a terminal and a browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub applications: Option<Vec<Application>>,
    /// Limits of sessions by name; `default` is used by applications that name none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub profiles: Vec<Profile>,
}

/// Something that can be started by name.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// Stable name, used by programs and bookmarks.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Name for people; `name` when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub title: Option<String>,
    /// Command line, run by a shell as the user.
    #[schemars(length(min = 1, max = 4096))]
    pub command: String,
    /// Icon: `desktop`, `terminal`, `browser`, `editor` or `tool` (default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = r"^[a-z0-9-]*$"))]
    pub icon: Option<String>,
    /// `Desktop` (default) ends with its command, `Rootless` with its last window.
    #[serde(default)]
    pub window_mode: WindowMode,
    /// Limits of its sessions, the name of a profile; `default` when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub profile: Option<String>,
    /// Logins that may see and start it; everybody when neither `users` nor `groups` names anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub users: Vec<String>,
    /// Groups whose members may see and start it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub groups: Vec<String>,
}

/// What a session shows.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WindowMode {
    /// A whole desktop; it ends with its command.
    #[default]
    Desktop,
    /// Single windows; it ends with the last one.
    Rootless,
}

/// Limits and rules of a session.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Name; `default` is used by applications that name none.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Largest size of the screen, such as `3840x2160`; not limited when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 11),
        regex(pattern = r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$")
    )]
    pub max_geometry: Option<String>,
    /// Which way the clipboard works: `Off`, `In` (into the session), `Out` or `Both` (default).
    #[serde(default)]
    pub clipboard: Clipboard,
    /// Viewers without input for so long are disconnected, such as `30m`; never when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 16),
        regex(pattern = r"^([0-9]{1,6}[smhd]){1,4}$")
    )]
    pub disconnect_idle: Option<String>,
    /// Sessions without a viewer for so long are ended, such as `7d`; never when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 16),
        regex(pattern = r"^([0-9]{1,6}[smhd]){1,4}$")
    )]
    pub end_disconnected: Option<String>,
    /// Scripts that run as a session's user when something happens to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_scripts: Option<EventScripts>,
    /// Logins that may start sessions with it; everybody when neither `users` nor `groups` names anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub users: Vec<String>,
    /// Groups whose members may start sessions with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub groups: Vec<String>,
}

/// Scripts that run as a session's user when something happens to it: by `/bin/sh -c`, or as a file of their own when
/// they begin with `#!`. Nothing waits for them, and each has a minute.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EventScripts {
    /// Runs once the session's display is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub start: Option<String>,
    /// Runs when a viewer has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub connect: Option<String>,
    /// Runs when a viewer has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub disconnect: Option<String>,
    /// Runs when the session's name or parameters were changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub params: Option<String>,
    /// Runs when the session is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub terminate: Option<String>,
}

/// Which way the clipboard works.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Clipboard {
    /// Not at all.
    Off,
    /// Into the session.
    In,
    /// Out of the session.
    Out,
    /// Both ways; the default.
    #[default]
    Both,
}

/// Who may do more than use own sessions.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Roles {
    /// May change configuration, and all that managers may.
    #[serde(default)]
    pub admins: Members,
    /// See servers and the sessions of all, and may end them.
    #[serde(default)]
    pub managers: Members,
}

/// Logins and groups.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Members {
    /// Login names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub users: Vec<String>,
    /// Group names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub groups: Vec<String>,
}

/// How a server is chosen.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Balancing {
    /// Limits of balancer scripts that set none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ScriptLimits>,
}

/// What a balancer script may use up.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ScriptLimits {
    /// Milliseconds for one call, 10 to 5000; 200 when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 5000))]
    pub time_ms: Option<i64>,
    /// Memory, 4Mi to 256Mi; 64Mi when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^[0-9]+(Ki|Mi)$"))]
    #[x_kube(
        validation = Rule::new("quantity(self).compareTo(quantity('4Mi')) >= 0 && quantity(self).compareTo(quantity('256Mi')) <= 0")
            .message("`memory` must be 4Mi to 256Mi")
    )]
    pub memory: Option<String>,
}
