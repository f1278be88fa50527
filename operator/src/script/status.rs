//! Puts what was found of a script into its conditions, and remembers the last good content. Pure.

use fastx_crds::BalancerScriptStatus;
use fastx_crds::conditions::{Finding, Kind, Reason, Status, set_condition};
use fastx_crds::script::LastGood;
use jiff::Timestamp;
use kube::core::error_boundary::InvalidObject;
use serde_json::{Value, json};

use super::check::{FailedTest, Verdict};
use super::observe::{Cluster, Seen};
use crate::cluster::validate::Invalid;

/// How many failed tests a message names.
const NAMED_TESTS: usize = 5;
/// How much of a test's answer a message shows, characters.
const DETAIL: usize = 300;
/// How many lines of a failed test's console a message shows.
const CONSOLE_LINES: usize = 3;

/// The status of a script, on top of the one before.
pub(super) fn status(
    seen: &Seen,
    verdict: Result<&Verdict, &Invalid>,
    before: BalancerScriptStatus,
    now: Timestamp,
) -> BalancerScriptStatus {
    let generation = seen.script.metadata.generation;
    let mut status = before;
    status.observed_generation = generation;
    if let Some(good) = good(seen, verdict) {
        status.last_good = Some(good);
    }
    let findings = [
        compiled(verdict),
        tests_passed(verdict),
        active(seen, verdict, status.last_good.as_ref()),
    ];
    for finding in &findings {
        set_condition(&mut status.conditions, finding, generation, now);
    }
    status
}

/// What is merged into an object that could not even be read. Its last good content stays.
pub(super) fn malformed(invalid: &InvalidObject, now: Timestamp) -> Value {
    let message = format!(
        "The object cannot be read, so it is in no chain: {}",
        invalid.error
    );
    let finding = Finding::new(Kind::Active, Status::False, Reason::Malformed, message);
    let generation = invalid.metadata.generation;
    let mut conditions = Vec::new();
    set_condition(&mut conditions, &finding, generation, now);
    json!({"status": {"observedGeneration": generation, "conditions": conditions}})
}

/// The present content, if it may be used.
fn good(seen: &Seen, verdict: Result<&Verdict, &Invalid>) -> Option<LastGood> {
    let spec = &seen.script.spec;
    match verdict.ok()? {
        Verdict::Builtin | Verdict::Good { .. } => Some(LastGood {
            generation: seen.script.metadata.generation.unwrap_or_default(),
            source: spec.source.clone().unwrap_or_default(),
            builtin: spec.builtin.map_or("", |b| b.name()).to_owned(),
        }),
        Verdict::CompileError(_) | Verdict::TestsFailed { .. } | Verdict::TooSlow { .. } => None,
    }
}

fn compiled(verdict: Result<&Verdict, &Invalid>) -> Finding {
    let (status, reason, message) = match verdict {
        Err(invalid) => (Status::False, invalid.reason, invalid.message.clone()),
        Ok(Verdict::Builtin) => (
            Status::True,
            Reason::AsExpected,
            "It is one of the product's own scripts.".to_owned(),
        ),
        Ok(Verdict::CompileError(error)) => (
            Status::False,
            Reason::CompileError,
            format!("The script does not compile: {error}"),
        ),
        Ok(Verdict::Good { .. } | Verdict::TestsFailed { .. } | Verdict::TooSlow { .. }) => (
            Status::True,
            Reason::AsExpected,
            "The script compiles.".to_owned(),
        ),
    };
    Finding::new(Kind::Compiled, status, reason, message)
}

fn tests_passed(verdict: Result<&Verdict, &Invalid>) -> Finding {
    let (status, reason, message) = match verdict {
        Err(invalid) => (
            Status::Unknown,
            invalid.reason,
            "The tests were not run, since the spec is not valid.".to_owned(),
        ),
        Ok(Verdict::Builtin) => (
            Status::True,
            Reason::AsExpected,
            "The product's own scripts need no tests, and none are run.".to_owned(),
        ),
        Ok(Verdict::CompileError(_)) => (
            Status::Unknown,
            Reason::CompileError,
            "The tests were not run, since the script does not compile.".to_owned(),
        ),
        Ok(Verdict::Good { tests: 0 }) => (
            Status::True,
            Reason::NoTests,
            "The script has no tests: `tests` may hold inputs with the expected answers."
                .to_owned(),
        ),
        Ok(Verdict::Good { tests }) => (
            Status::True,
            Reason::AsExpected,
            format!("{tests} of {tests} tests gave the expected answer."),
        ),
        Ok(Verdict::TestsFailed { failed, of }) => {
            (Status::False, Reason::TestFailed, failures(failed, *of))
        }
        Ok(Verdict::TooSlow { test }) => (
            Status::False,
            Reason::TestFailed,
            format!(
                "The tests took too long together, and time ran out at `{test}`: \
                 make the script faster, or lower `limits.timeMs`."
            ),
        ),
    };
    Finding::new(Kind::TestsPassed, status, reason, message)
}

