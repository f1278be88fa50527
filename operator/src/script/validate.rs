//! What a script's spec means: limits filled in, contradictions refused. Pure.

use fastx_balancer::ScriptTest;
use fastx_core::wire::config::ScriptLimits;
use fastx_crds::BalancerScriptSpec;
use fastx_crds::script::Builtin;

use super::observe::{Cluster, Seen};
use crate::cluster::validate::{Invalid, script_limits};

/// A script that can be checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ValidScript {
    /// What runs.
    pub(super) content: Content,
    /// What a call may use up.
    pub(super) limits: ScriptLimits,
    /// Its tests.
    pub(super) tests: Vec<ScriptTest>,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// An administrator's JavaScript.
    Source(String),
    /// One of the product's.
    Builtin(Builtin),
}

/// Checks a script and fills in the limits of its cluster; without a cluster those of the product.
pub(super) fn validate(seen: &Seen) -> Result<ValidScript, Invalid> {
    let spec = &seen.script.spec;
    Ok(ValidScript {
        content: content(spec)?,
        limits: limits(spec, cluster_limits(&seen.cluster))?,
        tests: spec
            .tests
            .iter()
            .map(|test| ScriptTest {
                name: test.name.clone(),
                input: test.input.0.clone().into(),
                expect: test.expect.clone().unwrap_or_default().0,
            })
            .collect(),
    })
}

fn content(spec: &BalancerScriptSpec) -> Result<Content, Invalid> {
    match (&spec.source, spec.builtin) {
        (Some(source), None) if source.trim().is_empty() => {
            Err(Invalid::wrong("`source` is blank: write one function."))
        }
        (Some(source), None) => Ok(Content::Source(source.clone())),
        (None, Some(builtin)) => Ok(Content::Builtin(builtin)),
        _ => Err(Invalid::wrong(
            "Exactly one of `source` (JavaScript) and `builtin` must be set.",
        )),
    }
}

/// Limits that the cluster's own are wrong about are the product's: the cluster's status says what is wrong.
fn cluster_limits(cluster: &Cluster) -> ScriptLimits {
    let default = ScriptLimits::default();
    match cluster {
        Cluster::Present(cluster) => {
            script_limits(cluster.spec.balancing.limits.as_ref(), default).unwrap_or(default)
        }
        Cluster::Missing | Cluster::Deleting => default,
    }
}

/// Limits of a script on top of its cluster's.
pub(super) fn limits(
    spec: &BalancerScriptSpec,
    cluster: ScriptLimits,
) -> Result<ScriptLimits, Invalid> {
    let limits = script_limits(spec.limits.as_ref(), cluster)?;
    if !(10..=5000).contains(&limits.time_ms) {
        return Err(Invalid::wrong("`limits.timeMs` must be 10 to 5000."));
    }
    if !(4 << 20..=256 << 20).contains(&limits.memory_bytes) {
        return Err(Invalid::wrong("`limits.memory` must be 4Mi to 256Mi."));
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cluster, seen, seen_without_cluster};
    use super::*;
    use fastx_crds::conditions::Reason;

    #[test]
    fn limits_come_from_the_script_then_the_cluster_then_the_product() {
        const MI: u64 = 1 << 20;
        for (own, site, expected) in [
            ("", "", (200, 64 * MI)),
            ("", "timeMs: 50", (50, 64 * MI)),
            ("memory: 8Mi", "timeMs: 50, memory: 32Mi", (50, 8 * MI)),
            (
                "timeMs: 5000, memory: 256Mi",
                "timeMs: 50",
                (5000, 256 * MI),
            ),
            ("", "memory: much", (200, 64 * MI)),
        ] {
            let seen = seen(
                &format!("source: f\nlimits: {{{own}}}"),
                &cluster(&format!("balancing: {{limits: {{{site}}}}}")),
            );
            let limits = validate(&seen).unwrap().limits;
            assert_eq!(
                (limits.time_ms, limits.memory_bytes),
                expected,
                "{own} / {site}"
            );
        }
        let alone = validate(&seen_without_cluster("source: f")).unwrap();
        assert_eq!(alone.limits, ScriptLimits::default());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (spec, text) in [
            ("order: 1", "Exactly one"),
            ("source: f\nbuiltin: roundRobin", "Exactly one"),
            ("source: '  '", "blank"),
            ("source: f\nlimits: {timeMs: 5}", "timeMs"),
            ("source: f\nlimits: {memory: 1Mi}", "4Mi"),
            ("source: f\nlimits: {memory: 1Gi}", "64Mi"),
        ] {
            let error = validate(&seen_without_cluster(spec)).unwrap_err();
            assert_eq!(error.reason, Reason::InvalidSpec, "{spec}");
            assert!(error.message.contains(text), "{spec}: {}", error.message);
        }
    }

    #[test]
    fn a_test_without_expectation_expects_the_next_scripts_turn() {
        let script = validate(&seen_without_cluster(
            "source: f\ntests: [{name: a}, {name: b, input: {user: {login: eve}}, expect: [x]}]",
        ))
        .unwrap();
        assert_eq!(script.tests[0].expect, serde_json::Value::Null);
        assert_eq!(script.tests[1].input["user"]["login"], "eve");
        assert_eq!(script.tests[1].expect, serde_json::json!(["x"]));
    }
}
