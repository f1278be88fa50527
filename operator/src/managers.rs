//! The managers' API as the operator uses it: configuration in, status out, over mutual TLS.

mod client;
mod reports;

pub use client::{Endpoint, ManagerError};
pub use reports::{Report, Reports};
