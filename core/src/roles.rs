//! What a user may do: computed by the receiver from configuration, never taken from a token.

use crate::wire::config::RoleRules;

/// A role; each one may do all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Own sessions.
    User,
    /// Also sees servers and the sessions of all, and may end them.
    Manager,
    /// Also changes configuration.
    Admin,
}

impl Role {
    /// The role of a login with these groups.
    pub fn of(rules: &RoleRules, login: &str, groups: &[String]) -> Self {
        let named = |users: &[String], by_group: &[String]| {
            users.iter().any(|u| u == login) || by_group.iter().any(|g| groups.contains(g))
        };
        if named(&rules.admin_users, &rules.admin_groups) {
            Self::Admin
        } else if named(&rules.manager_users, &rules.manager_groups) {
            Self::Manager
        } else {
            Self::User
        }
    }

    /// All of them, the weakest first.
    pub const ALL: [Self; 3] = [Self::User, Self::Manager, Self::Admin];

    /// Whether the role may do that.
    pub fn may(self, right: Right) -> bool {
        self >= right.since()
    }

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Manager => "manager",
            Self::Admin => "admin",
        }
    }
}

/// What somebody may do. This is the one table of it: [`Right::since`] says from which role on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Start sessions, and see, use, change and end one's own.
    OwnSessions,
    /// See which servers there are.
    Servers,
    /// Open a link of one's own on a server.
    OwnLinks,
    /// See one's own logins, name and end them, make some for programs.
    OwnTokens,
    /// See everything that is known of servers.
    ServersInFull,
    /// Start on a server of one's choice, whatever the scripts say.
    ChosenServer,
    /// See everybody's sessions, send their viewers away and end them; not see into them.
    SessionsOfAll,
    /// See who is signed in.
    Users,
    /// See and end everybody's logins.
    TokensOfAll,
    /// See and change the configuration.
    Configuration,
}

impl Right {
    /// All of them, in the order of the roles.
    pub const ALL: [Self; 10] = [
        Self::OwnSessions,
        Self::Servers,
        Self::OwnLinks,
        Self::OwnTokens,
        Self::ServersInFull,
        Self::ChosenServer,
        Self::SessionsOfAll,
        Self::Users,
        Self::TokensOfAll,
        Self::Configuration,
    ];

    /// The weakest role that has it; all stronger ones have it, too.
    pub fn since(self) -> Role {
        match self {
            Self::OwnSessions | Self::Servers | Self::OwnLinks | Self::OwnTokens => Role::User,
            Self::ServersInFull | Self::ChosenServer | Self::SessionsOfAll | Self::Users => {
                Role::Manager
            }
            Self::TokensOfAll | Self::Configuration => Role::Admin,
        }
    }

    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::OwnSessions => "own-sessions",
            Self::Servers => "servers",
            Self::OwnLinks => "own-links",
            Self::OwnTokens => "own-tokens",
            Self::ServersInFull => "servers-in-full",
            Self::ChosenServer => "chosen-server",
            Self::SessionsOfAll => "sessions-of-all",
            Self::Users => "users",
            Self::TokensOfAll => "tokens-of-all",
            Self::Configuration => "configuration",
        }
    }

    /// What it means, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::OwnSessions => "start sessions, and see, use, change and end one's own",
            Self::Servers => "see which servers there are",
            Self::OwnLinks => "open a link of one's own on a server",
            Self::OwnTokens => "see one's own logins, name and end them, make some for programs",
            Self::ServersInFull => "see everything that is known of servers",
            Self::ChosenServer => "start on a server of one's choice, whatever the scripts say",
            Self::SessionsOfAll => {
                "see everybody's sessions, send their viewers away and end them; not see into them"
            }
            Self::Users => "see who is signed in",
            Self::TokensOfAll => "see and end everybody's logins",
            Self::Configuration => "see and change the configuration",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_the_weaker_ones_may() {
        let names: Vec<_> = Right::ALL.map(Right::name).into();
        assert!(
            names
                .iter()
                .all(|n| names.iter().filter(|m| m == &n).count() == 1)
        );
        for right in Right::ALL {
            let may = Role::ALL.map(|role| role.may(right));
            assert!(may[2], "an admin may do everything: {right:?}");
            assert!(may.is_sorted(), "{right:?}");
        }
        assert!(!Role::Manager.may(Right::Configuration) && !Role::User.may(Right::SessionsOfAll));
    }

    #[test]
    fn the_highest_role_counts() {
        let rules = RoleRules {
            admin_users: vec!["root".into()],
            admin_groups: vec!["wheel".into()],
            manager_users: vec!["ada".into(), "root".into()],
            manager_groups: vec!["ops".into()],
        };
        let role = |login: &str, groups: &[&str]| {
            Role::of(
                &rules,
                login,
                &groups.iter().map(|&g| g.to_owned()).collect::<Vec<_>>(),
            )
        };
        assert_eq!(role("root", &[]), Role::Admin);
        assert_eq!(role("bob", &["ops", "wheel"]), Role::Admin);
        assert_eq!(role("ada", &[]), Role::Manager);
        assert_eq!(role("bob", &["ops"]), Role::Manager);
        assert_eq!(role("bob", &[]), Role::User);
    }
}