fn failures(failed: &[FailedTest], of: usize) -> String {
    let more = failed.len().saturating_sub(NAMED_TESTS);
    let mut parts = vec![format!("{} of {of} tests failed", failed.len())];
    parts.extend(failed.iter().take(NAMED_TESTS).map(failure));
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    parts.join("; ")
}

fn failure(test: &FailedTest) -> String {
    let answers = format!("`{}`: {}", test.name, cut(&test.detail));
    let lines: Vec<_> = test.console.iter().map(|line| cut(line)).collect();
    match lines.len() {
        0 => answers,
        n => format!(
            "{answers} (console: {})",
            lines[..n.min(CONSOLE_LINES)].join(" | ")
        ),
    }
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(DETAIL).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn active(
    seen: &Seen,
    verdict: Result<&Verdict, &Invalid>,
    last_good: Option<&LastGood>,
) -> Finding {
    let cluster = &seen.script.spec.cluster_ref.name;
    let (status, reason, message) = match (&seen.cluster, last_good) {
        (Cluster::Missing, _) => (
            Status::False,
            Reason::ClusterNotFound,
            format!(
                "There is no FastXCluster `{cluster}` in this namespace: make it, or make this script anew with another `clusterRef`."
            ),
        ),
        (Cluster::Deleting, _) => (
            Status::False,
            Reason::ClusterDeleting,
            format!("The FastXCluster `{cluster}` is being deleted."),
        ),
        (Cluster::Present(_), _) if seen.script.spec.suspend => (
            Status::False,
            Reason::Suspended,
            "`suspend` is true, so the script is not part of the chain.".to_owned(),
        ),
        (Cluster::Present(_), Some(good)) => in_chain(seen, verdict, good),
        (Cluster::Present(_), None) => (
            Status::False,
            Reason::NoUsableScript,
            format!(
                "No version of the script was usable so far: {}",
                remedy(verdict)
            ),
        ),
    };
    Finding::new(Kind::Active, status, reason, message)
}

fn in_chain(
    seen: &Seen,
    verdict: Result<&Verdict, &Invalid>,
    last_good: &LastGood,
) -> (Status, Reason, String) {
    if good(seen, verdict).is_some() {
        let message = "The script is part of the chain.".to_owned();
        return (Status::True, Reason::AsExpected, message);
    }
    let message = format!(
        "The script of generation {} stays in the chain, since the present one is not usable: {}",
        last_good.generation,
        remedy(verdict)
    );
    (Status::True, Reason::LastGoodActive, message)
}

fn remedy(verdict: Result<&Verdict, &Invalid>) -> &'static str {
    match verdict {
        Err(_) | Ok(Verdict::CompileError(_)) => "correct what the condition Compiled says.",
        Ok(_) => "correct what the condition TestsPassed says.",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cluster, seen, seen_without_cluster};
    use super::*;

    const SPEC: &str = "source: present";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn failed(name: &str) -> FailedTest {
        FailedTest {
            name: name.to_owned(),
            detail: "expected: it chooses `a`; got: it passes".to_owned(),
            console: vec!["hello".to_owned()],
        }
    }

    fn earlier() -> BalancerScriptStatus {
        BalancerScriptStatus {
            last_good: Some(LastGood {
                generation: 2,
                source: "earlier".to_owned(),
                builtin: String::new(),
            }),
            ..BalancerScriptStatus::default()
        }
    }

    /// Each condition as `Type=Status Reason`, and what is in force afterwards.
    fn check(
        seen: &Seen,
        verdict: Result<&Verdict, &Invalid>,
        before: &BalancerScriptStatus,
    ) -> String {
        let status = status(seen, verdict, before.clone(), at(9));
        let conditions: Vec<_> = status
            .conditions
            .iter()
            .map(|c| format!("{}={} {}", c.kind, c.status, c.reason))
            .collect();
        let good = status.last_good.map_or_else(
            || "none".to_owned(),
            |g| format!("{}{}@{}", g.source, g.builtin, g.generation),
        );
        format!("{}; {good}", conditions.join(", "))
    }

    #[test]
    fn verdicts_and_conditions() {
        let (none, some) = (BalancerScriptStatus::default(), earlier());
        let bad = Verdict::TestsFailed {
            failed: vec![failed("x")],
            of: 2,
        };
        let broken = Verdict::CompileError("line 1, column 2: no".to_owned());
        let slow = Verdict::TooSlow {
            test: "x".to_owned(),
        };
        let invalid = Invalid::wrong("why");
        for (verdict, before, expected) in [
            (
                Ok(&Verdict::Good { tests: 2 }),
                &none,
                "Active=True AsExpected, Compiled=True AsExpected, TestsPassed=True AsExpected; present@7",
            ),
            (
                Ok(&Verdict::Good { tests: 0 }),
                &some,
                "Active=True AsExpected, Compiled=True AsExpected, TestsPassed=True NoTests; present@7",
            ),
            (
                Ok(&broken),
                &none,
                "Active=False NoUsableScript, Compiled=False CompileError, TestsPassed=Unknown CompileError; none",
            ),
            (
                Ok(&broken),
                &some,
                "Active=True LastGoodActive, Compiled=False CompileError, TestsPassed=Unknown CompileError; earlier@2",
            ),
            (
                Ok(&bad),
                &none,
                "Active=False NoUsableScript, Compiled=True AsExpected, TestsPassed=False TestFailed; none",
            ),
            (
                Ok(&bad),
                &some,
                "Active=True LastGoodActive, Compiled=True AsExpected, TestsPassed=False TestFailed; earlier@2",
            ),
            (
                Ok(&slow),
                &some,
                "Active=True LastGoodActive, Compiled=True AsExpected, TestsPassed=False TestFailed; earlier@2",
            ),
            (
                Err(&invalid),
                &none,
                "Active=False NoUsableScript, Compiled=False InvalidSpec, TestsPassed=Unknown InvalidSpec; none",
            ),
            (
                Err(&invalid),
                &some,
                "Active=True LastGoodActive, Compiled=False InvalidSpec, TestsPassed=Unknown InvalidSpec; earlier@2",
            ),
        ] {
            assert_eq!(check(&seen(SPEC, &cluster("")), verdict, before), expected);
        }
    }

    #[test]
    fn the_cluster_and_the_switch_count_only_for_active() {
        let good = Verdict::Good { tests: 1 };
        let checked = "Compiled=True AsExpected, TestsPassed=True AsExpected";
        let mut gone = cluster("");
        gone.metadata.deletion_timestamp =
            Some(serde_json::from_str("\"2026-01-01T00:00:00Z\"").unwrap());
        for (seen, expected) in [
            (seen_without_cluster(SPEC), "Active=False ClusterNotFound"),
            (seen(SPEC, &gone), "Active=False ClusterDeleting"),
            (
                seen(&format!("{SPEC}\nsuspend: true"), &cluster("")),
                "Active=False Suspended",
            ),
        ] {
            let found = check(&seen, Ok(&good), &earlier());
            assert_eq!(found, format!("{expected}, {checked}; present@7"));
        }
    }

    #[test]
    fn a_builtin_is_kept_by_its_name() {
        let seen = seen("builtin: roundRobin", &cluster(""));
        let found = check(&seen, Ok(&Verdict::Builtin), &earlier());
        assert!(found.ends_with("; roundRobin@7"), "{found}");
    }

    #[test]
    fn an_unreadable_object_keeps_its_last_good_content() {
        let invalid = InvalidObject {
            error: "order: expected i32".to_owned(),
            metadata: seen_without_cluster(SPEC).script.metadata,
        };
        let patch = malformed(&invalid, at(9));
        assert_eq!(patch["status"]["conditions"][0]["reason"], "Malformed");
        assert!(patch["status"].get("lastGood").is_none());
    }

    #[test]
    fn messages_name_the_place_the_test_and_both_answers() {
        let message = |verdict: &Verdict, kind: Kind| {
            let status = status(
                &seen(SPEC, &cluster("")),
                Ok(verdict),
                BalancerScriptStatus::default(),
                at(9),
            );
            let found = status
                .conditions
                .into_iter()
                .find(|c| c.kind == kind.name());
            found.unwrap().message
        };
        let broken = Verdict::CompileError("line 3, column 7: expecting ';'".to_owned());
        assert!(message(&broken, Kind::Compiled).ends_with("line 3, column 7: expecting ';'"));
        let names: Vec<String> = (0..7).map(|i| format!("t{i}")).collect();
        let bad = Verdict::TestsFailed {
            failed: names.iter().map(|n| failed(n)).collect(),
            of: 9,
        };
        let text = message(&bad, Kind::TestsPassed);
        assert!(text.starts_with("7 of 9 tests failed; `t0`: expected: it chooses `a`; got: it passes (console: hello); `t1`"), "{text}");
        assert!(text.ends_with("; and 2 more"), "{text}");
        assert!(message(&bad, Kind::Active).contains("TestsPassed"));
    }

    #[test]
    fn a_second_pass_changes_nothing() {
        let bad = Verdict::TestsFailed {
            failed: vec![failed("x")],
            of: 1,
        };
        for verdict in [Verdict::Builtin, Verdict::Good { tests: 0 }, bad] {
            let seen = seen(SPEC, &cluster(""));
            let first = status(&seen, Ok(&verdict), BalancerScriptStatus::default(), at(1));
            let second = status(&seen, Ok(&verdict), first.clone(), at(100));
            assert_eq!(first, second);
        }
    }
}
