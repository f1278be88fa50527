//! Why an address is believed to be the cluster: public authorities, one authority, or one certificate.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fastx_lifecycle::{tls, verify};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::Failure;

/// What is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "by")]
pub enum Trust {
    /// The public authorities.
    #[default]
    System,
    /// One authority, PEM.
    Authority {
        /// Its certificates.
        pem: String,
    },
    /// One certificate.
    Fingerprint {
        /// SHA-256, lower-case hexadecimal.
        sha256: String,
    },
}

/// Remembers the fingerprint of the certificate that was refused last, so that it can be shown.
#[derive(Debug, Clone, Default)]
pub struct Refused(Arc<Mutex<Option<String>>>);

impl Refused {
    /// The fingerprint of the refused certificate.
    pub fn fingerprint(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn remember(&self, fingerprint: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(fingerprint);
    }
}

impl Trust {
    /// From the options of a sign-in.
    pub fn from_options(
        ca_file: Option<&Path>,
        fingerprint: Option<&str>,
    ) -> Result<Option<Self>, Failure> {
        match (ca_file, fingerprint) {
            (Some(path), _) => {
                let pem = std::fs::read_to_string(path).map_err(|source| Failure::File {
                    path: path.to_owned(),
                    source,
                })?;
                Ok(Some(Self::Authority { pem }))
            }
            (None, Some(text)) => {
                let sha256: String = text
                    .trim_start_matches("sha256:")
                    .chars()
                    .filter(|c| *c != ':')
                    .collect::<String>()
                    .to_ascii_lowercase();
                if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(Failure::Usage(
                        "--fingerprint must be a SHA-256 of 64 hexadecimal digits".to_owned(),
                    ));
                }
                Ok(Some(Self::Fingerprint { sha256 }))
            }
            (None, None) => Ok(None),
        }
    }

    /// Settings of TLS that believe this.
    pub fn client(&self, refused: &Refused) -> Result<ClientConfig, Failure> {
        let provider = Arc::new(ring::default_provider());
        let roots = match self {
            Self::Authority { pem } => tls::roots(pem)
                .map_err(|e| Failure::Usage(format!("the authority cannot be used: {e}")))?,
            // With a fingerprint they are never asked.
            Self::System | Self::Fingerprint { .. } => RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            },
        };
        let by_roots =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|e| Failure::Usage(format!("the authority cannot be used: {e}")))?;
        let pinned = match self {
            Self::Fingerprint { sha256 } => Some(sha256.clone()),
            _ => None,
        };
        let refused = refused.clone();
        let verifier = verify::by_rule(provider.clone(), move |shown| {
            let found = fingerprint(shown.end_entity);
            let result = match &pinned {
                Some(pinned) if *pinned == found => Ok(()),
                Some(_) => Err(rustls::Error::General(
                    "the certificate is another one than the pinned one".to_owned(),
                )),
                None => by_roots
                    .verify_server_cert(
                        shown.end_entity,
                        shown.intermediates,
                        shown.server_name,
                        shown.ocsp_response,
                        shown.now,
                    )
                    .map(drop),
            };
            if result.is_err() {
                refused.remember(found);
            }
            result
        });
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| Failure::Usage(format!("TLS cannot be used: {e}")))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth())
    }
}

/// SHA-256 of a certificate, lower-case hexadecimal.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(certificate);
    digest.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_in_the_usual_spellings() {
        let hex = "ab".repeat(32);
        for text in [
            hex.clone(),
            format!("sha256:{hex}"),
            hex.to_ascii_uppercase(),
            ["AB"; 32].join(":"),
        ] {
            let trust = Trust::from_options(None, Some(&text)).unwrap();
            assert_eq!(
                trust,
                Some(Trust::Fingerprint {
                    sha256: hex.clone()
                }),
                "{text}"
            );
        }
        assert!(Trust::from_options(None, Some("abc")).is_err());
        assert_eq!(Trust::from_options(None, None).unwrap(), None);
    }
}
