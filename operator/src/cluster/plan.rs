//! Everything that a cluster consists of, as objects. Pure: the same input gives the same objects.

pub(super) mod certificate;
pub mod documents;
pub mod hosts;
mod manager;
mod nats;
mod network;
pub(crate) mod pod;
mod redis;
mod secrets;
mod store;
pub mod web;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::material::Material;
use super::validate::{BusKind, ValidCluster, ValidStore};
use crate::kind::{Kind, Object};
use crate::meta;
use crate::names;
use crate::pods::{PodView, proved_image};

pub(crate) use secrets::{broker_document, own_bus, shared_bus};

/// What is to be applied for a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Objects, in the order of application.
    pub ensure: Vec<Object>,
    /// Pods whose kubelet should look at its Secrets now: name → what their annotation should say.
    pub nudge: BTreeMap<String, String>,
}

/// Annotation of a Pod whose change makes the kubelet look at mounted Secrets at once.
pub const NUDGE: &str = "fastx.dev/secrets";

/// What is there already and bears on the plan.
#[derive(Debug, Clone, Copy, Default)]
pub struct Present<'a> {
    /// Pods of store, transporter and managers.
    pub pods: &'a [Arc<PodView>],
    /// Size that the store's StatefulSet makes claims with; it cannot change.
    pub claim_size: Option<&'a str>,
    /// Whether there are nodes of kind `host`.
    pub has_hosts: bool,
}

/// Plans a cluster.
pub fn plan(
    cluster: &ValidCluster,
    material: &Material,
    present: &Present<'_>,
    now: Timestamp,
) -> Plan {
    let pods = present.pods;
    let mut ensure = secrets::secrets(cluster, material, now);
    let mounted = mounted(&ensure);
    if matches!(cluster.store, ValidStore::Ferret { .. }) {
        ensure.extend(store::objects(cluster, present.claim_size));
    }
    match &cluster.transporter.kind {
        BusKind::Nats => ensure.extend(nats::objects(cluster, &helper_image(cluster, pods))),
        BusKind::Redis { size, class } => {
            ensure.extend(redis::objects(cluster, material, size, class.as_deref()));
        }
        BusKind::External(_) => {}
    }
    ensure.extend(manager::objects(cluster));
    ensure.extend(web::objects(cluster));
    ensure.extend(network::policies(cluster, present.has_hosts));
    ensure.push(account(cluster));
    ensure.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Plan {
        ensure,
        nudge: nudge(&mounted, pods),
    }
}

/// The managers go first: an image that does not start there must not take the transporter down.
fn helper_image(cluster: &ValidCluster, pods: &[Arc<PodView>]) -> String {
    let part = |component: &'static str| {
        pods.iter()
            .map(AsRef::as_ref)
            .filter(move |p: &&PodView| p.label(meta::COMPONENT) == Some(component))
    };
    let wanted = &cluster.images.fastx;
    proved_image(part("manager"), "manager", wanted)
        .or_else(|| {
            part("nats")
                .find_map(|p| p.image("reload"))
                .map(str::to_owned)
        })
        .unwrap_or_else(|| wanted.clone())
}

fn account(cluster: &ValidCluster) -> Object {
    let name = &cluster.key.name;
    let mut body = json!({
        "metadata": meta::owned(&cluster.owner, &meta::labels(name, "account", None)),
        "automountServiceAccountToken": false,
    });
    if !cluster.images.pull_secrets.is_empty() {
        body["imagePullSecrets"] = pod::named(&cluster.images.pull_secrets);
    }
    Object::new(Kind::ServiceAccount, names::account(name), body)
}

/// For each component the digest of the Secrets that its Pods mount.
fn mounted(objects: &[Object]) -> BTreeMap<&'static str, String> {
    ["nats", "manager"]
        .into_iter()
        .map(|component| {
            let contents: Vec<&Value> = objects
                .iter()
                .filter(|o| {
                    let label = &o.body["metadata"]["labels"][meta::COMPONENT];
                    // Managers also mount what they trust of the store.
                    label == component || (component == "manager" && label == "store")
                })
                .map(|o| &o.body["data"])
                .collect();
            (component, meta::digest(&json!(contents)))
        })
        .collect()
}

