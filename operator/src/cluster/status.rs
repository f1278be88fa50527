//! What a cluster's status says: from a manager's real round trip, with Pods only to explain why there is none. Pure.

use fastx_crds::conditions::{Finding, Kind, Reason, Status};
use fastx_crds::{ComputeNode, FastXCluster, FastXClusterStatus};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::core::ApiResource;
use kube::core::error_boundary::InvalidObject;
use serde_json::{Value, json};

use super::apply::Outcome;
use super::observe::Observed;
use super::plan::web::address;
use super::validate::{Invalid, ValidCluster, ValidStore};
use crate::apply::ApplyError;
use crate::context::{Context, conditions_after};
use crate::meta;
use crate::queue::Key;

/// The status of a cluster that was looked after.
pub(super) fn status(
    cluster: &FastXCluster,
    valid: &ValidCluster,
    observed: &Observed,
    outcome: &Outcome,
    before: &Value,
    now: Timestamp,
) -> FastXClusterStatus {
    let report = observed.report.status.as_deref();
    let store = store(valid, observed);
    let transporter = part(
        Kind::TransporterReady,
        "nats",
        observed,
        report.map(|r| &r.bus),
        Reason::TransporterNotAnswering,
        "The managers cannot reach the transporter",
    );
    let manager = manager(observed);
    let synced = synced(observed, outcome);
    let ready = ready(
        &[&store, &transporter, &manager],
        outcome,
        report.map(|r| r.revision.as_str()),
    );
    let degraded = degraded(valid, observed, outcome);
    let findings = [ready, store, transporter, manager, synced, degraded];
    let generation = cluster.metadata.generation;
    let online = report.map(|r| r.nodes.values().filter(|n| n.online).count());
    FastXClusterStatus {
        observed_generation: generation,
        conditions: conditions_after(before, &findings, generation, now),
        nodes: Some(count(observed.nodes.len())),
        nodes_online: online.map(count),
        revision: report.map(|r| r.revision.clone()).filter(|r| !r.is_empty()),
        address: Some(address(valid)),
        version: Some(valid.version.clone()),
    }
}

/// The status of a cluster whose spec is refused.
pub(crate) fn refused(
    cluster: &FastXCluster,
    before: &Value,
    invalid: &Invalid,
    now: Timestamp,
) -> FastXClusterStatus {
    let finding = Finding::new(Kind::Ready, Status::False, invalid.reason, &invalid.message);
    let generation = cluster.metadata.generation;
    FastXClusterStatus {
        observed_generation: generation,
        conditions: conditions_after(before, &[finding], generation, now),
        ..FastXClusterStatus::default()
    }
}

/// Writes the condition of a cluster that could not even be read.
pub(crate) async fn malformed(
    context: &Context,
    key: &Key,
    invalid: &InvalidObject,
) -> Result<(), ApplyError> {
    let status = malformed_status(invalid, context.now());
    context
        .applier
        .merge(&ApiResource::erase::<FastXCluster>(&()), key, true, &status)
        .await
}

/// The status of any object that could not be read.
pub(crate) fn malformed_status(invalid: &InvalidObject, now: Timestamp) -> Value {
    let message = format!("The object cannot be read: {}", invalid.error);
    let finding = Finding::new(Kind::Ready, Status::False, Reason::Malformed, message);
    let generation = invalid.metadata.generation;
    let conditions = conditions_after(&Value::Null, &[finding], generation, now);
    json!({"status": {"observedGeneration": generation, "conditions": conditions}})
}

fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn store(valid: &ValidCluster, observed: &Observed) -> Finding {
    let report = observed.report.status.as_deref();
    if let Some((name, field)) = observed
        .missing
        .iter()
        .find(|(_, f)| f.starts_with("store."))
    {
        let message = format!("Secret `{name}`, which `{field}` names, does not exist: make it.");
        return Finding::new(
            Kind::StoreReady,
            Status::False,
            Reason::SecretMissing,
            message,
        );
    }
    // Pods of somebody else's store are not ours to look at.
    let component = match valid.store {
        ValidStore::Ferret { .. } => "store",
        ValidStore::External { .. } => "",
    };
    part(
        Kind::StoreReady,
        component,
        observed,
        report.map(|r| &r.store),
        Reason::StoreNotAnswering,
        "The store does not answer the managers",
    )
}

