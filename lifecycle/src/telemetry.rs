//! Logging: text for people, JSON lines where `FX_LOG_FORMAT=json`, and a level that can change at run time.

use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::env::Source;

static HANDLE: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts logging at the level of `LOGLEVEL` (`error`, `warn`, `info`, `debug`), `info` by default. Further calls do nothing.
pub fn init(source: &impl Source) {
    let (filter, handle) = reload::Layer::new(filter(&source.or("LOGLEVEL", "info")));
    let registry = tracing_subscriber::registry().with(filter);
    let started = if source.get("FX_LOG_FORMAT").as_deref() == Some("json") {
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true);
        registry.with(layer.with_writer(std::io::stderr)).try_init()
    } else {
        let layer = tracing_subscriber::fmt::layer().with_target(false);
        registry.with(layer.with_writer(std::io::stderr)).try_init()
    };
    if started.is_ok() {
        let _already = HANDLE.set(handle);
    }
}

/// Changes the level of a running process.
pub fn set_level(level: &str) {
    if let Some(handle) = HANDLE.get() {
        let _gone = handle.reload(filter(level));
    }
}

/// Our own crates at the wished level; libraries never louder than warnings, unless all is asked for.
fn filter(level: &str) -> EnvFilter {
    let level = match level {
        "error" | "warn" | "info" | "debug" => level,
        "trace" => return EnvFilter::new("trace"),
        _ => "info",
    };
    let others = if level == "error" { "error" } else { "warn" };
    let ours = [
        "core",
        "bus",
        "balancer",
        "lifecycle",
        "operator",
        "manager",
        "node",
    ];
    let ours: Vec<String> = ours.iter().map(|c| format!("fastx_{c}={level}")).collect();
    EnvFilter::new(format!("{others},{}", ours.join(",")))
}

/// An error with all its sources on one line: `what failed: why: why that`.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        // Some libraries repeat their source in their own text.
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}
