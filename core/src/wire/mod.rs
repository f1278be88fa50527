//! Documents that cross a process boundary.
//!
//! Each one is a promise to a process that may be one version older or newer:
//! machine-to-machine documents tolerate unknown fields, refuse an unknown `schema`,
//! and grow by optional fields only.
//! Times are RFC 3339 in UTC, sizes bytes, durations say their unit in their name.

pub mod broker;
pub mod config;
pub mod decision;
pub mod envelope;
pub mod fleet;
pub mod history;
pub mod join;
pub mod link;
pub mod login;
pub mod management;
pub mod operations;
pub mod problem;
pub mod redis;
pub mod server;
pub mod session;
pub mod status;
pub mod ticket;
