//! Makes and removes the compute nodes that stand for machines of Kubernetes.

use fastx_crds::conditions::Reason;

use super::observe::Observed;
use super::plan::hosts::hosts;
use super::validate::ValidCluster;
use crate::apply::ApplyError;
use crate::context::Context;
use crate::queue::Key;

/// Why not every machine has its node.
pub(super) type Fault = (Reason, String);

/// Brings them to what the cluster says. Without sight of the machines nothing is touched.
pub(super) async fn settle(
    context: &Context,
    cluster: &ValidCluster,
    observed: &Observed,
) -> Result<Option<Fault>, ApplyError> {
    let Some(machines) = &observed.machines else {
        return Ok(cluster.hosts.as_ref().map(|_| {
            let message = "`hosts` is set, but the operator may not see the nodes of Kubernetes: \
                           install its chart with `rbac.nodes: true`.";
            (Reason::MachinesHidden, message.to_owned())
        }));
    };
    let plan = hosts(cluster, machines, &observed.namespace_nodes);
    for (name, body) in &plan.apply {
        let key = Key::new(&cluster.key.namespace, name.as_str());
        context.applier.apply_node(&key, body).await?;
    }
    for metadata in &plan.remove {
        let name = metadata.name.as_deref().unwrap_or_default();
        tracing::info!(node = name, cluster = %cluster.key, "the machine of this node is not wanted any more");
        context.applier.remove_node(metadata).await?;
    }
    Ok(plan.taken.first().map(|name| {
        let message = format!(
            "ComputeNode `{name}` exists and was not made for `hosts`: delete it, or take the labels off its machine."
        );
        (Reason::NameTaken, message)
    }))
}
