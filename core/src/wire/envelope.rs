//! What one bus message looks like: a version around a body, and an answer that is a body or a problem.

use serde::{Deserialize, Serialize};

use super::problem::Problem;

/// Version of the envelope that this build writes.
pub const VERSION: u32 = 1;

/// A message or request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// Envelope version; an unknown one is refused.
    pub v: u32,
    /// The body.
    pub body: T,
}

impl<T> Envelope<T> {
    /// Wraps a body in the current version.
    pub fn new(body: T) -> Self {
        Self { v: VERSION, body }
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply<T> {
    /// It was done.
    Ok(T),
    /// It was refused or failed.
    Err(Problem),
}

impl<T> From<Result<T, Problem>> for Reply<T> {
    fn from(result: Result<T, Problem>) -> Self {
        match result {
            Ok(value) => Self::Ok(value),
            Err(problem) => Self::Err(problem),
        }
    }
}

impl<T> From<Reply<T>> for Result<T, Problem> {
    fn from(reply: Reply<T>) -> Self {
        match reply {
            Reply::Ok(value) => Ok(value),
            Reply::Err(problem) => Err(problem),
        }
    }
}
