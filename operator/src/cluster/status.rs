//! What a cluster's status says: from a manager's real round trip, with Pods only to explain why there is none. Pure.

use std::sync::Arc;

use fastx_core::wire::status::{ClusterStatus, PartStatus};
use fastx_crds::conditions::{Finding, Kind, Reason, Status};
use fastx_crds::{ComputeNode, FastXCluster, FastXClusterStatus};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::core::ApiResource;
use kube::core::error_boundary::InvalidObject;
use serde_json::{Value, json};

use super::apply::Outcome;
use super::joins;
use super::material::BusSecret;
use super::observe::Observed;
use super::plan::web::address;
use super::validate::{Invalid, ValidCluster, ValidStore};
use super::volume::Growth;
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
    let transporter = transporter(valid, observed);
    let manager = manager(observed);
    let sign_in = sign_in(valid, observed);
    let synced = synced(observed, outcome);
    let attendance = attendance(observed);
    let ready = ready(
        &[&store, &transporter, &manager],
        outcome,
        report.map(|r| r.revision.as_str()),
        &attendance,
    );
    let degraded = degraded(valid, observed, outcome, &attendance);
    let mut findings = vec![
        ready,
        store,
        transporter,
        manager,
        sign_in,
        synced,
        degraded,
    ];
    findings.extend(joins::finding(valid, observed, &outcome.waiting));
    let generation = cluster.metadata.generation;
    let online = report.map(|r| {
        let heard = |n: &&Arc<ComputeNode>| is_online(r, &n.name_any());
        observed.nodes.iter().filter(heard).count()
    });
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
    if let Some(message) = missing(observed, "store.") {
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

fn transporter(valid: &ValidCluster, observed: &Observed) -> Finding {
    let finding =
        |reason, message| Finding::new(Kind::TransporterReady, Status::False, reason, message);
    if let Some(message) = missing(observed, "transporter.") {
        return finding(Reason::SecretMissing, message);
    }
    let external = valid.transporter.external();
    if let Some(secret) = external.and_then(|b| b.secret.as_ref())
        && BusSecret::of(valid, observed.existing.bus_secret.as_deref(), None).is_none()
    {
        let message = format!(
            "Secret `{secret}`, which `transporter.external.secretRef` names, has no key `password`: add it."
        );
        return finding(Reason::SecretInvalid, message);
    }
    // Pods of somebody else's transporter are not ours to look at.
    let component = valid.transporter.component().map_or("", |(name, _)| name);
    part(
        Kind::TransporterReady,
        component,
        observed,
        observed.report.status.as_deref().map(|r| &r.bus),
        Reason::TransporterNotAnswering,
        "The managers cannot reach the transporter",
    )
}

/// Whether users can sign in, as far as Secrets and the spec say.
fn sign_in(valid: &ValidCluster, observed: &Observed) -> Finding {
    let finding =
        |status, reason, message: String| Finding::new(Kind::SignInReady, status, reason, message);
    if let Some(message) = missing(observed, "authentication.") {
        return finding(Status::False, Reason::SecretMissing, message);
    }
    if let Some(message) = lacking(observed) {
        return finding(Status::False, Reason::SecretInvalid, message);
    }
    if valid.sign_in.methods.is_empty() {
        let message = "Nothing is set under `authentication`: at nodes of kind `pod` nobody can sign in. \
                       Set `oidc` or `local`.";
        return finding(Status::False, Reason::NoSignInMethod, message.to_owned());
    }
    finding(Status::True, Reason::AsExpected, String::new())
}

/// A Secret without the key that a field names.
fn lacking(observed: &Observed) -> Option<String> {
    let (name, key, field) = observed.lacking.first()?;
    Some(format!(
        "Secret `{name}`, which `{field}` names, has no key `{key}`: add it."
    ))
}

/// A Secret that is missing and that a field beginning so names.
fn missing(observed: &Observed, fields: &str) -> Option<String> {
    let (name, field) = observed
        .missing
        .iter()
        .find(|(_, f)| f.starts_with(fields))?;
    Some(format!(
        "Secret `{name}`, which `{field}` names, does not exist: make it."
    ))
}

/// Whether a part works by the word of a manager. Pods explain why it does not, or why nobody knows.
fn part(
    kind: Kind,
    component: &str,
    observed: &Observed,
    said: Option<&PartStatus>,
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

/// The nodes that were asked for: how many, and which of them the managers do not hear from.
#[derive(Debug, Default)]
struct Attendance {
    asked_for: usize,
    absent: Vec<String>,
}

impl Attendance {
    fn nobody_came(&self) -> bool {
        self.asked_for > 0 && self.absent.len() == self.asked_for
    }
}

/// Without a report nobody knows, and nobody is called absent.
fn attendance(observed: &Observed) -> Attendance {
    let Some(report) = observed.report.status.as_deref() else {
        return Attendance::default();
    };
    let wanted = observed.nodes.iter().filter(|n| wanted_online(n));
    let names: Vec<String> = wanted.map(|n| n.name_any()).collect();
    Attendance {
        asked_for: names.len(),
        absent: names
            .into_iter()
            .filter(|name| !is_online(report, name))
            .collect(),
    }
}

/// A node that the managers have never heard of is not online either.
fn is_online(report: &ClusterStatus, name: &str) -> bool {
    let said = report.nodes.iter().find(|(id, _)| id.as_str() == name);
    said.is_some_and(|(_, node)| node.online)
}

fn ready(
    parts: &[&Finding],
    outcome: &Outcome,
    revision: Option<&str>,
    attendance: &Attendance,
) -> Finding {
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
    // Everything works, and yet nobody can start a session.
    if attendance.nobody_came() {
        let message = format!(
            "No node is online: {}. The condition `Online` of each says why.",
            listed(&attendance.absent)
        );
        return Finding::new(Kind::Ready, Status::False, Reason::NodesOffline, message);
    }
    Finding::new(Kind::Ready, Status::True, Reason::AsExpected, "")
}

fn degraded(
    valid: &ValidCluster,
    observed: &Observed,
    outcome: &Outcome,
    attendance: &Attendance,
) -> Finding {
    let degraded =
        |reason, message: String| Finding::new(Kind::Degraded, Status::True, reason, message);
    if outcome.is_paused {
        return degraded(
            Reason::Paused,
            "`spec.paused` is true: nothing is put right.".into(),
        );
    }
    if let Some(message) = missing(observed, "") {
        return degraded(Reason::SecretMissing, message);
    }
    if let Some(message) = lacking(observed) {
        return degraded(Reason::SecretInvalid, message);
    }
    let offered = observed.existing.offered.as_ref();
    let certificate = outcome.certificate.as_ref();
    if let Some((reason, message)) = certificate.or_else(|| offered.and_then(|o| o.fault.as_ref()))
    {
        return degraded(*reason, message.clone());
    }
    for component in ["store", "nats", "redis", "manager"] {
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
    }
    if let Some((reason, message)) = &outcome.hosts {
        return degraded(*reason, message.clone());
    }
    match &outcome.growth {
        Growth::Done => {}
        Growth::Growing(said) => return degraded(Reason::VolumeGrowing, said.clone()),
        Growth::Refused(said) => return degraded(Reason::VolumeNotGrown, said.clone()),
    }
    if !attendance.absent.is_empty() {
        let message = format!("These nodes are offline: {}.", listed(&attendance.absent));
        return degraded(Reason::NodesOffline, message);
    }
    Finding::new(Kind::Degraded, Status::False, Reason::AsExpected, "")
}

/// Managers that share an identity cannot be told apart by it.
fn one_identity(report: &ClusterStatus) -> bool {
    report.managers.len() <= 1
}

fn wanted_online(node: &ComputeNode) -> bool {
    node.metadata.deletion_timestamp.is_none()
}

fn listed(names: &[impl AsRef<str>]) -> String {
    let shown: Vec<&str> = names.iter().take(5).map(AsRef::as_ref).collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(5) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::certificate::Offered;
    use super::super::material::Existing;
    use super::super::validate::tests::{cluster, valid};
    use super::*;
    use crate::managers::Report;
    use crate::pods::PodView;
    use fastx_core::wire::config::RootDocument;

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
            namespace_nodes: Vec::new(),
            machines: None,
            hosts: std::collections::BTreeMap::new(),
            existing: Existing::default(),
            claim_size: None,
            report,
            missing: Vec::new(),
            lacking: Vec::new(),
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
                "SignInReady=False/NoSignInMethod",
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
            list.contains(&"ConfigSynced=True/AsExpected".into()),
            "{list:?}"
        );
    }

    #[test]
    fn a_cluster_without_any_of_its_nodes_is_not_ready() {
        let nodes = |names: &[&str], leaving: bool| {
            let node = |name: &&str| {
                let mut node = (*observed(report(|_| ()), &[]).nodes[0]).clone();
                node.metadata.name = Some((*name).to_owned());
                node.metadata.deletion_timestamp =
                    leaving.then(|| serde_yaml_ng::from_str("2027-01-01T00:00:00Z").unwrap());
                Arc::new(node)
            };
            names.iter().map(node).collect::<Vec<_>>()
        };
        let silent = |s: &mut Value| s["nodes"]["desk"]["online"] = false.into();
        let nobody = |s: &mut Value| s["nodes"] = json!({});
        for (asked_for, leaving, said, ready, degraded) in [
            // A silent one, and one that was never heard of.
            (
                &["desk"][..],
                false,
                report(silent),
                "Ready=False/NodesOffline",
                "Degraded=True/NodesOffline",
            ),
            (
                &["desk"],
                false,
                report(nobody),
                "Ready=False/NodesOffline",
                "Degraded=True/NodesOffline",
            ),
            (
                &["desk", "new"],
                false,
                report(silent),
                "Ready=False/NodesOffline",
                "Degraded=True/NodesOffline",
            ),
            // Some work.
            (
                &["desk", "new"],
                false,
                report(|_| ()),
                "Ready=True/AsExpected",
                "Degraded=True/NodesOffline",
            ),
            // Nobody is asked for.
            (
                &[],
                false,
                report(silent),
                "Ready=True/AsExpected",
                "Degraded=False/AsExpected",
            ),
            (
                &["desk"],
                true,
                report(silent),
                "Ready=True/AsExpected",
                "Degraded=False/AsExpected",
            ),
            // Nobody knows.
            (
                &["desk"],
                false,
                Report::default(),
                "Ready=Unknown/NoRecentReport",
                "Degraded=False/AsExpected",
            ),
        ] {
            let mut observed = observed(said, &[]);
            observed.nodes = nodes(asked_for, leaving);
            let list = conditions(&observed, &done());
            for expected in [ready, degraded] {
                assert!(
                    list.contains(&expected.to_owned()),
                    "{asked_for:?} {expected}: {list:?}"
                );
            }
        }
    }

    #[test]
    fn only_nodes_of_the_cluster_are_counted() {
        let other = report(|s| s["nodes"]["gone"] = s["nodes"]["desk"].clone());
        let now = Timestamp::UNIX_EPOCH;
        let seen = observed(other, &[]);
        let status = status(&cluster(""), &valid(""), &seen, &done(), &Value::Null, now);
        assert_eq!((status.nodes, status.nodes_online), (Some(1), Some(1)));
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
    fn what_signing_in_lacks_is_told_apart() {
        let spec = "authentication: {oidc: {issuer: 'https://id.example', clientId: c, clientSecretRef: {name: lab, key: s}}}";
        let field = "authentication.oidc.clientSecretRef";
        let look = |spec: &str, change: &dyn Fn(&mut Observed)| {
            let mut seen = observed(report(|_| ()), &[]);
            change(&mut seen);
            sign_in(&valid(spec), &seen)
        };
        let well = look(spec, &|_| ());
        assert_eq!(
            (well.status, well.reason),
            (Status::True, Reason::AsExpected)
        );
        let missing = look(spec, &|o| o.missing.push(("lab".into(), field)));
        assert_eq!(missing.reason, Reason::SecretMissing);
        assert!(missing.message.contains(field), "{}", missing.message);
        let lacking = look(spec, &|o| o.lacking.push(("lab".into(), "s".into(), field)));
        assert_eq!(lacking.reason, Reason::SecretInvalid);
        assert!(
            lacking.message.contains("no key `s`"),
            "{}",
            lacking.message
        );
        assert_eq!(look("", &|_| ()).reason, Reason::NoSignInMethod);
        // Another part's Secret is none of its business.
        let store = look(spec, &|o| {
            o.missing.push(("db".into(), "store.external.uriSecretRef"));
        });
        assert_eq!(store.status, Status::True);
    }

    #[test]
    fn a_volume_that_does_not_grow_is_told() {
        for (growth, expected) in [
            (Growth::Growing("a".into()), "Degraded=True/VolumeGrowing"),
            (Growth::Refused("b".into()), "Degraded=True/VolumeNotGrown"),
        ] {
            let outcome = Outcome { growth, ..done() };
            let list = conditions(&observed(report(|_| ()), &[]), &outcome);
            for expected in [expected, "Ready=True/AsExpected"] {
                assert!(list.contains(&expected.to_owned()), "{list:?}");
            }
        }
    }

    #[test]
    fn a_bus_of_somebody_else_needs_its_secret() {
        let spec = "transporter: {type: External, external: {host: h, secretRef: {name: bus}}}";
        let look = |change: &dyn Fn(&mut Observed)| {
            let mut seen = observed(report(|_| ()), &[]);
            seen.pods
                .retain(|p| p.label(meta::COMPONENT) != Some("nats"));
            change(&mut seen);
            let now = Timestamp::UNIX_EPOCH;
            let status = status(
                &cluster(spec),
                &valid(spec),
                &seen,
                &done(),
                &Value::Null,
                now,
            );
            let found = status
                .conditions
                .into_iter()
                .find(|c| c.kind == "TransporterReady");
            found.map(|c| (c.status, c.reason, c.message)).unwrap()
        };
        let field = "transporter.external.secretRef";
        let (_, reason, message) = look(&|o| o.missing.push(("bus".into(), field)));
        assert_eq!(reason, "SecretMissing");
        assert!(message.contains("`bus`"), "{message}");
        let (_, reason, message) = look(&|_| ());
        assert_eq!(reason, "SecretInvalid");
        assert!(message.contains("`password`"), "{message}");
        let data = [("password".to_owned(), b"x".to_vec())];
        let (status, ..) = look(&|o| o.existing.bus_secret = Some(Arc::new(data.clone().into())));
        assert_eq!(status, Status::True);
    }

    #[test]
    fn a_certificate_of_somebody_else_that_is_no_good_is_told() {
        let mut seen = observed(report(|_| ()), &[]);
        seen.existing.offered = Some(Offered {
            pair: None,
            ends: None,
            fault: Some((Reason::SecretInvalid, "ended".into())),
        });
        let list = conditions(&seen, &done());
        assert!(
            list.contains(&"Degraded=True/SecretInvalid".into()),
            "{list:?}"
        );
        assert!(list.contains(&"Ready=True/AsExpected".into()), "{list:?}");
        let outcome = Outcome {
            certificate: Some((Reason::CertManagerMissing, "no".into())),
            ..done()
        };
        let list = conditions(&seen, &outcome);
        assert!(
            list.contains(&"Degraded=True/CertManagerMissing".into()),
            "{list:?}"
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
