//! Request and reply, publish and subscribe, and queue groups between the members of a cluster.
//!
//! The transport is NATS, or Redis, or a [`Hub`] within one process (a server alone, and tests).
//! What differs between them stays in here: callers see [`Bus`], [`Subscription`] and problems.
//!
//! Promises that all keep, checked by one suite:
//! - a request ends at its deadline at the latest, and at once when nobody answers or the server forbids it;
//! - a request that the loss of the connection caught is sent once more, so every request must be safe to repeat;
//! - a publication that returned `Ok` has reached the server;
//! - a subscription outlives reconnects and new credentials, and ends when the server forbids it.

mod bus;
mod connect;
mod error;
mod hub;
mod message;
mod nats;
mod pattern;
mod redis;
#[cfg(feature = "testing")]
pub mod testing;

pub use bus::{Bus, DEFAULT_DEADLINE, Options};
pub use error::{BusError, Cause};
pub use hub::Hub;
pub use message::{BusState, Incoming, Subscription};
