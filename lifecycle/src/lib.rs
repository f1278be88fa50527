//! What every binary needs around its work: start-up, readiness, shutdown, telemetry, TLS and HTTPS.
//!
//! | module | what it holds |
//! |---|---|
//! | [`clock`] | the one place that reads the wall clock |
//! | [`steady`] | was the wall clock set? |
//! | [`env`](mod@env) | where settings come from |
//! | [`telemetry`] | logging |
//! | [`readiness`] | may traffic come? |
//! | [`health`] | `/livez`, `/readyz`, `/metrics` |
//! | [`shutdown`] | signals and an orderly end |
//! | [`private_file`] | who may read a file with credentials |
//! | [`backoff`] | waiting times of retries |
//! | [`tls`] | certificates that are read anew when they change |
//! | [`trust`] | authorities of client certificates that change |
//! | [`verify`] | a client's own rule for a server's certificate |
//! | [`pki`] | an authority and the certificates that it signs |
//! | [`https`] | serving a router over TLS |

pub mod backoff;
pub mod clock;
pub mod env;
pub mod health;
pub mod https;
pub mod memory;
pub mod pki;
pub mod private_file;
pub mod readiness;
pub mod shutdown;
pub mod steady;
pub mod telemetry;
pub mod tls;
pub mod trust;
pub mod verify;
pub mod watch;
