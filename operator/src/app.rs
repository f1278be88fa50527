//! The composition root: settings, client, watches, election, controllers; and an orderly end.

use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastx_balancer::WorkerCommand;
use fastx_lifecycle::env::{EXIT_USAGE, Process, Source};
use fastx_lifecycle::health::{self, Liveness};
use fastx_lifecycle::readiness::Readiness;
use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::{telemetry, tls};
use k8s_openapi::api::coordination::v1::Lease;
use kube::runtime::events::{Recorder, Reporter};
use kube::{Api, Client};
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;

use crate::apply::Applier;
use crate::client::{self, ClientError};
use crate::cluster::Clusters;
use crate::config::Config;
use crate::context::Context;
use crate::controller;
use crate::leader::{Elector, End};
use crate::managers::Reports;
use crate::meta::OPERATOR;
use crate::metrics::Metrics;
use crate::node::Nodes;
use crate::queue::Queue;
use crate::script::Scripts;
use crate::watches;
use crate::world::World;

/// A controller without a sign of life for so long is stuck.
const PULSE: Duration = Duration::from_mins(2);

/// How long work in progress may take at the end; less than a Pod's grace period.
const END_LIMIT: Duration = Duration::from_secs(20);

/// Threads: watches and a handful of requests at a time need no more.
const THREADS: usize = 2;

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// No API server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An address is taken, or a signal cannot be handled.
    #[error("cannot start")]
    Start(#[source] std::io::Error),
    /// The lead was lost.
    #[error("lost the lead: {0}")]
    Lost(String),
    /// A part that must run until the end did not.
    #[error("{0} ended by itself")]
    Ended(&'static str),
}

/// Runs the operator with the settings of the environment.
pub fn main() -> ExitCode {
    telemetry::init(&Process);
    tls::install_provider();
    let config = match Config::load(&Process) {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(%error, "the settings cannot be used");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(
            Process
                .parse("FX_THREADS", THREADS)
                .unwrap_or(THREADS)
                .max(1),
        )
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(async {
            let shutdown = Shutdown::new();
            shutdown.on_signals().map_err(AppError::Start)?;
            run(config, shutdown).await
        }),
        Err(error) => Err(AppError::Start(error)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %telemetry::chain(&error), "the operator ends");
            ExitCode::FAILURE
        }
    }
}

/// Runs until shutdown, or until something that must not end does.
pub async fn run(config: Config, shutdown: Shutdown) -> Result<(), AppError> {
    let client = client::connect().await?;
    let namespace = or(&config.namespace, client.default_namespace());
    let namespaces = if config.watch_namespaces.is_empty() {
        vec![namespace.clone()]
    } else {
        config.watch_namespaces.clone()
    };
    tracing::info!(name = %config.name, ?namespaces, "the operator starts");
    let metrics = Metrics::default();
    let (readiness, liveness) = (Readiness::new(), Liveness::new());
    serve_health(&config, &metrics, &readiness, &liveness, &shutdown).await?;

    let world = Arc::new(World::default());
    let mut watching = JoinSet::new();
    for namespace in &namespaces {
        watches::spawn(&mut watching, &client, namespace, &world, &readiness);
    }
    if config.watch_machines {
        watches::spawn_machines(&mut watching, &client, &world, &readiness);
    }
    // Followers are warm: the lead changes hands without a start from nothing.
    tokio::select! {
        () = watches::warm(&readiness) => {}
        () = shutdown.triggered() => return Ok(()),
        _ = watching.join_next() => return Err(AppError::Ended("a watch")),
    }
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    let elector = Elector::new(leases, config.lease_name.clone(), config.name.clone());
    let lease = tokio::select! {
        lease = elector.acquire(&shutdown) => lease,
        _ = watching.join_next() => return Err(AppError::Ended("a watch")),
    };
    let Some(lease) = lease else { return Ok(()) };
    tracing::info!(lease = %config.lease_name, "this replica leads");
    metrics.leading(true);
    // The controllers stop first; only then is the lease given back.
    let stop_work = Shutdown::new();
    let stop_lease = Shutdown::new();
    let mut work = controllers(&client, config, &world, &metrics, &liveness, &stop_work);
    let mut holding = Box::pin(elector.hold(lease, &stop_lease));
    let result = tokio::select! {
        () = shutdown.triggered() => Ok(()),
        end = &mut holding => Err(AppError::Lost(match end {
            End::Released => "it was given back".to_owned(),
            End::Lost(why) => why,
        })),
        _ = watching.join_next() => Err(AppError::Ended("a watch")),
        _ = work.join_next() => Err(AppError::Ended("a controller")),
    };
    if result.is_err() && !matches!(result, Err(AppError::Ended(_))) {
        // Another one may lead already: nothing is finished here.
        return result;
    }
    stop_work.trigger();
    let finish = async { while work.join_next().await.is_some() {} };
    if tokio::time::timeout(END_LIMIT, finish).await.is_err() {
        tracing::warn!("work was cut off at the end");
    }
    stop_lease.trigger();
    holding.await;
    result
}

fn controllers(
    client: &Client,
    config: Config,
    world: &Arc<World>,
    metrics: &Metrics,
    liveness: &Liveness,
    stop: &Shutdown,
) -> JoinSet<()> {
    let applier = Arc::new(Applier::new(client.clone(), world.clone(), metrics.clone()));
    let reporter = Reporter {
        controller: OPERATOR.to_owned(),
        instance: Some(config.name.clone()),
    };
    let context = Context::new(
        Arc::new(config),
        world.clone(),
        applier,
        Reports::new(world.cluster_queue.clone(), world.node_queue.clone()),
        metrics.clone(),
        Recorder::new(client.clone(), reporter),
    )
    .watching(client.clone());
    // In a container this is the only sensible answer; elsewhere the binary may have moved.
    let command = WorkerCommand::current_exe()
        .unwrap_or_else(|_| WorkerCommand::new("/usr/bin/fastx-operator"));
    let mut work = JoinSet::new();
    let driver = Driver {
        concurrency: context.config.concurrency,
        metrics,
        liveness,
        stop,
    };
    driver.spawn(
        &mut work,
        Clusters::new(context.clone()),
        &world.cluster_queue,
    );
    driver.spawn(&mut work, Nodes::new(context.clone()), &world.node_queue);
    let scripts = Scripts::new(context, command);
    driver.spawn(&mut work, scripts, &world.script_queue);
    work
}

struct Driver<'a> {
    concurrency: usize,
    metrics: &'a Metrics,
    liveness: &'a Liveness,
    stop: &'a Shutdown,
}

impl Driver<'_> {
    fn spawn<R: controller::Reconcile>(
        &self,
        work: &mut JoinSet<()>,
        controller: R,
        queue: &Arc<Queue>,
    ) {
        work.spawn(controller::run(
            Arc::new(controller),
            queue.clone(),
            self.concurrency,
            self.metrics.clone(),
            self.liveness.register(R::NAME, PULSE),
            self.stop.clone(),
        ));
    }
}

async fn serve_health(
    config: &Config,
    metrics: &Metrics,
    readiness: &Readiness,
    liveness: &Liveness,
    shutdown: &Shutdown,
) -> Result<(), AppError> {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    health::serve(
        config.health,
        readiness.clone(),
        Arc::new(Mutex::new(registry)),
        liveness.clone(),
        shutdown.clone(),
    )
    .await
    .map(|_| ())
    .map_err(AppError::Start)
}

fn or(value: &str, default: &str) -> String {
    if value.is_empty() { default } else { value }.to_owned()
}
