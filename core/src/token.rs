//! Signing and checking of logins and tickets: compact `EdDSA` JSON web tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a token is for; part of the signed header, so that one cannot pass for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A login.
    Login,
    /// A ticket.
    Ticket,
}

impl Kind {
    fn header(self) -> &'static str {
        match self {
            Self::Login => r#"{"alg":"EdDSA","typ":"JWT"}"#,
            Self::Ticket => r#"{"alg":"EdDSA","typ":"fastx-ticket"}"#,
        }
    }
}

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts, not base64url, or claims of another form.
    #[error("it is malformed")]
    Malformed,
    /// Another algorithm or kind.
    #[error("it is of another kind")]
    WrongKind,
    /// The signature is not the issuer's.
    #[error("its signature is not the issuer's")]
    BadSignature,
    /// The public key is not one.
    #[error("the issuer's key is not valid")]
    BadKey,
}

/// Signs claims.
pub fn sign<T: Serialize>(kind: Kind, claims: &T, key: &SigningKey) -> String {
    let claims = serde_json::to_vec(claims).unwrap_or_default();
    let input = format!("{}.{}", BASE64.encode(kind.header()), BASE64.encode(claims));
    let signature = key.sign(input.as_bytes());
    format!("{input}.{}", BASE64.encode(signature.to_bytes()))
}

/// Reads claims without checking them: only to learn whose key to check with.
pub fn peek<T: DeserializeOwned>(token: &str) -> Result<T, TokenError> {
    let claims = token.split('.').nth(1).ok_or(TokenError::Malformed)?;
    let bytes = BASE64.decode(claims).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

/// Checks kind and signature and gives the claims. Times and audience are the caller's to check.
pub fn verify<T: DeserializeOwned>(
    kind: Kind,
    token: &str,
    public_key: &str,
) -> Result<T, TokenError> {
    let (input, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, claims) = input.split_once('.').ok_or(TokenError::Malformed)?;
    if BASE64.decode(header).map_err(|_| TokenError::Malformed)? != kind.header().as_bytes() {
        return Err(TokenError::WrongKind);
    }
    let signature = BASE64
        .decode(signature)
        .map_err(|_| TokenError::Malformed)?;
    let signature = Signature::from_slice(&signature).map_err(|_| TokenError::Malformed)?;
    parse_public_key(public_key)?
        .verify_strict(input.as_bytes(), &signature)
        .map_err(|_| TokenError::BadSignature)?;
    let claims = BASE64.decode(claims).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&claims).map_err(|_| TokenError::Malformed)
}

/// Public half of a key as text: base64url without padding.
pub fn public_key(key: &SigningKey) -> String {
    BASE64.encode(key.verifying_key().as_bytes())
}

fn parse_public_key(text: &str) -> Result<VerifyingKey, TokenError> {
    let bytes = BASE64.decode(text).map_err(|_| TokenError::BadKey)?;
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| TokenError::BadKey)?;
    VerifyingKey::from_bytes(&bytes).map_err(|_| TokenError::BadKey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::login::Claims;

    fn claims() -> Claims {
        Claims {
            sub: "ada".parse().unwrap(),
            iss: "a".parse().unwrap(),
            iat: 1,
            exp: 2,
            jti: "0".repeat(32),
            aud: "api".into(),
            daemon: false,
        }
    }

    #[test]
    fn what_is_signed_checks_out() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let token = sign(Kind::Login, &claims(), &key);
        assert_eq!(
            verify::<Claims>(Kind::Login, &token, &public_key(&key)),
            Ok(claims())
        );
        assert_eq!(peek::<Claims>(&token), Ok(claims()));
    }

    #[test]
    fn forgeries_are_refused() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let other = SigningKey::from_bytes(&[8; 32]);
        let token = sign(Kind::Login, &claims(), &key);
        let public = public_key(&key);
        let check =
            |token: &str, public: &str| verify::<Claims>(Kind::Login, token, public).unwrap_err();
        assert_eq!(check(&token, &public_key(&other)), TokenError::BadSignature);
        assert_eq!(
            check(&sign(Kind::Ticket, &claims(), &key), &public),
            TokenError::WrongKind
        );
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        parts[1] = BASE64.encode(r#"{"sub":"root"}"#);
        assert_eq!(check(&parts.join("."), &public), TokenError::BadSignature);
        parts[0] = BASE64.encode(r#"{"alg":"none"}"#);
        assert_eq!(check(&parts.join("."), &public), TokenError::WrongKind);
        for junk in ["", "a", "a.b", "a.b.c", "é.é.é"] {
            assert_eq!(check(junk, &public), TokenError::Malformed, "{junk}");
        }
        assert_eq!(check(&token, "short"), TokenError::BadKey);
    }
}
