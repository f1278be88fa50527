//! TLS between members: each shows its own certificate, and each pins the other's by fingerprint.

use std::sync::{Arc, OnceLock};

use fastx_core::names::hex;
use fastx_lifecycle::tls::ReloadingCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
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

/// Accepts exactly one certificate.
#[derive(Debug)]
struct Pinned {
    fingerprint: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if hex(&Sha256::digest(end_entity)) == self.fingerprint {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::General(
                "the certificate is not the one that this member registered".to_owned(),
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// TLS settings to reach the member with this fingerprint.
pub fn client(fingerprint: &str) -> Result<Arc<rustls::ClientConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let pinned = Pinned {
        fingerprint: fingerprint.to_owned(),
        provider: provider.clone(),
    };
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
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
