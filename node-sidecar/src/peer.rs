//! TLS between members: each shows its own certificate, and each pins the other's by fingerprint.

use std::sync::{Arc, OnceLock};

use fastx_core::names::hex;
use fastx_lifecycle::tls::ReloadingCert;
use fastx_lifecycle::verify;
use rustls::Error;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};

use crate::keys::Keys;

/// The name that a member asks for; under any other name comes the certificate that browsers see.
pub const PEER_NAME: &str = "member.fastx.internal";

/// Shows members the node's own certificate and everybody else the web certificate.
#[derive(Debug)]
pub struct Certificates {
    peer: Arc<CertifiedKey>,
    web: OnceLock<Arc<ReloadingCert>>,
}

impl Certificates {
    /// With the node's own certificate alone.
    pub fn new(keys: &Keys) -> Result<Self, Error> {
        let chain = vec![CertificateDer::from(keys.peer_certificate.clone())];
        let key = PrivateKeyDer::Pkcs8(keys.peer_key.clone().into());
        let peer = CertifiedKey::from_der(chain, key, &ring::default_provider())?;
        Ok(Self {
            peer: Arc::new(peer),
            web: OnceLock::new(),
        })
    }

    /// Shows browsers this one from now on; a later call changes nothing.
    pub fn show(&self, web: Arc<ReloadingCert>) {
        let _first = self.web.set(web);
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match self.web.get() {
            Some(web) if hello.server_name() != Some(PEER_NAME) => web.resolve(hello),
            _ => Some(self.peer.clone()),
        }
    }
}

/// TLS settings to reach the member with this fingerprint.
pub fn client(fingerprint: &str) -> Result<Arc<rustls::ClientConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let fingerprint = fingerprint.to_owned();
    let pinned = verify::by_rule(provider.clone(), move |shown| {
        if hex(&Sha256::digest(shown.end_entity)) == fingerprint {
            Ok(())
        } else {
            Err(Error::General(
                "the certificate is not the one that this member registered".to_owned(),
            ))
        }
    });
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(pinned)
        .with_no_client_auth();
    // WebSockets want HTTP/1.1.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The name that goes with [`client`].
///
/// # Panics
/// Never: the constant is a valid name.
pub fn name() -> ServerName<'static> {
    ServerName::try_from(PEER_NAME).expect("the constant is a valid DNS name")
}
