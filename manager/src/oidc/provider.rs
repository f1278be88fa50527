//! What a provider publishes about itself, and the requests to it.

use std::time::Duration;

use fastx_core::secret::Secret;
use fastx_core::wire::config::OidcPart;
use fastx_core::wire::operations::{OidcBegin, OidcExchange};
use fastx_core::wire::problem::Problem;
use fastx_lifecycle::telemetry::chain;
use reqwest::{Certificate, Client, RequestBuilder, Url};
use serde::Deserialize;
use serde_json::Value;

use super::keys::Keys;

/// For one request; the node waits a little longer for the whole.
const LIMIT: Duration = Duration::from_secs(2);
/// Longest answer, bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// A provider.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) issuer: String,
    authorization: Url,
    token: Url,
    userinfo: Option<Url>,
    keys: Keys,
    http: Client,
}

/// The document that says where everything is.
#[derive(Debug, Deserialize)]
struct Published {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    jwks_uri: String,
}

/// What a code is exchanged for.
#[derive(Debug, Deserialize)]
pub(super) struct Tokens {
    pub(super) id_token: String,
    access_token: Option<Secret>,
}

impl Provider {
    /// Asks the provider about itself; `trusted` are authorities besides the system's.
    pub(super) async fn discover(issuer: &str, trusted: Vec<Certificate>) -> Result<Self, Problem> {
        fastx_lifecycle::tls::install_provider();
        let http = Client::builder()
            .timeout(LIMIT)
            .tls_certs_merge(trusted)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| away(&chain(&error)))?;
        let address = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let published: Published = read(get(&http, &address).await?)?;
        if published.issuer != issuer {
            return Err(away(&format!(
                "it calls itself {} and the configuration calls it {issuer}",
                published.issuer
            )));
        }
        let keys = get(&http, &published.jwks_uri).await?;
        Ok(Self {
            issuer: published.issuer,
            authorization: address_of(&published.authorization_endpoint)?,
            token: address_of(&published.token_endpoint)?,
            userinfo: published
                .userinfo_endpoint
                .as_deref()
                .map(address_of)
                .transpose()?,
            keys: Keys::read(&keys),
            http,
        })
    }

    /// Where the browser goes to sign in.
    pub(super) fn authorization_url(&self, part: &OidcPart, begin: &OidcBegin) -> String {
        let mut url = self.authorization.clone();
        let scope = part.scope();
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &part.client_id),
            ("redirect_uri", &begin.redirect_uri),
            ("scope", &scope),
            ("state", &begin.state),
            ("nonce", &begin.nonce),
            ("code_challenge", &begin.code_challenge),
            ("code_challenge_method", "S256"),
        ]);
        url.into()
    }

    /// Exchanges a code.
    pub(super) async fn exchange(
        &self,
        part: &OidcPart,
        secret: Option<&Secret>,
        body: &OidcExchange,
    ) -> Result<Tokens, Problem> {
        let mut form = url::form(&[
            ("grant_type", "authorization_code"),
            ("code", body.code.expose()),
            ("redirect_uri", &body.redirect_uri),
            ("code_verifier", body.code_verifier.expose()),
        ]);
        let mut request = self.http.post(self.token.clone());
        if let Some(secret) = secret {
            // Both are encoded as in a form before they become a user and a password.
            let (id, secret) = (url::encode(&part.client_id), url::encode(secret.expose()));
            request = request.basic_auth(id, Some(secret));
        } else {
            form.push('&');
            form.push_str(&url::form(&[("client_id", &part.client_id)]));
        }
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let (status, answer) = send(request).await?;
        if status == 200 {
            return read(answer);
        }
        let why = answer["error"].as_str().unwrap_or("no reason").to_owned();
        tracing::warn!(status, %why, "the OIDC provider refused a code");
        match why.as_str() {
            "invalid_grant" => Err(super::untrusted("the code is not valid any more")),
            _ => Err(away(&format!("it refused the code ({status}, {why})"))),
        }
    }

    /// What the provider says of the user beside the signed token.
    pub(super) async fn userinfo(&self, tokens: &Tokens) -> Result<Option<Value>, Problem> {
        let (Some(address), Some(token)) = (&self.userinfo, &tokens.access_token) else {
            return Ok(None);
        };
        let request = self.http.get(address.clone()).bearer_auth(token.expose());
        match send(request).await? {
            (200, answer) if answer.is_object() => Ok(Some(answer)),
            (status, _) => Err(away(&format!("it does not tell about the user ({status})"))),
        }
    }

    /// Whether the key that signed it is among the known ones.
    pub(super) fn knows_key_of(&self, token: &str) -> bool {
        self.keys.knows(token)
    }

    /// Claims of a token whose signature is the provider's.
    pub(super) fn verify(&self, token: &str) -> Result<Value, String> {
        self.keys.verify(token)
    }
}

fn address_of(text: &str) -> Result<Url, Problem> {
    text.parse()
        .map_err(|_| away(&format!("it publishes `{text}`, which is no address")))
}

async fn get(http: &Client, address: &str) -> Result<Value, Problem> {
    match send(http.get(address)).await? {
        (200, answer) => Ok(answer),
        (status, _) => Err(away(&format!("{address} answers with {status}"))),
    }
}

async fn send(request: RequestBuilder) -> Result<(u16, Value), Problem> {
    let failed = |error: reqwest::Error| away(&chain(&error.without_url()));
    let mut response = request
        .header("accept", "application/json")
        .send()
        .await
        .map_err(failed)?;
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(away("its answer is too long"));
        }
        body.extend_from_slice(&piece);
    }
    let answer = serde_json::from_slice(&body).unwrap_or_default();
    Ok((response.status().as_u16(), answer))
}

fn read<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, Problem> {
    // Not the words of the parser: they may quote a token.
    serde_json::from_value(answer).map_err(|_| away("its answer lacks what it should have"))
}

fn away(why: &str) -> Problem {
    tracing::warn!(%why, "the OIDC provider cannot be used");
    Problem::unavailable(
        "no-oidc",
        "The sign-in provider does not answer the managers as it should.",
    )
}

/// Text as forms encode it.
mod url {
    use std::fmt::Write as _;

    pub(super) fn encode(text: &str) -> String {
        text.bytes().fold(String::new(), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
    }

    pub(super) fn form(fields: &[(&str, &str)]) -> String {
        let pairs = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}
