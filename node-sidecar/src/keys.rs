//! The node's own keys: one that signs logins and tickets, one that it shows to other members.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::SigningKey;
use fastx_core::names::hex;
use fastx_core::secret::Secret;
use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::disk;
use crate::peer::PEER_NAME;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A new key cannot be kept.
    #[error("cannot write the node's keys to {0}")]
    Write(std::path::PathBuf, #[source] std::io::Error),
    /// A certificate cannot be made.
    #[error("cannot make the certificate for other members")]
    Certificate(#[source] rcgen::Error),
}

/// Form of `keys.json`.
#[derive(Serialize, Deserialize)]
struct KeyFile {
    signing_seed: Secret,
    peer_key: Secret,
    peer_certificate: String,
}

/// The keys.
#[derive(Clone)]
pub struct Keys {
    /// Signs logins and tickets.
    pub signing: SigningKey,
    /// Certificate for other members, DER.
    pub peer_certificate: Vec<u8>,
    /// Its private key, PKCS#8 DER.
    pub peer_key: Vec<u8>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// Reads the keys of a node, or makes and keeps new ones.
    pub fn load(local_dir: &Path, rng: &mut impl Rng) -> Result<Self, KeyError> {
        let path = local_dir.join("keys.json");
        if let Some(keys) = disk::load::<KeyFile>(&path)
            .as_ref()
            .and_then(Self::from_file)
        {
            return Ok(keys);
        }
        let keys = Self::make(rng)?;
        let file = KeyFile {
            signing_seed: Secret::new(BASE64.encode(keys.signing.to_bytes())),
            peer_key: Secret::new(BASE64.encode(&keys.peer_key)),
            peer_certificate: BASE64.encode(&keys.peer_certificate),
        };
        disk::save(&path, &file).map_err(|e| KeyError::Write(path, e))?;
        tracing::info!(fingerprint = %keys.fingerprint(), "new keys made for this node");
        Ok(keys)
    }

    fn from_file(file: &KeyFile) -> Option<Self> {
        let seed: [u8; 32] = BASE64
            .decode(file.signing_seed.expose())
            .ok()?
            .try_into()
            .ok()?;
        Some(Self {
            signing: SigningKey::from_bytes(&seed),
            peer_certificate: BASE64.decode(&file.peer_certificate).ok()?,
            peer_key: BASE64.decode(file.peer_key.expose()).ok()?,
        })
    }

    fn make(rng: &mut impl Rng) -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let key = rcgen::KeyPair::generate().map_err(KeyError::Certificate)?;
        let mut params = rcgen::CertificateParams::new(vec![PEER_NAME.to_owned()])
            .map_err(KeyError::Certificate)?;
        // Members pin the fingerprint; no name or date in it decides anything. But OpenSSL finds what it trusts by name,
        // and a proxy that trusts several nodes must not take one for the other.
        let name = format!("fastx node {}", random_hex::<8>(rng));
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let certificate = params.self_signed(&key).map_err(KeyError::Certificate)?;
        Ok(Self {
            signing: SigningKey::from_bytes(&seed),
            peer_certificate: certificate.der().to_vec(),
            peer_key: key.serialize_der(),
        })
    }

    /// Public half of the signing key, as the server object carries it.
    pub fn signing_public(&self) -> String {
        fastx_core::token::public_key(&self.signing)
    }

    /// SHA-256 of the certificate, as the server object carries it.
    pub fn fingerprint(&self) -> String {
        hex(&Sha256::digest(&self.peer_certificate))
    }
}

/// So many random bytes as hexadecimal digits.
pub fn random_hex<const N: usize>(rng: &mut impl Rng) -> String {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    hex(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_the_same_from_start_to_start() {
        let dir = tempfile::tempdir().unwrap();
        let first = Keys::load(dir.path(), &mut rand::rng()).unwrap();
        let second = Keys::load(dir.path(), &mut rand::rng()).unwrap();
        assert_eq!(first.signing_public(), second.signing_public());
        assert_eq!(first.fingerprint(), second.fingerprint());
        assert!(!format!("{first:?}").contains(&BASE64.encode(first.signing.to_bytes())));
    }

    #[test]
    fn a_damaged_file_makes_new_keys() {
        let dir = tempfile::tempdir().unwrap();
        let first = Keys::load(dir.path(), &mut rand::rng()).unwrap();
        std::fs::write(dir.path().join("keys.json"), "{").unwrap();
        let second = Keys::load(dir.path(), &mut rand::rng()).unwrap();
        assert_ne!(first.fingerprint(), second.fingerprint());
    }
}
