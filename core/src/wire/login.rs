//! Logins: the claims of a token, and the record that makes a token valid.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{LoginName, ServerId};

/// Claims of a login token (`EdDSA` JWT). Roles are never claims: the receiver computes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Login name.
    pub sub: LoginName,
    /// Server that issued it.
    pub iss: ServerId,
    /// Seconds since 1970 when it was issued.
    pub iat: i64,
    /// Seconds since 1970 when it ends.
    pub exp: i64,
    /// Unique id; 32 hexadecimal digits.
    pub jti: String,
    /// Always `api`.
    pub aud: String,
    /// Whether a link stands behind the login.
    #[serde(
        rename = "fastx/daemon",
        default,
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub daemon: bool,
}

/// A token that is on the list, hence valid. The signed token itself is never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRecord {
    /// Unique id of the token.
    pub jti: String,
    /// Whose it is.
    pub login: LoginName,
    /// Server that issued it.
    pub issuer: ServerId,
    /// How the user proved who they are: `local`, `ssh`, `oidc`.
    pub method: String,
    /// Groups that the sign-in method vouches for.
    #[serde(default)]
    pub groups: Vec<String>,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// Address that it was issued to, for the owner to recognise it.
    #[serde(default)]
    pub address: String,
    /// What the owner calls it; empty for a browser login.
    #[serde(default)]
    pub label: String,
    /// The login that it was made with, when somebody made it for a program. Such a one makes no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
}
