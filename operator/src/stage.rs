//! For tests: an API server in memory that counts requests, and the controllers before it.

mod configuration;
mod discovery;
mod joins;
mod managers;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use fastx_crds::{ComputeNode, FastXCluster};
use fastx_lifecycle::env::Map;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use kube::core::DeserializeGuard;
use kube::runtime::events::Recorder;
use serde_json::{Value, json};

use crate::apply::Applier;
use crate::cluster::Clusters;
use crate::config::Config;
use crate::context::Context;
use crate::controller::Reconcile as _;
use crate::foreign::{Foreign, Seen};
use crate::kind::Kind;
use crate::managers::Reports;
use crate::meta;
use crate::metrics::Metrics;
use crate::node::Nodes;
use crate::queue::Key;
use crate::world::World;

/// What the API server has, by path, and the writes that came.
#[derive(Debug, Default)]
struct Server {
    objects: BTreeMap<String, Value>,
    /// Kinds whose definitions are not installed.
    unknown: BTreeSet<&'static str>,
    /// Whether Pod Security keeps Pods out.
    strict: bool,
    /// Names that nothing may be made under.
    refused: BTreeSet<&'static str>,
    version: u64,
    log: Vec<String>,
}

/// The controllers and their API server.
pub(crate) struct Stage {
    pub(crate) world: Arc<World>,
    foreign: Arc<Foreign>,
    reports: Arc<Reports>,
    clusters: Clusters,
    nodes: Nodes,
    server: Arc<Mutex<Server>>,
}

pub(crate) fn key(name: &str) -> Key {
    Key::new("area", name)
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::before(Arc::default(), &Map::default())
    }

    /// One whose operator may see the machines of Kubernetes.
    fn with_sight() -> Self {
        let settings = Map::from([("FX_WATCH_MACHINES", "true")]);
        Self::before(Arc::default(), &settings)
    }

    /// There is a machine with this label.
    fn with_machine(&self, name: &str, label: Option<(&str, &str)>) {
        let labels: BTreeMap<_, _> = label.into_iter().collect();
        let machine = json!({"metadata": {"name": name, "labels": labels}});
        let machine: crate::world::Child = serde_json::from_value(machine).unwrap();
        let key = Key::new("", name);
        self.world.machines.set(&key, Some(Arc::new(machine)));
    }

    /// Another operator before the same API server; it remembers nothing.
    pub(crate) fn successor(&self) -> Self {
        let stage = Self::before(self.server.clone(), &Map::default());
        stage.show();
        stage
    }

    fn before(server: Arc<Mutex<Server>>, settings: &Map) -> Self {
        let world = Arc::new(World::default());
        let client = Client::new(service(server.clone()), "area");
        let metrics = Metrics::default();
        let context = Context::new(
            Arc::new(Config::load(settings).unwrap()),
            world.clone(),
            Arc::new(Applier::new(client.clone(), world.clone(), metrics.clone())),
            Reports::settled(world.cluster_queue.clone(), world.node_queue.clone()),
            metrics,
            Recorder::new(client, "test".into()),
        );
        Self {
            foreign: context.foreign.clone(),
            reports: context.reports.clone(),
            clusters: Clusters::new(context.clone()),
            nodes: Nodes::new(context),
            world,
            server,
        }
    }

    /// Somebody writes an object.
    pub(crate) fn put(&self, plural: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let mut server = self.server.lock().unwrap();
        let path = path(plural, name);
        let mut object = server
            .objects
            .get(&path)
            .cloned()
            .unwrap_or_else(|| json!({}));
        change(&mut object);
        server.store(&path, object);
    }

    /// Somebody deletes an object.
    pub(crate) fn delete(&self, plural: &str, name: &str) {
        self.server
            .lock()
            .unwrap()
            .objects
            .remove(&path(plural, name));
    }

    /// An object as the API server has it.
    pub(crate) fn get(&self, plural: &str, name: &str) -> Option<Value> {
        self.server
            .lock()
            .unwrap()
            .objects
            .get(&path(plural, name))
            .cloned()
    }

    pub(crate) fn with_cluster(&self, spec: &str) {
        let cluster = crate::cluster::validate::tests::cluster(spec);
        self.put("fastxclusters", "site", |o| {
            *o = serde_json::to_value(cluster).unwrap();
        });
    }

    pub(crate) fn with_node(&self, node: &ComputeNode) {
        self.put("computenodes", "desk", |o| {
            *o = serde_json::to_value(node).unwrap();
        });
    }

    /// The caches hear of everything.
    pub(crate) fn show(&self) {
        let server = self.server.lock().unwrap();
        let world = &self.world;
        for kind in Kind::ALL {
            let plural = kind.resource().plural;
            for key in server.keys(&plural, |_| true) {
                world.children(kind).set(&key, None);
            }
            let ours = |o: &Value| o["metadata"]["labels"][meta::MANAGED_BY] == meta::OPERATOR;
            let present = server.keys(&plural, ours);
            for child in world.children(kind).list("area") {
                let key = key(child.metadata.name.as_deref().unwrap());
                if !present.contains(&key) {
                    world.children(kind).set(&key, None);
                }
            }
            for key in present {
                let child =
                    serde_json::from_value(server.objects[&path(&plural, &key.name)].clone());
                world
                    .children(kind)
                    .set(&key, Some(Arc::new(child.unwrap())));
            }
        }
        for pod in world.pods.list("area") {
            world.pods.set(&key(pod.name()), None);
        }
        for key in server.keys("pods", |_| true) {
            let pod = serde_json::from_value(server.objects[&path("pods", &key.name)].clone());
            world.pods.set(&key, Some(Arc::new(pod.unwrap())));
        }
        for name in self.foreign.names(&key("site")) {
            let secret = server.objects.get(&path("secrets", &name));
            let version = secret.and_then(|s| s["metadata"]["resourceVersion"].as_str());
            let seen = version.map_or(Seen::Absent, |v| Seen::Version(v.to_owned()));
            self.foreign.told(&key("site"), &name, &seen);
        }
        let read = |plural: &str, name: &str| server.objects.get(&path(plural, name)).cloned();
        let cluster = read("fastxclusters", "site").map(guard::<FastXCluster>);
        world.clusters.set(&key("site"), cluster);
        for (key, _) in world.nodes.all() {
            world.nodes.set(&key, None);
        }
        for key in server.keys("computenodes", |_| true) {
            let node = read("computenodes", &key.name).map(guard::<ComputeNode>);
            world.nodes.set(&key, node);
        }
    }

    /// One pass of both controllers; gives the requests that it cost.
    pub(crate) async fn pass(&self) -> Vec<String> {
        self.show();
        let mut nodes = BTreeSet::from([key("desk")]);
        nodes.extend(self.world.nodes.all().into_iter().map(|(key, _)| key));
        let _failure = self.clusters.reconcile(&key("site")).await;
        self.show();
        nodes.extend(self.world.nodes.all().into_iter().map(|(key, _)| key));
        for node in nodes {
            let _failure = self.nodes.reconcile(&node).await;
            self.show();
        }
        std::mem::take(&mut self.server.lock().unwrap().log)
    }

    /// Passes until nothing is sent any more.
    pub(crate) async fn settle(&self) {
        for _ in 0..8 {
            if self.pass().await.is_empty() {
                return;
            }
        }
        panic!("it does not come to rest: {:?}", self.pass().await);
    }
}

