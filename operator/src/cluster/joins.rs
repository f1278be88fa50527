//! Hosts that ask to join: who is admitted, who waits and why, and what is written for that.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fastx_core::identity::sign_node;
use fastx_core::names::CallerId;
use fastx_core::wire::join::{JoinDecision, JoinState};
use fastx_core::wire::status::{ClusterStatus, JoinStatus};
use fastx_crds::conditions::{Finding, Kind, Reason, Status};
use fastx_crds::{ADMIT_ANNOTATION, ComputeNode};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::apply::Outcome;
use super::discovery;
use super::invitation::listed;
use super::material::{BusKeys, JOINED_PREFIX, Material, Member, REVOKED_PREFIX};
use super::observe::Observed;
use super::validate::{Admission, ValidCluster};
use crate::apply::ApplyError;
use crate::context::Context;
use crate::managers::{Endpoint, ManagerError};
use crate::names;
use crate::queue::Key;

/// Hosts that a condition names.
const SHOWN: usize = 5;

/// What becomes of a request to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was answered.
    Settled,
    /// The host is to get its identity.
    Admit,
    /// Nobody declared the host, and the cluster takes such hosts: it is to get a ComputeNode, if there is room.
    Discover,
    /// It was admitted to a node that is no more.
    Forget,
    /// It waits: for what, and what to do.
    Wait(Reason, String),
}

/// A host that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    name: String,
    hostname: String,
    reason: Reason,
    why: String,
}

impl Waiting {
    pub(super) fn new(join: &JoinStatus, reason: Reason, why: String) -> Self {
        Self {
            name: join.server_id.to_string(),
            hostname: plain(&join.hostname),
            reason,
            why,
        }
    }
}

/// Decides about one request. `node` is the ComputeNode of that name, whatever its cluster. Pure.
pub(crate) fn verdict(
    join: &JoinStatus,
    node: Option<&ComputeNode>,
    cluster: &ValidCluster,
    bus: &BusKeys,
    status: &ClusterStatus,
) -> Verdict {
    let name = join.server_id.as_str();
    let Some(node) = node else {
        return undeclared(join, cluster, bus, status);
    };
    if node.spec.cluster_ref.name != cluster.key.name {
        let owner = &node.spec.cluster_ref.name;
        return held(format!(
            "ComputeNode `{name}` belongs to FastXCluster `{owner}`; give the host another name (FX_SERVER_ID)"
        ));
    }
    if node.spec.external.is_none() {
        return held(format!(
            "ComputeNode `{name}` is not of kind `external`; give the host another name (FX_SERVER_ID)"
        ));
    }
    if node.metadata.deletion_timestamp.is_some() {
        return held(format!("ComputeNode `{name}` is being deleted"));
    }
    // What was listed for an earlier node of the name is not this one's.
    let uid = node.metadata.uid.as_ref();
    let holder = bus.joined.get(name).filter(|m| Some(&m.uid) == uid);
    if holder.is_some_and(|m| m.key == join.public_key) {
        return if join.identified {
            Verdict::Settled
        } else {
            Verdict::Admit
        };
    }
    if bus.revoked.contains_key(&join.public_key) {
        return held(REVOKED.to_owned());
    }
    if cluster.discovery.is_none() {
        return held("the cluster has no `discovery`".to_owned());
    }
    let was_heard = status.nodes.contains_key(&join.server_id);
    let is_taken = holder.is_some() || (was_heard && !join.accepted);
    let admitted = node.annotations().get(ADMIT_ANNOTATION);
    if is_taken && admitted != Some(&join.public_key) {
        return held(format!(
            "another host has had this name; to admit this one in its place: kubectl annotate --overwrite computenode {name} {ADMIT_ANNOTATION}={}",
            join.public_key
        ));
    }
    Verdict::Admit
}

fn held(why: String) -> Verdict {
    Verdict::Wait(Reason::JoinHeld, why)
}

/// What a host is told whose key was revoked.
const REVOKED: &str = "its key was revoked; remove `join-key.json` from the host's FX_LOCAL_DIR, and it asks with a new one";

