//! What a node's status says: from what the managers hear of it, with its Pod to explain why they do not. Pure.

use std::fmt::Write as _;

use fastx_crds::conditions::{Finding, Kind, Reason, Status};
use fastx_crds::{ComputeNode, ComputeNodeStatus};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;

use super::apply::Outcome;
use super::finalize::Waiting;
use super::observe::{Cluster, Observed};
use super::plan::rollout::given_up;
use super::validate::ValidNode;
use crate::apply::ApplyError;
use crate::cluster::joins::{Verdict, verdict};
use crate::cluster::validate::Invalid;
use crate::context::conditions_after;
use crate::names;
use crate::pods::PodView;

/// The status of a node that was looked after.
pub(super) fn status(
    node: &ComputeNode,
    valid: Result<&ValidNode, &Invalid>,
    observed: &Observed,
    outcome: &Outcome,
    before: &Value,
    now: Timestamp,
) -> ComputeNodeStatus {
    let mut findings = Vec::new();
    if let Some(obstacle) = obstacle(valid, observed) {
        findings.push(obstacle);
    } else {
        let schedulable = schedulable(node, observed, outcome);
        let online = online(node, observed);
        findings.push(ready(node, observed, outcome, &schedulable, &online));
        findings.push(synced(node, observed, outcome));
        findings.push(schedulable);
        findings.push(online);
    }
    findings.extend(sessions(node, observed));
    findings.extend(degraded(node, observed));
    findings.extend(outcome.pending.clone());
    filled(node, observed, &findings, before, now)
}

/// The status of a node that is being deleted.
pub(super) fn ending(
    node: &ComputeNode,
    observed: &Observed,
    waiting: &Waiting,
    before: &Value,
    now: Timestamp,
) -> ComputeNodeStatus {
    let force = format!(
        "to end them: kubectl annotate computenode {} {}=yes",
        node.name_any(),
        fastx_crds::FORCE_ANNOTATION
    );
    let message = match waiting {
        Waiting::Sessions(Some(n)) => {
            format!("It goes away when its {n} sessions have ended; {force}.")
        }
        Waiting::Sessions(None) => {
            format!(
                "It goes away when it is known that no sessions run; nobody knows now; {force}."
            )
        }
        Waiting::Pod => "Its Pod is ending.".to_owned(),
    };
    let mut findings = vec![Finding::new(
        Kind::Ready,
        Status::False,
        Reason::Deleting,
        message,
    )];
    findings.extend(sessions(node, observed));
    filled(node, observed, &findings, before, now)
}

fn filled(
    node: &ComputeNode,
    observed: &Observed,
    findings: &[Finding],
    before: &Value,
    now: Timestamp,
) -> ComputeNodeStatus {
    let name = node.name_any();
    let generation = node.metadata.generation;
    let said = observed.said(&name);
    let text = |t: &String| Some(t.clone()).filter(|t| !t.is_empty());
    ComputeNodeStatus {
        observed_generation: generation,
        conditions: conditions_after(before, findings, generation, now),
        server_id: Some(name.clone()),
        revision: said.and_then(|n| text(&n.config_revision)),
        version: said.and_then(|n| text(&n.version)),
        sessions: observed
            .sessions(&name)
            .map(|n| i32::try_from(n).unwrap_or(i32::MAX)),
        broker_secret: observed.broker.is_some().then(|| names::node_broker(&name)),
        image: observed.images.good.clone(),
        failed_image: observed.images.failed.clone(),
        failed_because: observed.images.why.clone(),
    }
}

/// What keeps the node from being looked after at all.
fn obstacle(valid: Result<&ValidNode, &Invalid>, observed: &Observed) -> Option<Finding> {
    let not_ready =
        |reason, message: String| Some(Finding::new(Kind::Ready, Status::False, reason, message));
    if let Err(invalid) = valid {
        return not_ready(invalid.reason, invalid.message.clone());
    }
    match &observed.cluster {
        Cluster::Present(_) => None,
        Cluster::Missing(name) => not_ready(
            Reason::ClusterNotFound,
            format!(
                "There is no FastXCluster `{name}` in this namespace: make it, or correct `clusterRef` in a new ComputeNode."
            ),
        ),
        Cluster::Deleting(name) => not_ready(
            Reason::ClusterDeleting,
            format!("FastXCluster `{name}` is being deleted."),
        ),
        Cluster::Invalid(name, invalid) => not_ready(
            invalid.reason,
            format!("FastXCluster `{name}` cannot be used: {}", invalid.message),
        ),
    }
}

