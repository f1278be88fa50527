//! The scripts of a cluster that are in force, as its configuration carries them. Pure.

use std::sync::Arc;

use fastx_core::wire::config::{Script, ScriptLimits};
use fastx_crds::BalancerScript;
use kube::{Resource as _, ResourceExt as _};

use super::validate::limits;

/// The chain of a cluster, in the order in which it runs; `cluster` are the limits of scripts without own ones.
///
/// The content of each is its last good one, which is the present one as soon as that is found good. Place, actions
/// and limits are those of the present spec. Suspended and deleted scripts are left out.
pub fn active(scripts: &[Arc<BalancerScript>], cluster: ScriptLimits) -> Vec<Script> {
    let mut chain: Vec<Script> = scripts
        .iter()
        .filter(|s| !s.spec.suspend && s.meta().deletion_timestamp.is_none())
        .filter_map(|s| in_force(s, cluster))
        .collect();
    chain.sort_by(|a, b| (a.order, &a.name).cmp(&(b.order, &b.name)));
    chain
}

fn in_force(script: &BalancerScript, cluster: ScriptLimits) -> Option<Script> {
    let good = script.status.as_ref()?.last_good.as_ref()?;
    let spec = &script.spec;
    Some(Script {
        name: script.name_any(),
        actions: spec.actions.iter().map(|a| a.name().to_owned()).collect(),
        order: spec.order,
        source: good.source.clone(),
        builtin: good.builtin.clone(),
        // Limits that make no sense are told in the status; until they do, the cluster's hold.
        limits: spec
            .limits
            .as_ref()
            .and_then(|_| limits(spec, cluster).ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;
    use super::*;

    const CLUSTER: ScriptLimits = ScriptLimits {
        time_ms: 50,
        memory_bytes: 8 << 20,
    };

    fn named(name: &str, spec: &str, good: &str) -> Arc<BalancerScript> {
        let mut script = script(spec);
        script.metadata.name = Some(name.to_owned());
        if !good.is_empty() {
            script.status = serde_yaml_ng::from_str(&format!("lastGood: {{{good}}}")).unwrap();
        }
        Arc::new(script)
    }

    #[test]
    fn by_order_then_name_and_only_what_was_found_good() {
        let mut leaving = script("source: new");
        leaving.metadata.deletion_timestamp =
            Some(serde_json::from_str("\"2026-01-01T00:00:00Z\"").unwrap());
        leaving.status = serde_yaml_ng::from_str("lastGood: {source: old}").unwrap();
        let chain = active(
            &[
                named("c", "source: new\norder: 5", "source: old"),
                named("b", "builtin: roundRobin\norder: 5", "builtin: roundRobin"),
                named("unchecked", "source: new", ""),
                named("off", "source: new\nsuspend: true", "source: old"),
                named(
                    "a",
                    "source: new\norder: -1\nactions: [user/login]",
                    "source: new",
                ),
                Arc::new(leaving),
            ],
            CLUSTER,
        );
        let short: Vec<_> = chain
            .iter()
            .map(|s| {
                format!(
                    "{} {} {}{} {}",
                    s.order,
                    s.name,
                    s.source,
                    s.builtin,
                    s.actions.join(",")
                )
            })
            .collect();
        assert_eq!(
            short,
            [
                "-1 a new user/login",
                "5 b roundRobin session/start",
                "5 c old session/start"
            ]
        );
    }

    #[test]
    fn own_limits_are_completed_from_the_cluster() {
        for (own, expected) in [
            ("", None),
            ("limits: {timeMs: 100}", Some((100, 8 << 20))),
            ("limits: {memory: 16Mi}", Some((50, 16 << 20))),
            ("limits: {memory: much}", None),
        ] {
            let chain = active(
                &[named("a", &format!("source: f\n{own}"), "source: f")],
                CLUSTER,
            );
            let limits = chain[0].limits.map(|l| (l.time_ms, l.memory_bytes));
            assert_eq!(limits, expected, "{own}");
        }
    }
}
