//! The writes for a cluster: objects, orphans, revocations, and the configuration to the managers.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fastx_core::wire::config::RootDocument;
use fastx_core::wire::config::hash;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::certificate::{self, Fault};
use super::hosts;
use super::joins::{self, Waiting};
use super::material::{Holder, Material, Member};
use super::observe::Observed;
use super::plan::documents::Documents;
use super::plan::{NUDGE, Plan};
use super::validate::ValidCluster;
use super::volume::{self, Growth};
use super::{LOOK_AGAIN, LOOK_LATER};
use crate::apply::ApplyError;
use crate::context::Context;
use crate::controller::Failure;
use crate::kind::{Kind, Object};
use crate::managers::{Endpoint, ManagerError};
use crate::meta;
use crate::names;
use crate::queue::Key;

/// What came of the writes.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Writes that failed.
    pub(super) errors: Vec<ApplyError>,
    /// Why the configuration is not with the managers.
    pub(super) config_error: Option<String>,
    /// The root that is in force, or is wanted to be.
    pub(super) root: Option<RootDocument>,
    /// When a certificate wants to be renewed.
    pub(super) renew_at: Option<Timestamp>,
    /// Why cert-manager has no certificate for us.
    pub(super) certificate: Option<Fault>,
    /// What came of a larger `store.size`.
    pub(super) growth: Growth,
    /// Why not every machine that is wanted has its node.
    pub(super) hosts: Option<Fault>,
    /// Hosts that ask to join and are not admitted.
    pub(super) waiting: Vec<Waiting>,
    /// Whether to look again soon though nothing may have changed by then.
    pub(super) soon: bool,
    /// Whether nothing was written because the cluster is paused.
    pub(super) is_paused: bool,
}

impl Outcome {
    /// Nothing was done.
    pub(super) fn paused() -> Self {
        Self {
            is_paused: true,
            ..Self::default()
        }
    }

    /// When to look again; a failure when something could not be written.
    pub(super) fn finish(&self, now: Timestamp) -> Result<Option<Duration>, Failure> {
        if let Some(error) = self.errors.first() {
            let text = error.text();
            return Err(Failure::passing("Apply", text));
        }
        let renew = self.renew_at.map(|at| {
            let wait = at.duration_since(now);
            Duration::try_from(wait).unwrap_or_default() + Duration::from_secs(1)
        });
        let soon = self.soon.then_some(LOOK_AGAIN);
        let growth = match &self.growth {
            Growth::Done => None,
            Growth::Growing(_) => Some(LOOK_AGAIN),
            // A StorageClass is not watched.
            Growth::Refused(_) => Some(LOOK_LATER),
        };
        Ok([renew, soon, growth].into_iter().flatten().min())
    }
}

/// The root documents that the managers were seen to have.
#[derive(Debug, Default)]
pub struct Roots {
    known: Mutex<HashMap<Key, RootDocument>>,
}

impl Roots {
    /// The one of a cluster.
    pub fn get(&self, key: &Key) -> Option<RootDocument> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).cloned()
    }

    /// Gives whether it is another one than before.
    fn set(&self, key: &Key, root: RootDocument) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key.clone(), root.clone()) != Some(root)
    }

    /// Forgets a cluster.
    pub fn forget(&self, key: &Key) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(key);
    }
}

