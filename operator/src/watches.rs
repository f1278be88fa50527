//! The watches of a namespace: our three kinds, our Pods, and the metadata of everything else that we made.

use std::sync::Arc;

use fastx_lifecycle::readiness::Readiness;
use k8s_openapi::api::core::v1::Node;
use kube::core::{ApiResource, DeserializeGuard};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::cache::{Cache, Change, follow};
use crate::kind::Kind;
use crate::meta;
use crate::pods::PodView;
use crate::world::{Child, World};

/// Objects in one answer of the API server.
const PAGE: u32 = 100;

/// Starts all watches of a namespace. None of them ever ends.
pub fn spawn(
    tasks: &mut JoinSet<()>,
    client: &Client,
    namespace: &str,
    world: &Arc<World>,
    readiness: &Readiness,
) {
    let start = Start {
        client,
        namespace,
        world,
        readiness,
    };
    start.ours(
        tasks,
        "FastXCluster",
        |w| &w.clusters,
        World::cluster_changed,
    );
    start.ours(tasks, "ComputeNode", |w| &w.nodes, World::node_changed);
    start.ours(
        tasks,
        "BalancerScript",
        |w| &w.scripts,
        World::script_changed,
    );
    start.pods(tasks);
    for kind in Kind::ALL {
        start.children(tasks, kind);
    }
}

/// Starts the watch of the machines of Kubernetes, which belong to no namespace.
pub fn spawn_machines(
    tasks: &mut JoinSet<()>,
    client: &Client,
    world: &Arc<World>,
    readiness: &Readiness,
) {
    let api: Api<Child> = Api::all_with(client.clone(), &ApiResource::erase::<Node>(&()));
    let stream = watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
    let world = world.clone();
    let block = readiness.block("watch Node");
    tasks.spawn(async move {
        let change = |change: &Change<'_, Child>| world.machine_changed(change);
        follow("Node", "", stream, &world.machines, block, change).await;
    });
}

/// Waits until everything was listed once.
pub async fn warm(readiness: &Readiness) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
    while !readiness.is_ready() {
        ticks.tick().await;
    }
}

struct Start<'a> {
    client: &'a Client,
    namespace: &'a str,
    world: &'a Arc<World>,
    readiness: &'a Readiness,
}

impl Start<'_> {
    fn ours<K>(
        &self,
        tasks: &mut JoinSet<()>,
        what: &'static str,
        cache: fn(&World) -> &Cache<DeserializeGuard<K>>,
        told: fn(&World, &Change<'_, DeserializeGuard<K>>),
    ) where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug
            + Send
            + Sync
            + 'static,
    {
        let api: Api<DeserializeGuard<K>> = Api::namespaced(self.client.clone(), self.namespace);
        let stream = watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
        let (world, namespace) = (self.world.clone(), self.namespace.to_owned());
        let block = self.readiness.block(&format!("watch {what}"));
        tasks.spawn(async move {
            let change = |change: &Change<'_, _>| told(&world, change);
            follow(what, &namespace, stream, cache(&world), block, change).await;
        });
    }

    fn pods(&self, tasks: &mut JoinSet<()>) {
        let api: Api<PodView> = Api::namespaced(self.client.clone(), self.namespace);
        let stream = watcher(api, ours()).default_backoff();
        let (world, namespace) = (self.world.clone(), self.namespace.to_owned());
        let block = self.readiness.block("watch Pod");
        tasks.spawn(async move {
            let change = |change: &Change<'_, PodView>| world.pod_changed(change);
            follow("Pod", &namespace, stream, &world.pods, block, change).await;
        });
    }

    fn children(&self, tasks: &mut JoinSet<()>, kind: Kind) {
        let api: Api<Child> =
            Api::namespaced_with(self.client.clone(), self.namespace, &kind.resource());
        let stream = watcher(api, ours()).default_backoff();
        let (world, namespace) = (self.world.clone(), self.namespace.to_owned());
        let block = self.readiness.block(&format!("watch {}", kind.name()));
        tasks.spawn(async move {
            let change = |change: &Change<'_, _>| world.child_changed(kind, change);
            follow(
                kind.name(),
                &namespace,
                stream,
                world.children(kind),
                block,
                change,
            )
            .await;
        });
    }
}

fn ours() -> watcher::Config {
    watcher::Config::default()
        .labels(&meta::selector())
        .page_size(PAGE)
}
