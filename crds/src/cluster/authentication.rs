//! How users prove who they are.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{LocalRef, SecretKeyRef};

/// How users prove who they are. Each method that is set can be used.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.order) || self.order.all(m, (m == 'SSH' && has(self.ssh)) || (m == 'OIDC' && has(self.oidc)) || (m == 'Local' && has(self.local)))")
        .message("each method in `order` must also be set: `ssh`, `oidc`, `local`")
)]
pub struct Authentication {
    /// In which order the sign-in page offers the methods; those that are set and not named follow, in the order
    /// `SSH`, `OIDC`, `Local`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub order: Vec<Method>,
    /// The sshd of nodes of kind `host` and `external`, with the users that they have. Nodes of kind `pod` do not offer it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshAuthentication>,
    /// An OpenID Connect provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<OidcAuthentication>,
    /// Passwords that the managers check against hashes in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalAuthentication>,
}

/// A way to sign in.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The sshd of a host.
    SSH,
    /// An OpenID Connect provider.
    OIDC,
    /// Passwords in a Secret.
    Local,
}

/// The sshd of hosts.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SshAuthentication {}

/// Passwords in a Secret.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LocalAuthentication {
    /// Secret with one key for each login. Its value is an argon2id hash (`$argon2id$…`),
    /// and optionally a second line `groups: a, b`.
    pub users_secret_ref: LocalRef,
}

/// An OpenID Connect provider. The managers talk to it; its groups make roles by `spec.roles`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OidcAuthentication {
    /// What the sign-in page calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub title: Option<String>,
    /// Its address, exactly as it calls itself, such as `https://id.example.org/realms/lab`.
    #[schemars(
        length(min = 9, max = 512),
        regex(pattern = r"^https://[^\s/?#@]+(/[^\s?#]*)?$")
    )]
    pub issuer: String,
    /// Name of the cluster at the provider. Register there `https://ADDRESS/api/v1/login/oidc/callback` for each address that users open.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[!-~]+$"))]
    pub client_id: String,
    /// Secret and key with the client's secret; unset for a client that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<SecretKeyRef>,
    /// Secret and key with certificate authorities (PEM) of the provider, besides the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
    /// What is asked for besides `openid`; `profile` and `email` when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(min = 1, max = 128), regex(pattern = r"^[!#-\[\]-~]+$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub scopes: Vec<String>,
    /// Claim with the login name; `preferred_username` when unset. `email` counts only when the provider has verified it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub login_claim: Option<String>,
    /// Claim with the groups; `groups` when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub groups_claim: Option<String>,
}
