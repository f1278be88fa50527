//! What to do with the Pod that is there. Nothing that would end a session happens without consent.
//!
//! A new sidecar image goes to one Pod first; the others follow one by one once it is ready there.
//! A Pod in which it is not ready in time gets the old image back, and the others keep theirs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastx_crds::cluster::Disruption;
use fastx_crds::conditions::{Finding, Kind, Reason, Status};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::pod::{Desired, POD_HASH};
use crate::cluster::plan::NUDGE;
use crate::pods::PodView;

/// Annotation with the image before the present one, while the present one is on trial.
const BEFORE: &str = "fastx.dev/sidecar-before";
/// Annotation with the time since which the present image is on trial.
const SINCE: &str = "fastx.dev/sidecar-since";
/// Annotation with the image that did not start here.
pub(super) const FAILED: &str = "fastx.dev/sidecar-failed";
/// Annotation with why that image could not be pulled.
pub(super) const WHY: &str = "fastx.dev/sidecar-failed-why";

/// How long a new sidecar may take until it is ready.
pub(super) const TRIAL: Duration = Duration::from_mins(2);
/// Pause between two looks while it does not run: that it cannot be pulled stands in Events, which nobody watches.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// What is known for the decision.
#[derive(Debug)]
pub(in super::super) struct Situation<'a> {
    /// The Pod that is there.
    pub(in super::super) pod: Option<&'a PodView>,
    /// Pods of all nodes of the cluster.
    pub(in super::super) peers: &'a [Arc<PodView>],
    /// Whether the desired image is the one before a failed one; of Pods that hold nothing.
    pub(in super::super) put_back: bool,
    /// Why the image that is on trial cannot be pulled, if it is known not to be.
    pub(in super::super) pull_failure: Option<&'a str>,
    /// Running sessions; none when nobody knows.
    pub(in super::super) sessions: Option<u32>,
    /// Whether the desktop's container runs.
    pub(in super::super) desktop_runs: bool,
    /// What may happen to sessions.
    pub(in super::super) disruption: Disruption,
    /// Which disruption was approved.
    pub(in super::super) approved: Option<&'a str>,
    /// The time now.
    pub(in super::super) now: Timestamp,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Step {
    /// Nothing.
    Nothing,
    /// Make it.
    Create,
    /// Delete it; it is made anew when it is gone.
    Delete,
    /// Change it in place.
    Patch(Value),
}

/// A step, what waits, and when to look again.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Decision {
    /// What to do now.
    pub(in super::super) step: Step,
    /// What is held back, and why.
    pub(in super::super) pending: Option<Finding>,
    /// When time alone changes the decision.
    pub(in super::super) again: Option<Duration>,
}

impl Decision {
    fn now(step: Step) -> Self {
        Self {
            step,
            pending: None,
            again: None,
        }
    }
}

/// Since when the present image is on trial, if it is and does not run yet.
pub(in super::super) fn awaited(pod: &PodView) -> Option<Timestamp> {
    let since = trial_since(pod)?;
    let running = pod
        .container("node")
        .is_some_and(|c| c.state.running.is_some());
    (!running).then_some(since)
}

/// The image that was given up because it cannot be pulled, and why.
pub(in super::super) fn given_up(pod: &PodView) -> Option<(&str, &str)> {
    pod.annotation(FAILED).zip(pod.annotation(WHY))
}

fn trial_since(pod: &PodView) -> Option<Timestamp> {
    pod.annotation(SINCE)?.parse().ok()
}

pub(in super::super) fn decide(desired: &Desired, situation: &Situation<'_>) -> Decision {
    let Some(pod) = situation.pod else {
        return Decision::now(Step::Create);
    };
    if pod.deleting() {
        return Decision::now(Step::Nothing);
    }
    if pod.finished() {
        return Decision::now(Step::Delete);
    }
    let mut held = None;
    let differs = pod.annotation(POD_HASH) != Some(&desired.hash);
    if differs && desired.holds_nothing {
        return replace_at_once(desired, pod, situation);
    }
    if differs {
        let decision = replace(desired, situation);
        if decision.step != Step::Nothing {
            return decision;
        }
        // What can be done in place is not held back by what cannot.
        held = decision.pending;
    }
    let sidecar = sidecar(desired, pod, situation);
    Decision {
        step: small_changes(desired, pod, sidecar.change),
        pending: held.or(sidecar.pending),
        again: sidecar.again,
    }
}

