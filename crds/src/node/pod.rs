//! A compute node whose desktop and sidecar run in one Pod.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::volume::{ExtraVolume, Home};
use crate::cluster::PullPolicy;
use crate::value::{FreeObject, LocalRef, Resources};

/// Desktop and sidecar in one Pod.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.users) || self.users.size() <= 1 || (has(self.sharedUser) && self.sharedUser)")
        .message("several `users` are allowed only with `sharedUser: true`: they all work as the same Linux user and can read each other's files"),
    validation = Rule::new("!has(self.extraVolumes) || self.extraVolumes.all(v, !v.mountPath.startsWith('/home/' + self.user.name + '/') && v.mountPath != '/home/' + self.user.name)")
        .message("`mountPath` of an extra volume must not be in the user's home")
)]
pub struct PodNode {
    /// Image of the desktop: any one with Xvnc and a window manager; the cluster's when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^\s]+$"))]
    pub image: Option<String>,
    /// When the image is pulled; the cluster's when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
    /// Secrets with credentials for the registry, besides the cluster's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub pull_secrets: Vec<LocalRef>,
    /// The Linux user that everything in the desktop runs as.
    #[serde(default)]
    pub user: DesktopUser,
    /// Login names that the node belongs to; nobody else may start, list or connect there. Several only with `sharedUser`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub users: Vec<String>,
    /// Whether several users may share the one Linux user, its files and its sessions' privacy.
    #[serde(default)]
    pub shared_user: bool,
    /// CPU and memory of the desktop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// CPU and memory of the node sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecar_resources: Option<Resources>,
    /// Where the user's files are kept; in the Pod, lost with it, when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
    /// Further claims and ConfigMaps for the desktop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub extra_volumes: Vec<ExtraVolume>,
    /// Labels that a Kubernetes node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of Kubernetes nodes that the Pod tolerates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub tolerations: Vec<Toleration>,
    /// Affinity as in a Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<FreeObject>,
    /// Runtime class of the Pod, such as one of a sandbox or a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub runtime_class_name: Option<String>,
    /// Environment of the desktop and its sessions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,
    /// Size of `/dev/shm`, which browsers need; 1Gi when unset. It counts as memory of the desktop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = r"^[0-9]+(k|M|G|Ki|Mi|Gi)?$")
    )]
    pub shm_size: Option<String>,
}

/// The Linux user of a desktop.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.uid) || self.uid != 65532").message("`uid` must not be 65532: that is the node sidecar's")
)]
pub struct DesktopUser {
    /// Name; the home is `/home/NAME`.
    #[serde(default = "user_name")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[a-z_][-a-z0-9_]*$"))]
    pub name: String,
    /// User id, not 0; 1000 when unset.
    #[serde(default = "user_id")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub uid: i64,
    /// Group id, not 0; the user id when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub gid: Option<i64>,
    /// Group that owns the files of mounted volumes; the group id when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub fs_group: Option<i64>,
}

impl Default for DesktopUser {
    fn default() -> Self {
        Self {
            name: user_name(),
            uid: user_id(),
            gid: None,
            fs_group: None,
        }
    }
}

fn user_name() -> String {
    "user".to_owned()
}

fn user_id() -> i64 {
    1000
}

/// One variable of the environment.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Name; `FX_…` is reserved.
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$")
    )]
    #[x_kube(validation = Rule::new("!self.startsWith('FX_')").message("names that begin with `FX_` are reserved"))]
    pub name: String,
    /// Value, taken as it is.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub value: String,
}

/// A taint that the Pod tolerates, as in a Pod.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// Key of the taint; all keys when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub key: Option<String>,
    /// `Equal` (default) or `Exists`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = r"^(Equal|Exists)$"))]
    pub operator: Option<String>,
    /// Value of the taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`; all when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 16),
        regex(pattern = r"^(NoSchedule|PreferNoSchedule|NoExecute)$")
    )]
    pub effect: Option<String>,
    /// How long the Pod stays when the taint appears, with `NoExecute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub toleration_seconds: Option<i64>,
}
