//! Where a pod node keeps files.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the user's files are kept. Several nodes may share one claim.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.claimName) != has(self.size)")
        .message("exactly one of `claimName` (a claim that exists) and `size` (a claim that the operator makes) must be set"),
    validation = Rule::new("!has(self.claimName) || !self.claimName.matches('^data-.+-store-[0-9]+$')")
        .message("`claimName` must not be the claim of a cluster's store (`data-…-store-0`)"),
    validation = Rule::new("has(self.size) || !has(self.storageClassName)")
        .message("`storageClassName` is allowed only with `size`"),
    validation = Rule::new("has(self.claimName) == has(oldSelf.claimName)")
        .message("`home` cannot change between `claimName` and `size`: delete the ComputeNode and make a new one"),
    validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)")
        .message("`storageClassName` cannot change: the claim exists already")
)]
pub struct Home {
    /// Name of a claim that exists. It is never deleted. Whoever sets it must be allowed to create Pods in the
    /// namespace, or to `use` this claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub claim_name: Option<String>,
    /// Size of the claim `NAME-home` that the operator makes; it may only grow.
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
    /// Access mode of the claim; it cannot change.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`accessMode` cannot change: the claim exists already"))]
    pub access_mode: AccessMode,
    /// What happens to the claim that the operator made when the ComputeNode is deleted.
    #[serde(default)]
    pub reclaim: Reclaim,
}

/// Access mode of a claim.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AccessMode {
    /// On one Kubernetes node at a time; the default.
    #[default]
    ReadWriteOnce,
    /// In one Pod at a time.
    ReadWriteOncePod,
    /// On several Kubernetes nodes at once.
    ReadWriteMany,
}

impl AccessMode {
    /// The name in a claim.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "ReadWriteOnce",
            Self::ReadWriteOncePod => "ReadWriteOncePod",
            Self::ReadWriteMany => "ReadWriteMany",
        }
    }
}

/// What happens to a claim.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reclaim {
    /// It stays; the default.
    #[default]
    Retain,
    /// It is deleted with the ComputeNode.
    Delete,
}

/// A further volume of the desktop.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.claimName) != has(self.configMapName)")
        .message("exactly one of `claimName` and `configMapName` must be set"),
    validation = Rule::new("!has(self.claimName) || !self.claimName.matches('^data-.+-store-[0-9]+$')")
        .message("`claimName` must not be the claim of a cluster's store (`data-…-store-0`)"),
    validation = Rule::new("!(self.name in ['broker', 'dev-shm', 'home', 'link', 'state', 'tls', 'tmp'])")
        .message("`name` must not be one of broker, dev-shm, home, link, state, tls and tmp"),
    validation = Rule::new("!['/tmp', '/dev', '/proc', '/sys', '/run', '/var/run', '/etc/fastx'].exists(p, self.mountPath == p || self.mountPath.startsWith(p + '/')) && !(self.mountPath in ['/', '/etc', '/usr', '/bin', '/lib', '/var', '/home'])")
        .message("`mountPath` must not be a system folder, nor be below /tmp, /dev, /proc, /sys, /run or /etc/fastx"),
    validation = Rule::new("!self.mountPath.contains('..') && !self.mountPath.contains('//')")
        .message("`mountPath` must not contain `..` or `//`")
)]
pub struct ExtraVolume {
    /// Name in the Pod.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Folder in the desktop.
    #[schemars(length(min = 2, max = 512), regex(pattern = r"^/[^:\s]+$"))]
    pub mount_path: String,
    /// Name of a claim. Whoever sets it must be allowed to create Pods in the namespace, or to `use` this
    /// claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub claim_name: Option<String>,
    /// Name of a ConfigMap. Whoever sets it must be allowed to create Pods in the namespace, or to read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub config_map_name: Option<String>,
    /// Whether the desktop may only read it; ConfigMaps always are.
    #[serde(default)]
    pub read_only: bool,
}