/// Writes everything. A write that fails does not keep the others from being made.
pub(super) async fn apply(
    context: &Context,
    cluster: &ValidCluster,
    material: &Material,
    plan: Plan,
    observed: &Observed,
    now: Timestamp,
) -> Outcome {
    let mut outcome = Outcome {
        renew_at: Some(material.renew_at),
        soon: !observed.missing.is_empty(),
        ..Outcome::default()
    };
    let Plan { ensure, nudge } = plan;
    let (namespace, uid) = (&cluster.key.namespace, cluster.owner.uid.as_str());
    for object in &ensure {
        if let Err(error) = context.applier.ensure(namespace, Some(uid), object).await {
            outcome.errors.push(error);
        }
    }
    // After the Secrets: the kubelet would find the old ones.
    for (pod, secrets) in nudge {
        let change = json!({"metadata": {"annotations": {NUDGE: secrets}}});
        let key = Key::new(namespace, pod);
        if let Err(error) = context.applier.patch_pod(&key, &change).await {
            tracing::debug!(pod = %key, %error, "could not nudge the kubelet");
        }
    }
    if outcome.errors.is_empty() {
        let orphans = remove_orphans(context, cluster, &ensure).await;
        outcome.errors.extend(orphans.err());
        let left = revoke_left(context, cluster, material, now).await;
        outcome.errors.extend(left.err());
        let lists = joins::keep_lists(context, cluster, material, observed, now).await;
        outcome.errors.extend(lists.err());
    }
    match certificate::request(context, cluster, observed.existing.offered.as_ref()).await {
        Ok(fault) => outcome.certificate = fault,
        Err(error) => outcome.errors.push(error),
    }
    // Its status is not watched.
    outcome.soon |= outcome.certificate.is_some();
    let made = observed.claim_size.as_deref();
    match volume::grow(&context.applier, &context.settled, cluster, made).await {
        Ok(growth) => outcome.growth = growth,
        Err(error) => outcome.errors.push(error),
    }
    match hosts::settle(context, cluster, observed).await {
        Ok(fault) => outcome.hosts = fault,
        Err(error) => outcome.errors.push(error),
    }
    follow_managers(context, cluster, material, observed);
    configure(context, cluster, observed, now, &mut outcome).await;
    joins::settle(context, cluster, material, observed, now, &mut outcome).await;
    outcome
}

/// What we made for this cluster and is not wanted any more. Claims stay: they hold data.
async fn remove_orphans(
    context: &Context,
    cluster: &ValidCluster,
    wanted: &[Object],
) -> Result<(), ApplyError> {
    for kind in Kind::ALL.into_iter().filter(|k| *k != Kind::Claim) {
        for child in context.world.children(kind).list(&cluster.key.namespace) {
            let metadata = &child.metadata;
            let label = |name: &str| metadata.labels.as_ref().and_then(|l| l.get(name));
            let ours = label(meta::CLUSTER) == Some(&cluster.key.name)
                && label(meta::NODE).is_none()
                && metadata
                    .owner_references
                    .iter()
                    .flatten()
                    .any(|o| o.uid == cluster.owner.uid);
            let name = metadata.name.as_deref().unwrap_or_default();
            let is_wanted = wanted.iter().any(|o| o.kind == kind && o.name == name);
            if ours && !is_wanted && metadata.deletion_timestamp.is_none() {
                tracing::info!(kind = kind.name(), name, cluster = %cluster.key, "removing what is not wanted any more");
                context.applier.remove(kind, metadata).await?;
            }
        }
    }
    Ok(())
}

/// Identities of nodes that went away without saying so: their finalizer was taken off by hand.
async fn revoke_left(
    context: &Context,
    cluster: &ValidCluster,
    material: &Material,
    now: Timestamp,
) -> Result<(), ApplyError> {
    let gone = |node: &str, _: &Member| {
        let key = Key::new(&cluster.key.namespace, node);
        // A node that cannot be read is still there.
        context.world.nodes.get(&key).is_none()
    };
    let change = material.bus.revocation(gone, now);
    if change.is_empty() {
        return Ok(());
    }
    tracing::info!(cluster = %cluster.key, "revoking the identities of nodes that are no more");
    let key = Key::new(&cluster.key.namespace, names::bus_keys(&cluster.key.name));
    context.applier.merge_secret(&key, &change).await
}

