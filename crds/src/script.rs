//! `BalancerScript`: one link of the chain that chooses a server.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cluster::ScriptLimits;
use crate::conditions::Condition;
use crate::value::{ClusterRef, FreeObject, FreeValue};

/// One script of the chain that chooses a server for a session or a login.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "fastx.dev",
    version = "v1alpha1",
    kind = "BalancerScript",
    plural = "balancerscripts",
    namespaced,
    status = "BalancerScriptStatus",
    derive = "PartialEq",
    category = "fastx",
    doc = "One script of the chain that chooses a server for a session or a login.",
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name", description = "The FastXCluster that it belongs to"),
    printcolumn(name = "Order", type_ = "integer", json_path = ".spec.order", description = "Place in the chain; smaller runs first"),
    printcolumn(name = "Active", type_ = "string", json_path = ".status.conditions[?(@.type=='Active')].status", description = "Whether it is part of the chain"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Active')].reason", description = "Why it is active or not"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".spec.clusterRef.name",
    validation = Rule::new("self.metadata.name.size() <= 63").message("`metadata.name` must have at most 63 characters")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.source) != has(self.builtin)")
        .message("exactly one of `source` (JavaScript) and `builtin` must be set")
)]
pub struct BalancerScriptSpec {
    /// The cluster that the script belongs to. It cannot change.
    #[x_kube(validation = Rule::new("self == oldSelf").message("`clusterRef` cannot change: delete the BalancerScript and make a new one"))]
    pub cluster_ref: ClusterRef,
    /// When it runs: `session/start` (default), `user/login`.
    #[serde(default = "session_start")]
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub actions: Vec<Action>,
    /// Place in the chain; smaller runs first, equal ones by name.
    #[serde(default)]
    #[schemars(range(min = -1_000_000, max = 1_000_000))]
    pub order: i32,
    /// JavaScript of one function; see the manual for its input and its answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub source: Option<String>,
    /// One of the scripts that the product brings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builtin: Option<Builtin>,
    /// Limits of this script; the cluster's when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ScriptLimits>,
    /// Inputs with the answers that the script must give before it becomes active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub tests: Vec<ScriptTest>,
    /// While true, the script is not part of the chain.
    #[serde(default)]
    pub suspend: bool,
}

fn session_start() -> Vec<Action> {
    vec![Action::SessionStart]
}

/// When a script runs.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A session starts.
    #[serde(rename = "session/start")]
    SessionStart,
    /// A user signs in.
    #[serde(rename = "user/login")]
    UserLogin,
}

impl Action {
    /// The name in a script's input.
    pub fn name(self) -> &'static str {
        match self {
            Self::SessionStart => "session/start",
            Self::UserLogin => "user/login",
        }
    }
}

/// A script that the product brings.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Builtin {
    /// The server with the fewest sessions.
    FewestSessions,
    /// The server with the most free memory.
    MostAvailableMemory,
    /// One server after the other.
    RoundRobin,
    /// The server that the user is signed in at.
    WhereIAmConnected,
}

impl Builtin {
    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::FewestSessions => "fewestSessions",
            Self::MostAvailableMemory => "mostAvailableMemory",
            Self::RoundRobin => "roundRobin",
            Self::WhereIAmConnected => "whereIAmConnected",
        }
    }
}

/// One test of a script.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ScriptTest {
    /// Name, shown when it fails.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The script's input, as in the manual; what is left out gets a plausible value.
    #[serde(default)]
    pub input: FreeObject,
    /// The answer that the script must give: a serverId, a list of serverIds, null for "next script",
    /// or `{error: TEXT}` when it must throw with that text in its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<FreeValue>,
}

/// What is known of a script.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BalancerScriptStatus {
    /// The generation of the spec that the rest speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What was observed.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The last script that compiled and passed its tests; it stays in the chain while the present one does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<LastGood>,
}

/// A script that compiled and passed its tests.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LastGood {
    /// The generation that it was.
    #[serde(default)]
    pub generation: i64,
    /// Its JavaScript; empty with `builtin`.
    #[serde(default)]
    #[schemars(length(max = 65536))]
    pub source: String,
    /// Its built-in script; empty with `source`.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub builtin: String,
}
