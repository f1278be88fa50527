//! What the node measures of itself: gauges read with each heartbeat, and what is counted where it happens.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastx_core::wire::server::ServerObject;
use fastx_core::wire::session::SessionState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::locks::lock;
use crate::node::Node;

/// Kinds of refusals that get a line of their own. A link is a process of a user and could name any number.
const KINDS: usize = 100;
/// Upper ends of the buckets of durations, seconds.
const BUCKETS: [f64; 12] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 20.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WayLabels {
    way: &'static str,
    direction: &'static str,
}

/// Makes histograms of durations.
#[derive(Debug, Clone, Copy)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS)
    }
}

/// A part of a start that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Choosing the server.
    Choose,
    /// Starting the desktop on this node, until its display answers.
    Desktop,
    /// Everything, as the client of this node waits for it.
    Whole,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Choose => "choose",
            Self::Desktop => "desktop",
            Self::Whole => "whole",
        }
    }
}

/// Bytes of viewers on one way.
#[derive(Debug, Clone)]
pub struct Bytes {
    /// From the viewer to the display.
    pub from_viewer: Counter,
    /// From the display to the viewer.
    pub to_viewer: Counter,
}

impl Bytes {
    /// Counts what a viewer sent.
    pub fn came(&self, bytes: usize) {
        self.from_viewer.inc_by(bytes as u64);
    }

    /// Counts what a viewer got.
    pub fn went(&self, bytes: usize) {
        self.to_viewer.inc_by(bytes as u64);
    }
}

/// The numbers of the node; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    sessions: Family<StateLabel, Gauge>,
    viewers: Gauge,
    logged_in_users: Gauge,
    bus_connected: Gauge,
    links: Gauge,
    faults: Gauge,
    config_generation: Gauge,
    starts: Family<OutcomeLabel, Counter>,
    start: Family<PhaseLabel, Histogram, Durations>,
    refusals: Family<KindLabel, Counter>,
    kinds: Arc<Mutex<HashSet<String>>>,
    viewer_bytes: Family<WayLabels, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            sessions: Family::default(),
            viewers: Gauge::default(),
            logged_in_users: Gauge::default(),
            bus_connected: Gauge::default(),
            links: Gauge::default(),
            faults: Gauge::default(),
            config_generation: Gauge::default(),
            starts: Family::default(),
            start: Family::new_with_constructor(Durations),
            refusals: Family::default(),
            kinds: Arc::default(),
            viewer_bytes: Family::default(),
        }
    }
}

