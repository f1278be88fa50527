//! Hosts that nobody declared: with `discovery.mode: Any` each gets a ComputeNode, up to a maximum.
//!
//! Only that is done here. The node makes the host a declared one, and the next look at the cluster admits it as
//! such: so a crash in between leaves nothing half done.

use std::collections::{BTreeMap, BTreeSet};

use fastx_core::wire::status::JoinStatus;
use fastx_crds::conditions::Reason;
use fastx_crds::{DISCOVERED_ANNOTATION, DISCOVERED_LABEL};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::apply::Outcome;
use super::joins::{Waiting, declaration, plain_name};
use super::observe::Observed;
use super::validate::{Admission, ValidCluster};
use crate::context::Context;
use crate::meta;
use crate::queue::Key;

/// Nodes that are made in one look at the cluster; the first of them brings on the next look.
const AT_ONCE: usize = 64;

/// Value of the label.
const YES: &str = "true";

/// Makes the nodes of those for whom there is room; the others wait.
pub(super) async fn settle(
    context: &Context,
    cluster: &ValidCluster,
    observed: &Observed,
    newcomers: &[&JoinStatus],
    outcome: &mut Outcome,
) {
    let Some(Admission::Any { maximum }) = cluster.discovery else {
        return;
    };
    if newcomers.is_empty() {
        return;
    }
    let nodes = observed.namespace_nodes.iter();
    let mut found: BTreeSet<String> = nodes
        .filter(|n| is_discovered(cluster, n.labels()))
        .map(|n| n.name_any())
        .collect();
    if found.len() < maximum {
        // The caches may not have heard yet of what was made a moment ago.
        let labels = selector(cluster);
        let namespace = &cluster.key.namespace;
        match context.applier.node_names(namespace, &labels).await {
            Ok(names) => found = names,
            Err(error) => return outcome.errors.push(error),
        }
    }
    let mut made = 0;
    for join in newcomers {
        let name = join.server_id.as_str();
        if found.contains(name) || made == AT_ONCE {
            continue;
        }
        if found.len() >= maximum {
            let why = full(name, &cluster.key, found.len(), maximum);
            let waiting = Waiting::new(join, Reason::MaximumReached, why);
            outcome.waiting.push(waiting);
            continue;
        }
        let key = Key::new(&cluster.key.namespace, name);
        match context
            .applier
            .create_node(&key, &body(cluster, join))
            .await
        {
            Ok(true) => {
                tracing::info!(node = name, cluster = %cluster.key, "a host that nobody declared gets a node");
                found.insert(name.to_owned());
                made += 1;
            }
            // Somebody was faster; the caches will tell who.
            Ok(false) => {}
            // What a stranger asks for must not make the whole cluster look bad.
            Err(error) if error.is_refused() => {
                outcome.soon = true;
                let waiting = Waiting::new(join, Reason::Refused, error.text());
                outcome.waiting.push(waiting);
            }
            Err(error) => outcome.errors.push(error),
        }
    }
}

fn is_discovered(cluster: &ValidCluster, labels: &BTreeMap<String, String>) -> bool {
    let says = |label: &str, value: &str| labels.get(label).is_some_and(|v| v == value);
    says(DISCOVERED_LABEL, YES) && says(meta::CLUSTER, &cluster.key.name)
}

fn selector(cluster: &ValidCluster) -> String {
    let (name, key) = (&cluster.key.name, meta::CLUSTER);
    format!("{DISCOVERED_LABEL}={YES},{key}={name}")
}

fn full(name: &str, cluster: &Key, found: usize, maximum: usize) -> String {
    let line = declaration(name, cluster);
    format!(
        "{found} hosts have come in undeclared, and `discovery.maximum` is {maximum}; raise it, delete a ComputeNode with the label {DISCOVERED_LABEL}, or declare this host: {line}"
    )
}

/// A node that belongs to the cluster, and goes with it.
fn body(cluster: &ValidCluster, join: &JoinStatus) -> Value {
    let name = join.server_id.as_str();
    let mut labels = meta::labels(&cluster.key.name, "node", Some(name));
    labels[DISCOVERED_LABEL] = YES.into();
    let mut metadata = meta::owned(&cluster.owner, &labels);
    metadata["name"] = name.into();
    metadata["namespace"] = cluster.key.namespace.as_str().into();
    if let Some(hostname) = plain_name(&join.hostname) {
        metadata["annotations"] = json!({DISCOVERED_ANNOTATION: hostname});
    }
    json!({
        "apiVersion": "fastx.dev/v1alpha1", "kind": "ComputeNode", "metadata": metadata,
        "spec": {"clusterRef": {"name": cluster.key.name}, "external": {}},
    })
}

#[cfg(test)]
mod tests {
    use super::super::validate::tests::valid;
    use super::*;
    use fastx_crds::ComputeNode;

    const SPEC: &str = "discovery: {mode: Any, maximum: 2}";

    fn join(name: &str, hostname: &str) -> JoinStatus {
        serde_json::from_value(json!({"serverId": name, "publicKey": "U", "hostname": hostname}))
            .unwrap()
    }

    #[test]
    fn what_is_made_says_whose_it_is_and_is_counted() {
        let cluster = valid(SPEC);
        let body = body(&cluster, &join("desk", "ws7.example"));
        let node: ComputeNode = serde_json::from_value(body).unwrap();
        assert!(node.spec.external.is_some());
        assert_eq!(node.spec.cluster_ref.name, "site");
        let owner = &node.owner_references()[0];
        assert_eq!(
            (owner.kind.as_str(), owner.uid.as_str()),
            ("FastXCluster", "u-site")
        );
        assert_eq!(node.annotations()[DISCOVERED_ANNOTATION], "ws7.example");
        let mut labels = node.labels().clone();
        assert!(is_discovered(&cluster, &labels));
        for pair in selector(&cluster).split(',') {
            let (label, value) = pair.split_once('=').unwrap();
            assert_eq!(labels[label], value);
        }
        // Another cluster's, or one that somebody made a declared one.
        labels.insert(meta::CLUSTER.to_owned(), "other".to_owned());
        assert!(!is_discovered(&cluster, &labels));
        labels = node.labels().clone();
        labels.remove(DISCOVERED_LABEL);
        assert!(!is_discovered(&cluster, &labels));
    }

    #[test]
    fn a_name_of_a_host_that_is_none_is_not_repeated() {
        let body = body(&valid(SPEC), &join("desk", "x; kubectl delete"));
        assert!(body["metadata"].get("annotations").is_none(), "{body}");
    }
}