fn undeclared(
    join: &JoinStatus,
    cluster: &ValidCluster,
    bus: &BusKeys,
    status: &ClusterStatus,
) -> Verdict {
    if join.accepted {
        return Verdict::Forget;
    }
    let name = join.server_id.as_str();
    let wait = |why: String| Verdict::Wait(Reason::NotDeclared, why);
    if !names::is_of_node(name) {
        let why = "no ComputeNode can have this name; give the host one of a-z, 0-9 and `-` (FX_SERVER_ID)";
        return wait(why.to_owned());
    }
    let line = declaration(name, &cluster.key);
    if !matches!(cluster.discovery, Some(Admission::Any { .. })) {
        return wait(format!("no ComputeNode declares it; to admit it: {line}"));
    }
    if bus.revoked.contains_key(&join.public_key) {
        return held(REVOKED.to_owned());
    }
    if names::may_be_of_managers(name) {
        return wait(format!(
            "a host whose name ends in `-manager` is not admitted unasked, because Secrets of a cluster are named so; to admit it: {line}"
        ));
    }
    // Identity and name of a removed node are taken back in this very round.
    let is_leaving = bus.members.contains_key(name)
        || bus.joined.contains_key(name)
        || status.nodes.contains_key(&join.server_id);
    if is_leaving {
        return held("the server that had this name is being removed; wait".to_owned());
    }
    Verdict::Discover
}

/// The line that declares a host.
pub(super) fn declaration(name: &str, cluster: &Key) -> String {
    let node = json!({
        "apiVersion": "fastx.dev/v1alpha1", "kind": "ComputeNode",
        "metadata": {"name": name, "namespace": cluster.namespace},
        "spec": {"clusterRef": {"name": cluster.name}, "external": {}},
    });
    format!("echo '{node}' | kubectl apply -f -")
}

/// Keeps the lists of join files and of hosts that joined.
pub(super) async fn keep_lists(
    context: &Context,
    cluster: &ValidCluster,
    material: &Material,
    observed: &Observed,
    now: Timestamp,
) -> Result<(), ApplyError> {
    if !cluster.transporter.has_identities() {
        return Ok(());
    }
    let was_there = observed.existing.join.is_some();
    let mut change = listed(&material.bus, material.join.as_ref(), was_there, now);
    for (name, member) in &material.bus.joined {
        // A node that was made anew is another one; one that is gone is looked after by `revoke_left`.
        let node = find(observed, name);
        if node.is_some_and(|n| n.metadata.uid.as_ref() != Some(&member.uid)) {
            change.insert(format!("{JOINED_PREFIX}{name}"), None);
            change.insert(revoked(member), Some(now.to_string()));
        }
    }
    if change.is_empty() {
        return Ok(());
    }
    let key = Key::new(&cluster.key.namespace, names::bus_keys(&cluster.key.name));
    context.applier.merge_secret(&key, &change).await
}

fn revoked(member: &Member) -> String {
    format!("{REVOKED_PREFIX}{}", member.key)
}

fn find<'a>(observed: &'a Observed, name: &str) -> Option<&'a ComputeNode> {
    let mut nodes = observed.namespace_nodes.iter();
    nodes.find(|n| n.name_any() == name).map(AsRef::as_ref)
}

/// Answers who can be answered, and keeps who waits.
pub(super) async fn settle(
    context: &Context,
    cluster: &ValidCluster,
    material: &Material,
    observed: &Observed,
    now: Timestamp,
    outcome: &mut Outcome,
) {
    let (Some(status), Some(endpoint)) = (
        observed.report.status.as_deref(),
        context.reports.endpoint(&cluster.key),
    ) else {
        return;
    };
    if !cluster.transporter.has_identities() {
        return;
    }
    let mut newcomers = Vec::new();
    for join in &status.joins {
        let name = join.server_id.as_str();
        let node = find(observed, name);
        let key = Key::new(&cluster.key.namespace, name);
        if node.is_none() && context.world.nodes.get(&key).is_some() {
            // One that cannot be read says nothing.
            continue;
        }
        match verdict(join, node, cluster, &material.bus, status) {
            Verdict::Settled => {}
            Verdict::Wait(reason, why) => outcome.waiting.push(Waiting::new(join, reason, why)),
            Verdict::Discover => newcomers.push(join),
            Verdict::Forget => {
                context.metrics.wrote("Manager", "forget");
                let answer = endpoint.forget(name).await;
                outcome.soon |= failed(name, answer.as_ref().err());
            }
            Verdict::Admit => {
                let uid = node.and_then(|n| n.metadata.uid.clone());
                let member = Member {
                    key: join.public_key.clone(),
                    uid: uid.unwrap_or_default(),
                };
                match admit(
                    context,
                    cluster,
                    &material.bus,
                    &endpoint,
                    name,
                    &member,
                    now,
                )
                .await
                {
                    Ok(answer) => outcome.soon |= failed(name, answer.as_ref().err()),
                    Err(error) => outcome.errors.push(error),
                }
            }
        }
    }
    discovery::settle(context, cluster, observed, &newcomers, outcome).await;
}

