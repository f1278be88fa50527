//! What is there of a node: from the caches, and from Secrets that are read by name.

use std::sync::Arc;
use std::time::Duration;

use fastx_core::wire::status::NodeStatus;
use fastx_crds::{ComputeNode, ComputeNodeStatus};
use jiff::Timestamp;

use super::plan::rollout::awaited;
use super::plan::trial::Images;
use crate::apply::ApplyError;
use crate::cluster::material::{BusKeys, BusSecret, Holder};
use crate::cluster::validate::{Invalid, ValidCluster, validate};
use crate::context::Context;
use crate::kind::Kind;
use crate::kubelet;
use crate::managers::Report;
use crate::meta;
use crate::names;
use crate::pki::{Authority, Data};
use crate::pods::{PodView, proved_image};
use crate::queue::Key;

/// What is there.
#[derive(Debug)]
pub(super) struct Observed {
    /// The cluster.
    pub(super) cluster: Cluster,
    /// Keys of the bus, once the cluster has them.
    pub(super) bus: Option<BusKeys>,
    /// Password and authorities of a transporter without identities; none while its Secret is missing.
    pub(super) bus_secret: Option<BusSecret>,
    /// What members trust, once the cluster has an authority.
    pub(super) bundle: Option<String>,
    /// The node's `broker.json` and the seed of its key.
    pub(super) broker: Option<Arc<Data>>,
    /// The Pod.
    pub(super) pod: Option<Arc<PodView>>,
    /// Why the sidecar's new image cannot be pulled, if it is known not to be.
    pub(super) pull_failure: Option<String>,
    /// Pods of all nodes of the cluster.
    pub(super) peers: Vec<Arc<PodView>>,
    /// What the managers say.
    pub(super) report: Report,
    /// Revision of the configuration that the node should run.
    pub(super) revision: Option<String>,
    /// Image that the managers have proved.
    pub(super) proved: Option<String>,
    /// What is known of images on the machine; of nodes of kind `host`.
    pub(super) images: Images,
    /// When time alone says more of them.
    pub(super) images_again: Option<Duration>,
    /// Whether the account exists that Pods run under.
    pub(super) has_account: bool,
    /// Digest of the certificate that the Pod mounts.
    pub(super) web_digest: String,
}

/// The cluster of a node.
#[derive(Debug)]
pub(super) enum Cluster {
    /// There is none of that name.
    Missing(String),
    /// It is being deleted.
    Deleting(String),
    /// Its own spec is refused.
    Invalid(String, Invalid),
    /// There it is.
    Present(Box<ValidCluster>),
}

impl Cluster {
    /// The cluster, if it can be used.
    pub(super) fn present(&self) -> Option<&ValidCluster> {
        match self {
            Self::Present(cluster) => Some(cluster),
            _ => None,
        }
    }
}

impl Observed {
    /// What the managers say of this node.
    pub(super) fn said(&self, name: &str) -> Option<&NodeStatus> {
        let status = self.report.status.as_deref()?;
        status
            .nodes
            .iter()
            .find(|(id, _)| id.as_str() == name)
            .map(|(_, node)| node)
    }

    /// Running sessions; none when nobody knows.
    pub(super) fn sessions(&self, name: &str) -> Option<u32> {
        // Without a process there is no session, whatever was last heard. On a host they are not in the Pod.
        let has_desktop = self
            .pod
            .as_ref()
            .is_some_and(|p| p.image("desktop").is_some());
        if has_desktop && !self.desktop_runs() {
            return Some(0);
        }
        let said = self.said(name)?;
        said.online.then_some(said.sessions)
    }

    /// Whether the desktop's container runs.
    pub(super) fn desktop_runs(&self) -> bool {
        self.pod.as_ref().is_some_and(|pod| {
            pod.container("desktop")
                .is_some_and(|c| c.state.running.is_some())
        })
    }
}

