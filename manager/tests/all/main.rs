//! Managers from outside: over the bus, over their HTTPS address, several at once, and with parts missing.

// Marked as tests, so that the lints know that these may panic.
#[cfg(test)]
mod access;
#[cfg(test)]
mod address;
#[cfg(test)]
mod joins;
#[cfg(test)]
mod oidc;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod process;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod store;
#[cfg(test)]
mod support;
#[cfg(test)]
mod takeover;
#[cfg(test)]
mod trust;
