//! Where the certificate that browsers see comes from.

use fastx_crds::FastXCluster;
use fastx_crds::cluster::TlsMode;

use super::Invalid;

/// Where the web certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValidTls {
    /// The cluster's own authority.
    SelfSigned,
    /// A Secret of this name.
    Secret(String),
    /// cert-manager.
    CertManager(Issuer),
}

/// Who signs at cert-manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Its name.
    pub name: String,
    /// `Issuer` or `ClusterIssuer`, or a kind of another group.
    pub kind: String,
    /// Its API group.
    pub group: String,
}

pub(super) fn tls(cluster: &FastXCluster) -> Result<ValidTls, Invalid> {
    let tls = &cluster.spec.tls;
    let web = &cluster.spec.web;
    match (tls.mode, &tls.secret_ref, &tls.issuer_ref) {
        (TlsMode::SelfSigned, ..) => Ok(ValidTls::SelfSigned),
        (TlsMode::SecretRef, Some(secret), _) => Ok(ValidTls::Secret(secret.name.clone())),
        (TlsMode::SecretRef, None, _) => Err(Invalid::wrong(
            "`tls.secretRef` is required with `tls.mode: SecretRef`",
        )),
        (TlsMode::CertManager, ..) if web.host_names.is_empty() => Err(Invalid::wrong(
            "`web.hostNames` is required with `tls.mode: CertManager`: the certificate is made for them",
        )),
        (TlsMode::CertManager, _, Some(issuer)) => Ok(ValidTls::CertManager(Issuer {
            name: issuer.name.clone(),
            kind: issuer.kind.clone().unwrap_or_else(|| "Issuer".to_owned()),
            group: issuer
                .group
                .clone()
                .unwrap_or_else(|| "cert-manager.io".to_owned()),
        })),
        (TlsMode::CertManager, _, None) => Err(Invalid::wrong(
            "`tls.issuerRef` is required with `tls.mode: CertManager`",
        )),
    }
}