fn failed(server: &str, error: Option<&ManagerError>) -> bool {
    if let Some(error) = error {
        tracing::warn!(server, %error, "the managers could not be told about a host that asks to join");
    }
    error.is_some()
}

/// The identity is listed before it is handed out, so that whatever was handed out can be revoked.
async fn admit(
    context: &Context,
    cluster: &ValidCluster,
    bus: &BusKeys,
    endpoint: &Endpoint,
    name: &str,
    member: &Member,
    now: Timestamp,
) -> Result<Result<(), ManagerError>, ApplyError> {
    let before = bus.joined.get(name);
    if before != Some(member) {
        let mut change = BTreeMap::from([(format!("{JOINED_PREFIX}{name}"), Some(member.write()))]);
        if let Some(before) = before.filter(|b| b.key != member.key) {
            change.insert(revoked(before), Some(now.to_string()));
        }
        let key = Key::new(&cluster.key.namespace, names::bus_keys(&cluster.key.name));
        context.applier.merge_secret(&key, &change).await?;
    }
    let signed = name
        .parse::<CallerId>()
        .map_err(|e| e.to_string())
        .and_then(|caller| {
            let signer = bus.authority().node_signer();
            sign_node(&signer, &caller, &member.key, bus.issued).map_err(|e| e.to_string())
        });
    let jwt = match signed {
        Ok(jwt) => jwt,
        Err(error) => return Ok(Err(ManagerError::Nonsense(error))),
    };
    let decision = JoinDecision {
        state: JoinState::Accepted,
        jwt: Some(jwt),
        public_key: member.key.clone(),
    };
    context.metrics.wrote("Manager", "join");
    tracing::info!(server = name, cluster = %cluster.key, "a declared host is admitted");
    Ok(endpoint.decide_join(name, &decision).await)
}

/// A host's name is its own word: only what is one is repeated.
pub(super) fn plain_name(hostname: &str) -> Option<&str> {
    let usual = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let is_name = !hostname.is_empty() && hostname.len() <= 64 && hostname.chars().all(usual);
    is_name.then_some(hostname)
}

fn plain(hostname: &str) -> String {
    match plain_name(hostname) {
        Some(name) => format!("host `{name}`"),
        None => "a host without a plain name".to_owned(),
    }
}

/// Who waits; none where nobody can ask. Pure.
pub(super) fn finding(
    cluster: &ValidCluster,
    observed: &Observed,
    waiting: &[Waiting],
) -> Option<Finding> {
    let finding = |status, reason, message: String| {
        Some(Finding::new(Kind::HostsWaiting, status, reason, message))
    };
    if waiting.is_empty() && cluster.discovery.is_none() {
        return None;
    }
    if observed.report.status.is_none() {
        let message = "No manager says who asks to join.".to_owned();
        return finding(Status::Unknown, Reason::NoRecentReport, message);
    }
    let Some(first) = waiting.first() else {
        return finding(Status::False, Reason::AsExpected, String::new());
    };
    // What an administrator can settle with one line goes before what needs a look at a host.
    let reason = [Reason::MaximumReached, Reason::NotDeclared]
        .into_iter()
        .find(|reason| waiting.iter().any(|w| w.reason == *reason))
        .unwrap_or(first.reason);
    let mut message = match waiting.len() {
        1 => "One host asks to join and waits.".to_owned(),
        n => format!("{n} hosts ask to join and wait."),
    };
    for w in waiting.iter().take(SHOWN) {
        let _ = write!(message, " `{}` ({}): {}.", w.name, w.hostname, w.why);
    }
    if waiting.len() > SHOWN {
        let _ = write!(message, " And {} more.", waiting.len() - SHOWN);
    }
    finding(Status::True, reason, message)
}

#[cfg(test)]
mod tests {
    use super::super::material::Existing;
    use super::super::material::tests::made;
    use super::super::validate::tests::valid;
    use super::*;

    const SPEC: &str = "discovery: {mode: Declared}";

    fn join(name: &str, key: &str, more: &str) -> JoinStatus {
        let yaml = format!("{{serverId: {name}, publicKey: {key}, hostname: ws7, {more}}}");
        serde_yaml_ng::from_str(&yaml).unwrap()
    }

