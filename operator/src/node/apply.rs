//! The writes for a node: finalizer, identity, objects, Pod.

use std::collections::BTreeMap;
use std::time::Duration;

use fastx_core::identity::public_key;
use fastx_core::subject::Member as MemberKind;
use fastx_core::wire::broker::BrokerConfig;
use fastx_crds::conditions::Finding;
use fastx_crds::{APPROVE_ANNOTATION, ComputeNode, FINALIZER};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::core::ApiResource;
use rand::Rng as _;
use serde_json::json;

use super::observe::Observed;
use super::plan::rollout::{Situation, Step, decide};
use super::plan::{Identity, Plan, plan};
use super::validate::ValidNode;
use crate::apply::ApplyError;
use crate::cluster::material::{BusKeys, MEMBER_PREFIX, REVOKED_PREFIX};
use crate::cluster::plan::{broker_document, own_bus, shared_bus};
use crate::cluster::validate::{Invalid, ValidCluster};
use crate::context::Context;
use crate::controller::Failure;
use crate::kind::Kind;
use crate::names;

/// What came of the writes.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Writes that failed.
    pub(super) error: Option<ApplyError>,
    /// What is held back.
    pub(super) pending: Option<Finding>,
    /// Generation of the node's `broker.json`.
    pub(super) broker_generation: Option<u64>,
    /// When time alone changes something.
    pub(super) again: Option<Duration>,
    /// Whether the cluster has no authority or bus yet.
    pub(super) is_early: bool,
}

impl Outcome {
    /// The cluster has no authority or bus yet.
    fn early() -> Self {
        Self {
            is_early: true,
            ..Self::default()
        }
    }

    /// With what is known of a new image on a machine.
    fn with_trial(mut self, observed: &Observed, target: &str) -> Self {
        self.pending = observed.images.finding(target).or(self.pending);
        let again = [self.again, observed.images_again];
        self.again = again.into_iter().flatten().min();
        self
    }

    /// When to look again; a failure when something could not be written.
    pub(super) fn finish(&self) -> Result<Option<Duration>, Failure> {
        match &self.error {
            Some(error) => Err(Failure::passing("Apply", error.text())),
            None => Ok(self.again),
        }
    }
}

/// Writes everything that a node needs; nothing when its cluster is not there, is paused, or the spec is refused.
pub(super) async fn apply(
    context: &Context,
    node: &ComputeNode,
    valid: Result<&ValidNode, &Invalid>,
    observed: &Observed,
    now: Timestamp,
) -> Result<Outcome, Failure> {
    let (Ok(valid), Some(cluster)) = (valid, observed.cluster.present()) else {
        return Ok(Outcome::default());
    };
    if cluster.paused {
        return Ok(Outcome::default());
    }
    if !observed.has_account {
        return Ok(Outcome::early());
    }
    // The cluster's own controller makes what is missing, and its objects wake us.
    let identity = match (&observed.bus_secret, &observed.bus, &observed.bundle) {
        (Some(secret), ..) => {
            add_finalizer(context, node).await?;
            shared(
                observed,
                shared_bus(cluster, secret, valid.is_outside()),
                now,
            )
        }
        (None, Some(bus), Some(bundle)) => {
            add_finalizer(context, node).await?;
            identity(context, cluster, valid, observed, bus, bundle, now).await?
        }
        _ => return Ok(Outcome::early()),
    };
    let sessions = observed.sessions(&valid.key.name);
    let target = sidecar_image(cluster, observed);
    let back = observed.images.put_back(&target);
    let mut plan = plan(
        cluster,
        valid,
        &identity,
        sessions,
        &observed.web_digest,
        back.unwrap_or(&target),
    );
    if let Some(pod) = plan.pod.as_mut().filter(|_| back.is_some()) {
        observed.images.mark(&mut pod.body);
    }
    let mut outcome = Outcome {
        broker_generation: generation(&identity.document),
        ..Outcome::default()
    };
    if let Err(error) = write(
        context,
        node,
        cluster,
        valid,
        plan,
        observed,
        now,
        &mut outcome,
    )
    .await
    {
        outcome.error = Some(error);
    }
    Ok(outcome.with_trial(observed, &target))
}

async fn add_finalizer(context: &Context, node: &ComputeNode) -> Result<(), ApplyError> {
    if node.finalizers().iter().any(|f| f == FINALIZER) {
        return Ok(());
    }
    let mut finalizers = node.finalizers().to_vec();
    finalizers.push(FINALIZER.to_owned());
    set_finalizers(context, node, &finalizers).await
}

/// With the version, so that nobody's finalizer is lost.
pub(super) async fn set_finalizers(
    context: &Context,
    node: &ComputeNode,
    finalizers: &[String],
) -> Result<(), ApplyError> {
    let key = crate::cache::key_of(node);
    let change = json!({"metadata": {
        "resourceVersion": node.resource_version(), "finalizers": finalizers,
    }});
    let resource = ApiResource::erase::<ComputeNode>(&());
    context.applier.merge(&resource, &key, false, &change).await
}

