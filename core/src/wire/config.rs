//! The configuration that travels from custom resources, or from the System section, to every node.
//!
//! A *root* names *parts* by the SHA-256 of their canonical JSON.
//! There is one part for the cluster and one for each node, so an edit reaches only whom it concerns.
//! No part holds a secret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::names::{ServerId, hex};

/// Largest part, bytes of JSON.
pub const MAX_PART_BYTES: usize = 256 * 1024;

/// The root document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RootDocument {
    /// Document version.
    pub schema: u32,
    /// Grows with each change; an older one never replaces a newer one.
    pub generation: u64,
    /// Hash of the cluster part.
    pub cluster: String,
    /// Hash of each node's part.
    pub nodes: BTreeMap<ServerId, String>,
    /// Documents that this version has no use for, by name and hash: kept so that none is lost on the way
    /// from one installation to another.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub carried: BTreeMap<String, String>,
}

impl RootDocument {
    /// All hashes that it names.
    pub fn hashes(&self) -> impl Iterator<Item = &String> {
        self.nodes
            .values()
            .chain(self.carried.values())
            .chain([&self.cluster])
    }

    /// Short name of this content for people and status fields.
    pub fn revision(&self) -> String {
        shortened(&hash(self))
    }

    /// The revision as one node sees it: it changes only when the cluster part or its own part does.
    pub fn node_revision(&self, node: &ServerId) -> String {
        shortened(&hash(&(&self.cluster, self.nodes.get(node))))
    }
}

/// The first 12 digits of a hash, which stand for it before people and in status fields.
pub fn shortened(hash: &str) -> String {
    hash.chars().take(12).collect()
}

/// SHA-256 in lower-case hexadecimal of the canonical JSON (sorted keys) of a document.
pub fn hash<T: Serialize>(document: &T) -> String {
    // Through `Value`, whose maps are sorted: equal content gives equal bytes.
    let bytes = serde_json::to_value(document)
        .and_then(|value| serde_json::to_vec(&value))
        .unwrap_or_default();
    hex(&Sha256::digest(&bytes))
}

/// What all nodes share.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterPart {
    /// Document version.
    pub schema: u32,
    /// Name of the cluster for people.
    pub display_name: String,
    /// Message of the day on the sign-in screen.
    pub message: String,
    /// Sign-in methods, in order: `local`, `ssh`, `oidc`.
    pub methods: Vec<String>,
    /// The provider of the method `oidc`; the client's secret is no part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcPart>,
    /// Who is what.
    pub roles: RoleRules,
    /// Scripts that choose a server, in order of their `order`, then name.
    pub scripts: Vec<Script>,
    /// Default limits of scripts.
    pub script_limits: ScriptLimits,
    /// Applications that can be started.
    pub applications: Vec<Application>,
    /// Session profiles.
    pub profiles: Vec<Profile>,
    /// How long a node without managers accepts logins that it had seen valid, seconds.
    pub offline_grace_seconds: u64,
    /// Addresses of proxies whose forwarding headers count.
    pub trusted_proxies: Vec<String>,
    /// Origins besides a node's own that may call the API.
    pub web_origins: Vec<String>,
    /// `error`, `warn`, `info`, `debug`.
    pub log_level: String,
    /// Kubernetes name of the cluster, `namespace/name`; empty outside Kubernetes.
    pub managed_by: String,
}

impl ClusterPart {
    /// What an installation outside Kubernetes starts with; administrators change it in the System section.
    pub fn first(display_name: &str, methods: &[&str]) -> Self {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            schema: 1,
            display_name: display_name.to_owned(),
            methods: names(methods),
            roles: RoleRules {
                // Who may become root anyway.
                admin_users: names(&["root"]),
                admin_groups: names(&["sudo", "wheel", "fastx-admins"]),
                ..RoleRules::default()
            },
            applications: vec![Application {
                name: "terminal".to_owned(),
                title: "Terminal".to_owned(),
                command: "xterm".to_owned(),
                icon: "terminal".to_owned(),
                window_mode: "rootless".to_owned(),
                ..Application::default()
            }],
            profiles: vec![Profile {
                name: "default".to_owned(),
                clipboard: "both".to_owned(),
                ..Profile::default()
            }],
            ..Self::default()
        }
    }
}

/// An OpenID Connect provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OidcPart {
    /// What the sign-in page calls it.
    pub title: String,
    /// Its address, as it calls itself.
    pub issuer: String,
    /// Name of this cluster at the provider.
    pub client_id: String,
    /// What is asked for besides `openid`; `profile` and `email` when empty.
    pub scopes: Vec<String>,
    /// Claim with the login name; `preferred_username` when empty.
    pub login_claim: String,
    /// Claim with the groups; `groups` when empty.
    pub groups_claim: String,
}

