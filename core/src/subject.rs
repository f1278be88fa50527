//! The bus subjects, and the one table of who may use which.
//!
//! A receiver cannot see who published, so every subject of a request names its caller,
//! and the server's permissions see to it that nobody can name another.

use crate::names::{BusNamespace, CallerId, ServerId};

/// What kind of member a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// A compute node.
    Node,
    /// A cluster manager.
    Manager,
    /// A host that asks to join; it may do nothing else.
    Joiner,
}

impl Member {
    /// All of them, for tests that walk the table.
    pub const ALL: [Self; 3] = [Self::Node, Self::Manager, Self::Joiner];
}

/// An operation on the bus, the last part of its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Report sessions.
    SessionPut,
    /// Forget the record of a session.
    SessionPurge,
    /// List a login.
    TokenPut,
    /// Is a login on the list?
    TokenCheck,
    /// Take logins off the list.
    TokenRevoke,
    /// Read the list of logins.
    TokenList,
    /// Name a login.
    TokenLabel,
    /// Check a password.
    PasswordCheck,
    /// Count a try to sign in that the caller checks itself.
    TryCount,
    /// Such a try was right.
    TryForgive,
    /// Where a browser goes to sign in at the provider.
    OidcBegin,
    /// Exchange a code of the provider.
    OidcExchange,
    /// Keep a decision.
    DecisionPut,
    /// Read a decision.
    DecisionGet,
    /// Read a part of the configuration.
    ConfigGet,
    /// Change the configuration.
    ConfigPut,
    /// Read everything that is known of servers and sessions.
    FleetGet,
    /// Start a session on the target.
    SessionStart,
    /// Do something to a session of the target.
    SessionAct,
    /// What the target's name service says of a user.
    AccountGet,
    /// Ask to become a node.
    JoinAsk,
}

/// Who answers an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Any one manager (`store.<caller>.<operation>`, and `manage.<caller>.<operation>` when a manager asks).
    Store,
    /// The target node (`node.<target>.<caller>.<operation>`).
    Node,
    /// Any one manager, for hosts that are no members yet (`join.<caller>.<operation>`).
    Join,
}

impl Operation {
    /// All of them, for tests that walk the table.
    pub const ALL: [Self; 21] = [
        Self::SessionPut,
        Self::SessionPurge,
        Self::TokenPut,
        Self::TokenCheck,
        Self::TokenList,
        Self::TokenLabel,
        Self::TokenRevoke,
        Self::PasswordCheck,
        Self::TryCount,
        Self::TryForgive,
        Self::OidcBegin,
        Self::OidcExchange,
        Self::DecisionPut,
        Self::DecisionGet,
        Self::ConfigGet,
        Self::ConfigPut,
        Self::FleetGet,
        Self::SessionStart,
        Self::SessionAct,
        Self::AccountGet,
        Self::JoinAsk,
    ];

    /// Its name in the subject; two tokens, except for what strangers ask.
    pub fn name(self) -> &'static str {
        match self {
            Self::SessionPut => "session.put",
            Self::SessionPurge => "session.purge",
            Self::TokenPut => "token.put",
            Self::TokenCheck => "token.check",
            Self::TokenRevoke => "token.revoke",
            Self::TokenList => "token.list",
            Self::TokenLabel => "token.label",
            Self::PasswordCheck => "password.check",
            Self::TryCount => "try.count",
            Self::TryForgive => "try.forgive",
            Self::OidcBegin => "oidc.begin",
            Self::OidcExchange => "oidc.exchange",
            Self::DecisionPut => "decision.put",
            Self::DecisionGet => "decision.get",
            Self::ConfigGet => "config.get",
            Self::ConfigPut => "config.put",
            Self::FleetGet => "fleet.get",
            Self::SessionStart => "session.start",
            Self::SessionAct => "session.act",
            Self::AccountGet => "account.get",
            Self::JoinAsk => "ask",
        }
    }

    /// The operation of that name on that side.
    pub fn parse(side: Side, name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|op| op.side() == side && op.name() == name)
    }

    /// Who answers it.
    pub fn side(self) -> Side {
        match self {
            Self::SessionStart | Self::SessionAct | Self::AccountGet => Side::Node,
            Self::JoinAsk => Side::Join,
            _ => Side::Store,
        }
    }

    /// Whether a member of this kind may call it. What a caller may touch in the body
    /// (only its own server's documents) is checked by the receiver as well.
    pub fn allowed(self, member: Member) -> bool {
        match member {
            Member::Node => self != Self::JoinAsk,
            Member::Joiner => self == Self::JoinAsk,
            // Managers start nothing and have no logins, sessions or decisions of their own.
            Member::Manager => !matches!(
                self,
                Self::SessionStart
                    | Self::SessionAct
                    | Self::AccountGet
                    | Self::TryCount
                    | Self::TryForgive
                    | Self::OidcBegin
                    | Self::OidcExchange
                    | Self::SessionPut
                    | Self::SessionPurge
                    | Self::TokenPut
                    | Self::DecisionPut
                    | Self::JoinAsk
            ),
        }
    }
}