/// All at once would leave nobody to relay, and a bad image would be everywhere.
fn replace_at_once(desired: &Desired, pod: &PodView, situation: &Situation<'_>) -> Decision {
    let target = desired.sidecar_image.as_str();
    let held = |message: String| Decision {
        pending: Sidecar::pending(Reason::WaitingForTurn, message).pending,
        ..Decision::now(Step::Nothing)
    };
    // A machine whose node does not start waits for nobody.
    if situation.put_back {
        return Decision::now(Step::Delete);
    }
    let mut others = situation.peers.iter().filter(|p| p.name() != pod.name());
    if let Some(failed) = others.find(|p| p.annotation(FAILED) == Some(target)) {
        let name = failed.name();
        return held(format!(
            "Image `{target}` did not start in Pod `{name}`, so it goes nowhere else."
        ));
    }
    match turn(pod, target, situation.peers) {
        None => Decision::now(Step::Delete),
        Some(first) => held(format!("The Pod is replaced after Pod `{first}`.")),
    }
}

/// A new Pod is needed: when may the old one go?
fn replace(desired: &Desired, situation: &Situation<'_>) -> Decision {
    let idle = !situation.desktop_runs || situation.sessions == Some(0);
    let held = |reason, message: String| Decision {
        step: Step::Nothing,
        pending: Some(Finding::new(
            Kind::UpdatePending,
            Status::True,
            reason,
            message,
        )),
        again: None,
    };
    match situation.disruption {
        // Nothing runs in it, so nothing is lost.
        _ if !situation.desktop_runs => Decision::now(Step::Delete),
        Disruption::Auto if idle => Decision::now(Step::Delete),
        Disruption::Auto => held(
            Reason::WaitingForSessions,
            match situation.sessions {
                Some(n) => format!("The Pod is replaced when its {n} sessions have ended."),
                None => {
                    "The Pod is replaced when the managers say that it has no sessions.".to_owned()
                }
            },
        ),
        Disruption::Approve if situation.approved == Some(&desired.hash) => {
            Decision::now(Step::Delete)
        }
        Disruption::Approve => held(
            Reason::ApprovalNeeded,
            format!(
                "The Pod must be replaced, which ends its sessions. To agree: kubectl annotate --overwrite computenode {} {}={}",
                situation.pod.map(PodView::name).unwrap_or_default(),
                fastx_crds::APPROVE_ANNOTATION,
                desired.hash
            ),
        ),
        Disruption::Never => held(
            Reason::ApprovalNeeded,
            "The Pod must be replaced. `disruption` is `Never`: delete the Pod yourself."
                .to_owned(),
        ),
    }
}

/// What happens to the sidecar's image.
struct Sidecar {
    /// Image and annotations.
    change: Option<(Option<String>, BTreeMap<&'static str, Value>)>,
    pending: Option<Finding>,
    again: Option<Duration>,
}

impl Sidecar {
    fn stays() -> Self {
        Self {
            change: None,
            pending: None,
            again: None,
        }
    }

