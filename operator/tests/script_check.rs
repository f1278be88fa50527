//! Scripts from good to bad and back, checked in processes of the operator's own binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};

use fastx_balancer::WorkerCommand;
use fastx_core::wire::config::ScriptLimits;
use fastx_crds::conditions::Condition;
use fastx_crds::{BalancerScript, BalancerScriptStatus};
use fastx_lifecycle::env::Map;
use fastx_operator::apply::Applier;
use fastx_operator::config::Config;
use fastx_operator::context::Context;
use fastx_operator::controller::Reconcile as _;
use fastx_operator::managers::Reports;
use fastx_operator::metrics::Metrics;
use fastx_operator::queue::Key;
use fastx_operator::script::{Scripts, active};
use fastx_operator::world::World;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use kube::core::DeserializeGuard;
use kube::runtime::events::Recorder;
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_fastx-operator");

const GOOD: &str = "function (input) {\n  return input.user.login === 'eve' ? 'b' : null;\n}";

/// A script under the eyes of its controller; the API server keeps its status.
struct Stage {
    world: Arc<World>,
    scripts: Scripts,
    sent: Arc<Mutex<Vec<Value>>>,
    script: BalancerScript,
}

impl Stage {
    fn new(command: WorkerCommand) -> Self {
        let (world, sent) = (Arc::new(World::default()), Arc::default());
        let client = Client::new(api_server(Arc::clone(&sent)), "area");
        let metrics = Metrics::default();
        let context = Context::new(
            Arc::new(Config::load(&Map::default()).unwrap()),
            world.clone(),
            Arc::new(Applier::new(client.clone(), world.clone(), metrics.clone())),
            Reports::new(world.cluster_queue.clone(), world.node_queue.clone()),
            metrics,
            Recorder::new(client, "test".into()),
        );
        let cluster = json!({
            "apiVersion": "fastx.dev/v1alpha1", "kind": "FastXCluster",
            "metadata": {"name": "site", "namespace": "area"},
            // Generous, so that a busy machine does not fail a test about something else.
            "spec": {"balancing": {"limits": {"timeMs": 3000, "memory": "16Mi"}}},
        });
        let cluster = serde_json::from_value(cluster).unwrap();
        let site = Key::new("area", "site");
        world
            .clusters
            .set(&site, Some(Arc::new(DeserializeGuard(Ok(cluster)))));
        let script = json!({
            "apiVersion": "fastx.dev/v1alpha1", "kind": "BalancerScript",
            "metadata": {"name": "pick", "namespace": "area", "generation": 0, "resourceVersion": "0"},
            "spec": {"clusterRef": {"name": "site"}, "source": "?"},
        });
        Self {
            world,
            scripts: Scripts::new(context, command),
            sent,
            script: serde_json::from_value(script).unwrap(),
        }
    }

    /// An administrator edits the script.
    async fn edit(&mut self, source: &str, tests: Value) -> Told {
        self.script.spec.source = Some(source.to_owned());
        self.script.spec.tests = serde_json::from_value(tests).unwrap();
        let generation = self.script.metadata.generation.unwrap() + 1;
        self.script.metadata.generation = Some(generation);
        assert_eq!(self.pass().await, 1, "one status is written for an edit");
        Told(self.script.status.clone().unwrap())
    }

    /// One pass of the controller; gives how many statuses were written.
    async fn pass(&mut self) -> usize {
        let key = Key::new("area", "pick");
        let guard = DeserializeGuard(Ok(self.script.clone()));
        self.world.scripts.set(&key, Some(Arc::new(guard)));
        self.scripts.reconcile(&key).await.unwrap();
        let sent = std::mem::take(&mut *self.sent.lock().unwrap());
        let mut status = serde_json::to_value(&self.script.status).unwrap();
        for change in &sent {
            merge(&mut status, &change["status"]);
        }
        self.script.status = serde_json::from_value(status).unwrap();
        self.script.metadata.resource_version =
            self.script.metadata.generation.map(|g| g.to_string());
        sent.len()
    }

    fn in_force(&self) -> String {
        let chain = active(&[Arc::new(self.script.clone())], ScriptLimits::default());
        chain.first().map(|s| s.source.clone()).unwrap_or_default()
    }
}

fn merge(status: &mut Value, change: &Value) {
    for (name, value) in change.as_object().unwrap() {
        status[name] = value.clone();
    }
}

