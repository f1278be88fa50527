//! What is written beside a session, so that any later process of ours can take it over.
//!
//! Another version may read it: unknown fields are skipped, missing ones have defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fastx_core::wire::link::LinkSession;
use fastx_core::wire::problem::Problem;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Version of these documents.
pub(crate) const SCHEMA: u32 = 1;

/// A process for good: a number alone may come to mean another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ProcessRecord {
    /// Its number; 0 for none.
    pub(crate) pid: u32,
    /// Clock ticks between boot and its start.
    pub(crate) started: u64,
}

/// Everything about one session; written by its supervisor alone once that runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StateFile {
    /// Version of this document.
    #[serde(default)]
    pub(crate) schema: u32,
    /// Grows with each write: of two copies the higher one holds.
    #[serde(default)]
    pub(crate) revision: u64,
    /// What the node is told.
    pub(crate) session: LinkSession,
    /// Where metadata and logs are.
    #[serde(default)]
    pub(crate) folder: PathBuf,
    /// Where sockets are; empty once they are gone.
    #[serde(default)]
    pub(crate) runtime: PathBuf,
    /// Id of the machine's boot: process numbers mean nothing after another one.
    #[serde(default)]
    pub(crate) boot: String,
    /// Who watches the session.
    #[serde(default)]
    pub(crate) supervisor: ProcessRecord,
    /// The session's program.
    #[serde(default)]
    pub(crate) program: ProcessRecord,
    /// The session's D-Bus.
    #[serde(default)]
    pub(crate) bus: ProcessRecord,
    /// When the program was started.
    #[serde(default)]
    pub(crate) program_started: Option<Timestamp>,
    /// Why the start failed.
    #[serde(default)]
    pub(crate) problem: Option<Problem>,
}

/// What people may change while a session runs; written by the link alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Labels {
    /// Version of this document.
    pub(crate) schema: u32,
    /// Name for people.
    pub(crate) name: String,
    /// All parameters.
    pub(crate) params: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first version's document, as it is on the disks of running sessions. Never edit it.
    const V1: &str = include_str!("../testdata/state-v1.json");

    #[test]
    fn documents_of_the_first_version_are_read() {
        let state: StateFile = serde_json::from_str(V1).unwrap();
        assert_eq!(state.session.display, ":7");
        assert_eq!(state.program.pid, 4243);
        let written = serde_json::to_value(&state).unwrap();
        assert_eq!(
            written,
            serde_json::from_str::<serde_json::Value>(V1).unwrap()
        );
    }

    #[test]
    fn a_document_with_less_or_more_is_read_too() {
        let mut document: serde_json::Value = serde_json::from_str(V1).unwrap();
        let fields = document.as_object_mut().unwrap();
        fields.retain(|name, _| name == "session");
        fields.insert("schema".to_owned(), 9.into());
        fields.insert("later".to_owned(), true.into());
        let state: StateFile = serde_json::from_value(document).unwrap();
        assert_eq!(state.schema, 9);
        assert_eq!(state.program, ProcessRecord::default());
    }
}