    fn status(heard: &[&str]) -> ClusterStatus {
        let nodes: serde_json::Map<String, serde_json::Value> = heard
            .iter()
            .map(|n| {
                (
                    (*n).to_owned(),
                    json!({"online": false, "lastSeen": "2027-01-01T00:00:00Z"}),
                )
            })
            .collect();
        serde_json::from_value(json!({
            "at": "2027-01-01T00:00:00Z", "manager": "manager-site", "leading": true,
            "store": {"ok": true}, "bus": {"ok": true}, "managers": [], "nodes": nodes,
        }))
        .unwrap()
    }

    fn node(spec: &str, annotations: &str) -> ComputeNode {
        serde_yaml_ng::from_str(&format!(
            "apiVersion: fastx.dev/v1alpha1\nkind: ComputeNode\nmetadata: {{name: desk, namespace: area, uid: u-1, annotations: {{{annotations}}}}}\nspec: {{clusterRef: {{name: site}}, {spec}}}"
        ))
        .unwrap()
    }

    fn bus(joined: Option<(&str, &str)>, revoked: &[&str]) -> BusKeys {
        let mut bus = made(&valid(""), &Existing::default()).bus;
        if let Some((key, uid)) = joined {
            let member = Member {
                key: key.into(),
                uid: uid.into(),
            };
            bus.joined.insert("desk".into(), member);
        }
        let at = bus.issued;
        bus.revoked
            .extend(revoked.iter().map(|k| ((*k).to_owned(), at)));
        bus
    }

    /// The reason and a word of why; `None` unless it waits.
    fn waits(verdict: &Verdict) -> Option<(Reason, &str)> {
        match verdict {
            Verdict::Wait(reason, why) => Some((*reason, why)),
            _ => None,
        }
    }

    #[test]
    fn a_host_is_admitted_only_under_a_name_that_is_declared_and_free() {
        let external = node("external: {}", "");
        let fresh = join("desk", "UNEW", "accepted: false");
        let cluster = valid(SPEC);
        let look =
            |join: &JoinStatus, node: Option<&ComputeNode>, bus: &BusKeys, heard: &[&str]| {
                verdict(join, node, &cluster, bus, &status(heard))
            };
        assert_eq!(
            look(&fresh, Some(&external), &bus(None, &[]), &[]),
            Verdict::Admit
        );
        for (node, bus, heard, reason, word) in [
            (
                None,
                bus(None, &[]),
                &[][..],
                Reason::NotDeclared,
                "kubectl apply -f -",
            ),
            (
                Some(node("pod: {}", "")),
                bus(None, &[]),
                &[],
                Reason::JoinHeld,
                "not of kind",
            ),
            (
                Some(external.clone()),
                bus(None, &["UNEW"]),
                &[],
                Reason::JoinHeld,
                "join-key.json",
            ),
            // Somebody has spoken under the name: with the identity of the Secret, or with a key of its own.
            (
                Some(external.clone()),
                bus(None, &[]),
                &["desk"],
                Reason::JoinHeld,
                "fastx.dev/admit=UNEW",
            ),
            (
                Some(external.clone()),
                bus(Some(("UOLD", "u-1")), &[]),
                &[],
                Reason::JoinHeld,
                "fastx.dev/admit=UNEW",
            ),
        ] {
            let verdict = look(&fresh, node.as_ref(), &bus, heard);
            let (said, why) = waits(&verdict).unwrap();
            assert_eq!(said, reason, "{why}");
            assert!(why.contains(word), "{why}");
        }
        // An administrator decides for this key, and for no other.
        let agreed = node("external: {}", "fastx.dev/admit: UNEW");
        let taken = bus(Some(("UOLD", "u-1")), &[]);
        assert_eq!(
            look(&fresh, Some(&agreed), &taken, &["desk"]),
            Verdict::Admit
        );
        let other = join("desk", "UOTHER", "");
        assert!(waits(&look(&other, Some(&agreed), &taken, &["desk"])).is_some());
        // An earlier node of the name is another one.
        let earlier = bus(Some(("UOLD", "u-0")), &[]);
        assert_eq!(look(&fresh, Some(&external), &earlier, &[]), Verdict::Admit);
        let without = verdict(
            &fresh,
            Some(&external),
            &valid(""),
            &bus(None, &[]),
            &status(&[]),
        );
        assert!(waits(&without).unwrap().1.contains("no `discovery`"));
    }

