//! Status conditions as Kubernetes has them, with transition times that tell the truth.

use std::fmt;

use jiff::{Timestamp, Unit};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest message of a condition, bytes.
const MAX_MESSAGE: usize = 2048;

/// One observation about an object.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is observed.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Z][A-Za-z]*$"))]
    pub kind: String,
    /// Whether it holds: `True`, `False` or `Unknown`.
    pub status: Status,
    /// Why, as one word for programs.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Z][A-Za-z0-9]*$"))]
    pub reason: String,
    /// Why, for people, and what can be done about it.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub message: String,
    /// When `status` last changed.
    #[schemars(with = "String", extend("format" = "date-time", "maxLength" = 40))]
    pub last_transition_time: Timestamp,
    /// The generation of the spec that this was observed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
}

/// Whether a condition holds.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    Unknown,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }
        impl $name {
            /// The word itself.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

words!(
    /// Types of the conditions that we set.
    Kind {
        /// All that was asked for works.
        Ready,
        /// The managers write to the store and read it back.
        StoreReady,
        /// The managers are connected to the transporter.
        TransporterReady,
        /// A manager answers.
        ManagerReady,
        /// Everything is there that users sign in with.
        SignInReady,
        /// What is running has the configuration of the present spec.
        ConfigSynced,
        /// It works, but something needs attention.
        Degraded,
        /// The managers hear from the node.
        Online,
        /// The node's Pod has found a place, or none is needed.
        Schedulable,
        /// Sessions run on the node.
        SessionsRunning,
        /// A change waits, because it would end sessions.
        UpdatePending,
        /// Hosts ask to join and are not admitted.
        HostsWaiting,
        /// The script was accepted by the engine.
        Compiled,
        /// The script's own tests gave the expected answers.
        TestsPassed,
        /// The script is part of the chain.
        Active,
    }
);

words!(
    /// Reasons of conditions, stable words that programs may match on.
    Reason {
        /// As it should be.
        AsExpected,
        /// The spec asks for something that is not built yet.
        NotSupportedYet,
        /// The spec contradicts itself or something else.
        InvalidSpec,
        /// The spec could not be read.
        Malformed,
        /// The operator is told to leave it alone.
        Paused,
        /// The cluster that it names does not exist.
        ClusterNotFound,
        /// The cluster that it names is being deleted.
        ClusterDeleting,
        /// An object of a name that we need belongs to somebody else.
        NameTaken,
        /// A Secret is missing.
        SecretMissing,
        /// A Secret lacks a key, or its content is wrong.
        SecretInvalid,
        /// No way to sign in is configured.
        NoSignInMethod,
        /// cert-manager's definitions are not installed.
        CertManagerMissing,
        /// cert-manager has not issued the certificate yet.
        CertificateNotIssued,
        /// A claim is not bound.
        ClaimUnbound,
        /// A claim is being made larger.
        VolumeGrowing,
        /// A claim cannot be made larger.
        VolumeNotGrown,
        /// The operator may not see the machines of Kubernetes.
        MachinesHidden,
        /// Processes are starting.
        Starting,
        /// A container image cannot be pulled.
        ImagePullFailed,
        /// A container ends again and again.
        CrashLooping,
        /// A container cannot be made.
        ContainerConfigError,
        /// No Kubernetes node takes the Pod.
        Unschedulable,
        /// The namespace does not admit the Pod.
        NamespaceForbids,
        /// The API server refused an object.
        Refused,
        /// The store does not answer the managers.
        StoreNotAnswering,
        /// The managers cannot reach the transporter.
        TransporterNotAnswering,
        /// No manager answers the operator.
        ManagerNotAnswering,
        /// There is no report, or it is too old.
        NoRecentReport,
        /// Configuration is on its way.
        Syncing,
        /// The managers refused the configuration.
        ConfigRefused,
        /// Nodes are offline.
        NodesOffline,
        /// The node has not been heard of.
        NeverSeen,
        /// The node was heard of, but not lately.
        Silent,
        /// A host asks to join under a name that no ComputeNode declares.
        NotDeclared,
        /// A host asks to join under a name that somebody else has or had.
        JoinHeld,
        /// A host asks to join that nobody declared, and as many as may have come in by themselves.
        MaximumReached,
        /// The node reports faults.
        NodeFaults,
        /// Sessions run.
        SessionsRunning,
        /// No session runs.
        NoSessions,
        /// Somebody must agree first.
        ApprovalNeeded,
        /// It waits until no session runs.
        WaitingForSessions,
        /// The new sidecar did not start; the old image was put back.
        RolledBack,
        /// It waits for another node to prove the new version.
        WaitingForTurn,
        /// It is being deleted.
        Deleting,
        /// The script does not compile.
        CompileError,
        /// A test of the script failed.
        TestFailed,
        /// The script has no tests.
        NoTests,
        /// The script is suspended.
        Suspended,
        /// The present script is not usable, so the last good one stays.
        LastGoodActive,
        /// There is no script that could be used.
        NoUsableScript,
    }
);

/// What a condition should say now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which condition.
    pub kind: Kind,
    /// Whether it holds.
    pub status: Status,
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
}

