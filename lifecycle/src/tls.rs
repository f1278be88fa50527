//! Certificates from files, read anew when they change, and TLS settings made of them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::shutdown::Shutdown;
use crate::trust::ReloadingTrust;
use crate::watch::Watched;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file has no PEM section of the expected kind.
    #[error("{path} is not a valid PEM file: {reason}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Key and certificate do not fit together, or are of an unsupported kind.
    #[error("certificate and key cannot be used")]
    Unusable(#[source] rustls::Error),
    /// The authorities for client certificates cannot be used.
    #[error("the authorities for client certificates cannot be used: {0}")]
    ClientAuthority(String),
}

/// Makes ring the provider of the whole process. Safe to call again.
pub fn install_provider() {
    let _already_installed = ring::default_provider().install_default();
}

/// A certificate chain and key in two PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertFiles {
    /// Certificate chain, leaf first.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

impl CertFiles {
    /// `tls.crt` and `tls.key` in a folder, as Kubernetes mounts them.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            cert: dir.join("tls.crt"),
            key: dir.join("tls.key"),
        }
    }

    fn read(&self) -> Result<(Vec<u8>, Vec<u8>), TlsError> {
        Ok((read(&self.cert)?, read(&self.key)?))
    }
}

/// A server certificate that follows its files.
#[derive(Debug)]
pub struct ReloadingCert {
    files: Option<CertFiles>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl ReloadingCert {
    /// Reads the files for the first time.
    pub fn load(files: CertFiles) -> Result<Arc<Self>, TlsError> {
        let (cert, key) = files.read()?;
        let current = certified_key(&cert, &key, &files.cert)?;
        Ok(Arc::new(Self {
            files: Some(files),
            current: RwLock::new(Arc::new(current)),
        }))
    }

    /// A certificate that only changes by [`Self::set_pem`].
    pub fn from_pem(cert: &str, key: &str) -> Result<Arc<Self>, TlsError> {
        let current = certified_key(cert.as_bytes(), key.as_bytes(), Path::new("(memory)"))?;
        Ok(Arc::new(Self {
            files: None,
            current: RwLock::new(Arc::new(current)),
        }))
    }

    /// Replaces the certificate; new handshakes use it, open connections stay.
    pub fn set_pem(&self, cert: &str, key: &str) -> Result<(), TlsError> {
        let new = certified_key(cert.as_bytes(), key.as_bytes(), Path::new("(memory)"))?;
        self.replace(new);
        Ok(())
    }

    /// The chain in use.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.current().cert.clone()
    }

    fn current(&self) -> Arc<CertifiedKey> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn replace(&self, new: CertifiedKey) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
    }

    /// Looks at the files now and then; a bad pair is logged once and the old one stays in use.
    pub fn spawn_watch(self: &Arc<Self>, shutdown: Shutdown) {
        let Some(files) = self.files.clone() else {
            return;
        };
        let this = self.clone();
        let mut watched = Watched::new(vec![files.cert.clone(), files.key.clone()]);
        tokio::spawn(async move {
            while let Some(contents) = watched.changed(&shutdown).await {
                let [cert, key] = contents.as_slice() else {
                    continue;
                };
                match certified_key(cert, key, &files.cert) {
                    Ok(new) => {
                        this.replace(new);
                        tracing::info!(file = %files.cert.display(), "certificate replaced");
                    }
                    Err(error) => tracing::warn!(
                        file = %files.cert.display(),
                        error = %crate::telemetry::chain(&error),
                        "new certificate refused, the old one stays in use"
                    ),
                }
            }
        });
    }
}

impl ResolvesServerCert for ReloadingCert {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

/// Settings of a TLS server. With `clients`, they must show a certificate of an authority that is trusted then.
pub fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
    clients: Option<Arc<ReloadingTrust>>,
    alpn: &[&str],
) -> Result<rustls::ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?;
    let mut config = match clients {
        None => builder.with_no_client_auth().with_cert_resolver(resolver),
        Some(trust) => {
            let mut config = builder
                .with_client_cert_verifier(trust)
                .with_cert_resolver(resolver);
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            config
        }
    };
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    Ok(config)
}

/// The authorities of a PEM text.
pub fn roots(pem: &str) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let cert = cert.map_err(|e| TlsError::ClientAuthority(e.to_string()))?;
        store.add(cert).map_err(TlsError::Unusable)?;
    }
    if store.is_empty() {
        return Err(TlsError::ClientAuthority(
            "the PEM text has no certificate".to_owned(),
        ));
    }
    Ok(store)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn certified_key(cert: &[u8], key: &[u8], path: &Path) -> Result<CertifiedKey, TlsError> {
    let bad = |reason: String| TlsError::Pem {
        path: path.to_owned(),
        reason,
    };
    let chain = CertificateDer::pem_slice_iter(cert)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| bad(e.to_string()))?;
    if chain.is_empty() {
        return Err(bad("it has no certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| bad(format!("private key: {e}")))?;
    let certified = CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(TlsError::Unusable)?;
    certified.keys_match().map_err(TlsError::Unusable)?;
    Ok(certified)
}

/// Common name of a DER certificate, where it has one.
pub fn common_name(der: &[u8]) -> Option<String> {
    let (_, cert) = x509_parser::parse_x509_certificate(der).ok()?;
    let name = cert.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.to_owned())
}
