//! The transporter Redis: one server with TLS and a password for all members.
//!
//! What it has to provide is in `docs/decisions/0008-redis-by-channels.md`. It reads certificate and password at its
//! start only, so either of them new means a new Pod; members come back by themselves within seconds.

use serde_json::{Value, json};

use super::super::material::{Holder, Material};
use super::super::validate::ValidCluster;
use super::pod;
use super::web::exposed_service;
use crate::kind::{Kind, Object};
use crate::meta;
use crate::names;

/// Where probes reach it without TLS.
const SOCKET: &str = "/run/redis/redis.sock";

pub(super) fn objects(
    cluster: &ValidCluster,
    material: &Material,
    size: &str,
    class: Option<&str>,
) -> Vec<Object> {
    let name = &cluster.key.name;
    let metadata = meta::owned(&cluster.owner, &meta::labels(name, "redis", None));
    let selector = meta::pod_selector(name, "redis");
    let exposure = cluster.transporter.exposure.clone().unwrap_or_default();
    vec![
        Object::new(
            Kind::Service,
            names::redis(name),
            exposed_service(metadata, &exposure, &selector, "redis", 6379),
        ),
        Object::new(
            Kind::StatefulSet,
            names::redis(name),
            stateful_set(cluster, material, size, class),
        ),
    ]
}

/// Its configuration. No port without TLS; nothing that is kept may stop it.
pub(super) fn conf(password: &str) -> String {
    format!(
        "bind * -::*\n\
         port 0\n\
         tls-port 6379\n\
         tls-cert-file /etc/redis/tls/tls.crt\n\
         tls-key-file /etc/redis/tls/tls.key\n\
         tls-ca-cert-file /etc/redis/tls/ca.crt\n\
         tls-auth-clients no\n\
         unixsocket {SOCKET}\n\
         unixsocketperm 700\n\
         requirepass {password}\n\
         dir /data\n\
         save \"\"\n\
         appendonly yes\n\
         appendfsync everysec\n\
         stop-writes-on-bgsave-error no\n\
         maxmemory-policy noeviction\n\
         client-output-buffer-limit pubsub 256mb 64mb 60\n\
         tcp-keepalive 30\n"
    )
}

fn stateful_set(
    cluster: &ValidCluster,
    material: &Material,
    size: &str,
    class: Option<&str>,
) -> Value {
    let name = &cluster.key.name;
    let labels = meta::labels(name, "redis", None);
    let certificate = material.leaves.get(&Holder::Redis).map(|l| &l.pair.cert);
    let password = material.bus_secret.as_ref().map(|s| &s.password);
    let mut claim = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
    });
    if let Some(class) = class {
        claim["storageClassName"] = class.into();
    }
    json!({
        "metadata": meta::owned(&cluster.owner, &labels),
        "spec": {
            "serviceName": names::redis(name),
            // Never more: what one server is told another one does not know.
            "replicas": 1,
            "revisionHistoryLimit": 2,
            // Nothing in it outlives the bus.
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
            "selector": {"matchLabels": meta::pod_selector(name, "redis")},
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {
                        "fastx.dev/certificate": meta::digest(&json!(certificate)),
                        "fastx.dev/password": meta::digest(&json!(password)),
                    },
                },
                "spec": pod_spec(cluster),
            },
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    })
}

fn pod_spec(cluster: &ValidCluster) -> Value {
    let name = &cluster.key.name;
    let uid = pod::FASTX_UID;
    let mut spec = pod::base(&names::account(name), &pod::security(uid, uid, uid));
    spec["terminationGracePeriodSeconds"] = 30.into();
    spec["containers"] = json!([server(cluster)]);
    spec["volumes"] = json!([
        {"name": "config", "projected": {"defaultMode": 0o440, "sources": [
            pod::projected(&names::redis_config(name), &[("redis.conf", "redis.conf")]),
            pod::projected(
                &Holder::Redis.secret(name),
                &[("tls.crt", "tls/tls.crt"), ("tls.key", "tls/tls.key"), ("ca.crt", "tls/ca.crt")],
            ),
        ]}},
        pod::empty_dir("run", "1Mi"),
    ]);
    spec
}

fn server(cluster: &ValidCluster) -> Value {
    let probe = |period: u32, failures: u32| {
        json!({
            // Without the password it says no more than that it answers, which is what is asked.
            "exec": {"command": ["redis-cli", "-s", SOCKET, "ping"]},
            "periodSeconds": period, "timeoutSeconds": 5, "failureThreshold": failures,
        })
    };
    json!({
        "name": "redis",
        "image": cluster.images.redis,
        "imagePullPolicy": cluster.images.pull_policy,
        "command": ["redis-server", "/etc/redis/redis.conf"],
        "ports": [{"name": "redis", "containerPort": 6379}],
        "securityContext": pod::locked(),
        // Room for what waits for slow readers.
        "resources": pod::resources(
            cluster.transporter.resources.as_ref(),
            &[("cpu", "20m"), ("memory", "32Mi")],
            &[("memory", "512Mi")],
        ),
        "startupProbe": probe(1, 60),
        "readinessProbe": probe(5, 2),
        "livenessProbe": probe(10, 6),
        "volumeMounts": [
            pod::mount("config", "/etc/redis", true),
            pod::mount("data", "/data", false),
            pod::mount("run", "/run/redis", false),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::material::Existing;
    use super::super::super::material::tests::made;
    use super::super::super::validate::BusKind;
    use super::super::super::validate::tests::valid;
    use super::*;

    fn set(spec: &str) -> Value {
        let cluster = valid(spec);
        let material = made(&cluster, &Existing::default());
        let BusKind::Redis { size, class } = &cluster.transporter.kind else {
            panic!()
        };
        objects(&cluster, &material, size, class.as_deref())[1].body["spec"].clone()
    }

    #[test]
    fn the_claim_is_as_asked_for_and_goes_with_the_server() {
        let usual = set("transporter: {type: Redis}");
        let claim = |set: &Value| set["volumeClaimTemplates"][0]["spec"].clone();
        assert_eq!(claim(&usual)["resources"]["requests"]["storage"], "1Gi");
        assert!(claim(&usual).get("storageClassName").is_none());
        assert_eq!(
            usual["persistentVolumeClaimRetentionPolicy"]["whenDeleted"],
            "Delete"
        );
        let own = set("transporter: {type: Redis, size: 3Gi, storageClassName: fast}");
        assert_eq!(claim(&own)["resources"]["requests"]["storage"], "3Gi");
        assert_eq!(claim(&own)["storageClassName"], "fast");
    }

    #[test]
    fn it_listens_with_tls_alone_and_asks_for_the_password() {
        let conf = conf("s4j5");
        for line in [
            "port 0",
            "tls-port 6379",
            "requirepass s4j5",
            "appendonly yes",
        ] {
            assert!(conf.lines().any(|l| l == line), "{line}");
        }
    }
}
