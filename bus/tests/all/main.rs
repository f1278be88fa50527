//! The bus from outside: what every transport promises, and what happens when connections fail.

// Marked as tests, so that the lints know that these may panic.
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod connection;
#[cfg(test)]
mod redis;