pub(super) async fn observe(
    context: &Context,
    key: &Key,
    node: &ComputeNode,
    now: Timestamp,
) -> Result<Observed, ApplyError> {
    let name = &node.spec.cluster_ref.name;
    let cluster = Key::new(&key.namespace, name);
    let read = async |secret: String| {
        let key = Key::new(&key.namespace, secret);
        context.applier.secret(&key).await
    };
    let found = find(context, &cluster);
    let (mut bus, mut bundle, mut broker) = (None, None, None);
    let (mut web_digest, mut bus_secret) = (String::new(), None);
    // Without the cluster its Secrets are gone or will be.
    if let Some(present) = found.present() {
        if present.transporter.has_identities() {
            bus = read(names::bus_keys(name))
                .await?
                .and_then(|d| BusKeys::read(&d));
        }
        let authority = read(names::authority(name)).await?;
        bundle = authority
            .and_then(|d| Authority::read(&d))
            .map(|a| a.bundle());
        bus_secret = secret_of_bus(context, present, bundle.as_deref()).await?;
        broker = read(names::node_broker(&key.name)).await?;
        web_digest = web(context, node, &cluster);
    }
    let pod = context.world.pods.get(key);
    let proved = proved(context, &found);
    let (images, images_again) = images(context, node, proved.as_deref(), pod.as_deref(), now);
    Ok(Observed {
        images,
        images_again,
        broker,
        bus,
        bus_secret,
        bundle,
        pull_failure: pull_failure(context, pod.as_deref()).await,
        pod,
        peers: peers(context, &cluster),
        report: context.reports.get(&cluster),
        revision: context.roots.get(&cluster).and_then(|root| {
            let id = key.name.parse().ok()?;
            root.nodes
                .contains_key(&id)
                .then(|| root.node_revision(&id))
        }),
        has_account: context
            .world
            .children(Kind::ServiceAccount)
            .get(&Key::new(&key.namespace, names::account(name)))
            .is_some(),
        proved,
        web_digest,
        cluster: found,
    })
}

/// The Pod of a machine is replaced for a new image: what came of that is in the status.
fn images(
    context: &Context,
    node: &ComputeNode,
    proved: Option<&str>,
    pod: Option<&PodView>,
    now: Timestamp,
) -> (Images, Option<Duration>) {
    if node.spec.host.is_none() {
        return (Images::default(), None);
    }
    let status = context.status_of(node, &node.status);
    let status: Option<ComputeNodeStatus> = serde_json::from_value(status).ok();
    Images::of(status.as_ref()).advance(proved, pod, now)
}

/// The cluster's own controller makes our Redis's Secret and keeps the watch of somebody else's.
async fn secret_of_bus(
    context: &Context,
    cluster: &ValidCluster,
    bundle: Option<&str>,
) -> Result<Option<BusSecret>, ApplyError> {
    let (key, name) = (&cluster.key, &cluster.key.name);
    let external = cluster.transporter.external();
    let data = if let Some(secret) = external.and_then(|e| e.secret.as_ref()) {
        let seen = context.foreign.seen(key, secret);
        let key = Key::new(&key.namespace, secret);
        context.applier.others_secret(&key, &seen).await?
    } else if cluster.transporter.is_redis() {
        let key = Key::new(&key.namespace, names::redis_config(name));
        context.applier.secret(&key).await?
    } else {
        None
    };
    Ok(BusSecret::of(cluster, data.as_deref(), bundle))
}

/// Only while a new image is on trial and does not run.
async fn pull_failure(context: &Context, pod: Option<&PodView>) -> Option<String> {
    let pod = pod?;
    let since = awaited(pod)?;
    let image = pod.image("node")?;
    if let Some(failure) = pod.pull_failure("node") {
        return Some(failure);
    }
    match context.applier.warnings(&pod.metadata).await {
        Ok(events) => kubelet::pull_failure(&events, "node", image, since),
        // Without the right to read Events the time limit decides.
        Err(error) => {
            tracing::debug!(pod = pod.name(), error = %error.text(), "cannot read the Events of a Pod");
            None
        }
    }
}

fn find(context: &Context, key: &Key) -> Cluster {
    match context.world.cluster(key) {
        None => Cluster::Missing(key.name.clone()),
        Some(c) if c.metadata.deletion_timestamp.is_some() => Cluster::Deleting(key.name.clone()),
        Some(c) => match validate(&c, &context.config.images) {
            Ok(valid) => Cluster::Present(Box::new(valid)),
            Err(invalid) => Cluster::Invalid(key.name.clone(), invalid),
        },
    }
}

/// Version of the certificate's Secret; its content need not be read for that.
fn web(context: &Context, node: &ComputeNode, cluster: &Key) -> String {
    if node.spec.tls.is_some() {
        // Somebody else's Secret is not in the cache; the kubelet finds its changes by itself within a minute.
        return String::new();
    }
    let secret = Holder::Web.secret(&cluster.name);
    let child = context
        .world
        .children(Kind::Secret)
        .get(&Key::new(&cluster.namespace, secret));
    child
        .and_then(|c| c.metadata.annotations.as_ref()?.get(meta::HASH).cloned())
        .unwrap_or_default()
}

fn proved(context: &Context, cluster: &Cluster) -> Option<String> {
    let cluster = cluster.present()?;
    let pods = context.world.pods_of(&cluster.key);
    let managers = pods
        .iter()
        .map(AsRef::as_ref)
        .filter(|p: &&PodView| p.label(meta::COMPONENT) == Some("manager"));
    proved_image(managers, "manager", &cluster.images.fastx)
}

fn peers(context: &Context, cluster: &Key) -> Vec<Arc<PodView>> {
    let mut pods = context.world.pods_of(cluster);
    pods.retain(|p| p.label(meta::NODE).is_some());
    pods
}