fn nudge(
    mounted: &BTreeMap<&'static str, String>,
    pods: &[Arc<PodView>],
) -> BTreeMap<String, String> {
    pods.iter()
        .filter(|pod| !pod.deleting())
        .filter_map(|pod| {
            let wanted = mounted.get(pod.label(meta::COMPONENT)?)?;
            (pod.annotation(NUDGE) != Some(wanted)).then(|| (pod.name().to_owned(), wanted.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::material::Existing;
    use super::super::material::tests::made;
    use super::super::validate::tests::valid;
    use super::*;

    fn planned(spec: &str) -> Plan {
        let cluster = valid(spec);
        let material = made(&cluster, &Existing::default());
        plan(
            &cluster,
            &material,
            &Present::default(),
            Timestamp::from_second(1_800_000_000).unwrap(),
        )
    }

    fn list(plan: &Plan) -> Vec<String> {
        plan.ensure
            .iter()
            .map(|o| format!("{} {}", o.kind.name(), o.name))
            .collect()
    }

    #[test]
    fn a_default_cluster() {
        assert_eq!(
            list(&planned("")),
            [
                "Secret site-authority",
                "Secret site-bus-keys",
                "Secret site-manager-broker",
                "Secret site-manager-tls",
                "Secret site-nats-config",
                "Secret site-nats-tls",
                "Secret site-operator-tls",
                "Secret site-store-login",
                "Secret site-store-tls",
                "Secret site-web-tls",
                "ServiceAccount site-fastx",
                "Service site-manager",
                "Service site-nats",
                "Service site-nats-peers",
                "Service site-nodes",
                "Service site-store",
                "Service site-web",
                "NetworkPolicy site-manager",
                "NetworkPolicy site-nats",
                "NetworkPolicy site-nodes",
                "NetworkPolicy site-store",
                "PodDisruptionBudget site-manager",
                "StatefulSet site-nats",
                "StatefulSet site-store",
                "Deployment site-manager",
            ]
        );
    }

    #[test]
    fn one_manager_has_no_budget_and_an_external_store_no_pod() {
        let objects = list(&planned(
            "manager: {replicas: 1}\ntransporter: {replicas: 3}\nstore: {engine: External, external: {uriSecretRef: {name: db, key: uri}}}",
        ));
        assert!(
            !objects.iter().any(|o| o.contains("site-store")),
            "{objects:?}"
        );
        assert!(!objects.contains(&"PodDisruptionBudget site-manager".to_owned()));
        assert!(objects.contains(&"PodDisruptionBudget site-nats".to_owned()));
    }

    #[test]
    fn a_bus_of_somebody_else_is_not_made() {
        let objects = list(&planned(
            "transporter: {type: External, external: {host: bus.example}}",
        ));
        assert!(
            !objects.iter().any(|o| o.contains("site-nats")),
            "{objects:?}"
        );
        assert!(objects.contains(&"Secret site-manager-broker".to_owned()));
    }

    #[test]
    fn with_redis_there_is_no_nats_and_no_identity() {
        let objects = list(&planned("transporter: {type: Redis}"));
        for name in ["site-nats", "site-bus-keys"] {
            assert!(!objects.iter().any(|o| o.contains(name)), "{objects:?}");
        }
        for object in [
            "Secret site-manager-broker",
            "Secret site-redis-config",
            "Secret site-redis-tls",
            "Service site-redis",
            "NetworkPolicy site-redis",
            "StatefulSet site-redis",
        ] {
            assert!(objects.contains(&object.to_owned()), "{objects:?}");
        }
    }

    #[test]
    fn everything_has_our_labels_and_goes_away_with_its_owner() {
        for object in planned("").ensure {
            let metadata = &object.body["metadata"];
            assert_eq!(metadata["labels"][meta::CLUSTER], "site", "{}", object.name);
            assert_eq!(metadata["labels"][meta::MANAGED_BY], meta::OPERATOR);
            assert_eq!(metadata["ownerReferences"][0]["uid"], "u-site");
            assert!(object.name.starts_with("site-"));
        }
    }

    #[test]
    fn all_pods_are_restricted_and_have_no_token() {
        let redis = planned("transporter: {type: Redis}").ensure;
        let nats = planned("transporter: {replicas: 3}").ensure;
        for object in nats.into_iter().chain(redis) {
            let pod = &object.body["spec"]["template"]["spec"];
            if !pod.is_object() {
                continue;
            }
            assert_eq!(
                pod["automountServiceAccountToken"], false,
                "{}",
                object.name
            );
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            assert_eq!(
                pod["securityContext"]["seccompProfile"]["type"],
                "RuntimeDefault"
            );
            let containers = [&pod["initContainers"], &pod["containers"]];
            for container in containers.iter().filter_map(|c| c.as_array()).flatten() {
                let context = &container["securityContext"];
                assert_eq!(context["allowPrivilegeEscalation"], false, "{container}");
                assert_eq!(context["capabilities"]["drop"][0], "ALL");
                assert_eq!(context["readOnlyRootFilesystem"], true);
                assert!(
                    container["resources"]["requests"]["memory"].is_string(),
                    "{container}"
                );
            }
        }
    }

    #[test]
    fn no_secret_value_is_outside_of_secrets() {
        let cluster = valid("transporter: {type: Redis}");
        let material = made(&cluster, &Existing::default());
        let password = material.store_login.clone().unwrap().password;
        let bus = material.bus_secret.clone().unwrap().password;
        assert!(bus.len() >= 32 && bus != password);
        for object in plan(
            &cluster,
            &material,
            &Present::default(),
            Timestamp::UNIX_EPOCH,
        )
        .ensure
        {
            if object.kind != Kind::Secret {
                let text = object.body.to_string();
                assert!(
                    !text.contains(&password)
                        && !text.contains(&bus)
                        && !text.contains("PRIVATE KEY"),
                    "{}",
                    object.name
                );
            }
        }
    }

    #[test]
    fn the_same_input_gives_the_same_objects() {
        assert_eq!(list(&planned("")), list(&planned("")));
        let cluster = valid("");
        let material = made(&cluster, &Existing::default());
        let at = |s| Timestamp::from_second(s).unwrap();
        // Only the generation of a new broker.json depends on the time.
        let strip = |plan: Plan| {
            let mut objects = plan.ensure;
            objects.retain(|o| o.name != "site-manager-broker");
            objects
        };
        assert_eq!(
            strip(plan(&cluster, &material, &Present::default(), at(1))),
            strip(plan(&cluster, &material, &Present::default(), at(2)))
        );
    }

    #[test]
    fn a_larger_store_leaves_its_stateful_set_as_it_is() {
        let cluster = valid("store: {size: 5Gi}");
        let material = made(&cluster, &Existing::default());
        let set = |claim_size| {
            let present = Present {
                claim_size,
                ..Present::default()
            };
            let objects = plan(&cluster, &material, &present, Timestamp::UNIX_EPOCH).ensure;
            let set = objects
                .into_iter()
                .find(|o| o.kind == Kind::StatefulSet && o.name == "site-store")
                .unwrap();
            let request = &set.body["spec"]["volumeClaimTemplates"][0]["spec"]["resources"];
            (
                request["requests"]["storage"].clone(),
                set.body["metadata"]["annotations"][meta::CLAIM_SIZE].clone(),
            )
        };
        assert_eq!(set(None), (json!("5Gi"), json!("5Gi")));
        assert_eq!(set(Some("2Gi")), (json!("2Gi"), json!("2Gi")));
    }

    #[test]
    fn a_new_authority_needs_no_new_managers() {
        let cluster = valid("");
        let deployment = |material: &Material| {
            let objects = plan(
                &cluster,
                material,
                &Present::default(),
                Timestamp::UNIX_EPOCH,
            )
            .ensure;
            let found = objects.into_iter().find(|o| o.kind == Kind::Deployment);
            found.unwrap().body["spec"]["template"].clone()
        };
        let (one, other) = (
            made(&cluster, &Existing::default()),
            made(&cluster, &Existing::default()),
        );
        assert_ne!(one.authority, other.authority);
        assert_eq!(deployment(&one), deployment(&other));
    }

    #[test]
    fn pods_with_old_secrets_are_nudged_once() {
        let cluster = valid("");
        let material = made(&cluster, &Existing::default());
        let pod = |nudge: &str| -> Arc<PodView> {
            Arc::new(
                serde_yaml_ng::from_str(&format!(
                    "metadata: {{name: site-nats-0, labels: {{{}: nats}}, annotations: {{{NUDGE}: '{nudge}'}}}}",
                    meta::COMPONENT
                ))
                .unwrap(),
            )
        };
        let nudge = |pod| {
            let present = Present {
                pods: &[pod],
                ..Present::default()
            };
            plan(&cluster, &material, &present, Timestamp::UNIX_EPOCH).nudge
        };
        let first = nudge(pod("old"));
        assert_eq!(first.len(), 1);
        assert!(nudge(pod(&first["site-nats-0"])).is_empty());
    }
}
