//! `BalancerScript`: observe → validate → check → status → apply.
//!
//! | file | what it does | may wait |
//! |---|---|---|
//! | `observe` | takes the script and its cluster from the caches | no |
//! | `validate` | says what the spec means | no |
//! | `check` | compiles the script and runs its tests, in a process of their own | yes |
//! | `status` | puts what was found into words | no |
//! | `chain` | gives the cluster's plan the scripts that are in force | no |
//!
//! The only thing that is applied is the status, so there is no plan.
//!
//! **Invariant:** only what compiled and passed its tests gets into `status.lastGood`, and the chain is made of
//! nothing else. So a script that turns bad leaves the one before in force, also across a restart of the operator.

mod chain;
mod check;
mod observe;
mod status;
mod validate;

use std::time::Duration;

use fastx_balancer::WorkerCommand;
use fastx_crds::BalancerScript;
use fastx_lifecycle::telemetry;
use kube::Resource as _;
use kube::core::ApiResource;

use crate::context::Context;
use crate::controller::{Failure, Reconcile};
use crate::queue::Key;
use observe::{Observed, Seen};

pub use chain::active;

/// The controller of scripts.
#[derive(Debug)]
pub struct Scripts {
    context: Context,
    checker: check::Checker,
}

impl Scripts {
    /// With this context; scripts are checked in processes of this command.
    pub fn new(context: Context, command: WorkerCommand) -> Self {
        Self {
            context,
            checker: check::Checker::new(command),
        }
    }

    async fn look_after(&self, key: &Key, seen: &Seen) -> Result<(), Failure> {
        let verdict = match validate::validate(seen) {
            // A process is started only when source, limits or tests are not those of the last time.
            Ok(script) => Ok(self
                .checker
                .verdict(key, &script)
                .await
                .map_err(|e| Failure::passing(e.reason(), telemetry::chain(&e)))?),
            Err(invalid) => Err(invalid),
        };
        let before = self.context.status_of(&seen.script, &seen.script.status);
        let known = serde_json::from_value(before.clone()).unwrap_or_default();
        let after = status::status(seen, verdict.as_deref(), known, self.context.now());
        // One write, and only if something changed.
        Ok(self
            .context
            .write_status(&seen.script, &before, &after)
            .await?)
    }

    async fn refuse(&self, key: &Key, status: &serde_json::Value) -> Result<(), Failure> {
        let resource = ApiResource::erase::<BalancerScript>(&());
        let applier = &self.context.applier;
        Ok(applier.merge(&resource, key, true, status).await?)
    }
}

impl Reconcile for Scripts {
    const NAME: &'static str = "script";

    async fn reconcile(&self, key: &Key) -> Result<Option<Duration>, Failure> {
        match observe::observe(&self.context.world, key) {
            Observed::Gone => {
                self.checker.forget(key);
                self.context.forget::<BalancerScript>(key);
            }
            Observed::Unreadable(invalid) => {
                let status = status::malformed(&invalid, self.context.now());
                self.refuse(key, &status).await?;
            }
            Observed::There(seen) if seen.script.meta().deletion_timestamp.is_some() => {}
            Observed::There(seen) => self.look_after(key, &seen).await?,
        }
        // Everything that the outcome depends on is watched.
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
