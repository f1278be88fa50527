//! `fastxctl doctor`: one line for each thing that a host needs, with what to do where it is missing.

mod bus;
mod host;
mod node;

use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::arguments::Doctor;
use crate::error::Failure;
use crate::output::{Output, printable};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Not asked, because something before it failed or it does not apply.
    Skipped,
    /// Works, but something is worth a look.
    Warning,
    /// Does not work.
    Failed,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skip",
            Self::Warning => "WARN",
            Self::Failed => "FAIL",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found.
    pub detail: String,
    /// What to do; empty when all is well.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub action: String,
}

impl Finding {
    fn new(what: &str, outcome: Outcome, detail: impl Into<String>) -> Self {
        Self {
            what: what.to_owned(),
            outcome,
            detail: detail.into(),
            action: String::new(),
        }
    }

    fn ok(what: &str, detail: impl Into<String>) -> Self {
        Self::new(what, Outcome::Ok, detail)
    }

    fn failed(what: &str, detail: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            ..Self::new(what, Outcome::Failed, detail)
        }
    }

    fn warning(what: &str, detail: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            ..Self::new(what, Outcome::Warning, detail)
        }
    }

    fn skipped(what: &str, why: impl Into<String>) -> Self {
        Self::new(what, Outcome::Skipped, why)
    }

    fn line(&self) -> String {
        let line = format!(
            "{:<4}  {:<12}  {}",
            self.outcome.word(),
            self.what,
            printable(&self.detail)
        );
        if self.action.is_empty() {
            return line;
        }
        format!("{line}\n{:20}→ {}", "", printable(&self.action))
    }
}

/// Checks everything and prints as it goes; the exit code says whether something failed.
pub async fn run(options: &Doctor, output: &mut Output) -> Result<ExitCode, Failure> {
    let mut all = Vec::new();
    let mut found = |findings: Vec<Finding>, output: &mut Output| -> Result<(), Failure> {
        for finding in findings {
            output.say(&finding.line())?;
            all.push(finding);
        }
        Ok(())
    };
    let (findings, broker) = bus::file(options);
    found(findings, output)?;
    found(bus::reach(broker.as_ref()).await, output)?;
    found(host::programs(options), output)?;
    found(host::sshd(options).await, output)?;
    found(host::logind().await, output)?;
    found(host::space(options), output)?;
    found(node::service(options).await, output)?;
    let worst = all.iter().map(|f| f.outcome).max().unwrap_or(Outcome::Ok);
    let failed = all.iter().filter(|f| f.outcome == Outcome::Failed).count();
    let warned = all.iter().filter(|f| f.outcome == Outcome::Warning).count();
    if output.is_json() {
        output.document(&json!({"findings": all}), String::new)?;
    } else {
        output.say(&summary(failed, warned))?;
    }
    Ok(if worst == Outcome::Failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn summary(failed: usize, warned: usize) -> String {
    match (failed, warned) {
        (0, 0) => "\nNothing is wrong here.".to_owned(),
        (0, warned) => format!("\nIt works; {warned} to look at."),
        (failed, 0) => format!("\n{failed} to mend."),
        (failed, warned) => format!("\n{failed} to mend, {warned} to look at."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_to_do() {
        let finding = Finding::failed("sshd", "nothing listens", "start it");
        assert_eq!(
            finding.line(),
            "FAIL  sshd          nothing listens\n                    → start it"
        );
        assert!(Outcome::Failed > Outcome::Warning && Outcome::Warning > Outcome::Ok);
    }

    #[test]
    fn the_end_counts() {
        assert_eq!(summary(0, 0), "\nNothing is wrong here.");
        assert_eq!(summary(2, 1), "\n2 to mend, 1 to look at.");
    }
}
