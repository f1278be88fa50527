//! The Secret with a node's identity, and the budget that keeps its sessions from being drained away.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use super::super::validate::ValidNode;
use crate::cluster::validate::ValidCluster;
use crate::kind::{Kind, Object};
use crate::meta;
use crate::names;

/// A node's identity on the bus.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) struct Identity {
    /// Seed of its key; none where all members are alike.
    pub(in super::super) seed: Option<[u8; 32]>,
    /// Its `broker.json`.
    pub(in super::super) document: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(***)")
    }
}

/// The seed lies beside the document so that the same identity can be written anew; Pods mount only the document.
pub(super) fn broker(cluster: &ValidCluster, node: &ValidNode, identity: &Identity) -> Object {
    let labels = meta::labels(&cluster.key.name, "node", Some(&node.key.name));
    let mut data = json!({"broker.json": BASE64.encode(&identity.document)});
    if let Some(seed) = identity.seed {
        data["seed"] = BASE64.encode(seed).into();
    }
    Object::new(
        Kind::Secret,
        names::node_broker(&node.key.name),
        json!({"metadata": meta::owned(&node.owner, &labels), "type": "Opaque", "data": data}),
    )
}

/// Only while the node has sessions: an empty one may be drained at any time.
pub(super) fn budget(cluster: &ValidCluster, node: &ValidNode) -> Object {
    let labels = meta::labels(&cluster.key.name, "node", Some(&node.key.name));
    Object::new(
        Kind::Budget,
        &node.key.name,
        json!({
            "metadata": meta::owned(&node.owner, &labels),
            "spec": {
                "minAvailable": 1,
                // A Pod that is not ready still has sessions.
                "unhealthyPodEvictionPolicy": "IfHealthyBudget",
                "selector": {"matchLabels": {meta::CLUSTER: cluster.key.name, meta::NODE: node.key.name}},
            },
        }),
    )
}
