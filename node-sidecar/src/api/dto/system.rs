//! The configuration as administrators see it.

use fastx_balancer::CompileError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::system::Document;

/// Settings of all servers, or of this one.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SystemSettings)]
pub struct SystemDocument {
    /// `global` or `local`.
    pub scope: String,
    /// To be sent with a change, so that nobody else's change is overwritten.
    pub generation: u64,
    /// Revision of the configuration, for people.
    pub revision: String,
    /// Custom resource that the settings come from, `namespace/name`; empty where they can be changed here.
    pub managed_by: String,
    /// The settings; unknown fields are kept.
    #[schema(value_type = Object)]
    pub document: Map<String, Value>,
}

impl SystemDocument {
    /// Of this scope.
    pub fn new(scope: &str, document: Document) -> Self {
        let content = match document.content {
            Value::Object(content) => content,
            _ => Map::new(),
        };
        Self {
            scope: scope.to_owned(),
            generation: document.generation,
            revision: document.revision,
            managed_by: document.managed_by,
            document: content,
        }
    }
}

/// A script to be tried.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScriptText {
    /// JavaScript of one function.
    #[schema(max_length = 65536)]
    pub source: String,
}

/// Whether a script compiles.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScriptCheck {
    /// Whether it does.
    pub ok: bool,
    /// What is wrong with it; empty when it compiles.
    pub message: String,
    /// Line of the fault, from 1; absent when it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column of the fault, from 1; absent when it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

impl From<Result<(), CompileError>> for ScriptCheck {
    fn from(compiled: Result<(), CompileError>) -> Self {
        let error = compiled.err();
        let at = error.as_ref().and_then(|error| error.at);
        Self {
            ok: error.is_none(),
            message: error.map(|error| error.message).unwrap_or_default(),
            line: at.map(|at| at.line),
            column: at.map(|at| at.column),
        }
    }
}

/// New settings.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SystemChange)]
pub struct SystemChange {
    /// The generation that the settings were read with.
    pub generation: u64,
    /// All settings, also the unchanged ones.
    #[schema(value_type = Object)]
    pub document: Map<String, Value>,
}
