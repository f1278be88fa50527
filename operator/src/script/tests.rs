//! What the tests of the steps share, and the controller against an API server that only counts.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use fastx_balancer::WorkerCommand;
use fastx_crds::{BalancerScript, BalancerScriptStatus, FastXCluster};
use fastx_lifecycle::env::Map;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use kube::core::DeserializeGuard;
use kube::runtime::events::Recorder;
use serde_json::Value;

use super::Scripts;
use super::observe::{Cluster, Seen};
use crate::apply::Applier;
use crate::config::Config;
use crate::context::Context;
use crate::controller::Reconcile as _;
use crate::managers::Reports;
use crate::metrics::Metrics;
use crate::queue::Key;
use crate::world::World;

/// The names differ from the product's and from each other, so that swapped values are caught.
pub(super) fn script(spec: &str) -> BalancerScript {
    serde_yaml_ng::from_str(&format!(
        "apiVersion: fastx.dev/v1alpha1\nkind: BalancerScript\n\
         metadata: {{name: pick, namespace: area, uid: u-pick, generation: 7}}\n\
         spec:\n  clusterRef: {{name: site}}\n  {}",
        spec.replace('\n', "\n  ")
    ))
    .unwrap()
}

pub(super) fn cluster(spec: &str) -> FastXCluster {
    crate::cluster::validate::tests::cluster(spec)
}

pub(super) fn seen(spec: &str, cluster: &FastXCluster) -> Seen {
    Seen {
        script: script(spec),
        cluster: Some(cluster.clone()).into(),
    }
}

pub(super) fn seen_without_cluster(spec: &str) -> Seen {
    Seen {
        script: script(spec),
        cluster: Cluster::Missing,
    }
}

/// A controller with a world of its own, and what it sent.
struct Stage {
    world: Arc<World>,
    scripts: Scripts,
    sent: Arc<Mutex<Vec<(String, Value)>>>,
}

const NOBODY: &str = "/nonexistent/operator";

impl Stage {
    fn new() -> Self {
        let (world, sent) = (Arc::new(World::default()), Arc::default());
        let client = Client::new(recorder(Arc::clone(&sent)), "area");
        let metrics = Metrics::default();
        let applier = Applier::new(client.clone(), world.clone(), metrics.clone());
        let context = Context::new(
            Arc::new(Config::load(&Map::default()).unwrap()),
            world.clone(),
            Arc::new(applier),
            Reports::new(world.cluster_queue.clone(), world.node_queue.clone()),
            metrics,
            Recorder::new(client, "test".into()),
        );
        let scripts = Scripts::new(context, WorkerCommand::new(NOBODY));
        Self {
            world,
            scripts,
            sent,
        }
    }

    fn key() -> Key {
        Key::new("area", "pick")
    }

    fn with(self, script: BalancerScript) -> Self {
        self.world
            .scripts
            .set(&Self::key(), Some(Arc::new(DeserializeGuard(Ok(script)))));
        self
    }

    fn with_cluster(&self) {
        let guard = DeserializeGuard(Ok(cluster("")));
        self.world
            .clusters
            .set(&Key::new("area", "site"), Some(Arc::new(guard)));
    }

    /// What one pass sends; the first is the status, an Event may follow.
    async fn pass(&self) -> Vec<(String, Value)> {
        self.scripts.reconcile(&Self::key()).await.unwrap();
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

fn recorder(
    sent: Arc<Mutex<Vec<(String, Value)>>>,
) -> impl tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone {
    tower::service_fn(move |request: Request<Body>| {
        let sent = Arc::clone(&sent);
        async move {
            let line = format!("{} {}", request.method(), request.uri().path());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            sent.lock()
                .unwrap()
                .push((line, serde_json::from_slice(&body).unwrap()));
            let answer = r#"{"apiVersion": "fastx.dev/v1alpha1", "kind": "BalancerScript", "metadata": {"name": "pick"}}"#;
            Ok(Response::new(Body::from(answer.as_bytes().to_vec())))
        }
    })
}

fn reason(sent: &[(String, Value)], kind: &str) -> String {
    let status: BalancerScriptStatus = serde_json::from_value(sent[0].1["status"].clone()).unwrap();
    let found = status.conditions.into_iter().find(|c| c.kind == kind);
    found.map(|c| c.reason).unwrap_or_default()
}

#[tokio::test]
async fn a_second_pass_sends_nothing_whether_the_cache_shows_the_first_or_not() {
    let stage = Stage::new().with(script("builtin: roundRobin"));
    stage.with_cluster();
    let first = stage.pass().await;
    assert_eq!(first.len(), 2);
    assert_eq!(
        first[0].0,
        "PATCH /apis/fastx.dev/v1alpha1/namespaces/area/balancerscripts/pick/status"
    );
    assert_eq!(first[0].1["status"]["lastGood"]["builtin"], "roundRobin");
    assert_eq!(stage.pass().await, []);
    let mut shown = script("builtin: roundRobin");
    shown.status = serde_json::from_value(first[0].1["status"].clone()).unwrap();
    let stage = stage.with(shown.clone());
    assert_eq!(stage.pass().await, []);
    // Nor does another operator, which remembers nothing.
    let other = Stage::new().with(shown);
    other.with_cluster();
    assert_eq!(other.pass().await, []);
}

#[tokio::test]
async fn a_cluster_that_appears_makes_it_active() {
    let stage = Stage::new().with(script("builtin: roundRobin"));
    assert_eq!(reason(&stage.pass().await, "Active"), "ClusterNotFound");
    stage.with_cluster();
    assert_eq!(reason(&stage.pass().await, "Active"), "AsExpected");
}

#[tokio::test]
async fn without_a_process_the_status_stays_and_the_work_comes_again() {
    let stage = Stage::new().with(script("source: 'function () {}'"));
    let failure = stage.scripts.reconcile(&Stage::key()).await.unwrap_err();
    assert!(failure.again);
    assert_eq!(failure.reason, "ScriptProcess");
    assert!(stage.sent.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_gone_is_forgotten() {
    let stage = Stage::new().with(script("builtin: roundRobin"));
    stage.pass().await;
    stage.world.scripts.set(&Stage::key(), None);
    assert_eq!(stage.pass().await, []);
    // A new one of the same name starts from nothing.
    let mut again = script("builtin: fewestSessions");
    again.metadata.uid = Some("u-other".to_owned());
    let stage = stage.with(again);
    assert_eq!(reason(&stage.pass().await, "Compiled"), "AsExpected");
}