/// Prefix of the ids of managers; a serverId never starts with it.
pub const MANAGER_PREFIX: &str = "manager-";

/// Prefix of the ids of those who ask to join; a serverId never starts with it.
pub const JOIN_PREFIX: &str = "join-";

/// Kind of a caller by its id.
pub fn member_of(caller: &CallerId) -> Member {
    if caller.as_str().starts_with(JOIN_PREFIX) {
        Member::Joiner
    } else if caller.as_str().starts_with(MANAGER_PREFIX) {
        Member::Manager
    } else {
        Member::Node
    }
}

/// Group of the subjects on which nodes ask managers.
const STORE: &str = "store";

/// Group of the subjects on which managers do.
const MANAGE: &str = "manage";

/// Subjects of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subjects {
    namespace: BusNamespace,
}

impl Subjects {
    /// Subjects under this namespace.
    pub fn new(namespace: BusNamespace) -> Self {
        Self { namespace }
    }

    /// Subject on which `caller` asks a manager.
    ///
    /// Managers have subjects of their own: whoever may name nodes can name one as managers are named,
    /// and still does not reach these.
    pub fn store(&self, caller: &CallerId, operation: Operation) -> String {
        let group = match member_of(caller) {
            Member::Manager => MANAGE,
            Member::Node | Member::Joiner => STORE,
        };
        format!("{}.{group}.{caller}.{}", self.namespace, operation.name())
    }

    /// Subject on which `caller` asks the node `target`.
    pub fn node(&self, target: &ServerId, caller: &CallerId, operation: Operation) -> String {
        format!(
            "{}.node.{target}.{caller}.{}",
            self.namespace,
            operation.name()
        )
    }

    /// Subject on which a host asks to join.
    pub fn join(&self, caller: &CallerId) -> String {
        format!(
            "{}.join.{caller}.{}",
            self.namespace,
            Operation::JoinAsk.name()
        )
    }

    /// What a manager subscribes to for hosts that ask to join, in the queue group [`MANAGER_QUEUE`].
    pub fn all_joins(&self) -> String {
        format!("{}.join.*.ask", self.namespace)
    }

    /// What a manager subscribes to, in the queue group [`MANAGER_QUEUE`].
    pub fn all_store(&self) -> String {
        format!("{}.{STORE}.*.>", self.namespace)
    }

    /// The same for what managers ask.
    pub fn all_manage(&self) -> String {
        format!("{}.{MANAGE}.*.>", self.namespace)
    }

    /// What the node `target` subscribes to.
    pub fn all_node(&self, target: &ServerId) -> String {
        format!("{}.node.{target}.*.>", self.namespace)
    }

    /// Subject of a node's heartbeats.
    pub fn heartbeat(&self, caller: &CallerId) -> String {
        format!("{}.heartbeat.{caller}", self.namespace)
    }

    /// All heartbeats; every manager listens, so that a successor knows the fleet at once.
    pub fn all_heartbeats(&self) -> String {
        format!("{}.heartbeat.*", self.namespace)
    }

    /// Batched changes of servers and sessions, from the manager that holds the lease.
    pub fn fleet(&self) -> String {
        format!("{}.fleet", self.namespace)
    }

