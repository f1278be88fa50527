//! The transporter NATS: its servers, and beside each a helper that makes them read a changed configuration.

use serde_json::{Value, json};

use super::super::material::Holder;
use super::super::validate::ValidCluster;
use super::pod;
use super::web::exposed_service;
use crate::kind::{Kind, Object};
use crate::meta;
use crate::names;

pub(super) fn objects(cluster: &ValidCluster, helper_image: &str) -> Vec<Object> {
    let name = &cluster.key.name;
    let metadata = || meta::owned(&cluster.owner, &meta::labels(name, "nats", None));
    let selector = meta::pod_selector(name, "nats");
    let exposure = cluster.transporter.exposure.clone().unwrap_or_default();
    let peers = json!({
        "metadata": metadata(),
        "spec": {
            "clusterIP": "None",
            // Servers look for each other before they are ready.
            "publishNotReadyAddresses": true,
            "selector": selector,
            "ports": [{"name": "routes", "port": 6222, "targetPort": "routes"}],
        },
    });
    let mut objects = vec![
        Object::new(
            Kind::Service,
            names::nats(name),
            exposed_service(metadata(), &exposure, &selector, "nats", 4222),
        ),
        Object::new(Kind::Service, names::nats_peers(name), peers),
        Object::new(
            Kind::StatefulSet,
            names::nats(name),
            stateful_set(cluster, helper_image),
        ),
    ];
    objects.extend(pod::budget(
        cluster,
        names::nats(name),
        "nats",
        cluster.transporter.replicas,
    ));
    objects
}

fn stateful_set(cluster: &ValidCluster, helper_image: &str) -> Value {
    let name = &cluster.key.name;
    let labels = meta::labels(name, "nats", None);
    json!({
        "metadata": meta::owned(&cluster.owner, &labels),
        "spec": {
            "serviceName": names::nats_peers(name),
            "replicas": cluster.transporter.replicas,
            "revisionHistoryLimit": 2,
            // A server alone in a cluster of three waits for the others in vain.
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": meta::pod_selector(name, "nats")},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(cluster, helper_image)},
        },
    })
}

fn pod_spec(cluster: &ValidCluster, helper_image: &str) -> Value {
    let name = &cluster.key.name;
    let uid = pod::FASTX_UID;
    let mut spec = pod::base(&names::account(name), &pod::security(uid, uid, uid));
    spec["terminationGracePeriodSeconds"] = 45.into();
    // The helper sends the server a signal.
    spec["shareProcessNamespace"] = true.into();
    spec["containers"] = json!([server(cluster), helper(cluster, helper_image)]);
    spec["volumes"] = json!([
        {"name": "config", "projected": {"defaultMode": 0o440, "sources": [
            pod::projected(&names::nats_config(name), &[("nats.conf", "nats.conf")]),
            pod::projected(
                &Holder::Nats.secret(name),
                &[("tls.crt", "tls/tls.crt"), ("tls.key", "tls/tls.key"), ("ca.crt", "tls/ca.crt")],
            ),
        ]}},
        pod::empty_dir("run", "1Mi"),
    ]);
    if cluster.transporter.replicas > 1 {
        spec["topologySpreadConstraints"] = json!([{
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": meta::pod_selector(name, "nats")},
        }]);
    }
    spec
}

fn server(cluster: &ValidCluster) -> Value {
    json!({
        "name": "nats",
        "image": cluster.images.nats,
        "imagePullPolicy": cluster.images.pull_policy,
        "command": ["/usr/bin/nats-server", "--config", "/etc/nats/nats.conf", "--pid", "/run/nats/nats.pid"],
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [
            {"name": "nats", "containerPort": 4222},
            {"name": "routes", "containerPort": 6222},
            {"name": "monitor", "containerPort": 8222},
        ],
        "securityContext": pod::locked(),
        "resources": pod::resources(
            cluster.transporter.resources.as_ref(),
            &[("cpu", "20m"), ("memory", "32Mi")],
            &[("memory", "256Mi")],
        ),
        "startupProbe": pod::http_probe("/healthz", "monitor", 1, 60),
        "readinessProbe": pod::http_probe("/healthz", "monitor", 5, 2),
        "livenessProbe": pod::http_probe("/healthz?js-enabled-only=true", "monitor", 10, 6),
        "volumeMounts": [pod::mount("config", "/etc/nats", true), pod::mount("run", "/run/nats", false)],
    })
}

fn helper(cluster: &ValidCluster, image: &str) -> Value {
    json!({
        "name": "reload",
        "image": image,
        "imagePullPolicy": cluster.images.pull_policy,
        "command": [
            "/usr/bin/fastx-operator", "reload",
            "--watch", "/etc/nats", "--pid-file", "/run/nats/nats.pid",
        ],
        "env": [{"name": "FX_LOG_FORMAT", "value": "json"}],
        "securityContext": pod::locked(),
        "resources": pod::resources(None, &[("cpu", "1m"), ("memory", "8Mi")], &[("memory", "32Mi")]),
        "volumeMounts": [pod::mount("config", "/etc/nats", true), pod::mount("run", "/run/nats", true)],
    })
}
