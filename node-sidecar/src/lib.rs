//! Sidecar of one compute node.

pub mod links;
