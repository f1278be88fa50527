//! The store: PostgreSQL with DocumentDB, and FerretDB before it, in one Pod.
//!
//! The recipe is measured: the lock keeps out a second server after a forced deletion, because the pid file
//! cannot (PostgreSQL is always process 1 of its container); FerretDB answers its probe on a plain listener,
//! because it cannot ping a TLS one.

use fastx_crds::value::Resources;
use serde_json::{Value, json};

use super::super::material::Holder;
use super::super::validate::{ValidCluster, ValidStore};
use super::pod;
use crate::kind::{Kind, Object};
use crate::meta;
use crate::names;

const POSTGRES_UID: i64 = 10001;
const FERRET_UID: i64 = 10002;

pub(super) fn objects(cluster: &ValidCluster, claim_size: Option<&str>) -> Vec<Object> {
    let name = names::store(&cluster.key.name);
    let labels = || meta::labels(&cluster.key.name, "store", None);
    let service = json!({
        "metadata": meta::owned(&cluster.owner, &labels()),
        "spec": {
            "type": "ClusterIP",
            "selector": meta::pod_selector(&cluster.key.name, "store"),
            "ports": [{"name": "mongodb", "port": 27017, "targetPort": "mongodb"}],
        },
    });
    vec![
        Object::new(Kind::Service, &name, service),
        Object::new(Kind::StatefulSet, &name, stateful_set(cluster, claim_size)),
    ]
}

fn stateful_set(cluster: &ValidCluster, claim_size: Option<&str>) -> Value {
    let ValidStore::Ferret {
        size,
        class,
        resources,
    } = &cluster.store
    else {
        return Value::Null;
    };
    let name = &cluster.key.name;
    let labels = meta::labels(name, "store", None);
    // The claim grows by itself; the set would refuse another size.
    let made = claim_size.unwrap_or(size);
    let mut claim = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": made}},
    });
    if let Some(class) = class {
        claim["storageClassName"] = class.as_str().into();
    }
    let mut metadata = meta::owned(&cluster.owner, &labels);
    metadata["annotations"][meta::CLAIM_SIZE] = made.into();
    json!({
        "metadata": metadata,
        "spec": {
            "serviceName": names::store(name),
            // Never more: one data folder, one server.
            "replicas": 1,
            "revisionHistoryLimit": 2,
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "selector": {"matchLabels": meta::pod_selector(name, "store")},
            "template": {
                "metadata": {"labels": labels},
                "spec": pod_spec(cluster, resources.as_ref()),
            },
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    })
}

fn pod_spec(cluster: &ValidCluster, resources: Option<&Resources>) -> Value {
    let name = &cluster.key.name;
    let mut spec = pod::base(
        &names::account(name),
        &pod::security(POSTGRES_UID, POSTGRES_UID, POSTGRES_UID),
    );
    spec["terminationGracePeriodSeconds"] = 60.into();
    spec["initContainers"] = json!([init(cluster), postgres(cluster, resources)]);
    spec["containers"] = json!([ferretdb(cluster)]);
    spec["volumes"] = json!([
        pod::empty_dir("socket", "1Mi"),
        pod::empty_dir("tmp", "64Mi"),
        pod::empty_dir("state", "16Mi"),
        {"name": "secret", "secret": {
            "secretName": names::store_login(name), "defaultMode": 0o400,
            "items": [{"key": "password", "path": "password"}],
        }},
        {"name": "tls", "secret": {
            "secretName": Holder::Store.secret(name), "defaultMode": 0o400,
            "items": [{"key": "tls.crt", "path": "tls.crt"}, {"key": "tls.key", "path": "tls.key"}],
        }},
    ]);
    spec
}

fn data_mounts() -> Vec<Value> {
    vec![
        pod::mount("data", "/data", false),
        pod::mount("socket", "/run/store", false),
        pod::mount("tmp", "/tmp", false),
    ]
}

fn init(cluster: &ValidCluster) -> Value {
    let mut mounts = data_mounts();
    mounts.push(pod::mount("secret", "/secret", true));
    json!({
        "name": "init",
        "image": cluster.images.store,
        "imagePullPolicy": cluster.images.pull_policy,
        "command": ["flock", "-w", "60", "/data/lock", "store-init"],
        "env": [
            {"name": "STORE_USER", "valueFrom": {"secretKeyRef": {
                "name": names::store_login(&cluster.key.name), "key": "username",
            }}},
            {"name": "STORE_PASSWORD_FILE", "value": "/secret/password"},
        ],
        "securityContext": pod::locked(),
        "resources": pod::resources(None, &[("cpu", "50m"), ("memory", "128Mi")], &[("memory", "512Mi")]),
        "volumeMounts": mounts,
    })
}

fn postgres(cluster: &ValidCluster, resources: Option<&Resources>) -> Value {
    let probe = |period: u32, failures: u32| {
        json!({
            "exec": {"command": ["pg_isready", "-q", "-h", "/run/store", "-d", "postgres", "-t", "3"]},
            "periodSeconds": period, "timeoutSeconds": 5, "failureThreshold": failures,
        })
    };
    json!({
        "name": "postgres",
        "image": cluster.images.store,
        "imagePullPolicy": cluster.images.pull_policy,
        // A sidecar: it starts before FerretDB and stops after it.
        "restartPolicy": "Always",
        "command": [
            "flock", "--no-fork", "-w", "60", "/data/lock",
            "postgres", "-D", "/data/pg18", "-c", "config_file=/etc/store/postgresql.conf",
        ],
        "securityContext": pod::locked(),
        "resources": pod::resources(resources, &[("cpu", "50m"), ("memory", "192Mi")], &[("memory", "1Gi")]),
        // Ten minutes for recovery after a crash.
        "startupProbe": probe(1, 600),
        "livenessProbe": probe(10, 6),
        "readinessProbe": probe(5, 2),
        "volumeMounts": data_mounts(),
    })
}

fn ferretdb(cluster: &ValidCluster) -> Value {
    let mut security = pod::locked();
    security["runAsUser"] = FERRET_UID.into();
    json!({
        "name": "ferretdb",
        "image": cluster.images.store,
        "imagePullPolicy": cluster.images.pull_policy,
        // Starts it anew, alone, when its certificate has changed.
        "command": ["store-ferretdb"],
        "args": [
            "--postgresql-url=postgres://ferret@/postgres?host=/run/store",
            "--listen-addr=127.0.0.1:27018",
            "--listen-tls=:27017",
            "--listen-tls-cert-file=/tls/tls.crt",
            "--listen-tls-key-file=/tls/tls.key",
            "--debug-addr=:8088",
            "--state-dir=/tmp",
            "--telemetry=disable",
            // At WARN it repeats at each probe that a TLS ping does not exist.
            "--log-level=ERROR",
        ],
        "ports": [{"name": "mongodb", "containerPort": 27017}, {"name": "debug", "containerPort": 8088}],
        "securityContext": security,
        "resources": pod::resources(None, &[("cpu", "50m"), ("memory", "64Mi")], &[("memory", "512Mi")]),
        "startupProbe": pod::http_probe("/debug/readyz", "debug", 1, 120),
        "readinessProbe": pod::http_probe("/debug/readyz", "debug", 5, 2),
        "livenessProbe": pod::http_probe("/debug/livez", "debug", 10, 6),
        "volumeMounts": [
            pod::mount("socket", "/run/store", true),
            pod::mount("state", "/tmp", false),
            pod::mount("tls", "/tls", true),
        ],
    })
}
