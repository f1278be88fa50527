//! What members can ask a manager for: one file for each kind of document.

pub(crate) mod configuration;
pub(crate) mod decisions;
pub(crate) mod editing;
pub(crate) mod fleet;
mod history;
pub mod joins;
pub(crate) mod passwords;
pub(crate) mod sessions;
pub(crate) mod tokens;
mod welcome;

pub use configuration::PutError;