/// Whether a part works by the word of a manager. Pods explain why it does not, or why nobody knows.
fn part(
    kind: Kind,
    component: &str,
    observed: &Observed,
    said: Option<&fastx_core::wire::status::PartStatus>,
    reason: Reason,
    what: &str,
) -> Finding {
    if let Some(said) = said
        && said.ok
    {
        return Finding::new(kind, Status::True, Reason::AsExpected, "");
    }
    if let Some(finding) = pods(kind, component, observed) {
        return finding;
    }
    match said {
        Some(said) => {
            let message = if said.detail.is_empty() {
                format!("{what}.")
            } else {
                format!("{what}: {}", said.detail)
            };
            Finding::new(kind, Status::False, reason, message)
        }
        None => Finding::new(
            kind,
            Status::Unknown,
            Reason::NoRecentReport,
            no_report(observed),
        ),
    }
}

/// What the Pods of a component show, if it is nothing good.
fn pods(kind: Kind, component: &str, observed: &Observed) -> Option<Finding> {
    if component.is_empty() {
        return None;
    }
    let mut pods = observed
        .pods
        .iter()
        .filter(|p| p.label(meta::COMPONENT) == Some(component))
        .peekable();
    if pods.peek().is_none() {
        let message = format!("The Pods of `{component}` are not there yet.");
        return Some(Finding::new(kind, Status::False, Reason::Starting, message));
    }
    let mut starting = None;
    for pod in pods {
        if let Some(trouble) = pod.trouble() {
            return Some(Finding::new(
                kind,
                Status::False,
                trouble.reason,
                trouble.message,
            ));
        }
        if !pod.ready() {
            starting.get_or_insert_with(|| format!("Pod `{}` is starting.", pod.name()));
        }
    }
    starting.map(|message| Finding::new(kind, Status::False, Reason::Starting, message))
}

fn manager(observed: &Observed) -> Finding {
    match &observed.report.status {
        Some(_) => Finding::new(Kind::ManagerReady, Status::True, Reason::AsExpected, ""),
        None => pods(Kind::ManagerReady, "manager", observed).unwrap_or_else(|| {
            let message = no_report(observed);
            Finding::new(
                Kind::ManagerReady,
                Status::Unknown,
                Reason::NoRecentReport,
                message,
            )
        }),
    }
}

fn no_report(observed: &Observed) -> String {
    match &observed.report.error {
        Some(error) => format!("No manager has reported for 30 s: {error}."),
        None => "No manager has reported yet.".to_owned(),
    }
}

fn synced(observed: &Observed, outcome: &Outcome) -> Finding {
    let finding =
        |status, reason, message: String| Finding::new(Kind::ConfigSynced, status, reason, message);
    if outcome.is_paused {
        return finding(
            Status::Unknown,
            Reason::Paused,
            "The cluster is paused.".into(),
        );
    }
    if let Some(error) = &outcome.config_error {
        return finding(Status::False, Reason::ConfigRefused, error.clone());
    }
    let Some(report) = observed.report.status.as_deref() else {
        return finding(Status::Unknown, Reason::NoRecentReport, no_report(observed));
    };
    let Some(root) = &outcome.root else {
        return finding(
            Status::False,
            Reason::Syncing,
            "The managers have no configuration yet.".into(),
        );
    };
    if report.revision != root.revision() {
        return finding(
            Status::False,
            Reason::Syncing,
            "The managers take up the configuration.".into(),
        );
    }
    let late: Vec<&str> = report
        .nodes
        .iter()
        .filter(|(id, node)| {
            node.online
                && root.nodes.contains_key(id)
                && node.config_revision != root.node_revision(id)
        })
        .map(|(id, _)| id.as_str())
        .collect();
    if late.is_empty() {
        return finding(Status::True, Reason::AsExpected, String::new());
    }
    finding(
        Status::False,
        Reason::Syncing,
        format!("These nodes do not run it yet: {}.", listed(&late)),
    )
}

fn ready(parts: &[&Finding], outcome: &Outcome, revision: Option<&str>) -> Finding {
    if let Some(error) = outcome.errors.first() {
        let reason = match error {
            ApplyError::NameTaken { .. } => Reason::NameTaken,
            ApplyError::Request { .. } => Reason::Refused,
        };
        let text = error.text();
        return Finding::new(Kind::Ready, Status::False, reason, text);
    }
    let worst = parts
        .iter()
        .find(|p| p.status == Status::False)
        .or_else(|| parts.iter().find(|p| p.status == Status::Unknown));
    if let Some(worst) = worst {
        return Finding::new(Kind::Ready, worst.status, worst.reason, &worst.message);
    }
    if revision.is_none_or(str::is_empty) {
        let message = "The managers have no configuration yet.";
        return Finding::new(Kind::Ready, Status::False, Reason::Syncing, message);
    }
    Finding::new(Kind::Ready, Status::True, Reason::AsExpected, "")
}

