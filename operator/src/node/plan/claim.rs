//! The claim of a node's home, when the operator makes it.

use fastx_crds::node::Reclaim;
use serde_json::json;

use super::super::validate::ValidNode;
use crate::cluster::validate::ValidCluster;
use crate::kind::{Kind, Object};
use crate::meta;
use crate::names;

/// None for a home that somebody else made, or that is lost with the Pod.
pub(super) fn claim(cluster: &ValidCluster, node: &ValidNode) -> Option<Object> {
    let home = node.pod.as_ref()?.spec.home.as_ref()?;
    let size = home.size.as_ref()?;
    let labels = meta::labels(&cluster.key.name, "node", Some(&node.key.name));
    let metadata = match home.reclaim {
        // It goes away with the node.
        Reclaim::Delete => meta::owned(&node.owner, &labels),
        Reclaim::Retain => json!({"labels": labels}),
    };
    let mut spec = json!({
        "accessModes": [home.access_mode.name()],
        "resources": {"requests": {"storage": size}},
    });
    if let Some(class) = &home.storage_class_name {
        spec["storageClassName"] = class.as_str().into();
    }
    Some(Object::new(
        Kind::Claim,
        names::node_home(&node.key.name),
        json!({"metadata": metadata, "spec": spec}),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::super::validate::tests::valid as valid_node;
    use super::*;
    use crate::cluster::validate::tests::valid as valid_cluster;

    #[test]
    fn a_claim_is_owned_only_when_it_is_to_be_deleted() {
        let owners = |home: &str| {
            let node = valid_node(&format!("pod: {{home: {{size: 1Gi, {home}}}}}"));
            let claim = claim(&valid_cluster(""), &node).unwrap();
            claim.body["metadata"]["ownerReferences"].is_array()
        };
        assert!(!owners(""));
        assert!(!owners("reclaim: Retain"));
        assert!(owners("reclaim: Delete"));
    }
}