    /// Announcements of configuration.
    pub fn config(&self) -> String {
        format!("{}.config", self.namespace)
    }

    /// Revoked logins.
    pub fn revoke(&self) -> String {
        format!("{}.revoke", self.namespace)
    }

    /// Changed session records, among managers only: the one that stored them tells the one that publishes.
    pub fn stored(&self) -> String {
        format!("{}.stored", self.namespace)
    }

    /// Prefix of the subjects on which `caller` gets its answers.
    pub fn inbox(caller: &CallerId) -> String {
        format!("_INBOX.{caller}")
    }

    /// Takes a subject apart that arrived at [`Self::all_store`] or [`Self::all_manage`].
    pub fn parse_store(&self, subject: &str) -> Option<(CallerId, Operation)> {
        let rest = subject
            .strip_prefix(self.namespace.as_str())?
            .strip_prefix('.')?;
        let (group, rest) = rest.split_once('.')?;
        let (caller, operation) = rest.split_once('.')?;
        let caller: CallerId = caller.parse().ok()?;
        let own = match group {
            STORE => member_of(&caller) != Member::Manager,
            MANAGE => member_of(&caller) == Member::Manager,
            _ => false,
        };
        let operation = Operation::parse(Side::Store, operation)?;
        own.then_some((caller, operation))
    }

    /// Takes a subject apart that arrived at [`Self::all_joins`].
    pub fn parse_join(&self, subject: &str) -> Option<(CallerId, Operation)> {
        let rest = subject
            .strip_prefix(self.namespace.as_str())?
            .strip_prefix(".join.")?;
        let (caller, operation) = rest.split_once('.')?;
        Some((
            caller.parse().ok()?,
            Operation::parse(Side::Join, operation)?,
        ))
    }

    /// Takes a subject apart that arrived at [`Self::all_node`].
    pub fn parse_node(&self, subject: &str) -> Option<(CallerId, Operation)> {
        let rest = subject
            .strip_prefix(self.namespace.as_str())?
            .strip_prefix(".node.")?;
        let (_target, rest) = rest.split_once('.')?;
        let (caller, operation) = rest.split_once('.')?;
        Some((
            caller.parse().ok()?,
            Operation::parse(Side::Node, operation)?,
        ))
    }

    /// Takes a subject apart that arrived at [`Self::all_heartbeats`].
    pub fn parse_heartbeat(&self, subject: &str) -> Option<CallerId> {
        subject
            .strip_prefix(self.namespace.as_str())?
            .strip_prefix(".heartbeat.")?
            .parse()
            .ok()
    }
}

/// Queue group of the managers.
pub const MANAGER_QUEUE: &str = "managers";

/// What a member of a kind may publish and subscribe to, for the server's permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects to publish on.
    pub publish: Vec<String>,
    /// Subjects to subscribe to.
    pub subscribe: Vec<String>,
}

