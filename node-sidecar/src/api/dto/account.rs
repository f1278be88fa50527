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
    /// The provider of the method `oidc`.
    pub oidc: Option<OidcInfo>,
    /// This server.
    pub server_id: String,
    /// Version of the software.
    pub version: String,
    /// Version of the API.
    pub api_version: u32,
}

/// A sign-in provider, as the page shows it.
#[derive(Debug, Serialize, ToSchema)]
pub struct OidcInfo {
    /// What it is called.
    pub title: String,
}

/// A sign-in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginRequest {
    /// One of the methods of `/info`: `local` or `ssh`.
    pub method: String,
    /// Login name.
    pub login: String,
    /// Password; with `ssh` it answers the first question for one, and without it the server asks.
    #[serde(default)]
    #[schema(value_type = String, format = Password)]
    pub password: fastx_core::secret::Secret,
    /// With `ssh`: the server whose SSH service is asked; the one that answers when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9_-]{1,63}$")]
    pub server_id: Option<fastx_core::names::ServerId>,
    /// Whether a program asks: the answer then brings the token, and no cookie is set.
    #[serde(default)]
    pub token: bool,
}

/// Questions of a server on the way to a login or to a link.
#[derive(Debug, Serialize, ToSchema)]
pub struct Conversation {
    /// Name of the conversation.
    pub id: String,
    /// Who asks, in a few words.
    pub title: String,
    /// What the server says about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instruction: String,
    /// The questions, to be answered together.
    pub prompts: Vec<Question>,
    /// When the conversation is over.
    #[schema(value_type = String, format = DateTime)]
    pub expires: Timestamp,
}

/// One question.
#[derive(Debug, Serialize, ToSchema)]
pub struct Question {
    /// What is asked.
    pub text: String,
    /// Whether the answer may be seen while it is typed.
    pub echo: bool,
}

/// Answers to the questions of a conversation.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Answers {
    /// One for each question, in order.
    #[serde(deserialize_with = "few")]
    #[schema(value_type = Vec<String>, max_items = 10)]
    pub answers: Vec<fastx_core::secret::Secret>,
}

/// No server asks more at once.
const MOST_ANSWERS: usize = 10;

fn few<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<fastx_core::secret::Secret>, D::Error> {
    let answers = Vec::deserialize(deserializer)?;
    if answers.len() > MOST_ANSWERS {
        return Err(serde::de::Error::custom("too many answers"));
    }
    Ok(answers)
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
