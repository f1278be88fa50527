//! A compute node whose sessions run on a Kubernetes node itself.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::pod::Toleration;
use crate::value::Resources;

/// Sessions on a Kubernetes node itself.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HostNode {
    /// Name of the Kubernetes node. It cannot change.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`nodeName` cannot change: sessions would stay behind; delete the ComputeNode and make a new one"))]
    pub node_name: String,
    /// Port of its sshd; 22 when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub ssh_port: Option<i32>,
    /// Taints of the Kubernetes node that the Pod tolerates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub tolerations: Vec<Toleration>,
    /// CPU and memory of the node software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecar_resources: Option<Resources>,
}
