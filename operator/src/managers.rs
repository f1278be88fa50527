//! The managers' API as the operator uses it: configuration in, status out, over mutual TLS.

mod client;
mod reports;

#[cfg(test)]
pub(crate) use client::Fake;
pub use client::{Endpoint, ManagerError};
pub use reports::{Report, Reports};
