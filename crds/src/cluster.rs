//! `FastXCluster`: everything that the compute nodes of one cluster share.

mod authentication;
mod discovery;
mod hosts;
mod sessions;
mod store;
mod transporter;
mod web;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Condition;
use crate::value::{LocalRef, LogLevel, Resources};

pub use authentication::{
    Authentication, LocalAuthentication, Method, OidcAuthentication, SshAuthentication,
};
pub use discovery::{Discovery, DiscoveryMode};
pub use hosts::{HostTemplate, Hosts};
pub use sessions::{
    Application, Balancing, Clipboard, EventScripts, Members, Profile, Roles, ScriptLimits,
    Sessions, WindowMode,
};
pub use store::{ExternalStore, Store, StoreEngine};
pub use transporter::{ExternalTransporter, Protocol, Transporter, TransporterType};
pub use web::{IssuerRef, Tls, TlsMode, Web};

/// A cluster of desktops: a store, a transporter, cluster managers, and one web address.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[kube(
    group = "fastx.dev",
    version = "v1alpha1",
    kind = "FastXCluster",
    plural = "fastxclusters",
    namespaced,
    status = "FastXClusterStatus",
    derive = "PartialEq",
    category = "fastx",
    doc = "A cluster of desktops: a store, a transporter, cluster managers, and one web address.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status", description = "Whether all that was asked for works"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason", description = "Why it is ready or not"),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.nodes", description = "Compute nodes of the cluster"),
    printcolumn(name = "Online", type_ = "integer", json_path = ".status.nodesOnline", description = "Compute nodes that the managers hear from"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.address", description = "Where users sign in"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.revision", description = "Configuration that the managers have", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("`metadata.name` must have at most 40 characters of a-z, 0-9 and `-`, begin with a letter and end with a letter or digit")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.tls) || !has(self.tls.mode) || self.tls.mode != 'CertManager' || (has(self.web) && has(self.web.hostNames) && self.web.hostNames.size() > 0)")
        .message("`web.hostNames` is required with `tls.mode: CertManager`: the certificate is made for them"),
    validation = Rule::new("!has(self.discovery) || !has(self.transporter) || !has(self.transporter.type) || self.transporter.type == 'NATS'")
        .message("`discovery` is allowed only with `transporter.type: NATS`: no other transporter tells members apart")
)]
pub struct FastXClusterSpec {
    /// Name of the cluster for people; the object's name when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub display_name: Option<String>,
    /// Message of the day on the sign-in screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// Version of the product to run, the tag of the operator's default images; the operator's own when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[A-Za-z0-9_][-A-Za-z0-9_.]*$")
    )]
    pub version: Option<String>,
    /// The database behind the managers.
    #[serde(default)]
    pub store: Store,
    /// The message bus between nodes and managers.
    #[serde(default)]
    pub transporter: Transporter,
    /// The cluster managers.
    #[serde(default)]
    pub manager: Manager,
    /// Where certificates come from.
    #[serde(default)]
    pub tls: Tls,
    /// The web address that users open.
    #[serde(default)]
    pub web: Web,
    /// Container images; unset ones are the operator's defaults.
    #[serde(default)]
    pub images: Images,
    /// How users prove who they are.
    #[serde(default)]
    pub authentication: Authentication,
    /// Who may do more than use own sessions.
    #[serde(default)]
    pub roles: Roles,
    /// What can be started, and its limits.
    #[serde(default)]
    pub sessions: Sessions,
    /// Kubernetes nodes that become compute nodes by themselves; none when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Hosts>,
    /// Hosts that come in with a join file; without this there is none, and nobody can ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
    /// How a server is chosen.
    #[serde(default)]
    pub balancing: Balancing,
    /// How long a node that is cut off from the managers accepts logins that it has seen valid, such as `10m`; 10 minutes when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 16),
        regex(pattern = r"^([0-9]{1,6}[smhd]){1,4}$")
    )]
    pub offline_grace: Option<String>,
    /// What may happen to Pods with running sessions when a change needs new ones.
    #[serde(default)]
    pub disruption: Disruption,
    /// While true, the operator changes nothing of this cluster and its nodes; it goes on reporting.
    #[serde(default)]
    pub paused: bool,
    /// How much managers and nodes print.
    #[serde(default)]
    pub log_level: LogLevel,
}

/// What may happen to Pods with running sessions.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Disruption {
    /// A Pod is replaced as soon as no session runs in it; the default.
    #[default]
    Auto,
    /// A Pod is replaced only after `fastx.dev/approve` was set on its ComputeNode, then even with sessions.
    Approve,
    /// A Pod is never replaced; delete the Pod yourself.
    Never,
}

/// The cluster managers.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Manager {
    /// Number of managers, all of them active; 1 to 9, 2 when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9))]
    pub replicas: Option<i32>,
    /// CPU and memory of each manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// Container images.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Images {
    /// Image of operator, managers and node sidecars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^\s]+$"))]
    pub fastx: Option<String>,
    /// Image of desktops, for ComputeNodes that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^\s]+$"))]
    pub desktop: Option<String>,
    /// Image of the FerretDB store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^\s]+$"))]
    pub store: Option<String>,
    /// Image of the NATS server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^\s]+$"))]
    pub nats: Option<String>,
    /// Image of the Redis server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^\s]+$"))]
    pub redis: Option<String>,
    /// When images are pulled: `Always`, `IfNotPresent` (default) or `Never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
    /// Secrets with credentials for the registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub pull_secrets: Vec<LocalRef>,
}

/// When an image is pulled.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PullPolicy {
    /// At each start.
    Always,
    /// When the Kubernetes node does not have it; the default.
    #[default]
    IfNotPresent,
    /// Never; the image must be on the Kubernetes node.
    Never,
}

impl PullPolicy {
    /// The name in a container.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// What is known of a cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FastXClusterStatus {
    /// The generation of the spec that the rest speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What was observed.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Compute nodes of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<i32>,
    /// Compute nodes that the managers hear from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes_online: Option<i32>,
    /// Revision of the configuration that the managers have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
    /// Where users sign in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub address: Option<String>,
    /// Version that the operator has rolled out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub version: Option<String>,
}
