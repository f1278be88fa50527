//! The web address, and where certificates come from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{Exposure, LocalRef};

/// The web address that users open.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Web {
    /// How browsers reach it.
    #[serde(default)]
    pub exposure: Exposure,
    /// Host names that users open; the web certificate is made for them, and pages from them may call the API.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(
            length(min = 1, max = 253),
            regex(pattern = r"^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub host_names: Vec<String>,
    /// Addresses or networks of proxies whose forwarding headers count; none when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 2, max = 50)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new("self.all(p, isIP(p) || isCIDR(p))")
            .message("each of `trustedProxies` must be an address such as 10.0.0.7 or a network such as 10.0.0.0/24")
    )]
    pub trusted_proxies: Vec<String>,
}

/// Where certificates come from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.mode) && self.mode == 'SecretRef') == has(self.secretRef)")
        .message("`secretRef` is required with `mode: SecretRef`, and allowed only there"),
    validation = Rule::new("(has(self.mode) && self.mode == 'CertManager') == has(self.issuerRef)")
        .message("`issuerRef` is required with `mode: CertManager`, and allowed only there")
)]
pub struct Tls {
    /// Who signs the certificate that browsers see: `SelfSigned` (default), the cluster's own authority; `SecretRef`,
    /// somebody who puts it into a Secret; `CertManager`. Members trust the cluster's own authority in any case.
    #[serde(default)]
    pub mode: TlsMode,
    /// Secret with `tls.crt` and `tls.key` of the web address, with `mode: SecretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalRef>,
    /// Issuer of cert-manager, with `mode: CertManager`. The operator makes a Certificate for `web.hostNames`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_ref: Option<IssuerRef>,
}

/// An issuer of cert-manager.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IssuerRef {
    /// Its name.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub name: String,
    /// `Issuer` (default) of the same namespace, `ClusterIssuer`, or a kind of another group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Z][A-Za-z0-9]*$"))]
    pub kind: Option<String>,
    /// API group of issuers that are not cert-manager's own; `cert-manager.io` when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub group: Option<String>,
}

/// Who signs certificates.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TlsMode {
    /// An own authority for the cluster, made and rotated by the operator; the default.
    #[default]
    SelfSigned,
    /// The web certificate is in a Secret.
    SecretRef,
    /// The web certificate comes from cert-manager.
    CertManager,
}
