//! `FastXCluster`: observe → validate → material → plan → apply → status.

mod apply;
mod certificate;
mod discovery;
mod hosts;
mod invitation;
pub(crate) mod joins;
pub mod material;
mod observe;
pub mod plan;
pub(crate) mod status;
pub mod validate;
mod volume;

use std::time::Duration;

use fastx_crds::FastXCluster;
use kube::ResourceExt;

use crate::context::{Context, is_current};
use crate::controller::{Failure, Reconcile};
use crate::kind::Kind;
use crate::names;
use crate::queue::Key;

pub use apply::Roots;

/// When to look again while something outside of the API server is waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// When to look again at what only an administrator elsewhere can change.
const LOOK_LATER: Duration = Duration::from_mins(5);

/// The controller of clusters.
#[derive(Debug)]
pub struct Clusters {
    context: Context,
}

impl Clusters {
    /// With this context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// No I/O: what is to be said when a spec cannot be used.
    async fn refuse(
        &self,
        cluster: &FastXCluster,
        invalid: &validate::Invalid,
    ) -> Result<(), Failure> {
        let before = self.context.status_of(cluster, &cluster.status);
        let after = status::refused(cluster, &before, invalid, self.context.now());
        Ok(self.context.write_status(cluster, &before, &after).await?)
    }
}

impl Reconcile for Clusters {
    const NAME: &'static str = "cluster";

    async fn reconcile(&self, key: &Key) -> Result<Option<Duration>, Failure> {
        let context = &self.context;
        let Some(guard) = context.world.clusters.get(key) else {
            self.gone(key);
            return Ok(None);
        };
        let cluster = match &guard.0 {
            Ok(cluster) if cluster.metadata.deletion_timestamp.is_some() => return Ok(None),
            Ok(cluster) => cluster,
            Err(invalid) => {
                status::malformed(context, key, invalid).await?;
                return Ok(None);
            }
        };
        // Pure: what the spec means.
        let valid = match validate::validate(cluster, &context.config.images) {
            Ok(valid) => valid,
            Err(invalid) => {
                self.refuse(cluster, &invalid).await?;
                return Ok(None);
            }
        };
        // Reads: caches, and Secrets by name.
        let now = context.now();
        let observed = observe::observe(context, &valid, now).await?;
        let outcome = if valid.paused {
            apply::Outcome::paused()
        } else {
            // Keys are random; everything after this is a function of its arguments.
            let material = material::material(
                &valid,
                &observed.existing,
                &observe::web_hosts(&valid, &observed.nodes),
                &context.config.lifetimes,
                now,
                &mut rand::rng(),
            )
            .map_err(|e| Failure::passing("Pki", fastx_lifecycle::telemetry::chain(&e)))?;
            let present = plan::Present {
                pods: &observed.pods,
                claim_size: observed.claim_size.as_deref(),
                has_hosts: observed.nodes.iter().any(|n| n.spec.host.is_some()),
            };
            let plan = plan::plan(&valid, &material, &present, now);
            // Writes: objects, Pods' annotations, configuration, revocations.
            apply::apply(context, &valid, &material, plan, &observed, now).await
        };
        // One write, and only if something changed.
        let before = context.status_of(cluster, &cluster.status);
        if let Some(wait) = observed
            .report
            .settling
            .filter(|_| is_current(&before, cluster.metadata.generation))
        {
            return Ok(Some(wait));
        }
        let after = status::status(cluster, &valid, &observed, &outcome, &before, now);
        context.write_status(cluster, &before, &after).await?;
        tracing::debug!(cluster = %cluster.name_any(), "cluster looked after");
        outcome.finish(now)
    }
}

impl Clusters {
    /// Everything that was made goes away with its owner; what is remembered goes here.
    fn gone(&self, key: &Key) {
        let prefix = format!("{}-", key.name);
        self.context.reports.forget(key);
        self.context.forget::<FastXCluster>(key);
        self.context
            .applier
            .forget(&key.namespace, |name| name.starts_with(&prefix));
        self.context.roots.forget(key);
        let settled = &self.context.settled;
        settled.forget(Kind::Claim, &volume::claim_of(key));
        let certificate = Key::new(&key.namespace, names::web(&key.name));
        settled.forget(Kind::Certificate, &certificate);
        self.context.foreign.forget(key);
        self.context.world.poke_members(key);
    }
}
