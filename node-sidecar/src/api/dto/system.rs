//! The configuration as administrators see it.

use fastx_balancer::CompileError;
use fastx_core::wire::history::{ConfigVersion, Via};
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

/// The versions of settings that are kept.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemHistory {
    /// `global` or `local`.
    pub scope: String,
    /// The newest first, which is the one in force.
    pub versions: Vec<SystemVersion>,
}

/// One version of settings.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemVersion {
    /// Generation of the configuration that brought it.
    pub generation: u64,
    /// Since when it was in force; absent when nobody wrote it down.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<jiff::Timestamp>,
    /// How it came into force.
    pub via: VersionWay,
    /// Login of the administrator, `namespace/name` of the custom resource, id of the server that joined, or empty.
    pub by: String,
    /// Whether it is in force.
    pub in_force: bool,
}

/// How a version of settings came into force.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum VersionWay {
    /// An administrator changed the settings.
    Administrator,
    /// A custom resource was changed.
    Kubernetes,
    /// A command with the identity of a manager, as `upload-store`.
    Manager,
    /// A host joined and got its first settings.
    Join,
    /// Nobody wrote it down.
    Unknown,
}

impl SystemHistory {
    /// Of this scope.
    pub fn new(scope: &str, versions: Vec<ConfigVersion>) -> Self {
        let versions = versions.into_iter().enumerate().map(|(place, version)| {
            let ConfigVersion {
                generation,
                at,
                author,
                ..
            } = version;
            SystemVersion {
                generation,
                at,
                via: author.via.into(),
                by: author.by,
                in_force: place == 0,
            }
        });
        Self {
            scope: scope.to_owned(),
            versions: versions.collect(),
        }
    }
}

impl From<Via> for VersionWay {
    fn from(via: Via) -> Self {
        match via {
            Via::Administrator => Self::Administrator,
            Via::Kubernetes => Self::Kubernetes,
            Via::Manager => Self::Manager,
            Via::Join => Self::Join,
            Via::Unknown => Self::Unknown,
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