impl Finding {
    /// A finding; the message says what happened, to what, why, and what to do.
    pub fn new(kind: Kind, status: Status, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            kind,
            status,
            reason,
            message: message.into(),
        }
    }
}

/// Sets one condition and keeps its transition time unless its status changes.
///
/// Returns whether anything changed. The list stays sorted by type, so that equal findings give equal lists.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    finding: &Finding,
    generation: Option<i64>,
    now: Timestamp,
) -> bool {
    let kind = finding.kind.name();
    let before = conditions.iter().find(|c| c.kind == kind);
    let last_transition_time = match before {
        Some(c) if c.status == finding.status => c.last_transition_time,
        _ => now.round(Unit::Second).unwrap_or(now),
    };
    let after = Condition {
        kind: kind.to_owned(),
        status: finding.status,
        reason: finding.reason.name().to_owned(),
        message: shorten(&finding.message),
        last_transition_time,
        observed_generation: generation,
    };
    if before == Some(&after) {
        return false;
    }
    conditions.retain(|c| c.kind != kind);
    conditions.push(after);
    conditions.sort_by(|a, b| a.kind.cmp(&b.kind));
    true
}

/// Whether a condition of this type is `True`.
pub fn is_true(conditions: &[Condition], kind: Kind) -> bool {
    conditions
        .iter()
        .any(|c| c.kind == kind.name() && c.status == Status::True)
}

fn shorten(message: &str) -> String {
    if message.len() <= MAX_MESSAGE {
        return message.to_owned();
    }
    let mut end = MAX_MESSAGE;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{} …", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ready(status: Status, message: &str) -> Finding {
        Finding::new(Kind::Ready, status, Reason::Starting, message)
    }

    #[test]
    fn the_time_moves_only_with_the_status() {
        let mut list = Vec::new();
        assert!(set_condition(
            &mut list,
            &ready(Status::False, "a"),
            Some(1),
            at(10)
        ));
        assert!(!set_condition(
            &mut list,
            &ready(Status::False, "a"),
            Some(1),
            at(20)
        ));
        assert!(set_condition(
            &mut list,
            &ready(Status::False, "b"),
            Some(1),
            at(30)
        ));
        assert_eq!(list[0].last_transition_time, at(10));
        assert!(set_condition(
            &mut list,
            &ready(Status::True, "b"),
            Some(2),
            at(40)
        ));
        assert_eq!(list[0].last_transition_time, at(40));
        assert_eq!(list.len(), 1);
    }

    #[test]
    fn the_order_does_not_depend_on_who_came_first() {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        let online = Finding::new(Kind::Online, Status::True, Reason::AsExpected, "");
        for finding in [&online, &ready(Status::True, "")] {
            set_condition(&mut a, finding, None, at(1));
        }
        for finding in [&ready(Status::True, ""), &online] {
            set_condition(&mut b, finding, None, at(1));
        }
        assert_eq!(a, b);
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let mut list = Vec::new();
        let long = format!("x{}", "ä".repeat(3000));
        set_condition(&mut list, &ready(Status::False, &long), None, at(1));
        assert!(list[0].message.len() <= 4096);
        assert!(list[0].message.ends_with('…'));
    }

    #[test]
    fn times_have_whole_seconds() {
        let mut list = Vec::new();
        let now = Timestamp::from_millisecond(1_700_000_000_400).unwrap();
        set_condition(&mut list, &ready(Status::True, ""), None, now);
        let json = serde_json::to_value(&list[0]).unwrap();
        assert_eq!(json["lastTransitionTime"], "2023-11-14T22:13:20Z");
    }
}
