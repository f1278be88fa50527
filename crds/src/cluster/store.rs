//! Which database stands behind the managers.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{Resources, SecretKeyRef};

/// The database behind the managers.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.engine) && self.engine == 'External') == has(self.external)")
        .message("`external` is required with `engine: External`, and allowed only there"),
    validation = Rule::new("!has(self.replicas) || self.replicas == 1 || (has(self.engine) && self.engine == 'MongoDB')")
        .message("`replicas` above 1 are allowed only with `engine: MongoDB`"),
    validation = Rule::new("has(self.size) || !has(oldSelf.size)")
        .message("`size` may only grow: it cannot be taken away"),
    validation = Rule::new("has(oldSelf.size) || !has(self.size) || quantity(self.size).compareTo(quantity('2Gi')) >= 0")
        .message("`size` may only grow: it was 2Gi"),
    validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)")
        .message("`storageClassName` cannot change: the claim exists already")
)]
pub struct Store {
    /// `FerretDB` (default), `MongoDB` (not supported yet) or `External`. It cannot change, because the data would stay behind.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`engine` cannot change: the data would stay behind; make a new FastXCluster"))]
    pub engine: StoreEngine,
    /// Number of servers, with `engine: MongoDB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 7))]
    pub replicas: Option<i32>,
    /// Size of the claim, 2Gi when unset; it may only grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = r"^[0-9]+(\.[0-9]+)?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$")
    )]
    #[x_kube(validation = Rule::new("quantity(self).compareTo(quantity(oldSelf)) >= 0").message("`size` may only grow"))]
    pub size: Option<String>,
    /// Storage class of the claim; the default one when unset. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub storage_class_name: Option<String>,
    /// CPU and memory of the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Where the database is, with `engine: External`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStore>,
}

/// Kind of database.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StoreEngine {
    /// FerretDB 2 on PostgreSQL with DocumentDB, in one Pod; the default.
    #[default]
    FerretDB,
    /// A MongoDB replica set; not supported yet.
    MongoDB,
    /// A database that somebody else runs and that speaks the MongoDB protocol.
    External,
}

/// A database that somebody else runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExternalStore {
    /// Secret and key with the connection string (`mongodb://…` or `mongodb+srv://…`).
    pub uri_secret_ref: SecretKeyRef,
    /// Secret and key with the certificate authorities (PEM) of the database; the system's when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
}
