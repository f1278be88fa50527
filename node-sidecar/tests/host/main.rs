//! A host: its users as the name service knows them, and their links without a password.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accounts;
mod launch;
