//! Which users of a host may have sessions: people, not the accounts of services.

use std::path::Path;

use super::Account;

/// What `/etc/login.defs` says when it says nothing.
const UID_MIN: u32 = 1000;
/// Numbers that stand for nobody: `nobody` itself, and -1 in 16 and in 32 bits.
const NOBODY: [u32; 3] = [65_534, 65_535, u32::MAX];

/// The host's own rules about users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    uid_min: u32,
    /// Login shells, where the host has a list of them.
    shells: Option<Vec<String>>,
}

impl Rules {
    /// From the texts of `/etc/login.defs` and `/etc/shells`.
    pub(super) fn parse(login_defs: &str, shells: Option<&str>) -> Self {
        let uid_min = login_defs.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == "UID_MIN").then(|| words.next()?.parse().ok())?
        });
        let list = |text: &str| {
            let lines = text.lines().map(str::trim);
            lines
                .filter(|line| line.starts_with('/'))
                .map(str::to_owned)
                .collect()
        };
        Self {
            // Root and its kin stay out whatever the file says.
            uid_min: uid_min.unwrap_or(UID_MIN).max(1),
            shells: shells.map(list),
        }
    }

    /// Why this user may not have sessions, completing "the user …".
    pub(super) fn check(&self, account: &Account) -> Result<(), String> {
        if account.uid < self.uid_min || NOBODY.contains(&account.uid) {
            return Err(format!(
                "is an account of the system (uid {}, people begin at UID_MIN {} of /etc/login.defs)",
                account.uid, self.uid_min
            ));
        }
        let shell = match account.shell.to_str() {
            Some("") => "/bin/sh",
            Some(shell) => shell,
            None => return Err("has an unreadable login shell".to_owned()),
        };
        let name = Path::new(shell).file_name().and_then(|n| n.to_str());
        let closed = matches!(name, None | Some("nologin" | "false"));
        let unlisted = self
            .shells
            .as_ref()
            .is_some_and(|list| !list.iter().any(|s| s == shell));
        if closed || unlisted {
            return Err(format!(
                "has the login shell {shell}, which is not one of /etc/shells"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(uid: u32, shell: &str) -> Account {
        Account {
            login: "ada".parse().unwrap(),
            uid,
            gid: uid,
            groups: Vec::new(),
            home: "/home/ada".into(),
            shell: shell.into(),
        }
    }

    #[test]
    fn people_come_in_and_services_do_not() {
        let rules = Rules::parse(
            "# UID_MIN 7\nUID_MAX 60000\n UID_MIN\t\t 500\n",
            Some("# shells\n/bin/sh\n/bin/bash\n"),
        );
        let verdict = |uid, shell: &str| rules.check(&account(uid, shell)).is_ok();
        assert!(verdict(500, "/bin/bash"));
        // A directory's users lie far above UID_MAX.
        assert!(verdict(1_887_600_512, "/bin/bash"));
        assert!(verdict(500, ""), "no shell means /bin/sh");
        for uid in [0, 1, 499, 65_534, 65_535, u32::MAX] {
            assert!(!verdict(uid, "/bin/bash"), "{uid}");
        }
        for shell in ["/usr/sbin/nologin", "/bin/false", "/opt/own/shell", "bash"] {
            assert!(!verdict(1000, shell), "{shell}");
        }
    }

    #[test]
    fn a_host_without_lists_has_the_usual_rules() {
        let rules = Rules::parse("", None);
        assert!(rules.check(&account(1000, "/opt/fish")).is_ok());
        assert!(rules.check(&account(999, "/opt/fish")).is_err());
        assert!(rules.check(&account(1000, "/sbin/nologin")).is_err());
        assert!(
            Rules::parse("UID_MIN 0", None)
                .check(&account(0, "/bin/sh"))
                .is_err()
        );
    }
}
