//! The node process: web API, logins, sessions, relay and heartbeat of one compute node.
//!
//! | module | what it does |
//! |---|---|
//! | [`app`], [`commands`] | puts everything together, and the program's other words |
//! | [`broker_file`], [`keys`], [`configuration`] | what the node is and runs |
//! | [`moving`] | the configuration on its way from or to a cluster |
//! | [`standalone`] | being a cluster of one |
//! | [`system`], [`scripts`] | what administrators change of it |
//! | [`transport`], [`fleet`], [`heartbeat`] | its place in the cluster |
//! | [`logins`], [`sessions`], [`display`], [`events`] | what it does for people |
//! | [`signin`], [`ssh`] | how people prove to a host who they are |
//! | [`links`], [`accounts`] | how it reaches the users' side of the node, and who they are |
//! | [`api`], [`web`] | how people reach it |
//!
//! **Invariant:** the end of this process ends no session; what runs is the links' to say.

pub mod accounts;
pub mod api;
pub mod app;
pub mod broker_file;
pub mod commands;
pub mod config;
pub mod configuration;
pub mod connection;
pub mod disk;
pub mod display;
pub mod events;
pub mod fleet;
pub mod heartbeat;
pub mod hints;
pub mod join;
pub mod keys;
pub mod links;
pub mod locks;
pub mod logins;
pub mod metrics;
pub mod moving;
pub mod node;
pub mod peer;
pub mod readings;
pub mod retry;
pub mod scripts;
pub mod sessions;
pub mod signin;
pub mod ssh;
pub mod standalone;
pub mod system;
pub mod transport;
pub mod web;
mod web_certificate;

/// Version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
