//! Compiles a script and runs its tests in a process of their own, once for each content.

use std::collections::HashMap;
use std::io;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastx_balancer::{CheckReport, ScriptTest, WorkerCommand, check_with};
use fastx_core::wire::config::{ScriptLimits, hash};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::validate::{Content, ValidScript};
use crate::queue::Key;

/// How long another script's check is waited for.
const TURN_LIMIT: Duration = Duration::from_secs(5);
/// How long all tests of a script may take together; less than the driver allows for an object.
const CHECK_LIMIT: Duration = Duration::from_secs(45);
/// How the balancer says that the process failed and not the script; a test below holds it to that.
const TROUBLE: &str = "the script process did not";

/// What became of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is one of the product's and needs no check.
    Builtin,
    /// It compiles, and this many tests passed.
    Good {
        /// How many.
        tests: usize,
    },
    /// It does not compile: the place, when it is known, and what is wrong.
    CompileError(String),
    /// Tests gave other answers than expected.
    TestsFailed {
        /// Those that did.
        failed: Vec<FailedTest>,
        /// How many there are.
        of: usize,
    },
    /// Time ran out at this test.
    TooSlow {
        /// Its name.
        test: String,
    },
}

/// A test that gave another answer than expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FailedTest {
    /// Its name.
    pub(super) name: String,
    /// What was expected, and what came.
    pub(super) detail: String,
    /// What the script wrote to the console.
    pub(super) console: Vec<String>,
}

/// Why there is no verdict; it says nothing about the script.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckError {
    /// Too many scripts wait.
    #[error("other scripts were checked for longer than 5 s")]
    Busy,
    /// The process did not work.
    #[error("the script cannot be checked")]
    Process(#[source] io::Error),
}

impl CheckError {
    /// Stable word for the metric.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Busy => "Busy",
            Self::Process(_) => "ScriptProcess",
        }
    }
}

/// Checks scripts, one at a time: what they may use up adds up within the operator's own memory limit.
#[derive(Debug)]
pub(super) struct Checker {
    command: WorkerCommand,
    turn: Semaphore,
    /// The last verdict of each script, with the hash of what it was about.
    known: Mutex<HashMap<Key, (String, Arc<Verdict>)>>,
}

impl Checker {
    /// Checks in processes of this command.
    pub(super) fn new(command: WorkerCommand) -> Self {
        Self {
            command,
            turn: Semaphore::new(1),
            known: Mutex::default(),
        }
    }

    /// What is known of this content, found out now if it is new.
    pub(super) async fn verdict(
        &self,
        key: &Key,
        script: &ValidScript,
    ) -> Result<Arc<Verdict>, CheckError> {
        let Content::Source(source) = &script.content else {
            return Ok(Arc::new(Verdict::Builtin));
        };
        let about = fingerprint(source, script);
        if let Some((before, verdict)) = self.known().get(key)
            && *before == about
        {
            return Ok(verdict.clone());
        }
        let turn = timeout(TURN_LIMIT, self.turn.acquire()).await;
        let _turn = turn.map_err(|_| CheckError::Busy)?;
        let check = Check {
            command: &self.command,
            source,
            limits: script.limits,
            deadline: Instant::now() + CHECK_LIMIT,
        };
        let verdict = Arc::new(check.run(&script.tests).await?);
        let good = matches!(*verdict, Verdict::Good { .. });
        tracing::info!(script = %key, good, "script checked");
        self.known().insert(key.clone(), (about, verdict.clone()));
        Ok(verdict)
    }

