//! Labels, owners and annotations of everything that we make.

use fastx_core::wire::config::hash;
use serde_json::{Value, json};

/// Label that marks what is ours.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Its value, also the name under which we apply.
pub const OPERATOR: &str = "fastx-operator";
/// Label with the name of the cluster.
pub const CLUSTER: &str = "fastx.dev/cluster";
/// Label with the name of the node.
pub const NODE: &str = "fastx.dev/node";
/// Label of the part that a Pod is.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Label of node Pods at which users may sign in.
pub const LOGINS: &str = "fastx.dev/logins";
/// Annotation of a StatefulSet with the size that it makes claims with; that can never change.
pub const CLAIM_SIZE: &str = "fastx.dev/claim-size";
/// Annotation with the hash of what was applied.
pub const HASH: &str = "fastx.dev/hash";

/// Selects what is ours.
pub fn selector() -> String {
    format!("{MANAGED_BY}={OPERATOR}")
}

/// Who owns an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Kind of the custom resource.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

impl Owner {
    fn reference(&self) -> Value {
        json!({
            "apiVersion": "fastx.dev/v1alpha1", "kind": self.kind, "name": self.name, "uid": self.uid,
            "controller": true, "blockOwnerDeletion": true,
        })
    }
}

/// Labels of a part of a cluster, and of a node where there is one.
pub fn labels(cluster: &str, component: &str, node: Option<&str>) -> Value {
    let mut labels = json!({
        "app.kubernetes.io/name": "fastx",
        "app.kubernetes.io/instance": cluster,
        COMPONENT: component,
        MANAGED_BY: OPERATOR,
        CLUSTER: cluster,
    });
    if let Some(node) = node {
        labels[NODE] = node.into();
    }
    labels
}

/// Labels that select the Pods of a part.
pub fn pod_selector(cluster: &str, component: &str) -> Value {
    json!({"app.kubernetes.io/name": "fastx", CLUSTER: cluster, COMPONENT: component})
}

/// Metadata of an object that goes away with its owner.
pub fn owned(owner: &Owner, labels: &Value) -> Value {
    json!({"labels": labels, "ownerReferences": [owner.reference()]})
}

/// Short hash of any content, for annotations.
pub fn digest(content: &Value) -> String {
    hash(content)[..16].to_owned()
}
