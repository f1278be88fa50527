//! Authorities of client certificates, read anew when their file changes.
//!
//! New handshakes are checked against the new authorities; open connections stay.
//! No session is resumed: a resumed one would not be checked, and a client of a removed authority would come in.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};

use crate::shutdown::Shutdown;
use crate::tls::{TlsError, roots};
use crate::watch::Watched;

/// Asks for client certificates, and checks them against authorities that can be replaced.
#[derive(Debug)]
pub struct ReloadingTrust {
    file: Option<PathBuf>,
    current: RwLock<Arc<dyn ClientCertVerifier>>,
}

impl ReloadingTrust {
    /// Reads the file for the first time.
    pub fn load(file: PathBuf) -> Result<Arc<Self>, TlsError> {
        let pem = std::fs::read_to_string(&file).map_err(|source| TlsError::Read {
            path: file.clone(),
            source,
        })?;
        let current = RwLock::new(verifier(&pem)?);
        Ok(Arc::new(Self {
            file: Some(file),
            current,
        }))
    }

    /// Authorities that only change by [`Self::set_pem`].
    pub fn from_pem(pem: &str) -> Result<Arc<Self>, TlsError> {
        let current = RwLock::new(verifier(pem)?);
        Ok(Arc::new(Self {
            file: None,
            current,
        }))
    }

    /// Replaces the authorities; handshakes from now on are checked against them.
    pub fn set_pem(&self, pem: &str) -> Result<(), TlsError> {
        let new = verifier(pem)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    fn current(&self) -> Arc<dyn ClientCertVerifier> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Looks at the file now and then; a bad one is logged once and the old authorities stay trusted.
    pub fn spawn_watch(self: &Arc<Self>, shutdown: Shutdown) {
        let Some(file) = self.file.clone() else {
            return;
        };
        let this = self.clone();
        let mut watched = Watched::new(vec![file.clone()]);
        tokio::spawn(async move {
            while let Some(contents) = watched.changed(&shutdown).await {
                let pem = contents.first().map_or(&[][..], Vec::as_slice);
                match this.set_pem(&String::from_utf8_lossy(pem)) {
                    Ok(()) => {
                        tracing::info!(file = %file.display(), "trusted authorities replaced");
                    }
                    Err(error) => tracing::warn!(
                        file = %file.display(),
                        error = %crate::telemetry::chain(&error),
                        "new authorities refused, the old ones stay trusted"
                    ),
                }
            }
        });
    }
}

fn verifier(pem: &str) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots(pem)?), provider)
        .build()
        .map_err(|e| TlsError::ClientAuthority(e.to_string()))
}

impl ClientCertVerifier for ReloadingTrust {
    /// None: they are only a hint for clients with several certificates, and could not follow a change.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.current()
            .verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.current().verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.current().verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current().supported_verify_schemes()
    }
}
