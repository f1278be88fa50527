//! The operator: makes clusters, compute nodes and balancer scripts what their specs say.
//!
//! | module | what it holds |
//! |---|---|
//! | [`app`] | the composition root |
//! | [`config`] | settings |
//! | [`client`] | the Kubernetes client |
//! | [`leader`] | which replica works |
//! | [`queue`], [`controller`] | the work queue and the driver that all controllers share |
//! | [`cache`], [`watches`], [`world`] | what is known, and who hears of which change |
//! | [`apply`] | the only writes to the API server |
//! | [`context`] | what every controller works with; statuses and Events |
//! | [`cluster`], [`node`], [`script`] | one folder a kind: observe, validate, plan, apply, status |
//! | [`foreign`], [`settled`] | Secrets that others make; what is known of objects that nobody watches |
//! | [`managers`] | the managers' API |
//! | [`pki`] | certificates |
//! | [`pods`], `kubelet` | what we keep of Pods, and what the kubelet says in Events only |
//! | [`kind`], [`meta`], [`names`], `amount` | kinds, labels and names of what we make, and its sizes |
//! | [`reload`] | the helper beside the transporter |
//! | [`metrics`] | what is counted |

mod amount;
pub mod app;
pub mod apply;
pub mod cache;
pub mod client;
pub mod cluster;
pub mod config;
pub mod context;
pub mod controller;
pub mod foreign;
pub mod kind;
mod kubelet;
pub mod leader;
pub mod managers;
pub mod meta;
pub mod metrics;
pub mod names;
pub mod node;
pub mod pods;
pub mod queue;
pub mod reload;
pub mod script;
pub mod settled;
#[cfg(test)]
mod stage;
pub mod watches;
pub mod world;

pub use fastx_lifecycle::pki;
