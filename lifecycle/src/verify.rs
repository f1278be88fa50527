//! A client's own rule for the certificate of a server; that the server has its key is checked always.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

/// What a server shows, and when.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The server's own certificate.
    pub end_entity: &'a CertificateDer<'a>,
    /// The authorities between it and a root.
    pub intermediates: &'a [CertificateDer<'a>],
    /// The name that was asked for.
    pub server_name: &'a ServerName<'a>,
    /// The stapled answer of its authority, or empty.
    pub ocsp_response: &'a [u8],
    /// The time of the handshake.
    pub now: UnixTime,
}

/// A verifier that believes what `rule` lets pass.
pub fn by_rule(
    provider: Arc<CryptoProvider>,
    rule: impl Fn(&Shown<'_>) -> Result<(), rustls::Error> + Send + Sync + 'static,
) -> Arc<dyn ServerCertVerifier> {
    Arc::new(ByRule { provider, rule })
}

/// A verifier that believes everybody: for `rejectUnauthorized: false` and for tests.
pub fn anything(provider: Arc<CryptoProvider>) -> Arc<dyn ServerCertVerifier> {
    by_rule(provider, |_| Ok(()))
}

struct ByRule<R> {
    provider: Arc<CryptoProvider>,
    rule: R,
}

impl<R> fmt::Debug for ByRule<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByRule").finish_non_exhaustive()
    }
}

impl<R> ServerCertVerifier for ByRule<R>
where
    R: Fn(&Shown<'_>) -> Result<(), rustls::Error> + Send + Sync,
{
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        (self.rule)(&Shown {
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        })
        .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ClientConfig, ClientConnection, Error, ServerConfig, ServerConnection};

    use super::*;

    const NAME: &str = "member.example.org";

    fn provider() -> Arc<CryptoProvider> {
        Arc::new(ring::default_provider())
    }

    /// A handshake in memory with a server that shows `certificate` and signs with `key`.
    fn shake(
        verifier: Arc<dyn ServerCertVerifier>,
        certificate: CertificateDer<'static>,
        key: &rcgen::KeyPair,
    ) -> Result<(), Error> {
        let chain = vec![certificate];
        let key =
            ring::sign::any_supported_type(&PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        let shown = Arc::new(rustls::sign::CertifiedKey::new(chain, key));
        let server = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
        let client = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        let mut server = ServerConnection::new(Arc::new(server))?;
        let name = ServerName::try_from(NAME).unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name)?;
        while client.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets()?;
            wire.clear();
            server.write_tls(&mut wire).unwrap();
            client.read_tls(&mut wire.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        Ok(())
    }

    fn pair() -> (CertificateDer<'static>, rcgen::KeyPair) {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        (made.cert.into(), made.signing_key)
    }

    #[test]
    fn the_rule_sees_what_is_shown_and_decides() {
        let (certificate, key) = pair();
        let expected = certificate.clone();
        let pinned = by_rule(provider(), move |shown| {
            assert_eq!(shown.server_name.to_str(), NAME);
            (*shown.end_entity == expected)
                .then_some(())
                .ok_or_else(|| Error::General("another one".to_owned()))
        });
        assert_eq!(shake(pinned.clone(), certificate, &key), Ok(()));
        let (other, other_key) = pair();
        assert_eq!(
            shake(pinned, other, &other_key),
            Err(Error::General("another one".to_owned()))
        );
    }

    #[test]
    fn a_certificate_without_its_key_passes_no_rule() {
        let (certificate, _) = pair();
        let (_, key) = pair();
        let failed = shake(anything(provider()), certificate, &key);
        assert_eq!(
            failed,
            Err(Error::InvalidCertificate(
                rustls::CertificateError::BadSignature
            ))
        );
    }
}