/// Whether the operator runs a Pod for it.
fn has_pod(node: &ComputeNode) -> bool {
    node.spec.pod.is_some() || node.spec.host.is_some()
}

fn schedulable(node: &ComputeNode, observed: &Observed, outcome: &Outcome) -> Finding {
    let finding =
        |status, reason, message: String| Finding::new(Kind::Schedulable, status, reason, message);
    if !has_pod(node) {
        return finding(Status::True, Reason::AsExpected, String::new());
    }
    if outcome
        .error
        .as_ref()
        .is_some_and(ApplyError::is_of_pod_security)
    {
        let namespace = node.namespace().unwrap_or_default();
        let message = format!(
            "Namespace `{namespace}` does not admit the Pod: nodes of kind `host` need the host's network and folders. \
             To admit them: kubectl label --overwrite namespace {namespace} pod-security.kubernetes.io/enforce=privileged"
        );
        return finding(Status::False, Reason::NamespaceForbids, message);
    }
    let Some(pod) = &observed.pod else {
        return finding(
            Status::Unknown,
            Reason::Starting,
            "There is no Pod yet.".into(),
        );
    };
    match pod.condition("PodScheduled").map(|c| c.status.as_str()) {
        Some("True") => finding(Status::True, Reason::AsExpected, String::new()),
        Some("False") => match pod.trouble() {
            Some(trouble) => finding(Status::False, trouble.reason, trouble.message),
            None => finding(Status::False, Reason::Unschedulable, String::new()),
        },
        _ => finding(
            Status::Unknown,
            Reason::Starting,
            "The Pod waits for its place.".into(),
        ),
    }
}

fn online(node: &ComputeNode, observed: &Observed) -> Finding {
    let finding =
        |status, reason, message: String| Finding::new(Kind::Online, status, reason, message);
    if observed.report.status.is_none() {
        let why = match &observed.report.error {
            Some(error) => format!("No manager has reported for 30 s: {error}."),
            None => "No manager has reported yet.".to_owned(),
        };
        return finding(Status::Unknown, Reason::NoRecentReport, why);
    }
    let said = observed.said(&node.name_any());
    if said.is_none_or(|s| !s.online)
        && let Some((reason, why)) = held(node, observed)
    {
        return finding(
            Status::False,
            reason,
            format!("A host asks to join: {why}."),
        );
    }
    match said {
        None => finding(Status::False, Reason::NeverSeen, never_seen(node, observed)),
        Some(said) if said.online => finding(Status::True, Reason::AsExpected, String::new()),
        Some(said) => {
            // Seconds are enough, and a silent node's time stands still.
            let last = Timestamp::from_second(said.last_seen.as_second()).unwrap_or(said.last_seen);
            finding(
                Status::False,
                Reason::Silent,
                format!("The managers have not heard of it since {last}."),
            )
        }
    }
}

/// Why a host that asks to join under this name is not admitted, if there is one.
fn held(node: &ComputeNode, observed: &Observed) -> Option<(Reason, String)> {
    let (status, bus) = (observed.report.status.as_deref()?, observed.bus.as_ref()?);
    let name = node.name_any();
    let join = status.joins.iter().find(|j| j.server_id.as_str() == name)?;
    match verdict(join, Some(node), observed.cluster.present()?, bus, status) {
        Verdict::Wait(reason, why) => Some((reason, why)),
        _ => None,
    }
}

fn never_seen(node: &ComputeNode, observed: &Observed) -> String {
    let mut message = "The managers have never heard of it.".to_owned();
    if node.spec.external.is_none() {
        return message;
    }
    let broker = names::node_broker(&node.name_any());
    let _ = write!(
        message,
        " Its machine needs `broker.json` of Secret `{broker}`"
    );
    match observed.cluster.present().filter(|c| c.discovery.is_some()) {
        Some(cluster) => {
            let join = names::join(&cluster.key.name);
            let _ = write!(message, ", or `join.json` of Secret `{join}`.");
        }
        None => message.push('.'),
    }
    message
}

/// Whether a host of this name has joined with a key of its own: its `broker.json` is its own, too.
fn has_joined(name: &str, observed: &Observed) -> bool {
    let bus = observed.bus.as_ref();
    bus.is_some_and(|b| b.joined.contains_key(name))
}

