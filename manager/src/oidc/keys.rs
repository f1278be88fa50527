//! Keys of a provider, and the signatures that they check.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::Value;

/// Longest token that is looked at.
const MAX_TOKEN: usize = 32 * 1024;
/// Keys that are kept.
const MOST: usize = 32;

/// A key, as far as it can be used here.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// All keys that may sign, with their names.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<(Option<String>, Key)>);

/// A token taken apart.
struct Parts<'a> {
    algorithm: String,
    kid: Option<String>,
    signed: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

impl Keys {
    /// Reads a key set; keys of other kinds or for encryption are left out.
    pub(super) fn read(document: &Value) -> Self {
        let keys = document["keys"].as_array().into_iter().flatten();
        let usable = keys.filter(|key| key["use"].as_str().is_none_or(|of| of == "sig"));
        Self(
            usable
                .filter_map(|key| Some((key["kid"].as_str().map(str::to_owned), Key::read(key)?)))
                .take(MOST)
                .collect(),
        )
    }

    /// Whether one of them has the name that the token asks for.
    pub(super) fn knows(&self, token: &str) -> bool {
        let kid = take_apart(token).ok().and_then(|parts| parts.kid);
        self.0.iter().any(|(name, _)| kid.is_none() || *name == kid)
    }

    /// The claims, when one of the keys has signed them.
    pub(super) fn verify(&self, token: &str) -> Result<Value, String> {
        let parts = take_apart(token)?;
        let fits = self
            .0
            .iter()
            .filter(|(name, _)| parts.kid.is_none() || name.is_none() || *name == parts.kid)
            .any(|(_, key)| key.signed(&parts));
        if !fits {
            return Err("no key of the provider has signed it".to_owned());
        }
        let claims = BASE64.decode(parts.claims).map_err(|_| malformed())?;
        serde_json::from_slice(&claims).map_err(|_| malformed())
    }
}

fn malformed() -> String {
    "the token is malformed".to_owned()
}

fn take_apart(token: &str) -> Result<Parts<'_>, String> {
    if token.len() > MAX_TOKEN {
        return Err(malformed());
    }
    let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
    let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
    let header = BASE64.decode(header).map_err(|_| malformed())?;
    let header: Value = serde_json::from_slice(&header).map_err(|_| malformed())?;
    if !header["crit"].is_null() {
        return Err("the token asks for something unknown".to_owned());
    }
    Ok(Parts {
        algorithm: header["alg"].as_str().unwrap_or_default().to_owned(),
        kid: header["kid"].as_str().map(str::to_owned),
        signed,
        claims,
        signature: BASE64.decode(signature).map_err(|_| malformed())?,
    })
}

impl Key {
    fn read(key: &Value) -> Option<Self> {
        let bytes = |name: &str| BASE64.decode(key[name].as_str()?).ok();
        let point = || {
            let mut point = vec![4];
            point.extend(bytes("x")?);
            point.extend(bytes("y")?);
            Some(point)
        };
        match (key["kty"].as_str()?, key["crv"].as_str()) {
            ("RSA", _) => Some(Self::Rsa {
                modulus: bytes("n")?,
                exponent: bytes("e")?,
            }),
            ("EC", Some("P-256")) => point().map(Self::P256),
            ("EC", Some("P-384")) => point().map(Self::P384),
            ("OKP", Some("Ed25519")) => bytes("x").map(Self::Ed25519),
            _ => None,
        }
    }

    /// Whether it has signed the token, with an algorithm that is its own: a token cannot choose another.
    fn signed(&self, parts: &Parts<'_>) -> bool {
        let (message, signature) = (parts.signed.as_bytes(), &parts.signature);
        let by = |algorithm: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key)
                .verify(message, signature)
                .is_ok()
        };
        match (self, parts.algorithm.as_str()) {
            (Self::Rsa { modulus, exponent }, name) => {
                let parameters: &RsaParameters = match name {
                    "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                    "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
                    _ => return false,
                };
                let key = RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                key.verify(parameters, message, signature).is_ok()
            }
            (Self::P256(key), "ES256") => by(&signature::ECDSA_P256_SHA256_FIXED, key),
            (Self::P384(key), "ES384") => by(&signature::ECDSA_P384_SHA384_FIXED, key),
            (Self::Ed25519(key), "EdDSA") => by(&signature::ED25519, key),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    fn part(value: &Value) -> String {
        BASE64.encode(value.to_string())
    }

    #[test]
    fn only_the_providers_key_and_its_own_algorithm_count() {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        let point = pair.public_key().as_ref();
        let key = |kid: &str| {
            json!({"kid": kid, "kty": "EC", "crv": "P-256", "use": "sig",
                "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..])})
        };
        let keys = Keys::read(&json!({"keys": [key("k"), {"kty": "oct", "k": "AA"}]}));
        assert_eq!(keys.0.len(), 1);
        let token = |header: &Value| {
            let signed = format!("{}.{}", part(header), part(&json!({"sub": "ada"})));
            let signature = pair.sign(&random, signed.as_bytes()).unwrap();
            format!("{signed}.{}", BASE64.encode(signature))
        };
        let good = token(&json!({"alg": "ES256", "kid": "k"}));
        assert_eq!(keys.verify(&good).unwrap()["sub"], "ada");
        assert!(keys.knows(&good) && !keys.knows(&token(&json!({"alg": "ES256", "kid": "o"}))));
        for header in [
            json!({"alg": "none", "kid": "k"}),
            json!({"alg": "HS256", "kid": "k"}),
            json!({"alg": "ES256", "kid": "other"}),
            json!({"alg": "ES256", "kid": "k", "crit": ["x"]}),
        ] {
            assert!(keys.verify(&token(&header)).is_err(), "{header}");
        }
        let (start, signature) = good.rsplit_once('.').unwrap();
        let header = start.split('.').next().unwrap();
        let forged = format!("{header}.{}.{signature}", part(&json!({"sub": "root"})));
        for bad in [forged.as_str(), "", "a.b.c", start] {
            assert!(keys.verify(bad).is_err(), "{bad}");
        }
    }
}
