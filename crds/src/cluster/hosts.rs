//! Which Kubernetes nodes become compute nodes by themselves.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::node::{Toleration, yes};
use crate::value::{FreeObject, Resources};

/// Kubernetes nodes whose own users have sessions on them.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Hosts {
    /// Labels that a Kubernetes node must have, one at least. The operator makes a ComputeNode of kind `host` for each
    /// that has them, and removes it when the labels or the Kubernetes node are gone.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub node_selector: BTreeMap<String, String>,
    /// What each of these ComputeNodes is like. Fields that are not here are theirs: what somebody else sets there stays.
    #[serde(default)]
    pub template: HostTemplate,
}

/// What a ComputeNode is like that the operator makes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HostTemplate {
    /// Whether sessions may start there.
    #[serde(default = "yes")]
    pub start_sessions: bool,
    /// Whether users may sign in there, and whether logins issued there count.
    #[serde(default = "yes")]
    pub logins: bool,
    /// Constant data for balancer scripts: free JSON, at most 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub static_data: Option<FreeObject>,
    /// Port of each sshd; 22 when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub ssh_port: Option<i32>,
    /// Taints of the Kubernetes nodes that the Pods tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub tolerations: Vec<Toleration>,
    /// CPU and memory of the node software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecar_resources: Option<Resources>,
}

impl Default for HostTemplate {
    fn default() -> Self {
        Self {
            start_sessions: true,
            logins: true,
            static_data: None,
            ssh_port: None,
            tolerations: Vec::new(),
            sidecar_resources: None,
        }
    }
}
