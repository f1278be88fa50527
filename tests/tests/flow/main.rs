//! The whole product in a cluster that `cargo xtask demo up` brought up, used as people and programs use it.
//!
//! The addresses are those of `manifests/examples/50-addresses.yaml`.

mod choosing;
mod foreign;
mod pull;
mod rollout;
mod store;
mod storm;
mod survival;
