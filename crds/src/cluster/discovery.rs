//! Which hosts may come into the cluster with a join file.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How hosts come into the cluster with a key of their own. The operator keeps a join file for them in the Secret `CLUSTER-join`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.mode) && self.mode == 'Any') == has(self.maximum)")
        .message("`maximum` is required with `mode: Any`, and allowed only there: it says how many hosts come in that nobody declared")
)]
pub struct Discovery {
    /// Which of the hosts that ask are admitted: `Declared` (default), those whose name is that of a ComputeNode of kind
    /// `external`; or `Any`, others too: the operator makes such a ComputeNode for each, up to `maximum` of them.
    #[serde(default)]
    pub mode: DiscoveryMode,
    /// How many ComputeNodes the operator makes for hosts that nobody declared, with `mode: Any`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub maximum: Option<i32>,
}

/// Which of the hosts that ask are admitted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DiscoveryMode {
    /// Those whose name is that of a ComputeNode of kind `external`; the others wait until there is one. The default.
    #[default]
    Declared,
    /// Others too, up to `maximum` of them: the operator makes a ComputeNode of kind `external` for each, which stays
    /// when the mode changes and goes with the cluster.
    Any,
}