impl OidcPart {
    /// What is asked for, as one text.
    pub fn scope(&self) -> String {
        if self.scopes.is_empty() {
            return "openid profile email".to_owned();
        }
        let others = self.scopes.iter().filter(|scope| *scope != "openid");
        others.fold("openid".to_owned(), |text, scope| format!("{text} {scope}"))
    }

    /// Claim with the login name.
    pub fn login_claim(&self) -> &str {
        if self.login_claim.is_empty() {
            "preferred_username"
        } else {
            &self.login_claim
        }
    }

    /// Claim with the groups.
    pub fn groups_claim(&self) -> &str {
        if self.groups_claim.is_empty() {
            "groups"
        } else {
            &self.groups_claim
        }
    }
}

/// Who is manager and who is admin, by login and by group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleRules {
    /// Admins by login.
    pub admin_users: Vec<String>,
    /// Admins by group.
    pub admin_groups: Vec<String>,
    /// Managers by login.
    pub manager_users: Vec<String>,
    /// Managers by group.
    pub manager_groups: Vec<String>,
}

/// One script of the chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Script {
    /// Name.
    pub name: String,
    /// `session/start`, `user/login`.
    pub actions: Vec<String>,
    /// Place in the chain; smaller runs first.
    pub order: i32,
    /// JavaScript of one function; empty with `builtin`.
    pub source: String,
    /// `fewestSessions`, `mostAvailableMemory`, `roundRobin`, `whereIAmConnected`; empty with `source`.
    pub builtin: String,
    /// Limits of this script; unset ones come from the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<ScriptLimits>,
}

/// What a script may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScriptLimits {
    /// Milliseconds for one call.
    pub time_ms: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

impl Default for ScriptLimits {
    fn default() -> Self {
        Self {
            time_ms: 200,
            memory_bytes: 64 * 1024 * 1024,
        }
    }
}

/// An application that can be started by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Application {
    /// Stable id.
    pub name: String,
    /// For people.
    pub title: String,
    /// Command line, run by a shell as the user.
    pub command: String,
    /// Name of an icon of the web client: `desktop`, `terminal`, `browser`, `editor`, `tool`.
    pub icon: String,
    /// `desktop` ends with its command, `rootless` with its last window.
    pub window_mode: String,
    /// Profile of its sessions; empty for the default.
    pub profile: String,
    /// Who may start it.
    #[serde(flatten)]
    pub users: Users,
}

/// Limits and rules of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    /// Stable id; `default` is used when none is named.
    pub name: String,
    /// Largest geometry, `WIDTHxHEIGHT`; empty for none.
    pub max_geometry: String,
    /// `off`, `in`, `out`, `both`.
    pub clipboard: String,
    /// Seconds without input until viewers are disconnected; 0 for never.
    pub disconnect_idle_seconds: u64,
    /// Seconds without a viewer until the session ends; 0 for never.
    pub end_disconnected_seconds: u64,
    /// What runs at events of its sessions.
    #[serde(skip_serializing_if = "EventScripts::is_empty")]
    pub event_scripts: EventScripts,
    /// Who may use it.
    #[serde(flatten)]
    pub users: Users,
}

/// Longest script of an event, bytes.
pub const MAX_EVENT_SCRIPT: usize = 16 * 1024;

/// Scripts that run as a session's user when something happens to it: by `/bin/sh -c`, or as a file of their own
/// when they begin with `#!`. Nothing waits for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventScripts {
    /// Its display is there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub start: String,
    /// A viewer has come.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub connect: String,
    /// A viewer has left.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub disconnect: String,
    /// Its name or parameters were changed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub params: String,
    /// It is over.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub terminate: String,
}

impl EventScripts {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all().iter().all(|(_, script)| script.is_empty())
    }

    /// Name and script of each event.
    pub fn all(&self) -> [(&'static str, &str); 5] {
        [
            ("start", &self.start),
            ("connect", &self.connect),
            ("disconnect", &self.disconnect),
            ("params", &self.params),
            ("terminate", &self.terminate),
        ]
    }

    /// What keeps one of them from ever running, with its event and line.
    pub fn fault(&self) -> Option<String> {
        self.all().into_iter().find_map(|(event, script)| {
            let (line, why) = fault(script)?;
            Some(format!("the script of `{event}`, line {line}: {why}"))
        })
    }
}

