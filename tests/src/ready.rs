//! What the objects of a namespace say of themselves.

use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::discovery::ApiResource;
use serde_json::Value;

use crate::Failure;
use crate::eventually::eventually;

/// The custom resources that are waited for, with their plurals.
const KINDS: [(&str, &str); 2] = [
    ("FastXCluster", "fastxclusters"),
    ("ComputeNode", "computenodes"),
];

/// Our objects of a kind: `FastXCluster`, `ComputeNode`.
pub fn objects(client: &Client, namespace: &str, kind: &str) -> Api<DynamicObject> {
    let plural = KINDS
        .iter()
        .find(|(name, _)| *name == kind)
        .map_or_else(|| format!("{}s", kind.to_lowercase()), |(_, p)| (*p).into());
    let resource = ApiResource {
        group: "fastx.dev".into(),
        version: "v1alpha1".into(),
        api_version: "fastx.dev/v1alpha1".into(),
        kind: kind.into(),
        plural,
    };
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// Waits until every cluster and node of the namespace says Ready.
pub async fn ready(client: &Client, namespace: &str, limit: Duration) -> Result<(), Failure> {
    eventually(limit, "the cluster is Ready", async || {
        for (kind, _) in KINDS {
            for object in objects(client, namespace, kind)
                .list(&ListParams::default())
                .await?
            {
                is_ready(kind, &object)?;
            }
        }
        Ok::<(), Failure>(())
    })
    .await
}

/// A condition of an object; null when it has none of this kind.
pub fn condition(object: &DynamicObject, kind: &str) -> Value {
    let conditions = object.data["status"]["conditions"].as_array();
    conditions
        .and_then(|all| all.iter().find(|c| c["type"] == kind))
        .cloned()
        .unwrap_or_default()
}

fn is_ready(kind: &str, object: &DynamicObject) -> Result<(), Failure> {
    let ready = condition(object, "Ready");
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let stale = ready["observedGeneration"].as_i64() != object.metadata.generation;
    if ready["status"] != "True" || stale {
        return Err(format!("{kind} {name}: {ready}").into());
    }
    Ok(())
}

/// The address of the Kubernetes node, where node ports are.
pub async fn node_address(client: &Client) -> Result<String, Failure> {
    let nodes: Api<Node> = Api::all(client.clone());
    let mut all = nodes.list(&ListParams::default()).await?.items;
    let node = all.pop().ok_or("the cluster has no node")?;
    let addresses = node.status.and_then(|s| s.addresses).unwrap_or_default();
    addresses
        .into_iter()
        .find(|a| a.type_ == "InternalIP")
        .map(|a| a.address)
        .ok_or_else(|| "the node has no address".into())
}