fn degraded(valid: &ValidCluster, observed: &Observed, outcome: &Outcome) -> Finding {
    let degraded =
        |reason, message: String| Finding::new(Kind::Degraded, Status::True, reason, message);
    if outcome.is_paused {
        return degraded(
            Reason::Paused,
            "`spec.paused` is true: nothing is put right.".into(),
        );
    }
    if let Some((name, field)) = observed.missing.first() {
        let message = format!("Secret `{name}`, which `{field}` names, does not exist: make it.");
        return degraded(Reason::SecretMissing, message);
    }
    for component in ["store", "nats", "manager"] {
        let mut of_part = observed
            .pods
            .iter()
            .filter(|p| p.label(meta::COMPONENT) == Some(component));
        if let Some(trouble) = of_part.find_map(|p| p.trouble()) {
            return degraded(trouble.reason, trouble.message);
        }
    }
    if let Some(report) = observed.report.status.as_deref() {
        let managers = report.managers.len();
        if managers < usize::from(valid.manager_replicas) && !one_identity(report) {
            let message = format!("{managers} of {} managers report.", valid.manager_replicas);
            return degraded(Reason::Starting, message);
        }
        let offline: Vec<&str> = observed
            .nodes
            .iter()
            .filter(|n| wanted_online(n))
            .filter_map(|n| report.nodes.keys().find(|id| id.as_str() == n.name_any()))
            .filter(|id| report.nodes.get(*id).is_some_and(|n| !n.online))
            .map(fastx_core::names::ServerId::as_str)
            .collect();
        if !offline.is_empty() {
            let message = format!("These nodes are offline: {}.", listed(&offline));
            return degraded(Reason::NodesOffline, message);
        }
    }
    Finding::new(Kind::Degraded, Status::False, Reason::AsExpected, "")
}

/// Managers that share an identity cannot be told apart by it.
fn one_identity(report: &fastx_core::wire::status::ClusterStatus) -> bool {
    report.managers.len() <= 1
}

