//! Why something was refused, in one shape everywhere: RFC 9457 problem documents.

use serde::{Deserialize, Serialize};

/// A refusal that a person can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable kind of the problem, a short kebab-case word such as `no-server-fits`; programs match on it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for people, a few words.
    pub title: String,
    /// HTTP status that goes with it.
    pub status: u16,
    /// What happened, to what and why, in one or two sentences.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What the reader can do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// Correlates the answer with the logs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace_id: String,
    /// For each server, why it was not chosen; only with kind `no-server-fits`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<super::decision::ServerVerdict>,
    /// The server that asks who the user is; only with kind `authentication-required`.
    #[serde(default, rename = "serverId", skip_serializing_if = "String::is_empty")]
    pub server_id: String,
    /// Whom it asks for; only with kind `authentication-required`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub login: String,
}

impl Problem {
    /// A problem with kind, status and title; add the rest with the other methods.
    pub fn new(status: u16, kind: &str, title: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            title: title.to_owned(),
            status,
            detail: String::new(),
            action: String::new(),
            trace_id: String::new(),
            servers: Vec::new(),
            server_id: String::new(),
            login: String::new(),
        }
    }

    /// Adds what happened and why.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds what the reader can do.
    #[must_use]
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = action.into();
        self
    }

    /// The caller is not signed in, or no longer.
    pub fn unauthenticated(detail: &str) -> Self {
        Self::new(401, "not-signed-in", "You are not signed in")
            .detail(detail)
            .action("Sign in again.")
    }

    /// The caller is known, but may not do this.
    pub fn forbidden(detail: &str) -> Self {
        Self::new(403, "not-allowed", "Not allowed").detail(detail)
    }

    /// There is no such thing, or it is not the caller's.
    pub fn not_found(what: &str) -> Self {
        Self::new(404, "not-found", "Not found")
            .detail(format!("There is no {what}, or it is not yours."))
    }

    /// The request itself is wrong.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, "bad-request", "The request is not valid").detail(detail)
    }

    /// Another part did not answer in time.
    pub fn unavailable(kind: &str, detail: impl Into<String>) -> Self {
        Self::new(503, kind, "Not available right now")
            .detail(detail)
            .action("Try again in a moment; if it stays so, tell your administrator.")
    }

    /// A fault of ours.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(500, "internal", "Something went wrong on the server").detail(detail)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.title)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}
