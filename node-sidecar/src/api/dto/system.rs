//! The configuration as administrators see it.

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
