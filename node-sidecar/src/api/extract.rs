//! What handlers take out of a request: the user, the client's address, checked ids and bodies.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method};
use fastx_core::names::SessionId;
use fastx_core::wire::problem::Problem;
use fastx_lifecycle::https::Peer;

use super::error::ApiError;
use super::{origin, rights};
use crate::logins::{User, csrf_value};
use crate::node::Node;

/// Name of the cookie; the prefix makes browsers insist on Secure, Path=/ and no Domain.
pub(super) const COOKIE_NAME: &str = "__Host-fastx";
/// Header that repeats the CSRF value.
pub(super) const CSRF_HEADER: &str = "x-fastx-csrf";

/// The verified user of a request, who may do what is asked for. With a cookie, whatever changes something also needs the CSRF header and a known origin.
#[derive(Debug)]
pub(super) struct SignedIn(pub(super) User);

impl FromRequestParts<Node> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, node: &Node) -> Result<Self, ApiError> {
        let authority = parts.uri.authority().map(|a| a.as_str().to_owned());
        if let Some(token) = bearer(&parts.headers) {
            let user = node.logins().verify(token).await?;
            rights::check(parts, &user)?;
            return Ok(Self(user));
        }
        let token = cookie(&parts.headers)
            .ok_or_else(|| Problem::unauthenticated("The request carries no login."))?;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            check_page(node, &parts.headers, authority.as_deref(), token)?;
        }
        let user = node.logins().verify(token).await?;
        rights::check(parts, &user)?;
        Ok(Self(user))
    }
}

fn check_page(
    node: &Node,
    headers: &HeaderMap,
    authority: Option<&str>,
    token: &str,
) -> Result<(), Problem> {
    if !origin::check(node, headers, authority)? {
        return Err(
            Problem::new(403, "foreign-origin", "Not allowed from this page")
                .detail("A request with a cookie that changes something must name its Origin.")
                .action("Programs sign in with `\"token\": true` and send the token as a bearer."),
        );
    }
    let sent = headers
        .get(CSRF_HEADER)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    if !equal(sent, &csrf_value(token)) {
        return Err(Problem::new(403, "csrf", "The page is out of date")
            .detail("The header X-Fastx-Csrf is missing or belongs to another login.")
            .action("Load the page again."));
    }
    Ok(())
}

/// Compares without telling by the time taken where two values differ.
pub(super) fn equal(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |d, (x, y)| d | (x ^ y)) == 0
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The login of the cookie header.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    cookie_named(headers, COOKIE_NAME)
}

/// The value of a cookie.
pub(super) fn cookie_named<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
        .filter(|token| !token.is_empty())
}

/// Address of the client.
#[derive(Debug)]
pub(super) struct Address(pub(super) String);

impl FromRequestParts<Node> for Address {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, node: &Node) -> Result<Self, ApiError> {
        let Some(peer) = parts.extensions.get::<Peer>() else {
            return Ok(Self(String::new()));
        };
        let current = node.configuration().current();
        let proxies = &current.cluster.trusted_proxies;
        let address = origin::client_address(peer.addr.ip(), &parts.headers, proxies);
        Ok(Self(address.to_string()))
    }
}

/// A request from one of our own pages, or from a program.
#[derive(Debug)]
pub(super) struct KnownOrigin {
    /// Host and port that the client asked for.
    pub(super) host: String,
}

impl FromRequestParts<Node> for KnownOrigin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, node: &Node) -> Result<Self, ApiError> {
        let authority = parts.uri.authority().map(Authority::as_str);
        origin::check(node, &parts.headers, authority)?;
        let host = origin::host(&parts.headers, authority).unwrap_or_default();
        Ok(Self {
            host: host.to_owned(),
        })
    }
}

/// The session of the path.
#[derive(Debug)]
pub(super) struct Id(pub(super) SessionId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path: Result<axum::extract::Path<SessionId>, PathRejection> =
            axum::extract::Path::from_request_parts(parts, state).await;
        Ok(Self(path?.0))
    }
}

/// Text in a path, whose faults are problems.
#[derive(Debug)]
pub(super) struct PathText<T>(pub(super) T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned + Send> FromRequestParts<S> for PathText<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path: Result<axum::extract::Path<T>, PathRejection> =
            axum::extract::Path::from_request_parts(parts, state).await;
        match path {
            Ok(path) => Ok(Self(path.0)),
            Err(_) => Err(Problem::not_found("such thing").into()),
        }
    }
}

/// A JSON body whose faults are problems.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, ApiError> {
        let body: Result<axum::Json<T>, JsonRejection> =
            axum::Json::from_request(request, state).await;
        Ok(Self(body?.0))
    }
}

/// A query whose faults are problems.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query: Result<axum::extract::Query<T>, QueryRejection> =
            axum::extract::Query::from_request_parts(parts, state).await;
        Ok(Self(query?.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_in_headers() {
        let mut headers = HeaderMap::new();
        headers.insert(
            COOKIE,
            "a=b; __Host-fastx=tok.en; __Host-fastx2=x".parse().unwrap(),
        );
        headers.insert(AUTHORIZATION, "bearer abc".parse().unwrap());
        assert_eq!(cookie(&headers), Some("tok.en"));
        assert_eq!(bearer(&headers), Some("abc"));
        headers.insert(COOKIE, "x__Host-fastx=1; __Host-fastx=".parse().unwrap());
        headers.insert(AUTHORIZATION, "Basic abc".parse().unwrap());
        assert_eq!(cookie(&headers), None);
        assert_eq!(bearer(&headers), None);
    }

    #[test]
    fn comparison() {
        assert!(
            equal("abc", "abc") && !equal("abc", "abd") && !equal("abc", "ab") && !equal("", "a")
        );
    }
}
