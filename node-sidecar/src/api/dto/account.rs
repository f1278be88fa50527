//! Signing in, and who one is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What everybody may know before signing in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Name of the cluster for people.
    pub cluster: String,
    /// Message of the day.
    pub message: String,
    /// Sign-in methods, in order.
    pub methods: Vec<String>,
    /// This server.
    pub server_id: String,
    /// Version of the software.
    pub version: String,
    /// Version of the API.
    pub api_version: u32,
}

/// A sign-in.
#[derive(Debug, Deserialize, ToSchema)]
pub struct LoginRequest {
    /// Method; `local`.
    pub method: String,
    /// Login name.
    pub login: String,
    /// Password.
    #[schema(value_type = String, format = Password)]
    pub password: fastx_core::secret::Secret,
    /// Whether a program asks: the answer then brings the token, and no cookie is set.
    #[serde(default)]
    pub token: bool,
}

/// The user of a login.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// Login name.
    pub login: String,
    /// `user`, `manager` or `admin`.
    pub role: String,
    /// Groups that the sign-in method vouches for.
    pub groups: Vec<String>,
    /// The server that answers.
    pub server_id: String,
    /// When the login ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires: Timestamp,
    /// Value of the header `X-Fastx-Csrf` for whatever changes something.
    pub csrf: String,
    /// Name of the cluster for people.
    pub cluster: String,
}

/// Answer to a sign-in.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoginAnswer {
    /// Who signed in.
    pub user: Me,
    /// Value of the header `X-Fastx-Csrf`.
    pub csrf: String,
    /// The token, when a program asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}