fn synced(node: &ComputeNode, observed: &Observed, outcome: &Outcome) -> Finding {
    let finding =
        |status, reason, message: &str| Finding::new(Kind::ConfigSynced, status, reason, message);
    let (Some(said), Some(wanted)) = (observed.said(&node.name_any()), &observed.revision) else {
        return finding(
            Status::Unknown,
            Reason::NoRecentReport,
            "Nobody knows what it runs.",
        );
    };
    if said.config_revision != *wanted {
        return finding(
            Status::False,
            Reason::Syncing,
            "It does not run the present configuration yet.",
        );
    }
    match outcome.broker_generation {
        Some(generation)
            if said.broker_generation < generation && !has_joined(&node.name_any(), observed) =>
        {
            finding(
                Status::False,
                Reason::Syncing,
                "It does not use the present broker.json yet.",
            )
        }
        _ => finding(Status::True, Reason::AsExpected, ""),
    }
}

fn sessions(node: &ComputeNode, observed: &Observed) -> Option<Finding> {
    let finding = |status, reason| Some(Finding::new(Kind::SessionsRunning, status, reason, ""));
    match observed.sessions(&node.name_any()) {
        Some(0) => finding(Status::False, Reason::NoSessions),
        Some(_) => finding(Status::True, Reason::SessionsRunning),
        None => finding(Status::Unknown, Reason::NoRecentReport),
    }
}

fn degraded(node: &ComputeNode, observed: &Observed) -> Option<Finding> {
    let faults = &observed.said(&node.name_any())?.faults;
    let (status, reason) = if faults.is_empty() {
        (Status::False, Reason::AsExpected)
    } else {
        (Status::True, Reason::NodeFaults)
    };
    Some(Finding::new(
        Kind::Degraded,
        status,
        reason,
        faults.join(" "),
    ))
}

fn ready(
    node: &ComputeNode,
    observed: &Observed,
    outcome: &Outcome,
    schedulable: &Finding,
    online: &Finding,
) -> Finding {
    let not_ready =
        |reason, message: String| Finding::new(Kind::Ready, Status::False, reason, message);
    if schedulable.reason == Reason::NamespaceForbids {
        return not_ready(schedulable.reason, schedulable.message.clone());
    }
    if let Some(error) = &outcome.error {
        let reason = match error {
            ApplyError::NameTaken { .. } => Reason::NameTaken,
            ApplyError::Request { .. } => Reason::Refused,
        };
        return not_ready(reason, error.text());
    }
    if outcome.is_early {
        return not_ready(Reason::Starting, "The cluster is being made.".into());
    }
    if schedulable.status == Status::False {
        return not_ready(schedulable.reason, schedulable.message.clone());
    }
    if has_pod(node) {
        match &observed.pod {
            None => return not_ready(Reason::Starting, "The Pod is being made.".into()),
            Some(pod) => {
                if let Some(trouble) = pod.trouble() {
                    return not_ready(trouble.reason, trouble.message);
                }
                let sidecar = pod.container("node");
                if sidecar.is_some_and(|c| c.state.running.is_none()) {
                    return sidecar_away(pod, observed.pull_failure.as_deref());
                }
                if node.spec.pod.is_some() && !observed.desktop_runs() {
                    return not_ready(
                        Reason::Starting,
                        format!("Pod `{}` is starting.", pod.name()),
                    );
                }
            }
        }
    }
    if online.status != Status::True {
        return Finding::new(Kind::Ready, online.status, online.reason, &online.message);
    }
    works(node, observed)
}

/// Whether a node that is online takes people. A change of the configuration on its way to a node that works does
/// not make it unready.
fn works(node: &ComputeNode, observed: &Observed) -> Finding {
    let finding =
        |status, reason, message: String| Finding::new(Kind::Ready, status, reason, message);
    let said = observed.said(&node.name_any());
    let faults = said.map(|s| s.faults.join(" ")).unwrap_or_default();
    if !faults.is_empty() {
        let message = format!("It starts no sessions: {faults}.");
        return finding(Status::False, Reason::NodeFaults, message);
    }
    let wanted = observed.revision.as_ref();
    let has_it = said.map(|s| &s.config_revision) == wanted;
    if wanted.is_some() && !has_it && !was_ready(node) {
        let message = "It does not run the present configuration yet.".to_owned();
        return finding(Status::False, Reason::Syncing, message);
    }
    finding(Status::True, Reason::AsExpected, String::new())
}

fn was_ready(node: &ComputeNode) -> bool {
    let status = node.status.as_ref();
    let mut conditions = status.into_iter().flat_map(|s| &s.conditions);
    conditions.any(|c| c.kind == Kind::Ready.name() && c.status == Status::True)
}