    #[test]
    fn a_host_that_nobody_declared_is_taken_only_under_a_free_name_and_a_good_key() {
        let cluster = valid("discovery: {mode: Any, maximum: 2}");
        let look = |name: &str, more: &str, bus: &BusKeys, heard: &[&str]| {
            let join = join(name, "UNEW", more);
            verdict(&join, None, &cluster, bus, &status(heard))
        };
        let clean = bus(None, &[]);
        assert_eq!(look("desk", "", &clean, &[]), Verdict::Discover);
        assert_eq!(look("desk", "accepted: true", &clean, &[]), Verdict::Forget);
        let mut with_secret = clean.clone();
        let member = Member {
            key: "UOLD".into(),
            uid: "u-0".into(),
        };
        with_secret.members.insert("desk".into(), member);
        for (name, bus, heard, reason, word) in [
            (
                "desk",
                &bus(None, &["UNEW"]),
                &[][..],
                Reason::JoinHeld,
                "join-key.json",
            ),
            // Somebody has the name, or had it until this moment.
            ("desk", &clean, &["desk"], Reason::JoinHeld, "being removed"),
            (
                "desk",
                &bus(Some(("UOLD", "u-0")), &[]),
                &[],
                Reason::JoinHeld,
                "being removed",
            ),
            ("desk", &with_secret, &[], Reason::JoinHeld, "being removed"),
            ("Desk_7", &clean, &[], Reason::NotDeclared, "FX_SERVER_ID"),
            // Its Secret would be called as that of the managers of a cluster.
            (
                "site-manager",
                &clean,
                &[],
                Reason::NotDeclared,
                "kubectl apply -f -",
            ),
        ] {
            let verdict = look(name, "", bus, heard);
            let (said, why) = waits(&verdict).unwrap();
            assert_eq!(said, reason, "{why}");
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn a_name_that_a_node_has_is_as_safe_as_with_declared_hosts_only() {
        let cluster = valid("discovery: {mode: Any, maximum: 2}");
        let elsewhere: ComputeNode = serde_yaml_ng::from_str(
            "apiVersion: fastx.dev/v1alpha1\nkind: ComputeNode\nmetadata: {name: desk, uid: u-1}\nspec: {clusterRef: {name: other}, external: {}}",
        )
        .unwrap();
        let external = node("external: {}", "");
        let (clean, taken) = (bus(None, &[]), bus(Some(("UOLD", "u-1")), &[]));
        for (node, bus, word) in [
            (&elsewhere, &clean, "FastXCluster `other`"),
            (&node("pod: {}", ""), &clean, "not of kind"),
            (&node("host: {nodeName: w}", ""), &clean, "not of kind"),
            (&external, &taken, "fastx.dev/admit=UNEW"),
            (&external, &bus(None, &["UNEW"]), "join-key.json"),
        ] {
            let fresh = join("desk", "UNEW", "");
            let verdict = verdict(&fresh, Some(node), &cluster, bus, &status(&[]));
            let (reason, why) = waits(&verdict).unwrap();
            assert_eq!(reason, Reason::JoinHeld);
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn what_was_decided_is_said_again_until_it_is_known() {
        let external = node("external: {}", "");
        let cluster = valid(SPEC);
        let own = bus(Some(("UOWN", "u-1")), &[]);
        let look = |more: &str, node: Option<&ComputeNode>, bus: &BusKeys| {
            verdict(
                &join("desk", "UOWN", more),
                node,
                &cluster,
                bus,
                &status(&["desk"]),
            )
        };
        let done = "accepted: true, identified: true";
        assert_eq!(look(done, Some(&external), &own), Verdict::Settled);
        assert_eq!(
            look("accepted: false", Some(&external), &own),
            Verdict::Admit
        );
        // The bus's keys were made anew: the identity is signed by another one now.
        assert_eq!(look(done, Some(&external), &bus(None, &[])), Verdict::Admit);
        assert_eq!(look(done, None, &own), Verdict::Forget);
    }

    #[test]
    fn what_a_host_says_of_itself_is_not_repeated_unless_it_is_a_name() {
        assert_eq!(plain("ws7.example"), "host `ws7.example`");
        for odd in ["", "x; kubectl delete", "a`b", "ä"] {
            assert_eq!(plain(odd), "a host without a plain name");
        }
        let odd = join("Desk_7", "U", "");
        let verdict = verdict(&odd, None, &valid(SPEC), &bus(None, &[]), &status(&[]));
        assert!(waits(&verdict).unwrap().1.contains("FX_SERVER_ID"));
    }
}