impl Metrics {
    /// Numbers that stand in the registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("fastx_node");
        for (name, help, gauge) in [
            (
                "viewers",
                "Viewers of this node's sessions",
                &metrics.viewers,
            ),
            (
                "logged_in_users",
                "Users with a login issued here",
                &metrics.logged_in_users,
            ),
            (
                "bus_connected",
                "Whether the bus can be reached (1) or not (0)",
                &metrics.bus_connected,
            ),
            ("links", "Links of users that are there", &metrics.links),
            (
                "faults",
                "Reasons why no session can start here",
                &metrics.faults,
            ),
            (
                "config_generation",
                "Generation of the running configuration",
                &metrics.config_generation,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        metrics.register_families(registry);
        metrics
    }

    fn register_families(&self, registry: &mut Registry) {
        registry.register(
            "sessions",
            "Sessions of this node that are not over, by state",
            self.sessions.clone(),
        );
        registry.register(
            "starts",
            "Starts that were asked of this node, by outcome",
            self.starts.clone(),
        );
        registry.register_with_unit(
            "start",
            "Time that starts took, by phase",
            Unit::Seconds,
            self.start.clone(),
        );
        registry.register(
            "refusals",
            "Refused requests and viewers, by kind of the problem",
            self.refusals.clone(),
        );
        registry.register_with_unit(
            "viewer",
            "Bytes of viewers: of sessions here, and relayed to other nodes",
            Unit::Bytes,
            self.viewer_bytes.clone(),
        );
    }

    /// Takes readings.
    pub fn read(&self, node: &Node, server: &ServerObject) {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        for (state, count) in node.sessions().by_state() {
            let label = StateLabel { state: name(state) };
            self.sessions.get_or_create(&label).set(number(count));
        }
        self.viewers.set(number(node.sessions().viewer_count()));
        self.logged_in_users.set(i64::from(server.logged_in_users));
        self.bus_connected.set(i64::from(node.transport().is_up()));
        self.links.set(number(node.sessions().hub().links()));
        self.faults.set(number(server.faults.len()));
        let generation = node.configuration().current().root.generation;
        self.config_generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// A start came to its end.
    pub fn started(&self, ok: bool) {
        let outcome = if ok { "started" } else { "refused" };
        self.starts.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// A part of a start took so long.
    pub fn took(&self, phase: Phase, time: Duration) {
        let label = PhaseLabel {
            phase: phase.name(),
        };
        self.start.get_or_create(&label).observe(time.as_secs_f64());
    }

    /// Something was refused.
    pub fn refused(&self, kind: &str) {
        let kind = {
            let mut kinds = lock(&self.kinds);
            let known = kinds.contains(kind);
            let word = !kind.is_empty()
                && kind.len() <= 40
                && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if !known && word && kinds.len() < KINDS {
                kinds.insert(kind.to_owned());
            }
            if kinds.contains(kind) { kind } else { "other" }
        };
        let kind = kind.to_owned();
        self.refusals.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counters of viewers of this node's own sessions, or of those that it relays.
    pub fn bytes(&self, relayed: bool) -> Bytes {
        let way = if relayed { "relay" } else { "own" };
        let counter = |direction| {
            let labels = WayLabels { way, direction };
            self.viewer_bytes.get_or_create(&labels).clone()
        };
        Bytes {
            from_viewer: counter("in"),
            to_viewer: counter("out"),
        }
    }
}

fn name(state: SessionState) -> &'static str {
    match state {
        SessionState::Starting => "starting",
        SessionState::Running => "running",
        SessionState::Ending => "ending",
        SessionState::Ended => "ended",
        SessionState::Unreachable => "unreachable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn names_are_a_promise() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.started(true);
        metrics.took(Phase::Desktop, Duration::from_millis(300));
        metrics.refused("no-link");
        metrics.bytes(true).went(7);
        let state = StateLabel { state: "running" };
        metrics.sessions.get_or_create(&state).set(2);
        let text = text(&registry);
        for line in [
            "fastx_node_sessions{state=\"running\"} 2",
            "fastx_node_starts_total{outcome=\"started\"} 1",
            "fastx_node_start_seconds_bucket{le=\"0.5\",phase=\"desktop\"} 1",
            "fastx_node_refusals_total{kind=\"no-link\"} 1",
            "fastx_node_viewer_bytes_total{way=\"relay\",direction=\"out\"} 7",
            "fastx_node_links 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn the_page_for_operators_lists_exactly_these() {
        let page = include_str!("../../docs/operations.md");
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        // What was never counted is not shown.
        metrics.started(true);
        metrics.took(Phase::Whole, Duration::ZERO);
        metrics.refused("no-link");
        metrics.bytes(false).came(1);
        let state = StateLabel { state: "running" };
        metrics.sessions.get_or_create(&state).set(1);
        let text = text(&registry);
        let mut names: Vec<String> = text
            .lines()
            .filter_map(|l| l.strip_prefix("# TYPE "))
            .filter_map(|l| l.split_once(' '))
            .map(|(name, kind)| match kind {
                "counter" => format!("{name}_total"),
                _ => name.to_owned(),
            })
            .collect();
        let mut listed: Vec<String> = page
            .lines()
            .filter_map(|l| l.strip_prefix("| `fastx_node_")?.split('`').next())
            .map(|rest| format!("fastx_node_{rest}"))
            .collect();
        names.sort();
        listed.sort();
        assert_eq!(listed, names);
    }

    #[test]
    fn a_stranger_cannot_make_any_number_of_lines() {
        let metrics = Metrics::default();
        for n in 0..1000 {
            metrics.refused(&format!("kind-{n}"));
        }
        metrics.refused("\"} 1\nforged");
        assert_eq!(lock(&metrics.kinds).len(), KINDS);
        let other = KindLabel {
            kind: "other".to_owned(),
        };
        assert_eq!(metrics.refusals.get_or_create(&other).get(), 901);
    }
}
