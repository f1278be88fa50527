//! Which hosts may come into the cluster with a join file.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How hosts come into the cluster with a key of their own. The operator keeps a join file for them in the Secret `CLUSTER-join`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    /// Which of the hosts that ask are admitted: `Declared` (default).
    #[serde(default)]
    pub mode: DiscoveryMode,
}

/// Which of the hosts that ask are admitted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DiscoveryMode {
    /// Those whose name is that of a ComputeNode of kind `external`; the others wait until there is one. The default.
    #[default]
    Declared,
}