/// While the kubelet cannot pull a changed image, it shows the old container as ended; its Events have the reason.
fn sidecar_away(pod: &PodView, pull_failure: Option<&str>) -> Finding {
    let image = pod.image("node").unwrap_or_default();
    let name = pod.name();
    let (reason, message) = match (pull_failure, given_up(pod)) {
        (Some(why), _) => (
            Reason::ImagePullFailed,
            format!("Container `node` of Pod `{name}`: image `{image}` cannot be pulled: {why}"),
        ),
        (None, Some((failed, why))) if failed != image => (
            Reason::ImagePullFailed,
            format!(
                "Container `node` of Pod `{name}`: image `{failed}` cannot be pulled, and `{image}` is starting again: {why}"
            ),
        ),
        _ => (
            Reason::Starting,
            format!("The sidecar of Pod `{name}` with image `{image}` is not running."),
        ),
    };
    Finding::new(Kind::Ready, Status::False, reason, message)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::super::validate::tests::node;
    use super::super::validate::validate;
    use super::*;
    use crate::cluster::validate::tests::valid as valid_cluster;
    use crate::managers::Report;
    use serde_json::json;

    pub(in super::super) fn running_pod() -> Arc<PodView> {
        pod(
            "{phase: Running, conditions: [{type: PodScheduled, status: 'True'}, {type: Ready, status: 'True'}], containerStatuses: [{name: desktop, ready: true, state: {running: {}}}]}",
        )
    }

    fn pod(status: &str) -> Arc<PodView> {
        Arc::new(serde_yaml_ng::from_str(&format!(
            "metadata: {{name: desk}}\nspec: {{containers: [{{name: desktop, image: i}}]}}\nstatus: {status}"
        ))
        .unwrap())
    }

    /// What the managers say of the node, as YAML.
    pub(in super::super) fn observed(said: &str, pod: Option<Arc<PodView>>) -> Observed {
        let mut entry = json!({"online": true, "lastSeen": "2027-01-01T00:00:00Z", "configRevision": "r1", "brokerGeneration": 4});
        let said: Value = serde_yaml_ng::from_str(&format!("{{{said}}}")).unwrap();
        for (key, value) in said.as_object().unwrap() {
            entry[key] = value.clone();
        }
        let status = json!({
            "at": "2027-01-01T00:00:00Z", "manager": "manager-site", "leading": true,
            "store": {"ok": true}, "bus": {"ok": true}, "managers": [], "nodes": {"desk": entry},
        });
        Observed {
            cluster: Cluster::Present(Box::new(valid_cluster(""))),
            bus: None,
            bus_secret: None,
            bundle: None,
            broker: None,
            pod,
            pull_failure: None,
            peers: Vec::new(),
            report: Report {
                status: Some(Arc::new(serde_json::from_value(status).unwrap())),
                ..Report::default()
            },
            revision: Some("r1".into()),
            has_account: true,
            proved: None,
            images: super::super::plan::trial::Images::default(),
            images_again: None,
            web_digest: String::new(),
        }
    }

    fn conditions(spec: &str, observed: &Observed, outcome: &Outcome) -> Vec<String> {
        let node = node(spec);
        let valid = validate(&node);
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        status(&node, valid.as_ref(), observed, outcome, &Value::Null, now)
            .conditions
            .iter()
            .map(|c| format!("{}={}/{}", c.kind, c.status, c.reason))
            .collect()
    }

    fn done() -> Outcome {
        Outcome {
            broker_generation: Some(4),
            ..Outcome::default()
        }
    }

    #[test]
    fn a_node_that_works() {
        assert_eq!(
            conditions(
                "pod: {}",
                &observed("sessions: 2", Some(running_pod())),
                &done()
            ),
            [
                "ConfigSynced=True/AsExpected",
                "Degraded=False/AsExpected",
                "Online=True/AsExpected",
                "Ready=True/AsExpected",
                "Schedulable=True/AsExpected",
                "SessionsRunning=True/SessionsRunning",
            ]
        );
    }

    #[test]
    fn why_a_node_does_not_work() {
        let no_place = "{conditions: [{type: PodScheduled, status: 'False', message: no}]}";
        let no_image = "{conditions: [{type: PodScheduled, status: 'True'}], containerStatuses: [{name: desktop, state: {waiting: {reason: ImagePullBackOff}}}]}";
        for (spec, observed, outcome, expected) in [
            (
                "pod: {}",
                observed("", Some(pod(no_place))),
                done(),
                "Ready=False/Unschedulable",
            ),
            (
                "pod: {}",
                observed("", Some(pod(no_image))),
                done(),
                "Ready=False/ImagePullFailed",
            ),
            (
                "pod: {}",
                observed("online: false", Some(running_pod())),
                done(),
                "Ready=False/Silent",
            ),
            (
                "pod: {}",
                observed("configRevision: r0", Some(running_pod())),
                done(),
                "ConfigSynced=False/Syncing",
            ),
            (
                "pod: {}",
                observed("configRevision: r0", Some(running_pod())),
                done(),
                "Ready=False/Syncing",
            ),
            (
                "pod: {}",
                observed("brokerGeneration: 3", Some(running_pod())),
                done(),
                "ConfigSynced=False/Syncing",
            ),
            (
                "pod: {}",
                observed("faults: [x]", Some(running_pod())),
                done(),
                "Degraded=True/NodeFaults",
            ),
            (
                "pod: {}",
                observed("faults: [x]", Some(running_pod())),
                done(),
                "Ready=False/NodeFaults",
            ),
            (
                "external: {}",
                observed("", None),
                done(),
                "Ready=True/AsExpected",
            ),
            (
                "pod: {}",
                observed("", None),
                Outcome {
                    is_early: true,
                    ..done()
                },
                "Ready=False/Starting",
            ),
            (
                "pod: {}\nexternal: {}",
                observed("", None),
                done(),
                "Ready=False/InvalidSpec",
            ),
        ] {
            let list = conditions(spec, &observed, &outcome);
            assert!(list.contains(&expected.to_owned()), "{expected}: {list:?}");
        }
    }

    #[test]
    fn a_sidecar_that_cannot_be_pulled_is_told_with_the_words_of_the_server() {
        let pod = |annotations: &str| -> Arc<PodView> {
            Arc::new(serde_yaml_ng::from_str(&format!(
                "metadata: {{name: desk, annotations: {{{annotations}}}}}\n\
                 spec: {{initContainers: [{{name: node, image: 'fastx:1'}}], containers: [{{name: desktop, image: i}}]}}\n\
                 status: {{conditions: [{{type: PodScheduled, status: 'True'}}], initContainerStatuses: [{{name: node, state: {{terminated: {{}}}}}}], containerStatuses: [{{name: desktop, state: {{running: {{}}}}}}]}}"
            ))
            .unwrap())
        };
        let ready = |pod: Arc<PodView>, failure: Option<&str>| {
            let mut observed = observed("online: false", Some(pod));
            observed.pull_failure = failure.map(str::to_owned);
            let node = node("pod: {}");
            let valid = validate(&node);
            let now = Timestamp::UNIX_EPOCH;
            let status = status(&node, valid.as_ref(), &observed, &done(), &Value::Null, now);
            let ready = status.conditions.into_iter().find(|c| c.kind == "Ready");
            ready.map(|c| (c.reason, c.message)).unwrap()
        };
        let (reason, message) = ready(pod(""), Some("manifest unknown"));
        assert_eq!(reason, "ImagePullFailed");
        assert!(
            message.contains("`fastx:1` cannot be pulled: manifest unknown"),
            "{message}"
        );
        let back =
            "fastx.dev/sidecar-failed: 'fastx:2', fastx.dev/sidecar-failed-why: manifest unknown";
        let (reason, message) = ready(pod(back), None);
        assert_eq!(reason, "ImagePullFailed");
        assert!(
            message.contains("`fastx:2` cannot be pulled, and `fastx:1` is starting again"),
            "{message}"
        );
        assert_eq!(ready(pod(""), None).0, "Starting");
    }

    #[test]
    fn a_missing_cluster_is_a_condition() {
        let mut observed = observed("", None);
        observed.cluster = Cluster::Missing("site".into());
        let list = conditions("pod: {}", &observed, &Outcome::default());
        assert!(
            list.contains(&"Ready=False/ClusterNotFound".to_owned()),
            "{list:?}"
        );
        assert!(!list.iter().any(|c| c.starts_with("Online")), "{list:?}");
    }

    #[test]
    fn without_a_report_nobody_knows() {
        let mut observed = observed("", Some(running_pod()));
        observed.report = Report::default();
        let list = conditions("pod: {}", &observed, &done());
        for expected in [
            "Ready=Unknown/NoRecentReport",
            "Online=Unknown/NoRecentReport",
            "SessionsRunning=Unknown/NoRecentReport",
        ] {
            assert!(list.contains(&expected.to_owned()), "{list:?}");
        }
    }
}
