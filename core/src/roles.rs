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

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Manager => "manager",
            Self::Admin => "admin",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
