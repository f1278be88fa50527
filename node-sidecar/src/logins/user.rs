//! Who makes a request, as far as it was verified.

use fastx_core::names::LoginName;
use fastx_core::roles::{Right, Role};
use fastx_core::secret::Secret;
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::SessionRecord;
use jiff::Timestamp;

/// A user with a valid login.
#[derive(Debug, Clone)]
pub struct User {
    /// Login name.
    pub login: LoginName,
    /// Role, computed here from configuration.
    pub role: Role,
    /// Groups that the sign-in method vouches for.
    pub groups: Vec<String>,
    /// Id of the token.
    pub jti: String,
    /// When the token ends.
    pub expires: Timestamp,
    /// The token itself, to show it to other nodes.
    pub token: Secret,
}

/// What somebody wants of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Know that it is there, end it, send its viewers away: also for managers.
    Oversee,
    /// See into it or change it: for the owner alone.
    Own,
}

impl User {
    /// Refuses whoever has not that right.
    pub fn require(&self, right: Right) -> Result<(), Problem> {
        if self.role.may(right) {
            return Ok(());
        }
        Err(Problem::forbidden(&format!(
            "You are {} here; to {} takes the role {}.",
            self.role.name(),
            right.words(),
            right.since().name()
        )))
    }

    /// Whether this user may do that to the session. To strangers it is as if there were none.
    pub fn may(&self, want: Want, session: &SessionRecord) -> Result<(), Problem> {
        if session.login == self.login {
            return Ok(());
        }
        match (self.role.may(Right::SessionsOfAll), want) {
            (true, Want::Oversee) => Ok(()),
            (true, Want::Own) => Err(Problem::forbidden(&format!(
                "The session belongs to {}; only its owner may do this.",
                session.login
            ))),
            (false, _) => Err(Problem::not_found("such session")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_may_do_what_to_whose_session() {
        let session: SessionRecord = serde_json::from_value(json!({
            "id": "0".repeat(16), "serverId": "a", "login": "ada", "state": "running", "name": "n",
            "command": "xterm", "started": "1970-01-01T00:00:00Z", "changed": "1970-01-01T00:00:00Z", "version": 1
        }))
        .unwrap();
        let status = |login: &str, role, want| {
            let user = User {
                login: login.parse().unwrap(),
                role,
                groups: vec![],
                jti: String::new(),
                expires: Timestamp::MAX,
                token: Secret::default(),
            };
            user.may(want, &session).map_or_else(|p| p.status, |()| 200)
        };
        assert_eq!(status("ada", Role::User, Want::Own), 200);
        assert_eq!(status("ada", Role::User, Want::Oversee), 200);
        assert_eq!(status("bob", Role::User, Want::Own), 404);
        assert_eq!(status("bob", Role::User, Want::Oversee), 404);
        assert_eq!(status("bob", Role::Manager, Want::Own), 403);
        assert_eq!(status("bob", Role::Manager, Want::Oversee), 200);
        assert_eq!(status("bob", Role::Admin, Want::Own), 403);
    }
}
