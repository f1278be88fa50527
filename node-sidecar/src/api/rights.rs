//! Which right each operation takes. Whatever asks for a signed-in user is refused when it is not in this table.

use std::fmt::Write as _;

use axum::extract::MatchedPath;
use axum::http::Method;
use axum::http::request::Parts;
use fastx_core::roles::{Right, Role};
use fastx_core::wire::problem::Problem;
use serde_json::Value;

use crate::logins::User;

/// Who may use an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Everybody: it is how one signs in, or says nothing that is not public.
    Public,
    /// Everybody who is signed in, about themselves.
    SignedIn,
    /// Whoever has the right. Others' documents take a further one, which the handler asks for.
    With(Right),
}

/// Method, path below `/api/v1`, access.
const TABLE: &[(&str, &str, Access)] = {
    use Access::{Public, SignedIn, With};
    use Right::{Configuration, OwnLinks, OwnSessions, OwnTokens, Servers, Users};
    &[
        ("GET", "/info", Public),
        ("GET", "/openapi.json", Public),
        ("POST", "/login", Public),
        ("POST", "/login/conversations/{id}", Public),
        ("GET", "/login/oidc", Public),
        ("GET", "/login/oidc/callback", Public),
        ("POST", "/logout", SignedIn),
        ("GET", "/me", SignedIn),
        ("GET", "/events", SignedIn),
        ("GET", "/applications", With(OwnSessions)),
        ("GET", "/sessions", With(OwnSessions)),
        ("POST", "/sessions", With(OwnSessions)),
        ("GET", "/sessions/{id}", With(OwnSessions)),
        ("PATCH", "/sessions/{id}", With(OwnSessions)),
        ("DELETE", "/sessions/{id}", With(OwnSessions)),
        ("POST", "/sessions/{id}/connect", With(OwnSessions)),
        // By its ticket, which was given to whoever may.
        ("GET", "/sessions/{id}/display", Public),
        ("POST", "/sessions/{id}/disconnect", With(OwnSessions)),
        ("POST", "/sessions/{id}/stay", With(OwnSessions)),
        ("DELETE", "/sessions/{id}/record", With(OwnSessions)),
        ("POST", "/sessions/{id}/shares", With(OwnSessions)),
        ("DELETE", "/sessions/{id}/shares/{share}", With(OwnSessions)),
        ("POST", "/shares/{secret}", With(OwnSessions)),
        ("GET", "/sessions/{id}/decision", With(OwnSessions)),
        ("GET", "/sessions/{id}/log", With(OwnSessions)),
        ("GET", "/sessions/{id}/screenshot", With(OwnSessions)),
        ("GET", "/servers", With(Servers)),
        ("POST", "/servers/{serverId}/link", With(OwnLinks)),
        (
            "POST",
            "/servers/{serverId}/link/{conversation}",
            With(OwnLinks),
        ),
        ("GET", "/tokens", With(OwnTokens)),
        ("POST", "/tokens", With(OwnTokens)),
        ("PATCH", "/tokens/{id}", With(OwnTokens)),
        ("DELETE", "/tokens/{id}", With(OwnTokens)),
        ("GET", "/users", With(Users)),
        ("GET", "/system/global", With(Configuration)),
        ("PUT", "/system/global", With(Configuration)),
        ("GET", "/system/local", With(Configuration)),
        ("PUT", "/system/local", With(Configuration)),
        ("GET", "/system/global/history", With(Configuration)),
        (
            "GET",
            "/system/global/history/{generation}",
            With(Configuration),
        ),
        ("GET", "/system/local/history", With(Configuration)),
        (
            "GET",
            "/system/local/history/{generation}",
            With(Configuration),
        ),
        ("POST", "/system/scripts/check", With(Configuration)),
    ]
};

fn access(method: &str, path: &str) -> Option<Access> {
    let path = path.strip_prefix("/api/v1")?;
    TABLE
        .iter()
        .find(|(m, p, _)| *m == method && *p == path)
        .map(|(_, _, access)| *access)
}

/// Refuses a user who may not use the operation.
pub(super) fn check(parts: &Parts, user: &User) -> Result<(), Problem> {
    let path = parts.extensions.get::<MatchedPath>();
    let path = path.map_or("", MatchedPath::as_str);
    let method = match parts.method {
        Method::HEAD => "GET",
        ref other => other.as_str(),
    };
    match access(method, path) {
        Some(Access::Public | Access::SignedIn) => Ok(()),
        Some(Access::With(right)) => user.require(right),
        None => {
            tracing::error!(%method, %path, "an operation is in no table of rights");
            Err(Problem::forbidden("Nobody may use this operation."))
        }
    }
}

/// Writes into the document of the API who may use what: `x-right`, absent where no login is needed.
pub(super) fn describe(document: &mut Value) {
    let Some(paths) = document["paths"].as_object_mut() else {
        return;
    };
    for (path, operations) in paths {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            let name = match access(&method.to_uppercase(), path) {
                Some(Access::With(right)) => right.name(),
                Some(Access::SignedIn) => "signed-in",
                Some(Access::Public) | None => continue,
            };
            operation["x-right"] = name.into();
        }
    }
}

/// The page `docs/reference/roles.md`.
pub fn page() -> String {
    let mut text = String::from(
        "# Roles\n\n\
         What each role may do, and which right each operation of the API takes.\n\
         This page is written by `fastx-node roles`; a test keeps it current.\n\n\
         Who has which role says the configuration, by login and by group, see `roles` in [api.md](api.md).\n\
         A role is never part of a login: every server computes it anew.\n\n\
         | Right | What it allows | user | manager | admin |\n|---|---|---|---|---|\n",
    );
    for right in Right::ALL {
        let marks = Role::ALL.map(|role| if role.may(right) { "yes" } else { "" });
        let (name, words) = (right.name(), right.words());
        let _ = writeln!(text, "| `{name}` | {words} | {} |", marks.join(" | "));
    }
    text.push_str(
        "\nNobody sees into another's session without having been invited, whatever the role.\n\n\
         ## Operations\n\n\
         Documents of others are as if they were not there for those who lack the right to see them.\n\n\
         | Operation | Takes |\n|---|---|\n",
    );
    for (method, path, access) in TABLE {
        let takes = match access {
            Access::Public => "nothing".to_owned(),
            Access::SignedIn => "a login".to_owned(),
            Access::With(right) => format!("`{}`", right.name()),
        };
        let _ = writeln!(text, "| `{method} {path}` | {takes} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_roles_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/roles.md");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == page(),
            "run `cargo run -p fastx-node -- roles > docs/reference/roles.md`"
        );
    }

    #[test]
    fn every_operation_is_in_the_table_and_nothing_else() {
        let document: Value = serde_json::from_str(&crate::api::document()).unwrap();
        let mut described = Vec::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys() {
                let method = method.to_uppercase();
                assert!(access(&method, path).is_some(), "{method} {path}");
                described.push((method, path.clone()));
            }
        }
        for (method, path, _) in TABLE {
            let full = ((*method).to_owned(), format!("/api/v1{path}"));
            assert!(described.contains(&full), "{full:?}");
        }
    }
}