    /// The script is gone.
    pub(super) fn forget(&self, key: &Key) {
        self.known().remove(key);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Key, (String, Arc<Verdict>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fingerprint(source: &str, script: &ValidScript) -> String {
    let tests: Vec<_> = script
        .tests
        .iter()
        .map(|t| json!([t.name, t.input, t.expect]))
        .collect();
    hash(&json!([source, script.limits, tests]))
}

/// One check of one script.
struct Check<'a> {
    command: &'a WorkerCommand,
    source: &'a str,
    limits: ScriptLimits,
    deadline: Instant,
}

impl Check<'_> {
    async fn run(&self, tests: &[ScriptTest]) -> Result<Verdict, CheckError> {
        if tests.is_empty() {
            let report = self.judge(&[]).await?;
            return Ok(match report.map(|r| r.compiled) {
                Some(Ok(())) => Verdict::Good { tests: 0 },
                Some(Err(error)) => Verdict::CompileError(error.to_string()),
                None => Verdict::CompileError("compiling it took too long".to_owned()),
            });
        }
        let mut failed = Vec::new();
        // One by one, so that what runs out of time has a name.
        for test in tests {
            let Some(report) = self.judge(slice::from_ref(test)).await? else {
                return Ok(Verdict::TooSlow {
                    test: test.name.clone(),
                });
            };
            if let Err(error) = report.compiled {
                return Ok(Verdict::CompileError(error.to_string()));
            }
            let bad = report.tests.into_iter().filter(|outcome| !outcome.passed);
            failed.extend(bad.map(|outcome| FailedTest {
                name: outcome.name,
                detail: outcome.detail,
                console: outcome.console,
            }));
        }
        let of = tests.len();
        Ok(if failed.is_empty() {
            Verdict::Good { tests: of }
        } else {
            Verdict::TestsFailed { failed, of }
        })
    }

    /// A refusal counts only when it comes twice: a busy machine can make a good script late once.
    async fn judge(&self, tests: &[ScriptTest]) -> Result<Option<CheckReport>, CheckError> {
        match self.ask(tests).await? {
            Some(report) if !report.is_good() => self.ask(tests).await,
            report => Ok(report),
        }
    }

    /// None when the time is up.
    async fn ask(&self, tests: &[ScriptTest]) -> Result<Option<CheckReport>, CheckError> {
        let asked = check_with(self.command.clone(), self.source, self.limits, tests);
        let Ok(report) = timeout_at(self.deadline, asked).await else {
            return Ok(None);
        };
        match &report.compiled {
            Err(error) if error.at.is_none() && error.message.starts_with(TROUBLE) => {
                Err(CheckError::Process(io::Error::other(error.message.clone())))
            }
            _ => Ok(Some(report)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_crds::script::Builtin;

    fn script(content: Content) -> ValidScript {
        ValidScript {
            content,
            limits: ScriptLimits::default(),
            tests: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_process_that_cannot_start_says_nothing_about_the_script() {
        for program in ["/nonexistent/operator", "/bin/true"] {
            let checker = Checker::new(WorkerCommand::new(program));
            let good = script(Content::Source("function () {}".to_owned()));
            let error = checker
                .verdict(&Key::new("n", "s"), &good)
                .await
                .unwrap_err();
            assert!(
                matches!(error, CheckError::Process(_)),
                "{program}: {error}"
            );
            assert!(checker.known().is_empty(), "{program}");
        }
    }

    #[tokio::test]
    async fn a_builtin_needs_no_process() {
        let checker = Checker::new(WorkerCommand::new("/nonexistent/operator"));
        let builtin = script(Content::Builtin(Builtin::RoundRobin));
        let verdict = checker
            .verdict(&Key::new("n", "s"), &builtin)
            .await
            .unwrap();
        assert_eq!(*verdict, Verdict::Builtin);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_comes_again() {
        let checker = Checker::new(WorkerCommand::new("/nonexistent/operator"));
        let _turn = checker.turn.acquire().await.unwrap();
        let waiting = script(Content::Source("function () {}".to_owned()));
        let error = checker
            .verdict(&Key::new("n", "s"), &waiting)
            .await
            .unwrap_err();
        assert_eq!(error.reason(), "Busy");
    }

    #[test]
    fn the_fingerprint_is_about_source_limits_and_tests() {
        let base = script(Content::Source("f".to_owned()));
        let slower = ScriptLimits {
            time_ms: 300,
            ..base.limits
        };
        let test = ScriptTest {
            name: "t".to_owned(),
            input: json!({}),
            expect: json!("a"),
        };
        let all = [
            fingerprint("f", &base),
            fingerprint("g", &base),
            fingerprint(
                "f",
                &ValidScript {
                    limits: slower,
                    ..base.clone()
                },
            ),
            fingerprint(
                "f",
                &ValidScript {
                    tests: vec![test],
                    ..base.clone()
                },
            ),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(all[0], fingerprint("f", &base.clone()));
    }
}
