//! Whole nodes in one process: real HTTPS and `WebSockets`, a bus in memory, links that play sessions.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod cluster;
mod http;
mod manager;
mod viewer;

mod cli;
mod clipboard;
mod displays;
mod endings;
mod events;
mod happenings;
mod hostile;
mod joins;
mod logins;
mod moving;
mod nginx;
mod oidc;
mod relay;
mod revoked;
mod rights;
mod sessions;
mod shares;
mod ssh;
mod sshd;
mod standalone;
mod strangers;
mod system;
mod tokens;
