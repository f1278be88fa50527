//! Why a command did not do what it should, in words for a terminal.

use std::io::Write as _;
use std::path::PathBuf;

use fastx_core::wire::problem::Problem;
use serde_json::{Map, Value};

use crate::output::printable;

/// A refusal of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused and why.
    pub problem: Problem,
    /// Everything that the answer held.
    pub members: Map<String, Value>,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The cluster refused; the problem says why.
    #[error("{}", .0.problem.title)]
    Refused(Box<Refusal>),
    /// There is no login to use.
    #[error("not signed in: run `fastxctl login https://ADDRESS` first")]
    NoLogin,
    /// Several logins, and none was named.
    #[error("signed in at several addresses: name one with --address ({0})")]
    WhichLogin(String),
    /// The cluster cannot be reached.
    #[error("{address} cannot be reached: {why}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why, and what to do.
        why: String,
    },
    /// The answer is not what the API promises.
    #[error("{0} answered something that this version does not understand: {1}")]
    Answer(String, String),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something that was typed cannot be used.
    #[error("{0}")]
    Usage(String),
    /// Whoever reads the output has gone.
    #[error("the output cannot be written")]
    Output(#[source] std::io::Error),
    /// Anything of the system.
    #[error("{0}: {1}")]
    Io(String, #[source] std::io::Error),
}

impl Failure {
    /// Whether signing in is what to do.
    pub fn needs_sign_in(&self) -> bool {
        match self {
            Self::NoLogin => true,
            Self::Refused(refusal) => refusal.problem.kind == "not-signed-in",
            _ => false,
        }
    }
}

/// Prints a failure for people.
pub fn report(failure: &Failure) {
    let mut lines = vec![format!("error: {failure}")];
    if let Failure::Refused(refusal) = failure {
        lines.extend(details(refusal));
    }
    let _gone = std::io::stderr().write_all((lines.join("\n") + "\n").as_bytes());
}

fn details(refusal: &Refusal) -> Vec<String> {
    let problem = &refusal.problem;
    let mut lines = Vec::new();
    if !problem.detail.is_empty() {
        lines.push(format!("  {}", printable(&problem.detail)));
    }
    for verdict in &problem.servers {
        let by = match verdict.by.as_str() {
            "" => String::new(),
            by => format!(" ({by})"),
        };
        let reason = printable(&verdict.reason);
        lines.push(format!("    {}: {reason}{by}", verdict.server_id));
    }
    if !problem.action.is_empty() {
        lines.push(format!("  {}", printable(&problem.action)));
    }
    if problem.kind == "not-signed-in" {
        lines.push("  Sign in with: fastxctl login".to_owned());
    }
    if !problem.trace_id.is_empty() {
        lines.push(format!("  trace id: {}", problem.trace_id));
    }
    lines
}
