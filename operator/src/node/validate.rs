//! What a node's spec means: defaults filled in, contradictions refused. Pure.

use fastx_crds::ComputeNode;
use fastx_crds::node::{HostNode, PodNode, Toleration};
use k8s_openapi::api::core::v1::Affinity;
use kube::ResourceExt;
use serde_json::Value;

use crate::cluster::validate::Invalid;
use crate::meta::Owner;
use crate::queue::Key;

/// Largest constant data, bytes of JSON.
const MAX_STATIC_DATA: usize = 64 * 1024;

/// A node that can be made.
#[derive(Debug, Clone)]
pub(super) struct ValidNode {
    /// Namespace and name; the name is the serverId.
    pub(super) key: Key,
    /// Owner of what is made.
    pub(super) owner: Owner,
    /// The Pod with a desktop, if it is one.
    pub(super) pod: Option<ValidPod>,
    /// The Kubernetes node whose own users have sessions, if it is one.
    pub(super) host: Option<HostNode>,
    /// Whether users may sign in here.
    pub(super) logins: bool,
    /// Secret with an own certificate.
    pub(super) tls_secret: Option<String>,
}

impl ValidNode {
    /// Whether it reaches the bus from outside of the Kubernetes cluster.
    pub(super) fn is_outside(&self) -> bool {
        self.pod.is_none() && self.host.is_none()
    }
}

/// A Pod that can be made.
#[derive(Debug, Clone)]
pub(super) struct ValidPod {
    /// The spec as it is.
    pub(super) spec: PodNode,
    /// Group of the user.
    pub(super) gid: i64,
    /// Group of the volumes.
    pub(super) fs_group: i64,
    /// Affinity, known to be one.
    pub(super) affinity: Option<Value>,
    /// Tolerations as a Pod has them.
    pub(super) tolerations: Vec<Toleration>,
}

pub(super) fn validate(node: &ComputeNode) -> Result<ValidNode, Invalid> {
    let spec = &node.spec;
    let name = node.name_any();
    if spec.kind().is_none() {
        return Err(Invalid::wrong(
            "exactly one of `pod`, `host` and `external` must be set",
        ));
    }
    if let Some(data) = &spec.static_data {
        let bytes = Value::Object(data.0.clone()).to_string().len();
        if bytes > MAX_STATIC_DATA {
            return Err(Invalid::wrong(format!(
                "`staticData` has {bytes} bytes, and {MAX_STATIC_DATA} are allowed"
            )));
        }
    }
    Ok(ValidNode {
        owner: Owner {
            kind: "ComputeNode",
            name: name.clone(),
            uid: node.uid().unwrap_or_default(),
        },
        pod: spec.pod.as_ref().map(pod).transpose()?,
        host: spec.host.clone(),
        logins: spec.logins,
        tls_secret: spec.tls.as_ref().map(|t| t.secret_ref.name.clone()),
        key: Key::new(node.namespace().unwrap_or_default(), name),
    })
}

fn pod(spec: &PodNode) -> Result<ValidPod, Invalid> {
    if spec.users.len() > 1 && !spec.shared_user {
        return Err(Invalid::wrong(
            "several `users` are allowed only with `sharedUser: true`",
        ));
    }
    let affinity = match &spec.affinity {
        None => None,
        Some(free) => {
            let value = Value::Object(free.0.clone());
            // Typed once, so that a misspelt rule is told here and not by a Pod that nobody makes.
            let typed: Affinity = serde_json::from_value(value)
                .map_err(|e| Invalid::wrong(format!("`pod.affinity` is not one: {e}")))?;
            serde_json::to_value(typed).ok()
        }
    };
    let gid = spec.user.gid.unwrap_or(spec.user.uid);
    Ok(ValidPod {
        gid,
        fs_group: spec.user.fs_group.unwrap_or(gid),
        affinity,
        tolerations: spec.tolerations.clone(),
        spec: spec.clone(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use fastx_crds::conditions::Reason;

    pub(crate) fn node(spec: &str) -> ComputeNode {
        serde_yaml_ng::from_str(&format!(
            "apiVersion: fastx.dev/v1alpha1\nkind: ComputeNode\n\
             metadata: {{name: desk, namespace: area, uid: u-desk, generation: 5}}\n\
             spec:\n  clusterRef: {{name: site}}\n  {}",
            spec.replace('\n', "\n  ")
        ))
        .unwrap()
    }

    pub(in super::super) fn valid(spec: &str) -> ValidNode {
        validate(&node(spec)).unwrap()
    }

    #[test]
    fn groups_default_to_the_user() {
        for (user, gid, fs_group) in [
            ("{name: u, uid: 1234}", 1234, 1234),
            ("{name: u, uid: 1234, gid: 50}", 50, 50),
            ("{name: u, uid: 1234, gid: 50, fsGroup: 60}", 50, 60),
        ] {
            let pod = valid(&format!("pod: {{user: {user}}}")).pod.unwrap();
            assert_eq!((pod.gid, pod.fs_group), (gid, fs_group));
        }
    }

    #[test]
    fn what_cannot_be_is_said() {
        let large = format!(
            "external: {{}}\nstaticData: {{k: '{}'}}",
            "x".repeat(MAX_STATIC_DATA)
        );
        for (spec, reason, text) in [
            (
                "pod: {}\nhost: {nodeName: w}",
                Reason::InvalidSpec,
                "exactly one",
            ),
            ("pod: {}\nexternal: {}", Reason::InvalidSpec, "exactly one"),
            ("pod: {users: [a, b]}", Reason::InvalidSpec, "sharedUser"),
            (
                "pod: {affinity: {nodeAffinity: 7}}",
                Reason::InvalidSpec,
                "affinity",
            ),
            (large.as_str(), Reason::InvalidSpec, "65536 are allowed"),
        ] {
            let error = validate(&node(spec)).unwrap_err();
            assert_eq!(error.reason, reason, "{spec}");
            assert!(error.message.contains(text), "{}", error.message);
        }
    }
}
