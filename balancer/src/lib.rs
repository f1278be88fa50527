//! Chooses the server for a session with the administrators' chained JavaScript functions.
//!
//! The chain of a request, in order: the rules of the cluster leave servers out, then each script gets
//! the input object and answers
//!
//! | answer | meaning |
//! |---|---|
//! | string | the `serverId` to use; it must be in the current list |
//! | array | the new list, of server objects or ids, for the next script |
//! | falsy | the next script's turn, with the same list |
//! | exception | the end; its message goes to the user |
//! | anything else | the end; the script is wrong |
//!
//! A chain that ends without a choice is a refusal that says for each server why.
//!
//! **Invariant:** scripts run in another process ([`worker`]), which has no secrets, no files, no
//! network, no clock and a limited life; this process checks whatever comes out of it.
//! The same request gives the same answer: time, chance and the previous choice are arguments,
//! and nothing that a script does outlives its call.

mod balancer;
mod builtin;
mod chain;
mod check;
mod choice;
mod host;
mod process;
mod view;
mod wire;
pub mod worker;

pub use balancer::Balancer;
pub use check::{CheckReport, ScriptTest, TestOutcome, check, check_with};
pub use choice::Choice;
pub use process::{HIDDEN_ARGUMENT, WorkerCommand};
pub use wire::{CompileError, Position};
