//! Pure domain of the cluster: names, wire documents, fleet, tokens, rights and selection rules.
//!
//! Nothing in here does I/O, reads a clock, draws random numbers or knows Kubernetes.
//!
//! | module | what it holds |
//! |---|---|
//! | [`names`] | checked names and ids |
//! | [`wire`] | every document that crosses a process boundary |
//! | [`identity`] | who may speak on the bus: NATS identities and server configuration |
//! | [`subject`] | the bus subjects and who may use them |
//! | [`token`] | signing and checking of logins and tickets |
//! | [`fleet`] | what is known of all servers and sessions |
//! | [`parts`] | how much goes into one message |
//! | [`selection`] | which servers may enter a choice, and why others may not |
//! | [`roles`] | what a user may do |
//! | [`secret`] | values that do not print themselves |

pub mod fleet;
pub mod identity;
pub mod names;
pub mod parts;
pub mod roles;
pub mod secret;
pub mod selection;
pub mod subject;
pub mod token;
pub mod wire;