/// Line and reason of what is wrong with a script. What a shell makes of it only the shell knows.
fn fault(script: &str) -> Option<(usize, String)> {
    let line_of = |at: usize| {
        let before = script.as_bytes().iter().take(at);
        1 + before.filter(|byte| **byte == b'\n').count()
    };
    if script.len() > MAX_EVENT_SCRIPT {
        let why = format!(
            "here it is longer than {MAX_EVENT_SCRIPT} bytes; put the rest into a file and call that"
        );
        return Some((line_of(MAX_EVENT_SCRIPT), why));
    }
    if let Some(at) = script.find('\0') {
        return Some((line_of(at), "it has a null character".to_owned()));
    }
    let first = script.strip_prefix("#!")?.split('\n').next()?;
    if first.ends_with('\r') {
        let why = "it ends with a carriage return, which becomes part of the program's name";
        return Some((1, why.to_owned()));
    }
    let program = first.split_whitespace().next().unwrap_or_default();
    if !program.starts_with('/') {
        let why = "after `#!` there must be the absolute path of a program, such as `/bin/sh`";
        return Some((1, why.to_owned()));
    }
    None
}

/// Who may use something: everybody, unless somebody is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Users {
    /// By login.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// By group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

impl Users {
    /// Whether a login with these groups is among them.
    pub fn admit(&self, login: &str, groups: &[String]) -> bool {
        let everybody = self.users.is_empty() && self.groups.is_empty();
        everybody
            || self.users.iter().any(|u| u == login)
            || self.groups.iter().any(|g| groups.contains(g))
    }
}

/// What one node needs besides the cluster part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodePart {
    /// Document version.
    pub schema: u32,
    /// Host name for people.
    pub hostname: String,
    /// Addresses for browsers.
    pub urls: Vec<String>,
    /// Addresses for members.
    pub peer_urls: Vec<String>,
    /// Whether sessions may start here.
    pub start_sessions: bool,
    /// Whether logins issued here count.
    pub logins: bool,
    /// Whether browsers may try the node's own addresses.
    pub direct_connections: bool,
    /// The administrator's constant data.
    pub static_data: Map<String, Value>,
    /// Users of the node, when configuration and not the host's name service says so (pods).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<NodeUsers>,
    /// Debug switches.
    pub debug: Vec<String>,
    /// `error`, `warn`, `info`, `debug`; empty: as the cluster says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub log_level: String,
    /// Names of executables whose output becomes part of the server object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<String>,
    /// Name of the executable that starts sessions in place of the node; empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub job_scheduling: String,
    /// Kubernetes name of the node, `namespace/name`; empty outside Kubernetes.
    pub managed_by: String,
}

impl NodePart {
    /// What a server outside Kubernetes starts with: it takes part in everything, under its host's name.
    pub fn first(hostname: &str, port: u16) -> Self {
        let address = format!("https://{hostname}:{port}");
        Self {
            schema: 1,
            hostname: hostname.to_owned(),
            urls: vec![address.clone()],
            peer_urls: vec![address],
            start_sessions: true,
            logins: true,
            direct_connections: true,
            ..Self::default()
        }
    }
}

/// Who uses a node whose sessions all run as one Linux user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeUsers {
    /// Login names that the node belongs to. Empty: nobody may start there.
    pub logins: Vec<String>,
    /// The Linux user of the desktop container.
    pub linux_user: String,
    /// Its uid.
    pub uid: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_content_hashes_equal() {
        let a: Value = serde_json::from_str(r#"{"b":1,"a":2}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"a":2,"b":1}"#).unwrap();
        assert_eq!(hash(&a), hash(&b));
        assert_eq!(hash(&a).len(), 64);
    }

    #[test]
    fn whoever_is_named_is_admitted_and_nobody_named_is_everybody() {
        let profile: Profile =
            serde_json::from_str(r#"{"name": "x", "users": ["ada"], "groups": ["ops"]}"#).unwrap();
        let admit = |login: &str, groups: &[&str]| {
            let groups: Vec<String> = groups.iter().map(|&g| g.to_owned()).collect();
            profile.users.admit(login, &groups)
        };
        assert!(admit("ada", &[]) && admit("bob", &["staff", "ops"]));
        assert!(!admit("bob", &["staff"]) && !admit("", &[]));
        let open = Profile::default();
        assert!(open.users.admit("anybody", &[]));
        let written = serde_json::to_value(&open).unwrap();
        assert!(
            written.get("users").is_none(),
            "an older node reads the same as before"
        );
    }

    #[test]
    fn a_node_revision_ignores_other_nodes() {
        let (a, b): (ServerId, ServerId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let mut root = RootDocument {
            cluster: "c".into(),
            nodes: [(a.clone(), "1".into()), (b.clone(), "2".into())].into(),
            ..RootDocument::default()
        };
        let before = (
            root.node_revision(&a),
            root.node_revision(&b),
            root.revision(),
        );
        root.nodes.insert(b.clone(), "3".into());
        assert_eq!(root.node_revision(&a), before.0);
        assert_ne!(root.node_revision(&b), before.1);
        assert_ne!(root.revision(), before.2);
    }
}