    fn pending(reason: Reason, message: String) -> Self {
        Self {
            pending: Some(Finding::new(
                Kind::UpdatePending,
                Status::True,
                reason,
                message,
            )),
            ..Self::stays()
        }
    }
}

fn sidecar(desired: &Desired, pod: &PodView, situation: &Situation<'_>) -> Sidecar {
    let present = pod.image("node").unwrap_or_default();
    let target = desired.sidecar_image.as_str();
    if let Some(since) = trial_since(pod) {
        return trial(pod, present, since, situation);
    }
    if present == target {
        return Sidecar::stays();
    }
    if pod.annotation(FAILED) == Some(target) {
        let message = match pod.annotation(WHY) {
            Some(why) => {
                format!("Image `{target}` cannot be pulled, so `{present}` was put back: {why}")
            }
            None => format!("Image `{target}` did not start here, so `{present}` was put back."),
        };
        return Sidecar::pending(Reason::RolledBack, message);
    }
    if let Some(failed) = situation
        .peers
        .iter()
        .find(|p| p.annotation(FAILED) == Some(target))
    {
        let message = format!(
            "Image `{target}` did not start in Pod `{}`, so it goes nowhere else.",
            failed.name()
        );
        return Sidecar::pending(Reason::WaitingForTurn, message);
    }
    if let Some(first) = before_me(pod, target, situation.peers) {
        let message = format!("Image `{target}` goes to Pod `{first}` first.");
        return Sidecar::pending(Reason::WaitingForTurn, message);
    }
    Sidecar {
        change: Some((
            Some(target.to_owned()),
            [
                (BEFORE, present.into()),
                (SINCE, situation.now.to_string().into()),
                (FAILED, Value::Null),
                (WHY, Value::Null),
            ]
            .into(),
        )),
        pending: None,
        again: Some(LOOK_AGAIN),
    }
}

/// Whom a Pod that is replaced for a new image waits for: another one that has it already and is not ready yet, or
/// whose turn it is before.
fn turn(pod: &PodView, target: &str, peers: &[Arc<PodView>]) -> Option<String> {
    if pod.image("node") == Some(target) {
        return None;
    }
    let others = peers.iter().filter(|p| p.name() != pod.name());
    let mut starting = others.filter(|p| p.image("node") == Some(target) && !p.ready());
    match starting.next() {
        Some(first) => Some(first.name().to_owned()),
        None => before_me(pod, target, peers),
    }
}

/// Who must be through before this Pod's turn: one on trial, or the first by name while nobody has proved the image.
fn before_me(pod: &PodView, target: &str, peers: &[Arc<PodView>]) -> Option<String> {
    let others = || {
        peers
            .iter()
            .filter(|p| p.name() != pod.name() && !p.deleting())
    };
    if let Some(trying) = others().find(|p| p.annotation(SINCE).is_some()) {
        return Some(trying.name().to_owned());
    }
    let proved = others().any(|p| p.image("node") == Some(target) && p.ready());
    if proved {
        return None;
    }
    others()
        .filter(|p| p.image("node") != Some(target) && p.ready())
        .map(|p| p.name())
        .find(|name| *name < pod.name())
        .map(str::to_owned)
}

/// The present image is on trial.
fn trial(pod: &PodView, present: &str, since: Timestamp, situation: &Situation<'_>) -> Sidecar {
    let container = pod.container("node");
    // The status of the old container may still be there: only one that was started after the change counts.
    let started = container
        .and_then(|c| c.state.running.as_ref()?.started_at)
        .is_some_and(|at| at.as_second() >= since.as_second());
    if started && container.is_some_and(|c| c.ready) {
        return Sidecar {
            change: Some((None, [(BEFORE, Value::Null), (SINCE, Value::Null)].into())),
            ..Sidecar::stays()
        };
    }
    let Some(before) = pod.annotation(BEFORE).filter(|b| *b != present) else {
        return Sidecar::stays();
    };
    if let Some(why) = situation.pull_failure {
        let message =
            format!("Image `{present}` cannot be pulled, so `{before}` is put back: {why}");
        return put_back(present, before, Some(why), message);
    }
    let age = Duration::try_from(situation.now.duration_since(since)).unwrap_or_default();
    let left = TRIAL.saturating_sub(age);
    if !left.is_zero() {
        let pause = if started { left } else { left.min(LOOK_AGAIN) };
        return Sidecar {
            again: Some(pause),
            ..Sidecar::stays()
        };
    }
    let message = format!("Image `{present}` did not start in time, so `{before}` is put back.");
    put_back(present, before, None, message)
}

fn put_back(failed: &str, before: &str, why: Option<&str>, message: String) -> Sidecar {
    Sidecar {
        change: Some((
            Some(before.to_owned()),
            [
                (FAILED, failed.into()),
                (WHY, why.into()),
                (BEFORE, Value::Null),
                (SINCE, Value::Null),
            ]
            .into(),
        )),
        ..Sidecar::pending(Reason::RolledBack, message)
    }
}

/// Labels, the nudge of the kubelet, and what happens to the sidecar, in one patch.
fn small_changes(
    desired: &Desired,
    pod: &PodView,
    sidecar: Option<(Option<String>, BTreeMap<&'static str, Value>)>,
) -> Step {
    let mut change = json!({});
    for (name, value) in &desired.labels {
        if pod.label(name) != Some(value) {
            change["metadata"]["labels"][name] = value.as_str().into();
        }
    }
    if pod.annotation(NUDGE) != Some(&desired.secrets) {
        change["metadata"]["annotations"][NUDGE] = desired.secrets.as_str().into();
    }
    if let Some((image, annotations)) = sidecar {
        for (name, value) in annotations {
            change["metadata"]["annotations"][name] = value;
        }
        if let Some(image) = image {
            change["spec"] = json!({"initContainers": [{"name": "node", "image": image}]});
        }
    }
    if change == json!({}) {
        Step::Nothing
    } else {
        Step::Patch(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta;

    const NOW: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(NOW + second).unwrap()
    }

    fn desired() -> Desired {
        Desired {
            body: json!({}),
            hash: "h2".into(),
            sidecar_image: "new".into(),
            labels: [(meta::NODE.to_owned(), "b".to_owned())].into(),
            secrets: "s".into(),
            holds_nothing: false,
        }
    }

    struct Fixture {
        name: &'static str,
        hash: &'static str,
        image: &'static str,
        annotations: String,
        sidecar: String,
    }

    impl Default for Fixture {
        fn default() -> Self {
            Self {
                name: "b",
                hash: "h2",
                image: "new",
                annotations: String::new(),
                sidecar: "ready: true, state: {running: {startedAt: '2020-01-01T00:00:00Z'}}"
                    .into(),
            }
        }
    }

    impl Fixture {
        fn pod(&self) -> Arc<PodView> {
            let Self {
                name,
                hash,
                image,
                annotations,
                sidecar,
            } = self;
            Arc::new(
                serde_yaml_ng::from_str(&format!(
                    "metadata: {{name: {name}, labels: {{{}: b}}, annotations: {{{POD_HASH}: {hash}, {NUDGE}: s, {annotations}}}}}\n\
                     spec: {{initContainers: [{{name: node, image: {image}}}]}}\n\
                     status: {{phase: Running, conditions: [{{type: Ready, status: 'True'}}], initContainerStatuses: [{{name: node, {sidecar}}}]}}",
                    meta::NODE
                ))
                .unwrap(),
            )
        }
    }

    fn situation<'a>(pod: Option<&'a PodView>, peers: &'a [Arc<PodView>]) -> Situation<'a> {
        Situation {
            pod,
            peers,
            put_back: false,
            pull_failure: None,
            sessions: Some(0),
            desktop_runs: true,
            disruption: Disruption::Auto,
            approved: None,
            now: at(0),
        }
    }

    fn reason(decision: &Decision) -> Option<Reason> {
        decision.pending.as_ref().map(|f| f.reason)
    }

    #[test]
    fn nothing_is_done_to_a_pod_that_is_as_it_should_be() {
        let pod = Fixture::default().pod();
        let decision = decide(&desired(), &situation(Some(&pod), &[]));
        assert_eq!(decision, Decision::now(Step::Nothing));
        assert_eq!(decide(&desired(), &situation(None, &[])).step, Step::Create);
    }

    #[test]
    fn a_pod_with_sessions_is_replaced_only_with_consent() {
        let pod = Fixture {
            hash: "h1",
            ..Fixture::default()
        }
        .pod();
        for (sessions, disruption, approved, step, why) in [
            (Some(0), Disruption::Auto, None, Step::Delete, None),
            (
                Some(2),
                Disruption::Auto,
                None,
                Step::Nothing,
                Some(Reason::WaitingForSessions),
            ),
            (
                None,
                Disruption::Auto,
                None,
                Step::Nothing,
                Some(Reason::WaitingForSessions),
            ),
            (
                Some(0),
                Disruption::Approve,
                None,
                Step::Nothing,
                Some(Reason::ApprovalNeeded),
            ),
            (
                Some(2),
                Disruption::Approve,
                Some("h1"),
                Step::Nothing,
                Some(Reason::ApprovalNeeded),
            ),
            (Some(2), Disruption::Approve, Some("h2"), Step::Delete, None),
            (
                Some(0),
                Disruption::Never,
                Some("h2"),
                Step::Nothing,
                Some(Reason::ApprovalNeeded),
            ),
        ] {
            let case = Situation {
                sessions,
                disruption,
                approved,
                ..situation(Some(&pod), &[])
            };
            let decision = decide(&desired(), &case);
            assert_eq!(
                (decision.step.clone(), reason(&decision)),
                (step, why),
                "{case:?}"
            );
        }
        let stuck = Situation {
            desktop_runs: false,
            disruption: Disruption::Never,
            ..situation(Some(&pod), &[])
        };
        assert_eq!(decide(&desired(), &stuck).step, Step::Delete);
    }

    #[test]
    fn a_pod_without_sessions_in_it_is_replaced_at_once_but_one_after_the_other() {
        let fixture = |name, hash, image| {
            Fixture {
                name,
                hash,
                image,
                ..Fixture::default()
            }
            .pod()
        };
        let desired = Desired {
            holds_nothing: true,
            ..desired()
        };
        let busy = |pod, peers| Situation {
            sessions: Some(5),
            disruption: Disruption::Never,
            ..situation(Some(pod), peers)
        };
        let mine = fixture("b", "h1", "old");
        let alone = decide(&desired, &busy(&mine, &[]));
        assert_eq!(alone, Decision::now(Step::Delete));
        // The first by name goes first.
        let peers = [fixture("a", "h1", "old"), mine.clone()];
        let waits = decide(&desired, &busy(&mine, &peers));
        assert_eq!(reason(&waits), Some(Reason::WaitingForTurn));
        assert_eq!(waits.step, Step::Nothing);
        // It has the new image and has not started yet: a bad one stays with it.
        let mut starting = (*fixture("z", "h2", "new")).clone();
        starting.status.conditions.clear();
        let peers = [Arc::new(starting), mine.clone()];
        let waits = decide(&desired, &busy(&mine, &peers));
        assert_eq!(reason(&waits), Some(Reason::WaitingForTurn));
        let peers = [fixture("z", "h2", "new"), mine.clone()];
        assert_eq!(decide(&desired, &busy(&mine, &peers)).step, Step::Delete);
        // Another change than of the image waits for nobody.
        let same = fixture("b", "h1", "new");
        let peers = [fixture("a", "h1", "old"), same.clone()];
        assert_eq!(decide(&desired, &busy(&same, &peers)).step, Step::Delete);
    }

    #[test]
    fn a_pod_that_waits_for_its_end_still_gets_a_new_sidecar() {
        let pod = Fixture {
            hash: "h1",
            image: "old",
            ..Fixture::default()
        }
        .pod();
        let case = Situation {
            sessions: Some(1),
            ..situation(Some(&pod), &[])
        };
        let decision = decide(&desired(), &case);
        assert_eq!(reason(&decision), Some(Reason::WaitingForSessions));
        assert!(matches!(decision.step, Step::Patch(_)), "{decision:?}");
    }

    #[test]
    fn a_new_sidecar_goes_to_one_pod_first() {
        let old = |name| {
            Fixture {
                name,
                image: "old",
                ..Fixture::default()
            }
            .pod()
        };
        let peers = [old("a"), old("b"), old("c")];
        let first = decide(&desired(), &situation(Some(&peers[0]), &peers));
        let Step::Patch(change) = first.step else {
            panic!("{first:?}")
        };
        assert_eq!(
            change["spec"]["initContainers"][0],
            json!({"name": "node", "image": "new"})
        );
        assert_eq!(change["metadata"]["annotations"][BEFORE], "old");
        let second = decide(&desired(), &situation(Some(&peers[1]), &peers));
        assert_eq!(reason(&second), Some(Reason::WaitingForTurn));
        // While it is on trial everybody waits, afterwards one after the other goes.
        let trying = Fixture {
            name: "a",
            annotations: format!("{SINCE}: '{}', {BEFORE}: old", at(-5)),
            ..Fixture::default()
        }
        .pod();
        let waiting = [trying, old("b"), old("c")];
        assert_eq!(
            reason(&decide(&desired(), &situation(Some(&waiting[2]), &waiting))),
            Some(Reason::WaitingForTurn)
        );
        let proved = [
            Fixture {
                name: "a",
                ..Fixture::default()
            }
            .pod(),
            old("b"),
            old("c"),
        ];
        assert!(matches!(
            decide(&desired(), &situation(Some(&proved[2]), &proved)).step,
            Step::Patch(_)
        ));
    }

    #[test]
    fn a_sidecar_that_does_not_start_gets_its_old_image_back() {
        let trial = |sidecar: &str, since: i64| {
            Fixture {
                annotations: format!("{SINCE}: '{}', {BEFORE}: old", at(since)),
                sidecar: sidecar.to_owned(),
                ..Fixture::default()
            }
            .pod()
        };
        let ended = "state: {terminated: {exitCode: 0}}";
        let stale = "ready: true, state: {running: {startedAt: '2020-01-01T00:00:00Z'}}";
        let up = format!(
            "ready: true, state: {{running: {{startedAt: '{}'}}}}",
            at(-1)
        );
        let gone = Some("Failed to pull image \"new\": not found");
        for (sidecar, since, failure, expected) in [
            (ended, -1, None, None),
            (ended, -1, gone, Some("old")),
            (ended, -121, None, Some("old")),
            (stale, -60, None, None),
            (stale, -121, None, Some("old")),
        ] {
            let pod = trial(sidecar, since);
            let case = Situation {
                pull_failure: failure,
                ..situation(Some(&pod), &[])
            };
            let decision = decide(&desired(), &case);
            let (image, why) = match &decision.step {
                Step::Patch(change) => (
                    change["spec"]["initContainers"][0]["image"].as_str(),
                    change["metadata"]["annotations"][WHY].as_str(),
                ),
                _ => (None, None),
            };
            assert_eq!(image, expected, "{sidecar} {since}");
            assert_eq!(why, failure, "{sidecar} {since}");
            if expected.is_some() {
                assert_eq!(reason(&decision), Some(Reason::RolledBack));
                let message = &decision.pending.as_ref().unwrap().message;
                assert!(message.contains(failure.unwrap_or("in time")), "{message}");
            } else {
                assert!(decision.again.is_some_and(|a| a <= TRIAL));
            }
        }
        assert_eq!(awaited(&trial(ended, -1)), Some(at(-1)));
        assert_eq!(awaited(&trial(stale, -1)), None);
        let pod = trial(&up, -2);
        let Step::Patch(change) = decide(&desired(), &situation(Some(&pod), &[])).step else {
            panic!()
        };
        assert_eq!(
            change["metadata"]["annotations"],
            json!({BEFORE: null, SINCE: null})
        );
        assert!(change.get("spec").is_none());
    }

    #[test]
    fn the_reason_of_a_failed_pull_is_kept_with_the_pod() {
        let pod = Fixture {
            image: "old",
            annotations: format!("{FAILED}: new, {WHY}: the server said no"),
            ..Fixture::default()
        }
        .pod();
        let decision = decide(&desired(), &situation(Some(&pod), &[]));
        let message = decision.pending.unwrap().message;
        assert!(
            message.contains("was put back: the server said no"),
            "{message}"
        );
        assert_eq!(given_up(&pod), Some(("new", "the server said no")));
    }

    #[test]
    fn a_failed_image_is_not_tried_again_nor_elsewhere() {
        let failed = Fixture {
            name: "a",
            image: "old",
            annotations: format!("{FAILED}: new"),
            ..Fixture::default()
        }
        .pod();
        let other = Fixture {
            name: "b",
            image: "old",
            ..Fixture::default()
        }
        .pod();
        let peers = [failed, other];
        assert_eq!(
            reason(&decide(&desired(), &situation(Some(&peers[0]), &peers))),
            Some(Reason::RolledBack)
        );
        assert_eq!(
            reason(&decide(&desired(), &situation(Some(&peers[1]), &peers))),
            Some(Reason::WaitingForTurn)
        );
        // A third image is tried.
        let next = Desired {
            sidecar_image: "newer".into(),
            ..desired()
        };
        assert!(matches!(
            decide(&next, &situation(Some(&peers[0]), &peers)).step,
            Step::Patch(_)
        ));
    }
}
