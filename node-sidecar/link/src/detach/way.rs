//! Which ways there are out of the login that the link is started from, so that its end does not end the link.

use std::path::Path;
use std::process::Command;

use crate::environment::Environment;

/// How the link is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From this process, in a session of its own.
    Here,
    /// In a scope of the user's own service manager, which lingers.
    Scope,
    /// By the system's service manager, as `fastx-link@UID.service`.
    Unit,
}

/// What is known of the host and of the login.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Whether systemd runs the host.
    systemd: bool,
    /// The cgroups of this process, as `/proc/self/cgroup` has them.
    cgroups: String,
    /// Whether the user's service manager stays after the last logout.
    lingers: bool,
    /// Whether it runs now.
    manager: bool,
    /// Whether logind ends what a login leaves behind, as far as it says so.
    kills: Option<bool>,
}

impl Facts {
    pub(super) fn find(environment: &Environment) -> Self {
        let systemd = Path::new("/run/systemd/system").is_dir();
        if !systemd {
            return Self::default();
        }
        Self {
            systemd,
            cgroups: std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default(),
            lingers: Path::new("/var/lib/systemd/linger")
                .join(&environment.user)
                .exists(),
            manager: Path::new(&format!("/run/user/{}/systemd/private", environment.uid)).exists(),
            kills: kills(),
        }
    }

    /// The ways, best first.
    pub(super) fn ways(&self) -> Vec<Way> {
        // A scope of its own, or none that anybody ends, is what this is about: nothing to leave then.
        let (session, service) = (self.in_session(), self.in_service());
        if !self.systemd || !(session || service) {
            return vec![Way::Here];
        }
        let mut ways = Vec::new();
        if self.lingers && self.manager {
            ways.push(Way::Scope);
        }
        // Keeps what the login brought along, such as Kerberos tickets.
        if session && self.kills == Some(false) {
            ways.push(Way::Here);
        }
        ways.push(Way::Unit);
        ways
    }

    fn leaves(&self) -> impl Iterator<Item = &str> {
        self.cgroups
            .lines()
            .filter_map(|line| line.rsplit('/').next())
    }

    /// In the scope of a login.
    fn in_session(&self) -> bool {
        self.leaves().any(|leaf| {
            leaf.strip_suffix(".scope")
                .is_some_and(|name| name.starts_with("session-"))
        })
    }

    /// In a service, whose end would take the link along; the link's own unit does not.
    fn in_service(&self) -> bool {
        let own = |leaf: &str| leaf.starts_with("fastx-link@");
        self.leaves()
            .any(|leaf| leaf.ends_with(".service") && !own(leaf))
    }
}

fn kills() -> Option<bool> {
    let mut command = Command::new("busctl");
    command.args([
        "get-property",
        "org.freedesktop.login1",
        "/org/freedesktop/login1",
        "org.freedesktop.login1.Manager",
        "KillUserProcesses",
    ]);
    match super::ask(command, super::ASK) {
        Ok((true, text)) => match text.trim() {
            "b true" => Some(true),
            "b false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(cgroup: &str) -> Facts {
        Facts {
            systemd: true,
            cgroups: format!("1:name=systemd:{cgroup}\n0::{cgroup}\n"),
            ..Facts::default()
        }
    }

    const LOGIN: &str = "/user.slice/user-1000.slice/session-3.scope";

    #[test]
    fn without_systemd_nothing_has_to_be_left() {
        assert_eq!(Facts::default().ways(), [Way::Here]);
    }

    #[test]
    fn a_lingering_manager_comes_first() {
        let facts = Facts {
            lingers: true,
            manager: true,
            kills: Some(true),
            ..facts(LOGIN)
        };
        assert_eq!(facts.ways(), [Way::Scope, Way::Unit]);
    }

    #[test]
    fn a_login_is_left_behind_only_where_logind_lets_it() {
        let kills = |kills| Facts {
            kills,
            ..facts(LOGIN)
        };
        assert_eq!(kills(Some(false)).ways(), [Way::Here, Way::Unit]);
        assert_eq!(kills(Some(true)).ways(), [Way::Unit]);
        assert_eq!(kills(None).ways(), [Way::Unit]);
        let ends_at_logout = Facts {
            manager: true,
            ..kills(Some(true))
        };
        assert_eq!(ends_at_logout.ways(), [Way::Unit]);
    }

    #[test]
    fn a_service_is_always_left() {
        let node = facts("/system.slice/fastx-node.service");
        assert_eq!(node.ways(), [Way::Unit]);
        let quiet = Facts {
            kills: Some(false),
            ..node
        };
        assert_eq!(quiet.ways(), [Way::Unit]);
    }

    #[test]
    fn a_link_that_is_started_anew_stays_where_the_former_was() {
        let slice = "/fastx.slice/fastx-link@1000.service";
        assert_eq!(facts(slice).ways(), [Way::Here]);
        let scope = "/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope";
        assert_eq!(facts(scope).ways(), [Way::Here]);
    }
}