/// Takes everything, and keeps the statuses.
fn api_server(
    sent: Arc<Mutex<Vec<Value>>>,
) -> impl tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone {
    tower::service_fn(move |request: Request<Body>| {
        let sent = Arc::clone(&sent);
        async move {
            let is_status = request
                .uri()
                .path()
                .ends_with("/balancerscripts/pick/status");
            let body = request.into_body().collect().await.unwrap().to_bytes();
            if is_status {
                sent.lock()
                    .unwrap()
                    .push(serde_json::from_slice(&body).unwrap());
            }
            let answer = json!({"apiVersion": "fastx.dev/v1alpha1", "kind": "BalancerScript", "metadata": {}});
            Ok(Response::new(Body::from(answer.to_string().into_bytes())))
        }
    })
}

struct Told(BalancerScriptStatus);

impl Told {
    fn reason(&self, kind: &str) -> &str {
        &self.condition(kind).reason
    }

    fn message(&self, kind: &str) -> &str {
        &self.condition(kind).message
    }

    fn condition(&self, kind: &str) -> &Condition {
        self.0.conditions.iter().find(|c| c.kind == kind).unwrap()
    }
}

#[tokio::test]
async fn a_script_that_turns_bad_leaves_the_last_good_one_in_force() {
    let mut stage = Stage::new(WorkerCommand::new(BINARY));
    let passes = json!([
        {"name": "eve", "input": {"user": {"login": "eve"}}, "expect": "b"},
        {"name": "others", "input": {"user": {"login": "ada"}}},
    ]);

    let told = stage
        .edit("function (input) {\n  return input.;\n}", passes.clone())
        .await;
    assert_eq!(told.reason("Compiled"), "CompileError");
    assert!(
        told.message("Compiled").contains("line 2, column "),
        "{}",
        told.message("Compiled")
    );
    assert_eq!(told.reason("Active"), "NoUsableScript");
    assert_eq!(stage.in_force(), "");

    let told = stage.edit(GOOD, passes.clone()).await;
    assert_eq!(told.reason("Active"), "AsExpected");
    assert_eq!(
        told.message("TestsPassed"),
        "2 of 2 tests gave the expected answer."
    );
    assert_eq!(stage.in_force(), GOOD);

    let told = stage
        .edit("function () { return 'a'; }", passes.clone())
        .await;
    assert_eq!(told.reason("Compiled"), "AsExpected");
    assert_eq!(told.reason("TestsPassed"), "TestFailed");
    for part in [
        "2 of 2 tests failed",
        "`eve`: expected: it chooses `b`; got: it chooses `a`",
        "`others`: expected: it passes",
    ] {
        assert!(
            told.message("TestsPassed").contains(part),
            "{}",
            told.message("TestsPassed")
        );
    }
    assert_eq!(told.reason("Active"), "LastGoodActive");
    assert_eq!(stage.in_force(), GOOD);

    let told = stage.edit("function () {", json!([])).await;
    assert_eq!(told.reason("Active"), "LastGoodActive");
    assert_eq!(stage.in_force(), GOOD);

    let better = "function () { return 'c'; }";
    let told = stage.edit(better, json!([])).await;
    assert_eq!(told.reason("TestsPassed"), "NoTests");
    assert_eq!(told.reason("Active"), "AsExpected");
    assert_eq!(stage.in_force(), better);
}

#[tokio::test]
async fn what_was_checked_once_needs_neither_process_nor_request() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("operator");
    symlink(BINARY, &program).unwrap();
    let mut stage = Stage::new(WorkerCommand::new(&program));
    let told = stage.edit(GOOD, json!([])).await;
    assert_eq!(told.reason("Active"), "AsExpected");
    // From here on no process can start.
    std::fs::remove_file(&program).unwrap();
    assert_eq!(stage.pass().await, 0);
    // The switch is no part of what was checked.
    stage.script.spec.suspend = true;
    assert_eq!(stage.pass().await, 1);
    assert_eq!(stage.in_force(), "");
}

#[tokio::test]
async fn a_script_that_never_ends_is_a_failed_test() {
    let mut stage = Stage::new(WorkerCommand::new(BINARY));
    stage.script.spec.limits = serde_json::from_value(json!({"timeMs": 50})).unwrap();
    let told = stage
        .edit(
            "function () { for (;;); }",
            json!([{"name": "ends", "expect": "a"}]),
        )
        .await;
    assert_eq!(told.reason("Active"), "NoUsableScript");
    let message = told.message("TestsPassed");
    assert!(
        message.contains("`ends`") && message.contains("within 50 ms"),
        "{message}"
    );
}
