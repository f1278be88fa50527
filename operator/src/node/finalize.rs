//! The end of a node: its sessions, then its Pod, then its identity.

use fastx_crds::{ComputeNode, FINALIZER, FORCE_ANNOTATION};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::apply::set_finalizers;
use super::observe::{Cluster, Observed};
use crate::apply::ApplyError;
use crate::cluster::material::Member;
use crate::context::Context;
use crate::meta;
use crate::names;
use crate::queue::Key;

/// What a deleted node waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Waiting {
    /// For this many sessions to end; none when nobody knows how many.
    Sessions(Option<u32>),
    /// For its Pod to be gone.
    Pod,
}

/// One step towards the end; none when there is nothing more to wait for.
pub(super) async fn finalize(
    context: &Context,
    node: &ComputeNode,
    observed: &Observed,
    now: Timestamp,
) -> Result<Option<Waiting>, ApplyError> {
    if !node.finalizers().iter().any(|f| f == FINALIZER) {
        return Ok(None);
    }
    if let Some(waiting) = sessions(node, observed) {
        close(context, observed).await?;
        return Ok(Some(waiting));
    }
    if let Some(pod) = &observed.pod {
        if !pod.deleting() {
            context.applier.delete_pod(&pod.metadata).await?;
        }
        return Ok(Some(Waiting::Pod));
    }
    revoke(context, node, observed, now).await?;
    let left: Vec<String> = node
        .finalizers()
        .iter()
        .filter(|f| *f != FINALIZER)
        .cloned()
        .collect();
    match set_finalizers(context, node, &left).await {
        Err(error) if error.is_gone() => Ok(None),
        answer => answer.map(|()| None),
    }
}

/// Takes the node out of the Service that users open: nobody should sign in at what goes away.
async fn close(context: &Context, observed: &Observed) -> Result<(), ApplyError> {
    match &observed.pod {
        Some(pod) if pod.label(meta::LOGINS) == Some("true") => {
            let change = json!({"metadata": {"labels": {meta::LOGINS: "false"}}});
            let key = crate::cache::key_of(pod.as_ref());
            context.applier.patch_pod(&key, &change).await
        }
        _ => Ok(()),
    }
}

/// The sessions that are waited for.
fn sessions(node: &ComputeNode, observed: &Observed) -> Option<Waiting> {
    if node.annotations().contains_key(FORCE_ANNOTATION) {
        return None;
    }
    // Who deletes the cluster too has ended its sessions: nobody can reach them any more.
    if matches!(observed.cluster, Cluster::Missing(_) | Cluster::Deleting(_)) {
        return None;
    }
    let name = node.name_any();
    if node.spec.pod.is_some() && !observed.desktop_runs() {
        return None;
    }
    // A Pod that is on its way out takes its sessions with it, unless they run on the host.
    if node.spec.pod.is_some() && observed.pod.as_ref().is_some_and(|p| p.deleting()) {
        return None;
    }
    match observed.sessions(&name) {
        Some(0) => None,
        // A machine that was never heard of, or not lately, has nothing that could be waited for.
        None if node.spec.pod.is_none() => None,
        sessions => Some(Waiting::Sessions(sessions)),
    }
}

async fn revoke(
    context: &Context,
    node: &ComputeNode,
    observed: &Observed,
    now: Timestamp,
) -> Result<(), ApplyError> {
    let (name, uid) = (node.name_any(), node.uid());
    let Some(bus) = observed.bus.as_ref() else {
        return Ok(());
    };
    let own = |owner: &str, member: &Member| owner == name && Some(&member.uid) == uid.as_ref();
    let change = bus.revocation(own, now);
    if change.is_empty() {
        return Ok(());
    }
    let cluster = names::bus_keys(&node.spec.cluster_ref.name);
    let key = Key::new(node.namespace().unwrap_or_default(), cluster);
    tracing::info!(node = %name, "revoking the identities of a deleted node");
    context.applier.merge_secret(&key, &change).await
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::{observed, running_pod};
    use super::super::validate::tests::node;
    use super::*;

    fn deleted(spec: &str, force: bool) -> ComputeNode {
        let mut node = node(spec);
        if force {
            node.annotations_mut()
                .insert(FORCE_ANNOTATION.to_owned(), String::new());
        }
        node
    }

    #[test]
    fn sessions_are_waited_for_unless_forced() {
        let busy = observed("sessions: 2", Some(running_pod()));
        let idle = observed("sessions: 0", Some(running_pod()));
        let unknown = observed("online: false, sessions: 0", Some(running_pod()));
        let no_pod = observed("sessions: 2", None);
        // The Pod of a host has no desktop, and its end ends no session.
        let leaving: crate::pods::PodView = serde_yaml_ng::from_str(
            "metadata: {name: desk, deletionTimestamp: '2027-01-01T00:00:00Z'}\nspec: {containers: [{name: node, image: i}]}\nstatus: {}",
        )
        .unwrap();
        let of_host = observed("sessions: 2", Some(std::sync::Arc::new(leaving)));
        for (spec, force, observed, waits) in [
            ("pod: {}", false, &busy, Some(Waiting::Sessions(Some(2)))),
            ("pod: {}", true, &busy, None),
            ("pod: {}", false, &idle, None),
            ("pod: {}", false, &unknown, Some(Waiting::Sessions(None))),
            ("pod: {}", false, &no_pod, None),
            (
                "host: {nodeName: w}",
                false,
                &of_host,
                Some(Waiting::Sessions(Some(2))),
            ),
            ("host: {nodeName: w}", true, &of_host, None),
            (
                "external: {}",
                false,
                &no_pod,
                Some(Waiting::Sessions(Some(2))),
            ),
        ] {
            assert_eq!(
                sessions(&deleted(spec, force), observed),
                waits,
                "{spec} {force}"
            );
        }
    }

    #[test]
    fn without_a_cluster_nobody_can_have_a_session() {
        let mut observed = observed("sessions: 2", Some(running_pod()));
        observed.cluster = Cluster::Missing("site".into());
        assert_eq!(sessions(&deleted("pod: {}", false), &observed), None);
    }
}
