//! What a manager counts.

use std::sync::PoisonError;

use fastx_core::subject::Operation;
use fastx_lifecycle::health::SharedRegistry;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// Labels of a request; both come from closed lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    outcome: &'static str,
}

/// The numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    pub(crate) leading: Gauge,
    pub(crate) store_up: Gauge,
    pub(crate) heartbeats: Counter,
}

impl Metrics {
    /// Adds them to what `/metrics` shows.
    pub(crate) fn register(&self, registry: &SharedRegistry) {
        let mut registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register(
            "requests",
            "Requests of members by operation and outcome",
            self.requests.clone(),
        );
        registry.register(
            "leading",
            "1 while this manager publishes",
            self.leading.clone(),
        );
        registry.register(
            "store_up",
            "1 while the store takes writes",
            self.store_up.clone(),
        );
        registry.register("heartbeats", "Heartbeats of nodes", self.heartbeats.clone());
    }

    /// A request was answered.
    pub(crate) fn answered(&self, operation: Operation, ok: bool) {
        let labels = RequestLabels {
            operation: operation.name(),
            outcome: if ok { "ok" } else { "refused" },
        };
        self.requests.get_or_create(&labels).inc();
    }
}
