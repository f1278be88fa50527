//! The compute nodes that stand for machines of Kubernetes: which are to be made, changed and removed. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastx_core::wire::config::hash;
use fastx_crds::ComputeNode;
use fastx_crds::cluster::Hosts;
use kube::ResourceExt;
use kube::core::ObjectMeta;
use serde_json::{Value, json};

use super::super::validate::ValidCluster;
use crate::meta;
use crate::names;

/// A machine, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostsPlan {
    /// Compute nodes to be applied, by name.
    pub apply: Vec<(String, Value)>,
    /// Compute nodes that we made and that nobody wants any more.
    pub remove: Vec<ObjectMeta>,
    /// Names that somebody else's compute nodes have.
    pub taken: Vec<String>,
}

/// Plans them; `nodes` are all of the namespace that could be read.
pub fn hosts(
    cluster: &ValidCluster,
    machines: &[Machine],
    nodes: &[Arc<ComputeNode>],
) -> HostsPlan {
    let mut plan = HostsPlan::default();
    let mut wanted = Vec::new();
    if let Some(hosts) = &cluster.hosts {
        for machine in machines.iter().filter(|m| matches(hosts, m)) {
            let name = names::of_machine(&machine.name);
            let existing = nodes.iter().find(|n| n.name_any() == name);
            if existing.is_some_and(|n| !is_ours(cluster, n)) {
                plan.taken.push(name);
                continue;
            }
            let body = body(cluster, hosts, machine, &name);
            // One that is on its way out is made anew when it is gone.
            if existing.is_none_or(|n| n.metadata.deletion_timestamp.is_none() && differs(n, &body))
            {
                plan.apply.push((name.clone(), body));
            }
            wanted.push(name);
        }
    }
    plan.remove = nodes
        .iter()
        .filter(|n| is_ours(cluster, n) && n.metadata.deletion_timestamp.is_none())
        .filter(|n| !wanted.contains(&n.name_any()))
        .map(|n| n.metadata.clone())
        .collect();
    plan
}

fn matches(hosts: &Hosts, machine: &Machine) -> bool {
    let selector = &hosts.node_selector;
    !selector.is_empty()
        && selector
            .iter()
            .all(|(k, v)| machine.labels.get(k) == Some(v))
}

/// Those of kind `external` that the cluster owns were made for hosts that came by themselves.
fn is_ours(cluster: &ValidCluster, node: &ComputeNode) -> bool {
    let mut owners = node.metadata.owner_references.iter().flatten();
    node.spec.host.is_some() && owners.any(|o| o.uid == cluster.owner.uid)
}

fn body(cluster: &ValidCluster, hosts: &Hosts, machine: &Machine, name: &str) -> Value {
    let template = &hosts.template;
    let mut host = json!({"nodeName": machine.name});
    if let Some(port) = template.ssh_port {
        host["sshPort"] = port.into();
    }
    if !template.tolerations.is_empty() {
        host["tolerations"] = json!(template.tolerations);
    }
    if let Some(resources) = &template.sidecar_resources {
        host["sidecarResources"] = json!(resources);
    }
    let mut spec = json!({
        "clusterRef": {"name": cluster.key.name},
        "host": host,
        "startSessions": template.start_sessions,
        "logins": template.logins,
    });
    if let Some(data) = &template.static_data {
        spec["staticData"] = json!(data);
    }
    let labels = meta::labels(&cluster.key.name, "node", Some(name));
    let mut metadata = meta::owned(&cluster.owner, &labels);
    metadata["name"] = name.into();
    metadata["namespace"] = cluster.key.namespace.as_str().into();
    let mut body = json!({
        "apiVersion": "fastx.dev/v1alpha1", "kind": "ComputeNode",
        "metadata": metadata, "spec": spec,
    });
    let hash = hash(&body);
    body["metadata"]["annotations"] = json!({meta::HASH: hash});
    body
}

/// Whether the object is another one than what was applied last, or somebody changed a field of ours.
fn differs(node: &ComputeNode, body: &Value) -> bool {
    let applied = node.annotations().get(meta::HASH).map(String::as_str);
    applied != body["metadata"]["annotations"][meta::HASH].as_str()
        || !covers(&json!(node.spec), &body["spec"])
}