fn guard<K: serde::de::DeserializeOwned>(object: Value) -> Arc<DeserializeGuard<K>> {
    Arc::new(DeserializeGuard(
        Ok(serde_json::from_value(object).unwrap()),
    ))
}

fn path(plural: &str, name: &str) -> String {
    format!("{plural}/{name}")
}

impl Server {
    fn store(&mut self, path: &str, mut object: Value) {
        let name = path.split_once('/').unwrap().1;
        let before = self.objects.get(path);
        if before == Some(&object) {
            return;
        }
        self.version += 1;
        object["metadata"]["name"] = name.into();
        object["metadata"]["namespace"] = "area".into();
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = format!("u-{path}-{}", self.version).into();
        }
        let spec_changed = before.is_some_and(|b| b["spec"] != object["spec"]);
        // Only some kinds have a generation.
        if path.starts_with("deployments") || path.starts_with("statefulsets") {
            let generation =
                before.map_or(1, |b| b["metadata"]["generation"].as_i64().unwrap_or(1));
            object["metadata"]["generation"] = (generation + i64::from(spec_changed)).into();
        }
        self.objects.insert(path.to_owned(), object);
    }

    fn keys(&self, plural: &str, wanted: impl Fn(&Value) -> bool) -> Vec<Key> {
        let prefix = format!("{plural}/");
        self.objects
            .iter()
            .filter(|(path, object)| path.starts_with(&prefix) && wanted(object))
            .map(|(path, _)| key(&path[prefix.len()..]))
            .collect()
    }

    fn answer(
        &mut self,
        method: &Method,
        uri: &str,
        kind: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let (uri, query) = uri.split_once('?').unwrap_or((uri, ""));
        let tail = uri.split("/namespaces/area/").nth(1).unwrap_or_default();
        if method != Method::GET && tail.starts_with("events") {
            return (StatusCode::CREATED, body);
        }
        if !tail.contains('/') {
            self.log.push(format!("{method} {tail}"));
            return self.collection(method, tail, query, body);
        }
        let path = tail.trim_end_matches("/status").to_owned();
        self.log.push(format!("{method} {tail}"));
        let existing = self.objects.get(&path).cloned();
        let is_unknown = self.unknown.iter().any(|kind| path.starts_with(kind));
        if self.strict && path.starts_with("pods/") && method == Method::PATCH {
            let message = "pods \"desk\" is forbidden: violates PodSecurity \"restricted:v1.36\": host namespaces (hostNetwork=true)";
            return refusal(StatusCode::FORBIDDEN, message);
        }
        match (method.as_str(), existing) {
            ("GET", Some(object)) => (StatusCode::OK, object),
            ("PATCH", existing) if kind.contains("apply") && !is_unknown => {
                let mut object = body;
                if let Some(existing) = &existing {
                    for field in ["uid", "resourceVersion", "generation"] {
                        object["metadata"][field] = existing["metadata"][field].clone();
                    }
                    if path.starts_with("secrets") {
                        // Keys that another manager merged in stay.
                        let mut data = existing["data"].clone();
                        merge(&mut data, &object["data"]);
                        object["data"] = data;
                    }
                }
                self.store(&path, object);
                (StatusCode::OK, self.objects[&path].clone())
            }
            ("PATCH", Some(mut object)) => {
                merge(&mut object, &body);
                self.store(&path, object);
                (StatusCode::OK, self.objects[&path].clone())
            }
            ("DELETE", Some(object)) => {
                self.objects.remove(&path);
                (StatusCode::OK, object)
            }
            _ => refusal(StatusCode::NOT_FOUND, "not found"),
        }
    }

    /// All of a kind with some labels, or one more of it.
    fn collection(
        &mut self,
        method: &Method,
        plural: &str,
        query: &str,
        mut object: Value,
    ) -> (StatusCode, Value) {
        if method == Method::GET {
            let labels = labels(query);
            let wanted = |o: &Value| labels.iter().all(|(k, v)| o["metadata"]["labels"][k] == *v);
            let keys = self.keys(plural, wanted);
            let items: Vec<&Value> = keys
                .iter()
                .map(|key| &self.objects[&path(plural, &key.name)])
                .collect();
            let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items});
            return (StatusCode::OK, list);
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let path = path(plural, name);
        if self.refused.contains(name) {
            return refusal(StatusCode::FORBIDDEN, "exceeded quota: desks");
        }
        if self.objects.contains_key(&path) {
            return refusal(StatusCode::CONFLICT, "already exists");
        }
        object["metadata"]["generation"] = 1.into();
        self.store(&path, object);
        (StatusCode::CREATED, self.objects[&path].clone())
    }
}

