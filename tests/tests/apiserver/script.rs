//! Rules of `BalancerScript`, both outcomes of each.

use crate::table::{Accepted, Change, Create, Refused, check};

#[tokio::test]
async fn sources() {
    check(
        "BalancerScript",
        &[
            Create(
                "spec: {clusterRef: {name: c}, source: 'function (input) {}'}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}, builtin: roundRobin}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}}",
                Refused("exactly one of `source` (JavaScript) and `builtin` must be set"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, source: 'x', builtin: roundRobin}",
                Refused("exactly one of `source` (JavaScript) and `builtin` must be set"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, builtin: random}",
                Refused("supported values: \"fewestSessions\""),
            ),
        ],
        &[
            Change(
                "spec: {clusterRef: {name: c}, builtin: roundRobin}",
                "spec: {clusterRef: {name: c}, source: 'x', suspend: true}",
                Accepted,
            ),
            Change(
                "spec: {clusterRef: {name: c}, builtin: roundRobin}",
                "spec: {clusterRef: {name: d}, builtin: roundRobin}",
                Refused("`clusterRef` cannot change"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn everything_else() {
    check(
        "BalancerScript",
        &[
            Create(
                "spec: {clusterRef: {name: c}, builtin: roundRobin, actions: [session/start, user/login]}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}, builtin: roundRobin, actions: []}",
                Refused("spec.actions"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, builtin: roundRobin, actions: [session/end]}",
                Refused("spec.actions[0]"),
            ),
            Create("spec: {clusterRef: {name: c}, builtin: roundRobin, order: -5}", Accepted),
            Create(
                "spec: {clusterRef: {name: c}, builtin: roundRobin, order: 1000001}",
                Refused("less than or equal to 1000000"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, builtin: roundRobin, limits: {timeMs: 5000, memory: 4Mi}}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}, builtin: roundRobin, limits: {memory: 1Gi}}",
                Refused("spec.limits.memory"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, source: x, tests: [{name: a, input: {servers: []}, expect: [b]}]}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}, source: x, tests: [{name: a, expect: b}, {name: a, expect: c}]}",
                Refused("Duplicate value"),
            ),
        ],
        &[],
    )
    .await;
}
