//! The three custom resources of `fastx.dev/v1alpha1`, and the conditions that they share.
//!
//! | module | what it holds |
//! |---|---|
//! | [`cluster`] | `FastXCluster`: store, transporter, managers, web address, sign-in, sessions |
//! | [`node`] | `ComputeNode`: a place where sessions run |
//! | [`script`] | `BalancerScript`: one link of the chain that chooses a server |
//! | [`conditions`] | status conditions with true transition times |
//! | [`value`] | small types that several specs share |

#![expect(
    unreachable_pub,
    reason = "the KubeSchema derive repeats each type inside a function"
)]

pub mod cluster;
pub mod conditions;
pub mod node;
pub mod script;
pub mod value;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

pub use cluster::{FastXCluster, FastXClusterSpec, FastXClusterStatus};
pub use node::{ComputeNode, ComputeNodeSpec, ComputeNodeStatus};
pub use script::{BalancerScript, BalancerScriptSpec, BalancerScriptStatus};

/// API group of all our kinds.
pub const GROUP: &str = "fastx.dev";

/// Version of all our kinds.
pub const VERSION: &str = "v1alpha1";

/// Annotation on a `ComputeNode` that ends the wait for its sessions when it is deleted.
pub const FORCE_ANNOTATION: &str = "fastx.dev/force";

/// Annotation on a `ComputeNode` that approves one waiting disruption; its value is the one that the condition names.
pub const APPROVE_ANNOTATION: &str = "fastx.dev/approve";

/// Annotation on a `ComputeNode` of kind `external` that admits the host with this public key, though another one
/// has spoken under the name before.
pub const ADMIT_ANNOTATION: &str = "fastx.dev/admit";

/// Label of a `ComputeNode` that the operator made for a host that nobody declared; taking it away makes the node one
/// that is declared.
pub const DISCOVERED_LABEL: &str = "fastx.dev/discovered";

/// Annotation of such a `ComputeNode`: the name of the host in its own words, when it asked.
pub const DISCOVERED_ANNOTATION: &str = "fastx.dev/discovered-hostname";

/// Our finalizer.
pub const FINALIZER: &str = "fastx.dev/operator";

/// The definitions as they are installed.
pub fn all() -> Vec<CustomResourceDefinition> {
    vec![
        FastXCluster::crd(),
        ComputeNode::crd(),
        BalancerScript::crd(),
    ]
}