/// What `labelSelector` of a query asks for.
fn labels(query: &str) -> BTreeMap<String, String> {
    let selector = query
        .split('&')
        .find_map(|part| part.strip_prefix("labelSelector="))
        .unwrap_or_default()
        .replace("%2F", "/")
        .replace("%3D", "=")
        .replace("%2C", ",");
    let pairs = selector.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn refusal(status: StatusCode, message: &str) -> (StatusCode, Value) {
    let reason = status
        .canonical_reason()
        .unwrap_or_default()
        .replace(' ', "");
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
        "code": status.as_u16(), "message": message,
    });
    (status, body)
}

fn merge(into: &mut Value, change: &Value) {
    let Some(change) = change.as_object() else {
        *into = change.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in change {
        if value.is_null() {
            into.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut into[key], value);
        }
    }
}

fn service(
    server: Arc<Mutex<Server>>,
) -> impl tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone {
    tower::service_fn(move |request: Request<Body>| {
        let server = server.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let kind = parts.headers.get("content-type");
            let kind = kind
                .and_then(|k| k.to_str().ok())
                .unwrap_or_default()
                .to_owned();
            let (status, answer) =
                server
                    .lock()
                    .unwrap()
                    .answer(&parts.method, &parts.uri.to_string(), &kind, body);
            let mut response = Response::new(Body::from(answer.to_string().into_bytes()));
            *response.status_mut() = status;
            Ok(response)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::tests::node;
    use base64::Engine as _;

    async fn settled(spec: &str, node_spec: &str) -> Stage {
        let stage = Stage::new();
        stage.with_cluster(spec);
        stage.with_node(&node(node_spec));
        stage.settle().await;
        stage
    }

    fn writes(log: &[String]) -> Vec<&String> {
        log.iter().filter(|l| !l.starts_with("GET")).collect()
    }

    #[tokio::test]
    async fn at_rest_not_one_request_is_sent() {
        let stage = Stage::new();
        stage.put("secrets", "people", |_| ());
        stage.with_cluster("authentication: {local: {usersSecretRef: {name: people}}}");
        stage.with_node(&node("pod: {home: {size: 1Gi}}"));
        stage.settle().await;
        assert!(stage.get("pods", "desk").is_some());
        assert_eq!(stage.pass().await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn every_object_that_is_changed_or_deleted_is_put_right() {
        let stage = settled("transporter: {replicas: 3}", "pod: {home: {size: 1Gi}}").await;
        let drift = |o: &mut Value| o["spec"]["drift"] = true.into();
        for (plural, name) in [
            ("services", "site-web"),
            ("deployments", "site-manager"),
            ("statefulsets", "site-nats"),
            ("networkpolicies", "site-store"),
            ("poddisruptionbudgets", "site-nats"),
            ("serviceaccounts", "site-fastx"),
            ("persistentvolumeclaims", "desk-home"),
        ] {
            stage.put(plural, name, drift);
            stage.settle().await;
            assert!(
                stage.get(plural, name).unwrap()["spec"]["drift"].is_null(),
                "{plural} {name}"
            );
            stage.delete(plural, name);
            stage.settle().await;
            assert!(stage.get(plural, name).is_some(), "{plural} {name}");
        }
    }

    #[tokio::test]
    async fn a_successor_changes_nothing_and_comes_to_rest() {
        let stage = settled("", "pod: {}").await;
        let before = stage.server.lock().unwrap().objects.clone();
        let successor = stage.successor();
        successor.settle().await;
        let after = stage.server.lock().unwrap().objects.clone();
        for (path, object) in before {
            assert_eq!(after[&path]["data"], object["data"], "{path}");
            assert_eq!(after[&path]["spec"], object["spec"], "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_somebody_elses_is_left_alone_and_told() {
        let stage = Stage::new();
        stage.with_cluster("");
        let theirs = json!({"spec": {"theirs": true}});
        stage.put("services", "site-web", |o| *o = theirs);
        for _ in 0..3 {
            stage.pass().await;
        }
        assert_eq!(
            stage.get("services", "site-web").unwrap()["spec"]["theirs"],
            true
        );
        let status = stage.get("fastxclusters", "site").unwrap()["status"].to_string();
        assert!(
            status.contains("NameTaken") && status.contains("site-web"),
            "{status}"
        );
        // The rest is made all the same.
        assert!(stage.get("deployments", "site-manager").is_some());
    }

    #[tokio::test]
    async fn a_lost_identity_is_made_anew_and_the_old_one_revoked() {
        let stage = settled("", "external: {}").await;
        let members = |stage: &Stage| -> Vec<String> {
            let data = stage.get("secrets", "site-bus-keys").unwrap()["data"].clone();
            let keys = data.as_object().unwrap().keys();
            keys.filter(|k| k.contains('.')).cloned().collect()
        };
        assert_eq!(members(&stage), ["member.desk"]);
        let before = stage.get("secrets", "desk-broker").unwrap();
        stage.delete("secrets", "desk-broker");
        stage.settle().await;
        assert_ne!(
            stage.get("secrets", "desk-broker").unwrap()["data"],
            before["data"]
        );
        let now = members(&stage);
        assert_eq!(now.len(), 2, "{now:?}");
        assert!(now[1].starts_with("revoked.U"), "{now:?}");
    }

    #[tokio::test]
    async fn a_deleted_node_is_revoked_before_it_is_gone() {
        let stage = settled("", "external: {}").await;
        stage.put("computenodes", "desk", |o| {
            o["metadata"]["deletionTimestamp"] = "2027-01-01T00:00:00Z".into();
        });
        stage.settle().await;
        let node = stage.get("computenodes", "desk").unwrap();
        assert_eq!(node["metadata"]["finalizers"], json!([]));
        let data = stage.get("secrets", "site-bus-keys").unwrap()["data"].to_string();
        assert!(
            !data.contains("member.") && data.contains("revoked.U"),
            "{data}"
        );
    }

    #[tokio::test]
    async fn what_is_not_wanted_any_more_is_removed_and_claims_stay() {
        let stage = settled("", "pod: {home: {size: 1Gi}}").await;
        stage.with_cluster("manager: {replicas: 1}");
        stage.with_node(&node("pod: {}"));
        stage.settle().await;
        assert!(stage.get("poddisruptionbudgets", "site-manager").is_none());
        assert!(stage.get("persistentvolumeclaims", "desk-home").is_some());
    }

    #[tokio::test]
    async fn a_paused_cluster_is_left_alone() {
        let stage = settled("", "pod: {}").await;
        stage.with_cluster("paused: true\nmanager: {replicas: 5}");
        stage.delete("services", "site-web");
        stage.delete("pods", "desk");
        let log = [stage.pass().await, stage.pass().await].concat();
        let status = |l: &&&String| !l.ends_with("/status");
        assert_eq!(writes(&log).iter().filter(status).count(), 0, "{log:?}");
    }

    #[tokio::test]
    async fn a_sidecar_image_that_cannot_be_pulled_is_given_up_as_soon_as_the_kubelet_says_so() {
        let stage = settled("", "pod: {}").await;
        stage.put("pods", "desk", |pod| {
            pod["spec"]["initContainers"][0]["image"] = "bad:2".into();
            let notes = &mut pod["metadata"]["annotations"];
            notes["fastx.dev/sidecar-before"] = "good:1".into();
            notes["fastx.dev/sidecar-since"] = fastx_lifecycle::clock::now().to_string().into();
            pod["status"] = json!({
                "conditions": [{"type": "PodScheduled", "status": "True"}],
                "initContainerStatuses": [{"name": "node", "state": {"terminated": {"exitCode": 0}}}],
                "containerStatuses": [{"name": "desktop", "ready": true, "state": {"running": {}}}],
            });
        });
        let log = stage.pass().await;
        assert!(log.contains(&"GET events".to_owned()), "{log:?}");
        let image = |stage: &Stage| {
            let pod = stage.get("pods", "desk").unwrap();
            pod["spec"]["initContainers"][0]["image"].clone()
        };
        assert_eq!(
            image(&stage),
            "bad:2",
            "nobody has said that it cannot be pulled"
        );
        stage.put("events", "desk.1", |event| {
            *event = json!({
                "reason": "Failed", "type": "Warning",
                "message": "Failed to pull image \"bad:2\": manifest unknown",
                "involvedObject": {"fieldPath": "spec.initContainers{node}"},
                "lastTimestamp": fastx_lifecycle::clock::now().to_string(),
            });
        });
        stage.pass().await;
        assert_eq!(image(&stage), "good:1");
        let status = stage.get("computenodes", "desk").unwrap()["status"].to_string();
        for word in ["ImagePullFailed", "RolledBack", "manifest unknown", "bad:2"] {
            assert!(status.contains(word), "{word} in {status}");
        }
        // What was learnt is kept with the Pod; the Events are not asked for again.
        let log = stage.pass().await;
        assert!(!log.contains(&"GET events".to_owned()), "{log:?}");
        let status = stage.get("computenodes", "desk").unwrap()["status"].to_string();
        assert!(status.contains("manifest unknown"), "{status}");
    }

    #[tokio::test]
    async fn the_stores_claim_grows_and_comes_to_rest() {
        let stage = settled("store: {size: 2Gi}", "external: {}").await;
        stage.put("persistentvolumeclaims", "data-site-store-0", |claim| {
            *claim = json!({
                "spec": {"resources": {"requests": {"storage": "2Gi"}}},
                "status": {"capacity": {"storage": "2Gi"}},
            });
        });
        stage.with_cluster("store: {size: 5Gi}");
        stage.pass().await;
        let claim = stage
            .get("persistentvolumeclaims", "data-site-store-0")
            .unwrap();
        assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "5Gi");
        let set = stage.get("statefulsets", "site-store").unwrap();
        let template = &set["spec"]["volumeClaimTemplates"][0]["spec"];
        assert_eq!(template["resources"]["requests"]["storage"], "2Gi");
        let status =
            |stage: &Stage| stage.get("fastxclusters", "site").unwrap()["status"].to_string();
        assert!(
            status(&stage).contains("VolumeGrowing"),
            "{}",
            status(&stage)
        );
        stage.put("persistentvolumeclaims", "data-site-store-0", |claim| {
            claim["status"]["capacity"]["storage"] = "5Gi".into();
        });
        stage.settle().await;
        assert!(
            !status(&stage).contains("VolumeGrowing"),
            "{}",
            status(&stage)
        );
        assert_eq!(stage.pass().await, Vec::<String>::new());
    }

    fn pem(data: &BTreeMap<String, Vec<u8>>) -> Value {
        let encode = |v: &Vec<u8>| base64::engine::general_purpose::STANDARD.encode(v);
        data.iter()
            .map(|(k, v)| (k.clone(), Value::from(encode(v))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// A certificate for `desk.example`, good for an hour.
    fn certificate() -> Value {
        let now = std::time::SystemTime::from(fastx_lifecycle::clock::now());
        let mut params = rcgen::CertificateParams::new(vec!["desk.example".to_owned()]).unwrap();
        params.not_before = (now - std::time::Duration::from_mins(1)).into();
        params.not_after = (now + std::time::Duration::from_hours(1)).into();
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap().pem();
        pem(&[
            ("tls.crt".to_owned(), cert.into_bytes()),
            ("tls.key".to_owned(), key.serialize_pem().into_bytes()),
        ]
        .into())
    }

    #[tokio::test]
    async fn browsers_see_the_certificate_of_the_named_secret() {
        let theirs = certificate();
        let stage = settled("", "pod: {}").await;
        let shown = |stage: &Stage| {
            stage.get("secrets", "site-web-tls").unwrap()["data"]["tls.crt"].clone()
        };
        let status =
            |stage: &Stage| stage.get("fastxclusters", "site").unwrap()["status"].to_string();
        let (own, pod) = (shown(&stage), stage.get("pods", "desk").unwrap());
        stage.with_cluster(
            "tls: {mode: SecretRef, secretRef: {name: theirs}}\nweb: {hostNames: [desk.example]}",
        );
        stage.settle().await;
        assert!(
            status(&stage).contains("SecretMissing"),
            "{}",
            status(&stage)
        );
        stage.put("secrets", "theirs", |o| o["data"] = theirs.clone());
        stage.settle().await;
        assert_eq!(shown(&stage), theirs["tls.crt"]);
        assert!(
            !status(&stage).contains("SecretMissing"),
            "{}",
            status(&stage)
        );
        assert_eq!(stage.pass().await, Vec::<String>::new());
        // Damaged: what worked stays, and the fault is told.
        stage.put("secrets", "theirs", |o| {
            o["data"]["tls.key"] = "AAAA".into();
        });
        stage.settle().await;
        assert_eq!(shown(&stage), theirs["tls.crt"]);
        assert!(
            status(&stage).contains("SecretInvalid"),
            "{}",
            status(&stage)
        );
        // Back to the own authority; and all of that needed no new Pod.
        stage.with_cluster("");
        stage.settle().await;
        assert_ne!(shown(&stage), theirs["tls.crt"]);
        assert_ne!(shown(&stage), own, "the names changed meanwhile");
        let now = stage.get("pods", "desk").unwrap();
        assert_eq!(now["metadata"]["uid"], pod["metadata"]["uid"]);
        assert_eq!(now["spec"], pod["spec"]);
    }

    #[tokio::test]
    async fn cert_manager_is_asked_and_its_answer_shown() {
        const SPEC: &str =
            "tls: {mode: CertManager, issuerRef: {name: public}}\nweb: {hostNames: [desk.example]}";
        let stage = Stage::new();
        stage.with_cluster(SPEC);
        stage.with_node(&node("external: {}"));
        let status =
            |stage: &Stage| stage.get("fastxclusters", "site").unwrap()["status"].to_string();
        stage.server.lock().unwrap().unknown.insert("certificates/");
        for _ in 0..4 {
            stage.pass().await;
        }
        assert!(
            status(&stage).contains("CertManagerMissing"),
            "{}",
            status(&stage)
        );
        stage.server.lock().unwrap().unknown.clear();
        for _ in 0..4 {
            stage.pass().await;
        }
        assert!(
            status(&stage).contains("CertificateNotIssued"),
            "{}",
            status(&stage)
        );
        let asked = stage.get("certificates", "site-web").unwrap();
        assert_eq!(asked["spec"]["issuerRef"]["name"], "public");
        let issued = certificate();
        stage.put("secrets", "site-web-issued", |o| {
            o["metadata"]["labels"] = asked["spec"]["secretTemplate"]["labels"].clone();
            o["data"] = issued.clone();
        });
        stage.settle().await;
        let shown = stage.get("secrets", "site-web-tls").unwrap();
        assert_eq!(shown["data"]["tls.crt"], issued["tls.crt"]);
        assert!(
            !status(&stage).contains("CertificateNotIssued"),
            "{}",
            status(&stage)
        );
        assert_eq!(stage.pass().await, Vec::<String>::new());
        // Wanted no more: it goes, with what was issued.
        stage.with_cluster("");
        stage.settle().await;
        for (plural, name) in [("certificates", "site-web"), ("secrets", "site-web-issued")] {
            assert!(stage.get(plural, name).is_none(), "{plural} {name}");
        }
    }

    #[tokio::test]
    async fn members_of_somebody_elses_bus_share_its_password() {
        let stage = Stage::new();
        stage.with_cluster(
            "transporter: {type: External, external: {host: bus.example, secretRef: {name: bus}}}",
        );
        stage.with_node(&node("pod: {}"));
        for _ in 0..3 {
            stage.pass().await;
        }
        assert!(stage.get("pods", "desk").is_none(), "nothing to join with");
        let status = stage.get("fastxclusters", "site").unwrap()["status"].to_string();
        assert!(status.contains("SecretMissing"), "{status}");
        stage.put("secrets", "bus", |o| {
            o["data"] = pem(&[("password".to_owned(), b"first".to_vec())].into());
        });
        stage.settle().await;
        let broker = |stage: &Stage, name: &str| {
            let data = stage.get("secrets", name).unwrap()["data"]["broker.json"].clone();
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(data.as_str().unwrap())
                .unwrap();
            fastx_core::wire::broker::BrokerConfig::parse(&String::from_utf8(bytes).unwrap())
                .unwrap()
        };
        for name in ["site-manager-broker", "desk-broker"] {
            let document = broker(&stage, name);
            assert_eq!(document.host, "bus.example");
            assert_eq!(document.password.expose(), "first");
            assert!(document.credentials.is_none());
        }
        assert!(stage.get("statefulsets", "site-nats").is_none());
        assert!(stage.get("pods", "desk").is_some());
        assert_eq!(stage.pass().await, Vec::<String>::new());
        // A new password reaches all of them.
        stage.put("secrets", "bus", |o| {
            o["data"] = pem(&[("password".to_owned(), b"second".to_vec())].into());
        });
        stage.settle().await;
        for name in ["site-manager-broker", "desk-broker"] {
            assert_eq!(broker(&stage, name).password.expose(), "second");
        }
    }

    #[tokio::test]
    async fn members_of_our_redis_share_its_password_and_a_lost_one_is_made_anew() {
        let stage = settled("transporter: {type: Redis}", "pod: {}").await;
        let decoded = |name: &str, key: &str| {
            let data = stage.get("secrets", name).unwrap()["data"][key].clone();
            let bytes = base64::engine::general_purpose::STANDARD.decode(data.as_str().unwrap());
            String::from_utf8(bytes.unwrap()).unwrap()
        };
        let digest = |stage: &Stage| {
            let set = stage.get("statefulsets", "site-redis").unwrap();
            set["spec"]["template"]["metadata"]["annotations"].to_string()
        };
        let (first, before) = (decoded("site-redis-config", "password"), digest(&stage));
        for name in ["site-manager-broker", "desk-broker"] {
            assert!(decoded(name, "broker.json").contains(&first), "{name}");
        }
        assert!(stage.get("statefulsets", "site-nats").is_none());
        assert_eq!(stage.pass().await, Vec::<String>::new());
        // This is how it is changed, too.
        stage.delete("secrets", "site-redis-config");
        stage.settle().await;
        let second = decoded("site-redis-config", "password");
        assert_ne!(first, second);
        assert!(decoded("site-redis-config", "redis.conf").contains(&second));
        for name in ["site-manager-broker", "desk-broker"] {
            assert!(decoded(name, "broker.json").contains(&second), "{name}");
        }
        // Redis reads it at its start.
        assert_ne!(digest(&stage), before);
    }

    #[tokio::test]
    async fn the_secret_of_a_provider_is_asked_for_until_it_has_its_key() {
        let stage = Stage::new();
        stage.with_cluster(
            "authentication: {oidc: {issuer: 'https://id.example', clientId: c, clientSecretRef: {name: lab, key: s}}}",
        );
        let said = |stage: &Stage| {
            let status = stage.get("fastxclusters", "site").unwrap()["status"].clone();
            let all = status["conditions"].as_array().unwrap().clone();
            let own = all.into_iter().find(|c| c["type"] == "SignInReady");
            own.unwrap()["reason"].as_str().unwrap().to_owned()
        };
        stage.settle().await;
        assert_eq!(said(&stage), "SecretMissing");
        let data = |key: &str| pem(&[(key.to_owned(), b"x".to_vec())].into());
        stage.put("secrets", "lab", |o| o["data"] = data("other"));
        stage.settle().await;
        assert_eq!(said(&stage), "SecretInvalid");
        stage.put("secrets", "lab", |o| o["data"] = data("s"));
        stage.settle().await;
        assert_eq!(said(&stage), "AsExpected");
        assert_eq!(stage.pass().await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_node_of_kind_host_waits_until_its_namespace_admits_it() {
        let stage = Stage::new();
        stage.with_cluster("");
        stage.with_node(&node("host: {nodeName: worker-3}"));
        stage.server.lock().unwrap().strict = true;
        for _ in 0..4 {
            stage.pass().await;
        }
        let said = |stage: &Stage, kind: &str| {
            let status = stage.get("computenodes", "desk").unwrap()["status"].clone();
            let all = status["conditions"].as_array().unwrap().clone();
            all.into_iter().find(|c| c["type"] == kind).unwrap()
        };
        for kind in ["Schedulable", "Ready"] {
            let said = said(&stage, kind);
            assert_eq!(said["reason"], "NamespaceForbids", "{said}");
            let label = "namespace area pod-security.kubernetes.io/enforce=privileged";
            assert!(said["message"].as_str().unwrap().contains(label), "{said}");
        }
        stage.server.lock().unwrap().strict = false;
        stage.settle().await;
        let pod = stage.get("pods", "desk").unwrap();
        assert_eq!(pod["spec"]["hostNetwork"], true);
        assert!(stage.get("poddisruptionbudgets", "desk").is_none());
        // No label tells it from others, so the bus is open to its address.
        let policy = stage.get("networkpolicies", "site-nats").unwrap();
        assert!(policy["spec"]["ingress"][0].get("from").is_none());
        let broker = stage.get("secrets", "desk-broker").unwrap();
        assert!(broker["data"]["seed"].is_string());
        assert_ne!(said(&stage, "Schedulable")["reason"], "NamespaceForbids");
        assert_eq!(stage.pass().await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_machine_becomes_a_node_while_it_has_the_label() {
        let stage = Stage::with_sight();
        stage.with_machine("desk", Some(("desks", "yes")));
        stage.with_machine("other", None);
        stage.with_cluster("hosts: {nodeSelector: {desks: 'yes'}}");
        stage.settle().await;
        let node = stage.get("computenodes", "desk").unwrap();
        assert_eq!(node["spec"]["host"]["nodeName"], "desk");
        assert!(stage.get("pods", "desk").is_some());
        assert!(stage.get("computenodes", "other").is_none());
        assert_eq!(stage.pass().await, Vec::<String>::new());
        // What somebody else sets there stays.
        stage.put("computenodes", "desk", |o| {
            o["spec"]["urls"] = json!(["https://desk.example:3300"]);
        });
        stage.settle().await;
        let node = stage.get("computenodes", "desk").unwrap();
        assert_eq!(node["spec"]["urls"][0], "https://desk.example:3300");
        stage.with_machine("desk", None);
        stage.settle().await;
        assert!(stage.get("computenodes", "desk").is_none());
    }

    #[tokio::test]
    async fn without_sight_of_the_machines_nothing_is_touched() {
        let stage = Stage::new();
        stage.with_machine("desk", Some(("desks", "yes")));
        stage.with_cluster("hosts: {nodeSelector: {desks: 'yes'}}");
        stage.settle().await;
        assert!(stage.get("computenodes", "desk").is_none());
        let status = stage.get("fastxclusters", "site").unwrap()["status"].to_string();
        assert!(status.contains("MachinesHidden"), "{status}");
    }

    #[tokio::test]
    async fn another_kind_of_bus_replaces_the_one_before() {
        let stage = settled("", "external: {}").await;
        stage.with_cluster("transporter: {type: Redis}");
        stage.settle().await;
        for (plural, name) in [
            ("statefulsets", "site-nats"),
            ("services", "site-nats"),
            ("secrets", "site-bus-keys"),
            ("networkpolicies", "site-nats"),
        ] {
            assert!(stage.get(plural, name).is_none(), "{plural} {name}");
        }
        assert!(stage.get("statefulsets", "site-redis").is_some());
        stage.with_cluster("");
        stage.settle().await;
        assert!(stage.get("statefulsets", "site-redis").is_none());
        assert!(stage.get("secrets", "site-redis-config").is_none());
    }

    #[tokio::test]
    async fn a_node_waits_for_its_cluster() {
        let stage = Stage::new();
        stage.with_node(&node("pod: {}"));
        stage.settle().await;
        assert!(stage.get("pods", "desk").is_none());
        let status = stage.get("computenodes", "desk").unwrap()["status"].to_string();
        assert!(status.contains("ClusterNotFound"), "{status}");
        stage.with_cluster("");
        stage.settle().await;
        assert!(stage.get("pods", "desk").is_some());
    }
}
