//! The cluster managers: a Deployment of equals.

use fastx_crds::value::SecretKeyRef;
use serde_json::{Value, json};

use super::super::material::Holder;
use super::super::validate::{ValidCluster, ValidStore};
use super::pod;
use crate::kind::{Kind, Object};
use crate::meta;
use crate::names;

pub(super) fn objects(cluster: &ValidCluster) -> Vec<Object> {
    let name = &cluster.key.name;
    let metadata = || meta::owned(&cluster.owner, &meta::labels(name, "manager", None));
    let selector = meta::pod_selector(name, "manager");
    let service = json!({
        "metadata": metadata(),
        "spec": {
            "type": "ClusterIP",
            "selector": selector,
            "ports": [{"name": "api", "port": 3310, "targetPort": "api"}],
        },
    });
    let mut objects = vec![
        Object::new(Kind::Service, names::manager(name), service),
        Object::new(Kind::Deployment, names::manager(name), deployment(cluster)),
    ];
    objects.extend(pod::budget(
        cluster,
        names::manager(name),
        "manager",
        cluster.manager_replicas,
    ));
    objects
}

fn deployment(cluster: &ValidCluster) -> Value {
    let name = &cluster.key.name;
    let labels = meta::labels(name, "manager", None);
    json!({
        "metadata": meta::owned(&cluster.owner, &labels),
        "spec": {
            "replicas": cluster.manager_replicas,
            "revisionHistoryLimit": 2,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": meta::pod_selector(name, "manager")},
            "template": {
                // Managers read changed files of trust anew: another authority needs no new Pods.
                "metadata": {"labels": labels},
                "spec": pod_spec(cluster),
            },
        },
    })
}

fn pod_spec(cluster: &ValidCluster) -> Value {
    let name = &cluster.key.name;
    let uid = pod::FASTX_UID;
    let mut spec = pod::base(&names::account(name), &pod::security(uid, uid, uid));
    spec["terminationGracePeriodSeconds"] = 30.into();
    spec["containers"] = json!([container(cluster)]);
    spec["volumes"] = json!([
        {"name": "config", "projected": {"defaultMode": 0o440, "sources": config_sources(cluster)}},
        users_volume(cluster),
        pod::empty_dir("tmp", "16Mi"),
    ]);
    spec["topologySpreadConstraints"] = json!([{
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": meta::pod_selector(name, "manager")},
    }]);
    spec
}

fn config_sources(cluster: &ValidCluster) -> Vec<Value> {
    let name = &cluster.key.name;
    let mut sources = vec![
        pod::projected(
            &names::manager_broker(name),
            &[("broker.json", "broker.json")],
        ),
        pod::projected(
            &Holder::Manager.secret(name),
            &[
                ("tls.crt", "tls/tls.crt"),
                ("tls.key", "tls/tls.key"),
                ("ca.crt", "tls/ca.crt"),
            ],
        ),
    ];
    sources.extend(oidc_sources(cluster));
    match &cluster.store {
        ValidStore::Ferret { .. } => {
            sources.push(pod::projected(
                &names::store_login(name),
                &[("uri", "store/uri")],
            ));
            // Its own copy: the managers' folder of trust must not depend on the store's Secret.
            sources.push(pod::projected(
                &Holder::Store.secret(name),
                &[("ca.crt", "store/ca.crt")],
            ));
        }
        ValidStore::External { uri, ca } => {
            sources.push(pod::projected(&uri.name, &[(&uri.key, "store/uri")]));
            if let Some(ca) = ca {
                sources.push(pod::projected(&ca.name, &[(&ca.key, "store/ca.crt")]));
            }
        }
    }
    sources
}

/// What signing in at a provider needs. Without it managers run all the same, and the condition says it.
fn oidc_sources(cluster: &ValidCluster) -> Vec<Value> {
    let Some(oidc) = &cluster.sign_in.oidc else {
        return Vec::new();
    };
    let named = [
        (&oidc.client_secret_ref, "oidc/client-secret"),
        (&oidc.ca_secret_ref, "oidc/ca.crt"),
    ];
    let source = |(secret, path): (&Option<SecretKeyRef>, &str)| {
        let secret = secret.as_ref()?;
        let mut source = pod::projected(&secret.name, &[(&secret.key, path)]);
        source["secret"]["optional"] = true.into();
        Some(source)
    };
    named.into_iter().filter_map(source).collect()
}

