//! The node's side of the links: who has one, what it reports, and the calls that a node makes over it.
//!
//! A link is a process of the user beside the node; it dials [`Hub`]'s socket and starts sessions there.
//! Only the uid that the kernel names for the peer counts; everything that a link sends is checked like a stranger's.

mod connection;
mod frames;
mod hub;
mod install;
pub mod launch;
#[doc(hidden)]
pub mod testing;

#[cfg(test)]
mod tests;

pub use hub::{Hub, HubError, LinkEvent};
pub use install::{InstallError, install_link};
