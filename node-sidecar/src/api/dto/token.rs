//! Logins and users as lists.

use fastx_core::names::LoginName;
use fastx_core::wire::login::TokenRecord;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which logins to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TokensQuery {
    /// Those of this user; for admins.
    #[param(value_type = Option<String>)]
    pub login: Option<LoginName>,
    /// Those of everybody; for admins.
    #[serde(default)]
    pub all: bool,
}

/// Logins that are valid.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tokens {
    /// The latest first.
    pub tokens: Vec<TokenDocument>,
    /// Whether there are more than the answer holds.
    pub more: bool,
}

/// A login.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenDocument {
    /// Its id.
    pub id: String,
    /// Whose it is; only in lists of others' logins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// What the owner calls it.
    pub label: String,
    /// How the owner signed in: `local`, `ssh`, `oidc`.
    pub method: String,
    /// Address that it was issued to.
    pub address: String,
    /// Server that issued it.
    pub issuer: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub issued: Timestamp,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl TokenDocument {
    /// A record as `current` sees it; with its owner when it is not theirs to know already.
    pub fn new(record: TokenRecord, current: &str, with_owner: bool) -> Self {
        Self {
            current: record.jti == current,
            id: record.jti,
            login: with_owner.then(|| record.login.to_string()),
            label: record.label,
            method: record.method,
            address: record.address,
            issuer: record.issuer.to_string(),
            issued: record.issued,
            expires: record.expires,
        }
    }
}

/// A new name of a login.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChangeToken {
    /// At most 200 printable bytes.
    #[schema(max_length = 200)]
    pub label: String,
}

/// A wish for a login of a program.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewToken {
    /// What it is for: at most 200 printable bytes.
    #[schema(max_length = 200)]
    pub label: String,
    /// How long it lives, 1 to 90 days; 30 when absent.
    #[schema(minimum = 1, maximum = 90)]
    pub days: Option<u32>,
}

/// A login for a program.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeToken {
    /// Its id.
    pub id: String,
    /// The token, shown this once.
    pub token: String,
}

/// Users of the cluster.
#[derive(Debug, Serialize, ToSchema)]
pub struct Users {
    /// By login.
    pub users: Vec<UserDocument>,
    /// Whether there are logins that could not be counted, since there are very many.
    pub more: bool,
}

/// A user who is signed in or has sessions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub struct UserDocument {
    /// Login name.
    pub login: String,
    /// Valid logins.
    pub tokens: usize,
    /// Sessions that are not over.
    pub sessions: usize,
    /// When the latest of the valid logins was issued.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_sign_in: Option<Timestamp>,
}