/// Whether everything wanted is there; what is there besides belongs to others.
fn covers(present: &Value, wanted: &Value) -> bool {
    match wanted.as_object() {
        Some(fields) => fields.iter().all(|(name, w)| covers(&present[name], w)),
        None => present == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::validate::tests::valid;
    use super::*;

    fn machine(name: &str, labels: &[(&str, &str)]) -> Machine {
        Machine {
            name: name.to_owned(),
            labels: labels
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        }
    }

    fn made(body: &Value) -> Arc<ComputeNode> {
        Arc::new(serde_json::from_value(body.clone()).unwrap())
    }

    const SPEC: &str =
        "hosts: {nodeSelector: {desks: 'yes'}, template: {sshPort: 2222, staticData: {room: 7}}}";

    #[test]
    fn each_machine_with_the_labels_becomes_a_node_and_goes_with_them() {
        let cluster = valid(SPEC);
        let machines = [
            machine("w1", &[("desks", "yes"), ("x", "y")]),
            machine("w2", &[("desks", "no")]),
            machine("w3", &[]),
        ];
        let plan = hosts(&cluster, &machines, &[]);
        let [(name, body)] = &plan.apply[..] else {
            panic!("{plan:?}")
        };
        assert_eq!(name, "w1");
        let node = made(body);
        let host = node.spec.host.as_ref().unwrap();
        assert_eq!((host.node_name.as_str(), host.ssh_port), ("w1", Some(2222)));
        assert_eq!(node.spec.static_data.as_ref().unwrap().0["room"], 7);
        assert!(node.spec.start_sessions && node.spec.logins);
        // At rest nothing is to be done.
        let rest = hosts(&cluster, &machines, std::slice::from_ref(&node));
        assert_eq!(rest, HostsPlan::default());
        let gone = hosts(&cluster, &machines[1..], std::slice::from_ref(&node));
        assert_eq!(gone.remove.len(), 1);
        let without = hosts(&valid(""), &machines, std::slice::from_ref(&node));
        assert_eq!(without.remove.len(), 1);
    }

    #[test]
    fn fields_that_the_template_lacks_belong_to_others() {
        let cluster = valid(SPEC);
        let machines = [machine("w1", &[("desks", "yes")])];
        let body = hosts(&cluster, &machines, &[]).apply.remove(0).1;
        let mut node = (*made(&body)).clone();
        node.spec.urls = vec!["https://w1.example:3300".into()];
        let theirs = hosts(&cluster, &machines, &[Arc::new(node.clone())]);
        assert_eq!(theirs, HostsPlan::default());
        node.spec.logins = false;
        let ours = hosts(&cluster, &machines, &[Arc::new(node)]);
        assert_eq!(ours.apply.len(), 1);
    }

    #[test]
    fn a_host_that_came_by_itself_is_no_machine_of_ours() {
        let cluster = valid(SPEC);
        let found: ComputeNode = serde_yaml_ng::from_str(
            "apiVersion: fastx.dev/v1alpha1\nkind: ComputeNode\nmetadata: {name: w1, ownerReferences: [{apiVersion: fastx.dev/v1alpha1, kind: FastXCluster, name: site, uid: u-site}]}\nspec: {clusterRef: {name: site}, external: {}}",
        )
        .unwrap();
        let nodes = [Arc::new(found)];
        assert_eq!(hosts(&cluster, &[], &nodes), HostsPlan::default());
        let machines = [machine("w1", &[("desks", "yes")])];
        assert_eq!(hosts(&cluster, &machines, &nodes).taken, ["w1"]);
    }

    #[test]
    fn a_node_of_somebody_else_is_left_alone_and_named() {
        let cluster = valid(SPEC);
        let machines = [machine("w1", &[("desks", "yes")])];
        let other: ComputeNode = serde_yaml_ng::from_str(
            "apiVersion: fastx.dev/v1alpha1\nkind: ComputeNode\nmetadata: {name: w1}\nspec: {clusterRef: {name: site}, external: {}}",
        )
        .unwrap();
        let plan = hosts(&cluster, &machines, &[Arc::new(other)]);
        assert_eq!(plan.taken, ["w1"]);
        assert!(plan.apply.is_empty() && plan.remove.is_empty());
    }
}
