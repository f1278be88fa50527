//! The kinds of objects that we make, and what a planned object is.

use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

/// A kind of object that we make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Before everything that mounts it.
    Secret,
    /// The identity of Pods; before the Pods.
    ServiceAccount,
    /// Names and addresses; before the Pods, which get them by name.
    Service,
    /// Who may reach whom; before the Pods, so that nothing is open for a moment.
    NetworkPolicy,
    /// How many Pods may be evicted at once.
    Budget,
    /// Homes.
    Claim,
    /// Store and transporter.
    StatefulSet,
    /// Managers.
    Deployment,
    /// What cert-manager is asked for. Its definitions may not be installed, so it is not watched.
    Certificate,
}

impl Kind {
    /// Those that are watched, in the order of application.
    pub const ALL: [Self; 8] = [
        Self::Secret,
        Self::ServiceAccount,
        Self::Service,
        Self::NetworkPolicy,
        Self::Budget,
        Self::Claim,
        Self::StatefulSet,
        Self::Deployment,
    ];

    /// What the API server calls it.
    pub fn resource(self) -> ApiResource {
        let (group, version, kind, plural) = match self {
            Self::Secret => ("", "v1", "Secret", "secrets"),
            Self::ServiceAccount => ("", "v1", "ServiceAccount", "serviceaccounts"),
            Self::Service => ("", "v1", "Service", "services"),
            Self::NetworkPolicy => (
                "networking.k8s.io",
                "v1",
                "NetworkPolicy",
                "networkpolicies",
            ),
            Self::Budget => (
                "policy",
                "v1",
                "PodDisruptionBudget",
                "poddisruptionbudgets",
            ),
            Self::Claim => ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
            Self::StatefulSet => ("apps", "v1", "StatefulSet", "statefulsets"),
            Self::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Self::Certificate => ("cert-manager.io", "v1", "Certificate", "certificates"),
        };
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }

    /// Name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ServiceAccount => "ServiceAccount",
            Self::Service => "Service",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::Budget => "PodDisruptionBudget",
            Self::Claim => "PersistentVolumeClaim",
            Self::StatefulSet => "StatefulSet",
            Self::Deployment => "Deployment",
            Self::Certificate => "Certificate",
        }
    }
}

/// An object as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Everything else, `metadata` included; `apiVersion`, `kind`, name and namespace are added when it is applied.
    pub body: Value,
}

impl Object {
    /// A planned object.
    pub fn new(kind: Kind, name: impl Into<String>, body: Value) -> Self {
        Self {
            kind,
            name: name.into(),
            body,
        }
    }
}

/// What the API server calls a Pod.
pub fn pod_resource() -> ApiResource {
    let mut resource = ApiResource::erase::<Pod>(&());
    resource.plural = Pod::plural(&()).into_owned();
    resource
}