/// The node's identity: the one that it has, or a new one. It is listed before it is handed out, so that
/// whatever was handed out can be revoked.
async fn identity(
    context: &Context,
    cluster: &ValidCluster,
    node: &ValidNode,
    observed: &Observed,
    bus: &BusKeys,
    bundle: &str,
    now: Timestamp,
) -> Result<Identity, Failure> {
    let name = &node.key.name;
    let caller = name
        .parse()
        .map_err(|e| Failure::passing("Identity", format!("{e}")))?;
    let data = observed.broker.as_deref();
    let member = bus.members.get(name);
    let make = |seed| {
        let credentials = bus
            .authority()
            .member(MemberKind::Node, &caller, seed, bus.issued);
        public_key(&credentials)
            .map(|key| (credentials, key))
            .map_err(|e| Failure::passing("Identity", e.to_string()))
    };
    let existing: Option<[u8; 32]> = data
        .and_then(|d| d.get("seed")?.as_slice().try_into().ok())
        // An identity of an earlier node of the same name is not this one's.
        .filter(|_| member.is_none_or(|m| m.uid == node.owner.uid));
    let mut seed = existing.unwrap_or_else(random);
    let (mut credentials, mut public) = make(seed)?;
    if bus.revoked.contains_key(&public) {
        // A revoked key is never signed again.
        seed = random();
        (credentials, public) = make(seed)?;
    }
    if member.is_none_or(|m| m.key != public || m.uid != node.owner.uid) {
        let mut change = BTreeMap::from([(
            format!("{MEMBER_PREFIX}{name}"),
            Some(format!("{public} {}", node.owner.uid)),
        )]);
        if let Some(before) = member.filter(|m| m.key != public) {
            change.insert(
                format!("{REVOKED_PREFIX}{}", before.key),
                Some(now.to_string()),
            );
        }
        let key = crate::queue::Key::new(&node.key.namespace, names::bus_keys(&cluster.key.name));
        context.applier.merge_secret(&key, &change).await?;
    }
    let wanted = own_bus(cluster, bundle, node.is_outside(), credentials);
    let document = broker_document(wanted, before(observed).as_deref(), now);
    Ok(Identity {
        seed: Some(seed),
        document,
    })
}

/// At a transporter without identities all members are alike.
fn shared(observed: &Observed, wanted: BrokerConfig, now: Timestamp) -> Identity {
    Identity {
        seed: None,
        document: broker_document(wanted, before(observed).as_deref(), now),
    }
}

/// The node's `broker.json` as it is.
fn before(observed: &Observed) -> Option<String> {
    let text = observed.broker.as_ref()?.get("broker.json")?;
    String::from_utf8(text.clone()).ok()
}

/// The managers go first: an image that does not start there goes nowhere else.
fn sidecar_image(cluster: &ValidCluster, observed: &Observed) -> String {
    let present = observed.pod.as_ref().and_then(|p| p.image("node"));
    match (&observed.proved, present) {
        (Some(proved), _) => proved.clone(),
        (None, Some(present)) => present.to_owned(),
        (None, None) => cluster.images.fastx.clone(),
    }
}

fn random() -> [u8; 32] {
    let mut seed = [0; 32];
    rand::rng().fill_bytes(&mut seed);
    seed
}

fn generation(document: &str) -> Option<u64> {
    BrokerConfig::parse(document).ok().map(|b| b.generation)
}

#[expect(
    clippy::too_many_arguments,
    reason = "the whole of what was found out, used once"
)]
async fn write(
    context: &Context,
    node: &ComputeNode,
    cluster: &ValidCluster,
    valid: &ValidNode,
    plan: Plan,
    observed: &Observed,
    now: Timestamp,
    outcome: &mut Outcome,
) -> Result<(), ApplyError> {
    let Plan { ensure, claim, pod } = plan;
    let (namespace, uid) = (&valid.key.namespace, valid.owner.uid.as_str());
    for object in &ensure {
        context.applier.ensure(namespace, Some(uid), object).await?;
    }
    if let Some(claim) = &claim {
        context.applier.ensure(namespace, None, claim).await?;
    }
    // While nobody knows of sessions, the budget stays as it is.
    if observed.sessions(&valid.key.name) == Some(0) {
        remove_budget(context, valid).await?;
    }
    let Some(desired) = pod else { return Ok(()) };
    let decision = decide(
        &desired,
        &Situation {
            pod: observed.pod.as_deref(),
            peers: &observed.peers,
            put_back: observed.images.go_back_to(&desired.sidecar_image),
            pull_failure: observed.pull_failure.as_deref(),
            sessions: observed.sessions(&valid.key.name),
            desktop_runs: observed.desktop_runs(),
            disruption: cluster.disruption,
            approved: node
                .annotations()
                .get(APPROVE_ANNOTATION)
                .map(String::as_str),
            now,
        },
    );
    outcome.pending = decision.pending;
    outcome.again = decision.again;
    match (decision.step, &observed.pod) {
        (Step::Create, _) => {
            if !context.applier.create_pod(&valid.key, desired.body).await? {
                // The old one is not gone yet, or the cache is behind.
                outcome.again = Some(Duration::from_secs(2));
            }
        }
        (Step::Delete, Some(pod)) => {
            tracing::info!(node = %valid.key, "replacing the Pod");
            context.applier.delete_pod(&pod.metadata).await?;
        }
        (Step::Patch(change), _) => context.applier.patch_pod(&valid.key, &change).await?,
        (Step::Nothing | Step::Delete, _) => {}
    }
    Ok(())
}

async fn remove_budget(context: &Context, node: &ValidNode) -> Result<(), ApplyError> {
    match context.world.children(Kind::Budget).get(&node.key) {
        Some(budget)
            if budget
                .metadata
                .owner_references
                .iter()
                .flatten()
                .any(|o| o.uid == node.owner.uid) =>
        {
            context.applier.remove(Kind::Budget, &budget.metadata).await
        }
        _ => Ok(()),
    }
}
