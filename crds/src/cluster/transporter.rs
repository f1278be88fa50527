//! Which message bus connects nodes and managers.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{Exposure, LocalRef, Resources};

/// The message bus between nodes and managers.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.type) && self.type == 'External') == has(self.external)")
        .message("`external` is required with `type: External`, and allowed only there"),
    validation = Rule::new("!has(self.replicas) || self.replicas == 1 || self.replicas == 3")
        .message("`replicas` must be 1 or 3"),
    validation = Rule::new("!has(self.replicas) || self.replicas == 1 || !has(self.type) || self.type != 'Redis'")
        .message("`replicas` above 1 are not allowed with `type: Redis`: it is one server"),
    validation = Rule::new("(!has(self.size) && !has(self.storageClassName)) || (has(self.type) && self.type == 'Redis')")
        .message("`size` and `storageClassName` are allowed only with `type: Redis`"),
    validation = Rule::new("!(has(self.type) && self.type == 'Redis' && has(oldSelf.type) && oldSelf.type == 'Redis') || (has(self.size) == has(oldSelf.size) && (!has(self.size) || self.size == oldSelf.size) && has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName))")
        .message("`size` and `storageClassName` cannot change while the claim exists: change `type`, and back"),
    validation = Rule::new("!has(self.exposure) || !has(self.type) || self.type != 'External'")
        .message("`exposure` is not allowed with `type: External`")
)]
pub struct Transporter {
    /// `NATS` (default), `Redis` or `External`. A change restarts the bus and replaces the Pods of nodes as `disruption` says.
    #[serde(default, rename = "type")]
    pub kind: TransporterType,
    /// Number of servers, 1 (default) or, with `type: NATS`, 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3))]
    pub replicas: Option<i32>,
    /// How members outside the Kubernetes cluster reach it; they cannot when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
    /// Size of the claim for the append-only file, with `type: Redis`; 1Gi when unset. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = r"^[0-9]+(\.[0-9]+)?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$")
    )]
    pub size: Option<String>,
    /// Storage class of that claim; the default one when unset. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
    /// CPU and memory of each server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Where the bus is, with `type: External`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalTransporter>,
}

/// Kind of message bus.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TransporterType {
    /// NATS, run by the operator, with one identity for each member; the default.
    #[default]
    NATS,
    /// One Redis, run by the operator. All members hold the same password, and each is trusted with everything.
    Redis,
    /// One that somebody else runs. All members hold the same password, and each is trusted with everything.
    External,
}

/// A bus that somebody else runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExternalTransporter {
    /// What it speaks: `NATS` (default) or `Redis`.
    #[serde(default)]
    pub protocol: Protocol,
    /// Host name or address.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9][-A-Za-z0-9.:]*$")
    )]
    pub host: String,
    /// Port; the usual one when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// Secret with the key `password` (with NATS a token), and optionally `ca.crt`, the authorities (PEM) of its
    /// certificate. Without a Secret there is no password, and the system's authorities count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalRef>,
    /// Whether a certificate that does not check out is refused; true when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject_unauthorized: Option<bool>,
}

/// What a message bus speaks.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// NATS; the default.
    #[default]
    NATS,
    /// Redis.
    Redis,
}
