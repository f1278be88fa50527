//! `ComputeNode`: a place where sessions run, with a node sidecar.

mod host;
mod pod;
mod volume;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Condition;
use crate::value::{ClusterRef, FreeObject, LocalRef, LogLevel};

pub use host::HostNode;
pub use pod::{DesktopUser, EnvVar, PodNode, Toleration};
pub use volume::{AccessMode, ExtraVolume, Home, Reclaim};

/// A place where sessions run. Its name is the node's `serverId`.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "fastx.dev",
    version = "v1alpha1",
    kind = "ComputeNode",
    plural = "computenodes",
    namespaced,
    status = "ComputeNodeStatus",
    derive = "PartialEq",
    category = "fastx",
    doc = "A place where sessions run. Its name is the node's serverId.",
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name", description = "The FastXCluster that it belongs to"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status", description = "Whether sessions can run here"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason", description = "Why it is ready or not"),
    printcolumn(name = "Online", type_ = "string", json_path = ".status.conditions[?(@.type=='Online')].status", description = "Whether the managers hear from it"),
    printcolumn(name = "Sessions", type_ = "integer", json_path = ".status.sessions", description = "Running sessions"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.revision", description = "Configuration that it runs", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".spec.clusterRef.name",
    validation = Rule::new("self.metadata.name.size() <= 56 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("`metadata.name` must have at most 56 characters of a-z, 0-9 and `-`, and begin and end with a letter or digit: it is the node's serverId"),
    validation = Rule::new("!self.metadata.name.startsWith('manager-')")
        .message("`metadata.name` must not begin with `manager-`: these names belong to the cluster managers")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.pod), has(self.external), has(self.host)].filter(x, x).size() == 1")
        .message("exactly one of `pod`, `host` and `external` must be set"),
    validation = Rule::new("has(self.pod) == has(oldSelf.pod) && has(self.host) == has(oldSelf.host)")
        .message("a node cannot change between `pod`, `host` and `external`: delete it and make a new one")
)]
pub struct ComputeNodeSpec {
    /// The cluster that the node belongs to. It cannot change.
    #[x_kube(validation = Rule::new("self == oldSelf").message("`clusterRef` cannot change: delete the ComputeNode and make a new one"))]
    pub cluster_ref: ClusterRef,
    /// The operator runs desktop and node sidecar in one Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodNode>,
    /// Any Linux machine that runs the node software itself; the operator only issues the Secret `NAME-broker`, and with
    /// `discovery` of the cluster admits the host that asks to join under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalNode>,
    /// Sessions on a Kubernetes node itself, as its own users, who sign in at its sshd. The operator runs only the node
    /// software there, in a Pod whose end ends no session. The namespace must admit such Pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostNode>,
    /// Whether sessions may start here; running ones go on when it is switched off.
    #[serde(default = "yes")]
    pub start_sessions: bool,
    /// Whether users may sign in here, and whether logins issued here count.
    #[serde(default = "yes")]
    pub logins: bool,
    /// Constant data for balancer scripts: free JSON, at most 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub static_data: Option<FreeObject>,
    /// Names of executables in the node's folder `metrics.d` whose output becomes part of the server object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(
            length(min = 1, max = 64),
            regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub metrics: Vec<String>,
    /// Name of an executable in the node's folder `schedule.d` that starts sessions in place of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    )]
    pub job_scheduling: Option<String>,
    /// Addresses at which browsers may reach the node itself, such as `https://host.example.org:3300`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 9, max = 512), regex(pattern = r"^https://[^\s/?#@]+$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub urls: Vec<String>,
    /// Host name for people; the object's name when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$")
    )]
    pub hostname: Option<String>,
    /// Whether browsers may try `urls` before they use a relay.
    #[serde(default = "yes")]
    pub direct_connections: bool,
    /// Certificate that browsers see; one of the cluster's authority when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<NodeTls>,
    /// How much the node prints; as the cluster says when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<LogLevel>,
    /// Debug switches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(
            length(min = 1, max = 64),
            regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub debug: Vec<String>,
}

/// A machine that somebody else runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExternalNode {}

/// The certificate that browsers see.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NodeTls {
    /// Secret of type `kubernetes.io/tls`.
    pub secret_ref: LocalRef,
}

/// What is known of a node.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ComputeNodeStatus {
    /// The generation of the spec that the rest speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What was observed.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Name of the node in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub server_id: Option<String>,
    /// Revision of the configuration that the node says it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
    /// Version of the node software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub version: Option<String>,
    /// Running sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<i32>,
    /// Secret with the node's `broker.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub broker_secret: Option<String>,
    /// Image of the node software that was last ready here; of nodes of kind `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub image: Option<String>,
    /// Image that was not ready here in time and is not tried again until another one is asked for; of nodes of kind `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub failed_image: Option<String>,
    /// Why that image was given up, if it could not be pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub failed_because: Option<String>,
}

pub(crate) fn yes() -> bool {
    true
}

/// Kind of node, for those who only need to know that.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A Pod.
    Pod,
    /// A machine that somebody else runs.
    External,
    /// A Kubernetes node itself.
    Host,
}

impl ComputeNodeSpec {
    /// Which one of the kinds is set; `None` when the spec is not valid.
    pub fn kind(&self) -> Option<NodeKind> {
        match (&self.pod, &self.external, &self.host) {
            (Some(_), None, None) => Some(NodeKind::Pod),
            (None, Some(_), None) => Some(NodeKind::External),
            (None, None, Some(_)) => Some(NodeKind::Host),
            _ => None,
        }
    }
}
