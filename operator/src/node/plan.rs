//! Everything that a node consists of. Pure: the same input gives the same objects.

mod claim;
mod host;
mod objects;
pub(super) mod pod;
pub(super) mod rollout;
pub(super) mod trial;

use serde_json::Value;

use super::validate::ValidNode;
use crate::cluster::validate::ValidCluster;
use crate::kind::Object;

pub(super) use objects::Identity;

/// What is to be applied for a node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// Objects that go away with the node.
    pub(super) ensure: Vec<Object>,
    /// The claim of the home, which may outlive it.
    pub(super) claim: Option<Object>,
    /// The Pod; none for a machine that somebody else runs all of.
    pub(super) pod: Option<pod::Desired>,
}

/// Plans a node. `sessions` is how many run, if somebody knows; `web_digest` stands for the certificate that it mounts.
pub(super) fn plan(
    cluster: &ValidCluster,
    node: &ValidNode,
    identity: &Identity,
    sessions: Option<u32>,
    web_digest: &str,
    sidecar_image: &str,
) -> Plan {
    let mut ensure = vec![objects::broker(cluster, node, identity)];
    if node.pod.is_some() && sessions.is_some_and(|s| s > 0) {
        ensure.push(objects::budget(cluster, node));
    }
    let secrets = secrets_digest(identity, web_digest);
    let pod = match (&node.pod, &node.host) {
        (Some(pod), _) => Some(pod::desired(cluster, node, pod, sidecar_image, &secrets)),
        (None, Some(host)) => Some(host::desired(cluster, node, host, sidecar_image, &secrets)),
        (None, None) => None,
    };
    Plan {
        ensure,
        claim: claim::claim(cluster, node),
        pod,
    }
}

fn secrets_digest(identity: &Identity, web_digest: &str) -> String {
    crate::meta::digest(&Value::from(vec![
        identity.document.clone(),
        web_digest.to_owned(),
    ]))
}

#[cfg(test)]
mod tests {
    use super::super::validate::tests::valid as valid_node;
    use super::*;
    use crate::cluster::validate::tests::valid as valid_cluster;

    fn identity() -> Identity {
        Identity {
            seed: Some([5; 32]),
            document: "{}".to_owned(),
        }
    }

    fn list(spec: &str, sessions: Option<u32>) -> Vec<String> {
        let plan = plan(
            &valid_cluster(""),
            &valid_node(spec),
            &identity(),
            sessions,
            "w",
            "fastx:1",
        );
        let mut list: Vec<String> = plan
            .ensure
            .iter()
            .chain(&plan.claim)
            .map(|o| format!("{} {}", o.kind.name(), o.name))
            .collect();
        list.extend(plan.pod.map(|_| "Pod desk".to_owned()));
        list
    }

    #[test]
    fn what_each_kind_of_node_consists_of() {
        for (spec, sessions, expected) in [
            ("external: {}", Some(3), vec!["Secret desk-broker"]),
            // Draining the machine of its Pod ends no session.
            (
                "host: {nodeName: w}",
                Some(3),
                vec!["Secret desk-broker", "Pod desk"],
            ),
            ("pod: {}", Some(0), vec!["Secret desk-broker", "Pod desk"]),
            ("pod: {}", None, vec!["Secret desk-broker", "Pod desk"]),
            (
                "pod: {home: {size: 1Gi}}",
                Some(1),
                vec![
                    "Secret desk-broker",
                    "PodDisruptionBudget desk",
                    "PersistentVolumeClaim desk-home",
                    "Pod desk",
                ],
            ),
            (
                "pod: {home: {claimName: mine}}",
                Some(0),
                vec!["Secret desk-broker", "Pod desk"],
            ),
        ] {
            assert_eq!(list(spec, sessions), expected, "{spec}");
        }
    }
}
