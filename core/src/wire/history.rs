//! Earlier versions of the configuration: what was in force, since when, and who put it there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::ServerId;

/// Whose settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Whose {
    /// Of all servers.
    Cluster,
    /// Of one server.
    Node(ServerId),
}

/// By which way a version came into force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Via {
    /// An administrator, in the System section or with `fastxctl`.
    Administrator,
    /// A custom resource.
    Kubernetes,
    /// A command or service with the identity of a manager, as `upload-store`.
    Manager,
    /// A host that joined got its first settings.
    Join,
    /// Nobody wrote it down, or a later version of this software did.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Who put a version in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Author {
    /// By which way.
    pub via: Via,
    /// Login of the administrator, `namespace/name` of the custom resource, or id of the server that joined.
    pub by: String,
}

impl Author {
    /// Of this way, by this name.
    pub fn new(via: Via, by: &str) -> Self {
        Self {
            via,
            by: by.to_owned(),
        }
    }
}

/// One version of somebody's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigVersion {
    /// Generation of the configuration that brought it.
    pub generation: u64,
    /// Hash of the part.
    pub hash: String,
    /// Since when; none when nobody wrote it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// By whom.
    #[serde(flatten)]
    pub author: Author,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_version_writes_is_read() {
        let text = r#"{"generation": 7, "hash": "x", "via": "robot", "by": "r", "more": 1}"#;
        let version: ConfigVersion = serde_json::from_str(text).unwrap();
        assert_eq!(version.author, Author::new(Via::Unknown, "r"));
        assert_eq!(version.at, None);
        let bare: ConfigVersion =
            serde_json::from_str(r#"{"generation": 7, "hash": "x"}"#).unwrap();
        assert_eq!(bare.author, Author::default());
        let back = serde_json::to_string(&version).unwrap();
        assert!(back.contains(r#""via":"unknown""#), "{back}");
    }
}
