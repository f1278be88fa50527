//! `ComputeNode`: observe → validate → identity → plan → apply → status; and an orderly end.

mod apply;
mod finalize;
mod observe;
mod plan;
mod status;
mod validate;

use std::time::Duration;

use fastx_crds::ComputeNode;
use kube::core::ApiResource;

use crate::cluster::status::malformed_status;
use crate::context::{Context, is_current};
use crate::controller::{Failure, Reconcile};
use crate::names;
use crate::queue::Key;

/// When to look again while something is waited for that no watch tells.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// The controller of nodes.
#[derive(Debug)]
pub struct Nodes {
    context: Context,
}

impl Nodes {
    /// With this context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }
}

impl Reconcile for Nodes {
    const NAME: &'static str = "node";

    async fn reconcile(&self, key: &Key) -> Result<Option<Duration>, Failure> {
        let context = &self.context;
        let Some(guard) = context.world.nodes.get(key) else {
            context.forget::<ComputeNode>(key);
            let ours = [
                names::node_broker(&key.name),
                names::node_home(&key.name),
                key.name.clone(),
            ];
            context
                .applier
                .forget(&key.namespace, |name| ours.iter().any(|o| o == name));
            return Ok(None);
        };
        let node = match &guard.0 {
            Ok(node) => node,
            Err(invalid) => {
                let status = malformed_status(invalid, context.now());
                let resource = ApiResource::erase::<ComputeNode>(&());
                context.applier.merge(&resource, key, true, &status).await?;
                return Ok(None);
            }
        };
        // Reads: caches, and Secrets by name.
        let now = context.now();
        let observed = observe::observe(context, key, node, now).await?;
        // Pure: what the spec means.
        let valid = validate::validate(node);
        let before = context.status_of(node, &node.status);
        if node.metadata.deletion_timestamp.is_some() {
            let ending = finalize::finalize(context, node, &observed, now).await?;
            let Some(waiting) = ending else {
                return Ok(None);
            };
            let after = status::ending(node, &observed, &waiting, &before, now);
            context.write_status(node, &before, &after).await?;
            return Ok(Some(LOOK_AGAIN));
        }
        // Writes: identity, objects, Pod.
        let outcome = apply::apply(context, node, valid.as_ref(), &observed, now).await?;
        if let Some(wait) = observed
            .report
            .settling
            .filter(|_| is_current(&before, node.metadata.generation))
        {
            return Ok(Some(wait));
        }
        // One write, and only if something changed.
        let after = status::status(node, valid.as_ref(), &observed, &outcome, &before, now);
        context.write_status(node, &before, &after).await?;
        outcome.finish()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! What the tests of other modules make nodes with.

    pub(crate) use super::validate::tests::node;
}