/// Permissions of a member; `name` is its id, or a placeholder that the server fills in.
pub fn permissions(namespace: &BusNamespace, member: Member, name: &str) -> Permissions {
    let subjects = |list: &[&str]| {
        list.iter()
            .map(|s| format!("{namespace}.{s}"))
            .collect::<Vec<_>>()
    };
    let inbox = format!("_INBOX.{name}.>");
    let mut permissions = match member {
        Member::Node => Permissions {
            publish: vec![
                format!("{namespace}.{STORE}.{name}.>"),
                format!("{namespace}.node.*.{name}.>"),
                format!("{namespace}.heartbeat.{name}"),
            ],
            subscribe: [
                vec![format!("{namespace}.node.{name}.*.>")],
                subjects(&["fleet", "config", "revoke"]),
            ]
            .concat(),
        },
        Member::Manager => Permissions {
            publish: [
                vec![format!("{namespace}.{MANAGE}.{name}.>")],
                subjects(&["fleet", "config", "revoke", "stored"]),
                // Their answers. The right to answer that comes with a request does not outlive a reload of the
                // server's configuration, and whoever waits then waits in vain.
                vec!["_INBOX.>".to_owned()],
            ]
            .concat(),
            subscribe: subjects(&[
                "store.*.>",
                "manage.*.>",
                "join.*.ask",
                "heartbeat.*",
                "fleet",
                "config",
                "revoke",
                "stored",
            ]),
        },
        Member::Joiner => Permissions {
            publish: vec![format!("{namespace}.join.{name}.ask")],
            subscribe: Vec::new(),
        },
    };
    permissions.subscribe.push(inbox);
    permissions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subjects() -> Subjects {
        Subjects::new("site-a".parse().unwrap())
    }

    #[test]
    fn what_is_built_can_be_taken_apart() {
        let caller: CallerId = "node_1".parse().unwrap();
        for operation in Operation::ALL {
            let parsed = match operation.side() {
                Side::Store => subjects().parse_store(&subjects().store(&caller, operation)),
                Side::Node => subjects().parse_node(&subjects().node(
                    &"b".parse().unwrap(),
                    &caller,
                    operation,
                )),
                Side::Join => subjects().parse_join(&subjects().join(&caller)),
            };
            assert_eq!(parsed, Some((caller.clone(), operation)));
        }
        assert_eq!(
            subjects().parse_heartbeat(&subjects().heartbeat(&caller)),
            Some(caller)
        );
    }

    #[test]
    fn foreign_subjects_are_refused() {
        for foreign in [
            "other.store.a.session.put",
            "site-a.store.manager-a.config.put",
            "site-a.manage.a.config.put",
            "site-a.store.a.session.start",
            "site-a.store",
            "",
        ] {
            assert_eq!(subjects().parse_store(foreign), None, "{foreign}");
        }
    }

    /// The table and the server's permissions say the same of every operation by every kind of member.
    #[test]
    fn managers_start_nothing_and_joiners_only_ask() {
        let namespace: BusNamespace = "site-a".parse().unwrap();
        for operation in Operation::ALL {
            for member in Member::ALL {
                let name = match member {
                    Member::Node => "x",
                    Member::Manager => "manager-x",
                    Member::Joiner => "join-x",
                };
                let caller: CallerId = name.parse().unwrap();
                let subject = match operation.side() {
                    Side::Store => subjects().store(&caller, operation),
                    Side::Node => subjects().node(&"b".parse().unwrap(), &caller, operation),
                    Side::Join => subjects().join(&caller),
                };
                let publish = permissions(&namespace, member, name).publish;
                let admitted = publish.iter().any(|allowed| {
                    let (allowed, subject) = (allowed.split('.'), subject.split('.'));
                    let mut pairs = allowed.zip(subject);
                    pairs.all(|(a, s)| a == s || a == "*" || a == ">")
                });
                // Store subjects are one group on the server; within it the receiver decides.
                let wanted = operation.allowed(member)
                    || operation.side() == Side::Store && member == Member::Manager;
                assert_eq!(admitted, wanted, "{operation:?} by {member:?}");
            }
            assert_eq!(
                operation.allowed(Member::Joiner),
                operation == Operation::JoinAsk
            );
            if operation.side() == Side::Node {
                assert!(!operation.allowed(Member::Manager));
            }
        }
    }

    #[test]
    fn a_node_cannot_speak_as_another() {
        for (name, member) in [
            ("a", Member::Node),
            ("manager-a", Member::Manager),
            ("join-a", Member::Joiner),
        ] {
            assert_eq!(member_of(&name.parse().unwrap()), member);
        }
        // Also not when it is named as managers are.
        let namespace = "site-a".parse().unwrap();
        let own = permissions(&namespace, Member::Node, "manager-a").publish;
        let managers = subjects().store(&"manager-a".parse().unwrap(), Operation::ConfigPut);
        assert!(
            own.iter()
                .all(|s| !managers.starts_with(s.trim_end_matches('>')))
        );
        let own = permissions(&"n".parse().unwrap(), Member::Node, "a");
        assert!(own.publish.iter().all(|s| s.contains(".a")), "{own:?}");
        assert!(!own.publish.iter().any(|s| s.ends_with("fleet")));
    }
}
