//! The cluster manager: keeps what the cluster knows, answers the nodes, and tells the operator how things are.
//!
//! Any number of managers run at once and all answer. One of them holds a lease and publishes
//! what the heartbeats say; the others know the same and take over when it goes silent.
//!
//! | module | what it does |
//! |---|---|
//! | `app` | puts everything together and runs it |
//! | [`alone`] | the same within the process of a server without a cluster |
//! | [`archive`] | the configuration of a store on which no manager runs |
//! | [`store`] | the database, and the rules for using it |
//! | [`lease`] | who publishes |
//! | [`fleet`] | turns heartbeats and session records into numbered changes |
//! | [`operations`] | what nodes can ask for |
//! | [`access`] | who may ask for what |
//! | [`api`] | configuration and status for the operator |
//! | [`setup`] | a cluster without Kubernetes: authority, identities, configuration, units |
//! | [`cli`] | what the program can be told |
//! | [`testing`] | a manager for other crates' tests |

pub mod access;
pub mod alone;
pub mod api;
#[cfg(feature = "mongo")]
pub mod app;
pub mod archive;
#[cfg(feature = "mongo")]
pub mod cli;
#[cfg(feature = "mongo")]
pub mod config;
pub mod core;
mod engine;
pub mod fleet;
mod hashing;
mod holder;
mod identity;
pub mod lease;
#[cfg(feature = "mongo")]
mod link;
mod metrics;
mod oidc;
pub mod operations;
mod probe;
mod serve;
#[cfg(feature = "mongo")]
pub mod setup;
mod status;
pub mod store;
mod sweep;
pub mod testing;
mod tries;
mod users;
mod wire;