fn wanted_online(node: &ComputeNode) -> bool {
    node.metadata.deletion_timestamp.is_none()
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(5) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::material::Existing;
    use super::super::validate::tests::{cluster, valid};
    use super::*;
    use crate::managers::Report;
    use crate::pods::PodView;
    use fastx_core::wire::config::RootDocument;
    use fastx_core::wire::status::ClusterStatus;
    use std::sync::Arc;

    fn root() -> RootDocument {
        RootDocument {
            generation: 1,
            nodes: [("desk".parse().unwrap(), "h".to_owned())].into(),
            ..RootDocument::default()
        }
    }

    fn report(change: impl FnOnce(&mut Value)) -> Report {
        let mut status = json!({
            "at": "2027-01-01T00:00:00Z", "manager": "manager-site", "leading": true,
            "store": {"ok": true}, "bus": {"ok": true}, "managers": ["manager-site"],
            "revision": root().revision(),
            "nodes": {"desk": {
                "online": true, "lastSeen": "2027-01-01T00:00:00Z",
                "configRevision": root().node_revision(&"desk".parse().unwrap()),
            }},
        });
        change(&mut status);
        Report {
            status: Some(Arc::new(
                serde_json::from_value::<ClusterStatus>(status).unwrap(),
            )),
            ..Report::default()
        }
    }

    fn pod(component: &str, status: &str) -> Arc<PodView> {
        Arc::new(
            serde_yaml_ng::from_str(&format!(
                "metadata: {{name: site-{component}-0, labels: {{{}: {component}}}}}\nspec: {{containers: [{{name: c, image: i}}]}}\nstatus: {status}",
                meta::COMPONENT
            ))
            .unwrap(),
        )
    }

    const UP: &str = "{phase: Running, conditions: [{type: Ready, status: 'True'}]}";
    const NO_IMAGE: &str =
        "{containerStatuses: [{name: c, state: {waiting: {reason: ErrImagePull, message: gone}}}]}";

    fn observed(report: Report, pods: &[(&str, &str)]) -> Observed {
        Observed {
            nodes: vec![Arc::new(
                serde_yaml_ng::from_str(
                    "apiVersion: fastx.dev/v1alpha1\nkind: ComputeNode\nmetadata: {name: desk}\nspec: {clusterRef: {name: site}, external: {}}",
                )
                .unwrap(),
            )],
            scripts: Vec::new(),
            pods: ["store", "nats", "manager"]
                .into_iter()
                .map(|c| pod(c, pods.iter().find(|(n, _)| *n == c).map_or(UP, |(_, s)| *s)))
                .collect(),
            existing: Existing::default(),
            report,
            missing: Vec::new(),
        }
    }

    /// The conditions as short text: `Ready=True/AsExpected`.
    fn conditions(observed: &Observed, outcome: &Outcome) -> Vec<String> {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        status(
            &cluster(""),
            &valid(""),
            observed,
            outcome,
            &Value::Null,
            now,
        )
        .conditions
        .iter()
        .map(|c| format!("{}={}/{}", c.kind, c.status, c.reason))
        .collect()
    }

    fn done() -> Outcome {
        Outcome {
            root: Some(root()),
            ..Outcome::default()
        }
    }

    #[test]
    fn all_is_well() {
        assert_eq!(
            conditions(&observed(report(|_| ()), &[]), &done()),
            [
                "ConfigSynced=True/AsExpected",
                "Degraded=False/AsExpected",
                "ManagerReady=True/AsExpected",
                "Ready=True/AsExpected",
                "StoreReady=True/AsExpected",
                "TransporterReady=True/AsExpected",
            ]
        );
    }

    #[test]
    fn the_managers_word_counts_and_not_that_pods_are_ready() {
        let broken = report(|s| s["store"] = json!({"ok": false, "detail": "connection refused"}));
        let list = conditions(&observed(broken, &[]), &done());
        assert!(
            list.contains(&"StoreReady=False/StoreNotAnswering".into()),
            "{list:?}"
        );
        assert!(
            list.contains(&"Ready=False/StoreNotAnswering".into()),
            "{list:?}"
        );
    }

    #[test]
    fn without_a_report_nobody_knows_unless_a_pod_says_why() {
        let silent = conditions(&observed(Report::default(), &[]), &done());
        assert!(
            silent.contains(&"Ready=Unknown/NoRecentReport".into()),
            "{silent:?}"
        );
        assert!(
            silent.contains(&"StoreReady=Unknown/NoRecentReport".into()),
            "{silent:?}"
        );
        let no_image = conditions(&observed(Report::default(), &[("nats", NO_IMAGE)]), &done());
        assert!(
            no_image.contains(&"TransporterReady=False/ImagePullFailed".into()),
            "{no_image:?}"
        );
        assert!(
            no_image.contains(&"Ready=False/ImagePullFailed".into()),
            "{no_image:?}"
        );
        assert!(
            no_image.contains(&"Degraded=True/ImagePullFailed".into()),
            "{no_image:?}"
        );
    }

    #[test]
    fn a_node_with_an_old_configuration_is_named() {
        let late = report(|s| s["nodes"]["desk"]["configRevision"] = "old".into());
        let list = conditions(&observed(late, &[]), &done());
        assert!(
            list.contains(&"ConfigSynced=False/Syncing".into()),
            "{list:?}"
        );
        assert!(list.contains(&"Ready=True/AsExpected".into()), "{list:?}");
        let offline = report(|s| s["nodes"]["desk"]["online"] = false.into());
        let list = conditions(&observed(offline, &[]), &done());
        assert!(
            list.contains(&"Degraded=True/NodesOffline".into()),
            "{list:?}"
        );
        assert!(
            list.contains(&"ConfigSynced=True/AsExpected".into()),
            "{list:?}"
        );
    }

    #[test]
    fn a_missing_secret_is_named() {
        let mut observed = observed(report(|_| ()), &[]);
        observed
            .missing
            .push(("people".into(), "authentication.local.usersSecretRef"));
        let now = Timestamp::UNIX_EPOCH;
        let status = status(
            &cluster(""),
            &valid(""),
            &observed,
            &done(),
            &Value::Null,
            now,
        );
        let degraded = status
            .conditions
            .iter()
            .find(|c| c.kind == "Degraded")
            .unwrap();
        assert_eq!(degraded.reason, "SecretMissing");
        assert!(
            degraded.message.contains("`people`"),
            "{}",
            degraded.message
        );
    }

    #[test]
    fn a_taken_name_is_the_reason() {
        let outcome = Outcome {
            errors: vec![ApplyError::NameTaken {
                kind: "Service",
                name: "site-web".into(),
            }],
            ..done()
        };
        let list = conditions(&observed(report(|_| ()), &[]), &outcome);
        assert!(list.contains(&"Ready=False/NameTaken".into()), "{list:?}");
    }

    #[test]
    fn equal_observations_give_an_equal_status() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let observed = observed(report(|_| ()), &[]);
        let first = status(
            &cluster(""),
            &valid(""),
            &observed,
            &done(),
            &Value::Null,
            now,
        );
        let before = serde_json::to_value(&first).unwrap();
        let later = Timestamp::from_second(1_800_009_999).unwrap();
        let second = status(&cluster(""), &valid(""), &observed, &done(), &before, later);
        assert_eq!(first, second);
    }
}
