//! Parts that all our Pods share: restricted security, resources, volumes, probes.

use std::collections::BTreeMap;

use fastx_crds::value::{Amount, Resources};
use serde_json::{Value, json};

use super::super::validate::ValidCluster;
use crate::kind::{Kind, Object};
use crate::meta;

/// Uid and gid of our own images.
pub(crate) const FASTX_UID: i64 = 65532;

/// Security of a Pod of the restricted profile.
pub(crate) fn security(uid: i64, gid: i64, fs_group: i64) -> Value {
    json!({
        "runAsNonRoot": true, "runAsUser": uid, "runAsGroup": gid, "fsGroup": fs_group,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// Security of a container that may write nowhere but to its volumes.
pub(crate) fn locked() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    })
}

/// Resources as asked for, over defaults.
pub(crate) fn resources(
    own: Option<&Resources>,
    requests: &[(&str, &str)],
    limits: &[(&str, &str)],
) -> Value {
    let merge = |defaults: &[(&str, &str)], own: Option<&BTreeMap<String, Amount>>| {
        let mut all: BTreeMap<String, String> = defaults
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        all.extend(
            own.into_iter()
                .flatten()
                .map(|(k, v)| (k.clone(), v.0.clone())),
        );
        all
    };
    let mut limits = merge(limits, own.map(|r| &r.limits));
    let requests = merge(requests, own.map(|r| &r.requests));
    // A default limit must not be below a request that somebody asked for.
    if let Some(own) = own {
        limits.retain(|name, _| own.limits.contains_key(name) || !own.requests.contains_key(name));
    }
    json!({"requests": requests, "limits": limits})
}

/// A list of names as Kubernetes wants it.
pub(crate) fn named(names: &[String]) -> Value {
    names.iter().map(|name| json!({"name": name})).collect()
}

/// A probe by HTTP.
pub(crate) fn http_probe(path: &str, port: &str, period: u32, failures: u32) -> Value {
    json!({
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period, "timeoutSeconds": 3, "failureThreshold": failures,
    })
}

/// An empty folder with a limit.
pub(crate) fn empty_dir(name: &str, limit: &str) -> Value {
    json!({"name": name, "emptyDir": {"sizeLimit": limit}})
}

/// A mounted folder.
pub(crate) fn mount(name: &str, path: &str, read_only: bool) -> Value {
    if read_only {
        json!({"name": name, "mountPath": path, "readOnly": true})
    } else {
        json!({"name": name, "mountPath": path})
    }
}

/// A part of a projected volume: keys of a Secret at paths.
pub(crate) fn projected(secret: &str, items: &[(&str, &str)]) -> Value {
    let items: Vec<Value> = items
        .iter()
        .map(|(key, path)| json!({"key": key, "path": path}))
        .collect();
    json!({"secret": {"name": secret, "items": items}})
}

/// What all our Pods have besides their containers and volumes.
pub(crate) fn base(account: &str, security: &Value) -> Value {
    json!({
        "serviceAccountName": account,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": security,
    })
}

/// A part of equals loses one Pod at a time. None for a single Pod, which nothing could stand in for:
/// its budget would only keep its machine from being drained.
pub(crate) fn budget(
    cluster: &ValidCluster,
    name: String,
    component: &str,
    replicas: u16,
) -> Option<Object> {
    let labels = meta::labels(&cluster.key.name, component, None);
    let body = json!({
        "metadata": meta::owned(&cluster.owner, &labels),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": meta::pod_selector(&cluster.key.name, component)},
        },
    });
    (replicas > 1).then(|| Object::new(Kind::Budget, name, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_resources_win_and_a_default_limit_does_not_undercut_a_request() {
        let own: Resources =
            serde_yaml_ng::from_str("requests: {memory: 2Gi}\nlimits: {cpu: 3}").unwrap();
        let merged = resources(
            Some(&own),
            &[("cpu", "10m"), ("memory", "64Mi")],
            &[("memory", "1Gi")],
        );
        assert_eq!(
            merged,
            json!({"requests": {"cpu": "10m", "memory": "2Gi"}, "limits": {"cpu": "3"}})
        );
    }
}
