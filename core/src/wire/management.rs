//! What the operator and the managers' HTTPS address say to each other about configuration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::RootDocument;

/// `PUT /v1/config`: a new root, and the parts of it that the managers may not have yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigPut {
    /// The root; its generation is newer than the stored one, or everything is equal.
    pub root: RootDocument,
    /// Parts by hash.
    #[serde(default)]
    pub parts: BTreeMap<String, Value>,
}

/// Answer to [`ConfigPut`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigStored {
    /// Revision of the root in force.
    pub revision: String,
}

/// Answer to `GET /v1/config`; a problem with status 404 before the first configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigState {
    /// The root in force.
    pub root: RootDocument,
}
