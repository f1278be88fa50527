//! What the node measures of itself, read with each heartbeat.

use fastx_core::wire::server::ServerObject;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::node::Node;

/// Gauges of the node.
#[derive(Debug, Default)]
pub struct Metrics {
    sessions: Gauge,
    viewers: Gauge,
    logged_in_users: Gauge,
    bus_connected: Gauge,
    faults: Gauge,
    config_generation: Gauge,
}

impl Metrics {
    /// Gauges that stand in the registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self {
            sessions,
            viewers,
            logged_in_users,
            bus_connected,
            faults,
            config_generation,
        } = &metrics;
        for (name, help, gauge) in [
            (
                "sessions",
                "Sessions of this node that are not over",
                sessions,
            ),
            ("viewers", "Viewers of this node's sessions", viewers),
            (
                "logged_in_users",
                "Users with a login issued here",
                logged_in_users,
            ),
            (
                "bus_connected",
                "Whether the bus can be reached (1) or not (0)",
                bus_connected,
            ),
            ("faults", "Reasons why no session can start here", faults),
            (
                "config_generation",
                "Generation of the running configuration",
                config_generation,
            ),
        ] {
            registry.register(format!("fastx_node_{name}"), help, gauge.clone());
        }
        metrics
    }

    /// Takes readings.
    pub fn read(&self, node: &Node, server: &ServerObject) {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.sessions.set(i64::from(server.sessions));
        self.viewers.set(number(node.sessions().viewer_count()));
        self.logged_in_users.set(i64::from(server.logged_in_users));
        self.bus_connected.set(i64::from(node.transport().is_up()));
        self.faults.set(number(server.faults.len()));
        let generation = node.configuration().current().root.generation;
        self.config_generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_a_promise() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.sessions.set(2);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains("fastx_node_sessions 2"), "{text}");
        assert_eq!(text.matches("# TYPE fastx_node_").count(), 6);
    }
}