/// The folder of logins; empty while the Secret is missing, so that managers run and the condition says it.
fn users_volume(cluster: &ValidCluster) -> Value {
    match &cluster.sign_in.users_secret {
        Some(secret) => json!({"name": "users", "secret": {
            "secretName": secret, "defaultMode": 0o440, "optional": true,
        }}),
        None => pod::empty_dir("users", "1Mi"),
    }
}

fn container(cluster: &ValidCluster) -> Value {
    let mut env = vec![
        json!({"name": "FX_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
        variable("FX_CONFIG_DIR", "/etc/fastx"),
        variable("FX_TLS_DIR", "/etc/fastx/tls"),
        variable("FX_STORE_URI_FILE", "/etc/fastx/store/uri"),
        variable("FX_STORE_DATABASE", "fastx"),
        variable("FX_USERS_DIR", "/etc/fastx-users"),
        variable("FX_API_ADDR", "0.0.0.0:3310"),
        variable("FX_HEALTH_ADDR", "0.0.0.0:9300"),
        variable("FX_LOG_FORMAT", "json"),
        variable("LOGLEVEL", cluster.log_level),
    ];
    if !matches!(cluster.store, ValidStore::External { ca: None, .. }) {
        env.push(variable("FX_STORE_CA_FILE", "/etc/fastx/store/ca.crt"));
    }
    json!({
        "name": "manager",
        "image": cluster.images.fastx,
        "imagePullPolicy": cluster.images.pull_policy,
        "command": ["/usr/bin/fastx-manager"],
        "env": env,
        "ports": [{"name": "api", "containerPort": 3310}, {"name": "health", "containerPort": 9300}],
        "securityContext": pod::locked(),
        "resources": pod::resources(
            cluster.manager_resources.as_ref(),
            &[("cpu", "20m"), ("memory", "48Mi")],
            &[("memory", "256Mi")],
        ),
        "startupProbe": pod::http_probe("/livez", "health", 1, 60),
        "readinessProbe": pod::http_probe("/readyz", "health", 5, 2),
        "livenessProbe": pod::http_probe("/livez", "health", 10, 6),
        "volumeMounts": [
            pod::mount("config", "/etc/fastx", true),
            pod::mount("users", "/etc/fastx-users", true),
            pod::mount("tmp", "/tmp", false),
        ],
    })
}

fn variable(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

#[cfg(test)]
mod tests {
    use super::super::super::validate::tests::valid;
    use super::*;

    #[test]
    fn an_external_store_comes_from_its_own_secrets() {
        let cluster =
            valid("store: {engine: External, external: {uriSecretRef: {name: db, key: address}}}");
        let spec = pod_spec(&cluster).to_string();
        assert!(
            spec.contains(r#""key":"address","path":"store/uri""#),
            "{spec}"
        );
        assert!(
            !spec.contains("FX_STORE_CA_FILE") && !spec.contains("site-store"),
            "{spec}"
        );
    }

    #[test]
    fn managers_alone_get_the_secret_of_the_provider_and_start_without_it() {
        let spec = "authentication: {oidc: {issuer: 'https://id.example', clientId: desks, \
                    clientSecretRef: {name: lab, key: s}, caSecretRef: {name: trust, key: pem}}}";
        let sources = oidc_sources(&valid(spec));
        let expected = [
            ("lab", "s", "oidc/client-secret"),
            ("trust", "pem", "oidc/ca.crt"),
        ];
        assert_eq!(sources.len(), 2);
        for (source, (name, key, path)) in sources.iter().zip(expected) {
            assert_eq!(
                source["secret"],
                json!({"name": name, "items": [{"key": key, "path": path}], "optional": true})
            );
        }
        assert!(oidc_sources(&valid("")).is_empty());
    }

    #[test]
    fn managers_start_without_the_secret_of_logins() {
        let volume = users_volume(&valid(
            "authentication: {local: {usersSecretRef: {name: people}}}",
        ));
        assert_eq!(volume["secret"]["secretName"], "people");
        assert_eq!(volume["secret"]["optional"], true);
    }
}