/// Keeps one status stream to the managers, ready ones first.
fn follow_managers(
    context: &Context,
    cluster: &ValidCluster,
    material: &Material,
    observed: &Observed,
) {
    let Some(own) = material.leaves.get(&Holder::Operator) else {
        return;
    };
    let mut managers: Vec<_> = observed
        .pods
        .iter()
        .filter(|p| p.label(meta::COMPONENT) == Some("manager") && !p.deleting())
        .filter_map(|p| Some((!p.ready(), p.status.pod_ip.parse::<IpAddr>().ok()?)))
        .collect();
    managers.sort_unstable();
    if managers.is_empty() {
        return;
    }
    let addresses: Vec<IpAddr> = managers.into_iter().map(|(_, address)| address).collect();
    let bundle = material.authority.bundle();
    let name = names::host(&names::manager(&cluster.key.name), &cluster.key.namespace);
    let identity = hash(&(&addresses, &bundle, &own.pair.cert));
    match Endpoint::new(addresses, &name, &bundle, &own.pair.cert, &own.pair.key) {
        Ok(endpoint) => context.reports.follow(&cluster.key, endpoint, identity),
        Err(error) => tracing::warn!(cluster = %cluster.key, %error, "cannot reach the managers"),
    }
}

/// Brings the configuration to the managers, if they have another one, and makes them forget removed nodes.
async fn configure(
    context: &Context,
    cluster: &ValidCluster,
    observed: &Observed,
    now: Timestamp,
    outcome: &mut Outcome,
) {
    let (nodes, scripts) = (&observed.nodes, &observed.scripts);
    let documents = match Documents::of(cluster, nodes, scripts, &observed.hosts) {
        Ok(documents) => documents,
        Err(error) => {
            outcome.config_error = Some(error.to_string());
            return;
        }
    };
    // Without a report nobody would take it; the stream wakes us when there is one.
    let (Some(status), Some(endpoint)) = (
        &observed.report.status,
        context.reports.endpoint(&cluster.key),
    ) else {
        outcome.root = context.roots.get(&cluster.key);
        return;
    };
    let known = context
        .roots
        .get(&cluster.key)
        .filter(|r| r.revision() == status.revision);
    match bring(context, &endpoint, &documents, known, &status.revision, now).await {
        Ok(root) => {
            if context.roots.set(&cluster.key, root.clone()) {
                // Their status says whether they run it.
                context.world.poke_members(&cluster.key);
            }
            outcome.root = Some(root);
        }
        Err(error) => {
            outcome.soon = true;
            outcome.config_error = Some(error.to_string());
        }
    }
    let present: BTreeSet<String> = observed.nodes.iter().map(|n| n.name_any()).collect();
    for server in status.nodes.keys() {
        let key = Key::new(&cluster.key.namespace, server.as_str());
        if present.contains(server.as_str()) || context.world.nodes.get(&key).is_some() {
            continue;
        }
        context.metrics.wrote("Manager", "forget");
        if let Err(error) = endpoint.forget(server.as_str()).await {
            tracing::warn!(%server, %error, "the managers could not forget a removed node");
            outcome.soon = true;
        }
    }
}

/// Gives the root that is in force in the end.
async fn bring(
    context: &Context,
    endpoint: &Endpoint,
    documents: &Documents,
    known: Option<RootDocument>,
    revision: &str,
    now: Timestamp,
) -> Result<RootDocument, ManagerError> {
    if let Some(root) = &known
        && documents.are_those_of(root)
    {
        return Ok(root.clone());
    }
    let before = match known {
        Some(root) => Some(root),
        None if revision.is_empty() => None,
        None => endpoint.config().await?,
    };
    if let Some(root) = &before
        && documents.are_those_of(root)
    {
        return Ok(root.clone());
    }
    let root = documents.root(before.as_ref(), now);
    context.metrics.wrote("Manager", "config");
    let mut answer = endpoint
        .put_config(&documents.body(&root, before.as_ref()))
        .await;
    if matches!(&answer, Err(ManagerError::Refused(p)) if p.status == 422) {
        // The managers have lost parts: send all of them.
        answer = endpoint.put_config(&documents.body(&root, None)).await;
    }
    answer.map(|()| root)
}
