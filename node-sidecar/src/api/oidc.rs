//! Signing in at the cluster's OpenID Connect provider: the browser goes there and comes back with a code.
//!
//! What must be the same when it comes back is in a cookie of that browser, and nowhere else.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use fastx_core::secret::Secret;
use fastx_core::subject::Operation;
use fastx_core::wire::operations::{OidcAddress, OidcBegin, OidcExchange, PasswordAnswer};
use fastx_core::wire::problem::Problem;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::IntoParams;

use super::dto::ProblemDocument;
use super::error::ApiError;
use super::extract::{Address, KnownOrigin, Query, cookie_named, equal};
use super::login;
use crate::keys::random_hex;
use crate::logins::{LIFETIME, Proof};
use crate::node::Node;

/// The cookie of a sign-in that is on its way. A browser comes back from another site, so it is not `Strict`.
const COOKIE: &str = "__Host-fastx-oidc";
/// How long a sign-in may be on its way, seconds.
const ON_THE_WAY: u32 = 600;
/// Longest code that is looked at.
const MAX_CODE: usize = 4096;

/// Where to go afterwards.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BeginQuery {
    /// A path of the web client; `/` when absent or of another site.
    r#return: Option<String>,
}

/// What the provider sends along.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CallbackQuery {
    /// The code.
    #[param(value_type = Option<String>)]
    code: Option<Secret>,
    /// The state that was given to the provider.
    state: Option<String>,
    /// Why there is no code.
    error: Option<String>,
}

/// A sign-in on its way.
#[derive(Debug, Serialize, Deserialize)]
struct OnTheWay {
    state: String,
    nonce: String,
    verifier: Secret,
    redirect: String,
    back: String,
}

impl OnTheWay {
    fn new(host: &str, back: &str, rng: &mut impl rand::Rng) -> Self {
        Self {
            state: random_hex::<16>(rng),
            nonce: random_hex::<16>(rng),
            verifier: Secret::new(random_hex::<32>(rng)),
            redirect: format!("https://{host}/api/v1/login/oidc/callback"),
            back: back.to_owned(),
        }
    }
}

/// Begin to sign in at the cluster's provider
#[utoipa::path(get, operation_id = "beginOidc", path = "/api/v1/login/oidc", tag = "login", params(BeginQuery),
    responses(
        (status = 302, description = "To the provider, with a cookie for the way back"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "The cluster has no provider"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json", description = "`logins-off`"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "`no-oidc`, `no-manager`")))]
pub(super) async fn begin(
    State(node): State<Node>,
    page: KnownOrigin,
    Query(query): Query<BeginQuery>,
) -> Result<Response, ApiError> {
    allowed(&node).await?;
    let way = OnTheWay::new(
        &page.host,
        back(query.r#return.as_deref()),
        &mut rand::rng(),
    );
    let request = OidcBegin {
        redirect_uri: way.redirect.clone(),
        state: way.state.clone(),
        nonce: way.nonce.clone(),
        code_challenge: BASE64.encode(Sha256::digest(way.verifier.expose())),
    };
    let answer: OidcAddress = node
        .transport()
        .store(Operation::OidcBegin, &request)
        .await?;
    let mut response = to(&answer.url);
    let kept = BASE64.encode(serde_json::to_vec(&way).unwrap_or_default());
    set_cookie(&mut response, &kept, ON_THE_WAY);
    Ok(response)
}

/// The way back from the provider
#[utoipa::path(get, operation_id = "finishOidc", path = "/api/v1/login/oidc/callback", tag = "login", params(CallbackQuery),
    responses(
        (status = 302, description = "Signed in: to where the sign-in began, with the cookie of the login"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json", description = "`sign-in-refused`"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json", description = "`logins-off`, `no-account`"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "`no-oidc`, `no-manager`")))]
pub(super) async fn finish(
    State(node): State<Node>,
    Address(address): Address,
    headers: HeaderMap,
    Query(query): Query<CallbackQuery>,
) -> Result<Response, ApiError> {
    allowed(&node).await?;
    let way = on_the_way(&headers)
        .ok_or_else(|| refused("the browser has not begun a sign-in here, or it took too long"))?;
    let state = query.state.as_deref().unwrap_or_default();
    if !equal(state, &way.state) {
        return Err(refused("it belongs to another sign-in").into());
    }
    if let Some(error) = &query.error {
        tracing::info!(error = %error.chars().take(80).collect::<String>(), "the OIDC provider refused a user");
        return Err(refused("the sign-in provider refused it").into());
    }
    let code = query
        .code
        .filter(|code| !code.is_empty() && code.expose().len() <= MAX_CODE)
        .ok_or_else(|| refused("it brings no code"))?;
    let request = OidcExchange {
        code,
        redirect_uri: way.redirect,
        code_verifier: way.verifier,
        nonce: way.nonce,
    };
    let answer: PasswordAnswer = node
        .transport()
        .store(Operation::OidcExchange, &request)
        .await?;
    let user = node
        .logins()
        .issue(Proof {
            login: answer.login,
            groups: answer.groups,
            method: "oidc".to_owned(),
            address,
            label: String::new(),
            lifetime: LIFETIME,
            daemon: false,
            made_by: None,
        })
        .await?;
    let mut response = to(&way.back);
    login::give_cookie(&mut response, &user);
    set_cookie(&mut response, "", 0);
    Ok(response)
}

async fn allowed(node: &Node) -> Result<(), Problem> {
    node.logins().open().await?;
    if login::methods(node, &node.configuration().current()).contains(&"oidc".to_owned()) {
        Ok(())
    } else {
        Err(Problem::bad_request(
            "Signing in at a provider is not set up for this cluster.",
        ))
    }
}

/// A path of our own pages: nothing that a browser could take for another site.
fn back(wanted: Option<&str>) -> &str {
    let own = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.len() <= 1000
            && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    };
    wanted.filter(own).unwrap_or("/")
}

fn on_the_way(headers: &HeaderMap) -> Option<OnTheWay> {
    let kept = BASE64.decode(cookie_named(headers, COOKIE)?).ok()?;
    let way: OnTheWay = serde_json::from_slice(&kept).ok()?;
    (way.state.len() == 32 && !way.nonce.is_empty()).then_some(OnTheWay {
        back: back(Some(&way.back)).to_owned(),
        ..way
    })
}

fn to(address: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    if let Ok(value) = HeaderValue::from_str(address) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

fn set_cookie(response: &mut Response, value: &str, seconds: u32) {
    let cookie =
        format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax");
    if let Ok(mut value) = HeaderValue::from_str(&cookie) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

fn refused(why: &str) -> Problem {
    Problem::new(401, "sign-in-refused", "The sign-in failed")
        .detail(format!(
            "The answer of the sign-in provider is not accepted: {why}."
        ))
        .action("Sign in again; if it stays so, tell your administrator.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        assert_eq!(back(Some("/sessions?all=true")), "/sessions?all=true");
        for bad in [
            "https://evil",
            "//evil",
            "/\\evil",
            "evil",
            "",
            "/a\r\nb",
            "/a b",
        ] {
            assert_eq!(back(Some(bad)), "/", "{bad}");
        }
        assert_eq!(back(None), "/");
    }
}
