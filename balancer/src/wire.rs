//! What a node and its script process tell each other: length-prefixed JSON documents over a pipe.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Why a script was refused before it ever ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct CompileError {
    /// What is wrong, for the administrator.
    pub message: String,
    /// Where, when it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Position>,
}

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.at {
            Some(at) => write!(f, "{at}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// A place in the source of a script, both counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Largest document to the script process; ten thousand servers with generous static data fit.
pub(crate) const MAX_REQUEST_BYTES: usize = 256 * 1024 * 1024;
/// Largest document from the script process, which is not trusted.
pub(crate) const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

/// From the node to the script process; each is answered by one [`Response`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Request {
    /// The first of all: give up every right that scripts do not need.
    Begin {
        /// Memory that all scripts together may use.
        memory_bytes: u64,
    },
    /// Compiles a script into the given slot.
    Load {
        /// Place of the script, counted from zero and in order.
        slot: usize,
        /// The script.
        script: ScriptSource,
    },
    /// Brings the server objects up to date.
    Update(Update),
    /// Calls one script.
    Call {
        /// Which script.
        slot: usize,
        /// With what.
        call: Call,
    },
}

/// A script to compile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScriptSource {
    /// Name, also the file name in stack traces.
    pub(crate) name: String,
    /// JavaScript.
    pub(crate) source: String,
    /// Milliseconds for one call.
    pub(crate) time_ms: u64,
    /// Bytes that the script may use besides the server objects.
    pub(crate) memory_bytes: u64,
}

/// Changes of server objects since the last update.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Update {
    /// New and changed ones.
    pub(crate) changes: Vec<Change>,
    /// Those that are gone.
    pub(crate) forget: Vec<String>,
}

impl Update {
    /// Whether there is nothing to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.forget.is_empty()
    }

    /// Adds what came after. Whoever reads an update forgets first and changes then, so a server
    /// that left and came back before anybody was told is there, and one that came and left is not.
    pub(crate) fn append(&mut self, later: Self) {
        self.changes
            .retain(|change| !later.forget.contains(&change.id));
        self.forget.extend(later.forget);
        self.changes.extend(later.changes);
    }
}

/// What changed of one server object; for a new one that is everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// The server.
    pub(crate) id: String,
    /// Fields with new values.
    pub(crate) set: Map<String, Value>,
    /// Fields that are gone.
    pub(crate) unset: Vec<String>,
}

/// One call of a script.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Call {
    /// The input object without `local` and `servers`, which the script process adds.
    pub(crate) input: Value,
    /// The server that runs the chain.
    pub(crate) local: String,
    /// The servers to choose from, in order.
    pub(crate) list: Vec<String>,
    /// What `Date.now()` says, milliseconds.
    pub(crate) now: i64,
    /// Seed of `Math.random()`.
    pub(crate) seed: [u32; 4],
}

/// From the script process to the node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Response {
    /// Ready, with what could not be given up; empty when all is well.
    Begun {
        /// Which protections the kernel refused.
        missing: Vec<String>,
    },
    /// The script was compiled, or why not.
    Loaded {
        /// None when it compiled.
        error: Option<CompileError>,
    },
    /// The server objects are up to date, or why not.
    Updated {
        /// None when they are.
        error: Option<String>,
    },
    /// The script was called.
    Called(Called),
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Called {
    /// The answer.
    pub(crate) answer: Answer,
    /// What the script wrote to the console.
    #[serde(default)]
    pub(crate) lines: Vec<String>,
    /// How long it took.
    pub(crate) micros: u64,
    /// Whether the process must not be used again.
    pub(crate) spent: bool,
}

/// A script's answer, ids not yet checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(crate) enum Answer {
    /// A string: the server to use.
    Chose {
        /// Its id.
        id: String,
    },
    /// An array: the servers that are left.
    Kept {
        /// Their ids.
        ids: Vec<String>,
    },
    /// Something falsy: the next script's turn.
    Passed,
    /// An exception.
    Threw {
        /// Name of the error class; empty when something else than an Error was thrown.
        name: String,
        /// Its message; may be empty.
        message: String,
        /// Its stack as the engine says it; only inside the script process.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        stack: String,
        /// Where it was thrown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Position>,
    },
    /// Anything else.
    Invalid {
        /// What it was, such as `the number 5`.
        what: String,
    },
    /// It ran longer than it may.
    TimedOut,
    /// It used more memory than it may.
    OutOfMemory,
    /// The exception was `null`: the engine's own when there is no memory left to make a proper one.
    ThrewNull,
    /// The engine failed.
    Failed {
        /// Why.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(changes: &[&str], forget: &[&str]) -> Update {
        let change = |id: &&str| Change {
            id: (*id).to_owned(),
            set: Map::new(),
            unset: Vec::new(),
        };
        Update {
            changes: changes.iter().map(change).collect(),
            forget: forget.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    #[test]
    fn a_server_that_left_and_came_back_is_there() {
        let mut pending = update(&["a"], &[]);
        pending.append(update(&[], &["a", "b"]));
        assert!(pending.changes.is_empty(), "what is gone has no changes");
        pending.append(update(&["a"], &[]));
        assert_eq!(pending.changes.len(), 1, "forgotten first, then told anew");
        assert_eq!(pending.forget, ["a", "b"]);
    }
}
