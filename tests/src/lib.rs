//! What tests of the whole system share: a cluster, a namespace of one's own, and waiting.

pub mod chart;
pub mod demo;
pub mod eventually;
pub mod hosts;
pub mod kube;
pub mod namespace;
pub mod person;
pub mod processes;
pub mod program;
pub mod ready;
pub mod requests;
pub mod rfb;
pub mod site;
pub mod viewer;

use std::path::PathBuf;

use fastx_lifecycle::env::{Process, Source as _};

/// Why a test did not succeed.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A program that `tests/localkube/build.sh` made, or the one in `PATH`.
pub fn tool(name: &str) -> PathBuf {
    let env = Process;
    let cache = env.get("FASTX_CACHE").map_or_else(
        || PathBuf::from(env.or("HOME", "/root")).join(".cache/fastx-cluster"),
        PathBuf::from,
    );
    let built = cache.join("localkube/bin").join(name);
    if built.exists() { built } else { name.into() }
}
