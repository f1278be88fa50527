//! What the operator counts.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Controller {
    controller: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerFailure {
    controller: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Write {
    kind: &'static str,
    verb: &'static str,
}

/// Counters, shared by all controllers.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    work: Family<Controller, Counter>,
    seconds: Family<Controller, Counter<f64, AtomicU64>>,
    failures: Family<ControllerFailure, Counter>,
    writes: Family<Write, Counter>,
    leading: Gauge,
}

impl Metrics {
    /// Shows them to whoever asks.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "fastx_operator_reconciliations",
            "How often objects were worked on",
            self.work.clone(),
        );
        registry.register_with_unit(
            "fastx_operator_reconciliation",
            "Time spent on objects",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register(
            "fastx_operator_failures",
            "Work that failed, by reason",
            self.failures.clone(),
        );
        registry.register(
            "fastx_operator_writes",
            "Requests that change something at the API server or the managers",
            self.writes.clone(),
        );
        registry.register(
            "fastx_operator_leading",
            "1 while this replica leads",
            self.leading.clone(),
        );
    }

    /// An object was worked on.
    pub fn worked(&self, controller: &'static str, time: Duration) {
        self.work.get_or_create(&Controller { controller }).inc();
        self.seconds
            .get_or_create(&Controller { controller })
            .inc_by(time.as_secs_f64());
    }

    /// It failed.
    pub fn failed(&self, controller: &'static str, reason: &'static str) {
        self.failures
            .get_or_create(&ControllerFailure { controller, reason })
            .inc();
    }

    /// Something was written.
    pub fn wrote(&self, kind: &'static str, verb: &'static str) {
        self.writes.get_or_create(&Write { kind, verb }).inc();
    }

    /// This replica leads, or no longer.
    pub fn leading(&self, leads: bool) {
        self.leading.set(i64::from(leads));
    }

    /// Failures so far.
    pub fn failures(&self, controller: &'static str, reason: &'static str) -> u64 {
        self.failures
            .get_or_create(&ControllerFailure { controller, reason })
            .get()
    }
}
