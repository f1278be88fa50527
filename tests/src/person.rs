//! A person with a program: signs in at a node's address and uses its API, knowing only address, login and password.

use std::time::Duration;

use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::SessionRecord;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Failure;
use crate::eventually::eventually;

/// A login at one address.
#[derive(Debug, Clone)]
pub struct Person {
    http: reqwest::Client,
    address: String,
    token: String,
}

/// What a call that was refused said.
#[derive(Debug)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The problem document.
    pub problem: Problem,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, self.problem.kind, self.problem)
    }
}

impl std::error::Error for Refusal {}

/// An HTTP client for addresses whose certificate is the cluster's own.
///
/// What the certificate says is another test's subject.
pub fn http() -> Result<reqwest::Client, Failure> {
    fastx_lifecycle::tls::install_provider();
    Ok(reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .timeout(Duration::from_secs(30))
        .build()?)
}

impl Person {
    /// Signs in with a password that the managers know.
    pub async fn sign_in(address: &str, login: &str, password: &str) -> Result<Self, Failure> {
        Self::sign_in_by("local", address, login, password).await
    }

    /// Signs in with a method that asks for one password and no more.
    pub async fn sign_in_by(
        method: &str,
        address: &str,
        login: &str,
        password: &str,
    ) -> Result<Self, Failure> {
        let http = http()?;
        let body = json!({"method": method, "login": login, "password": password, "token": true});
        let request = http.post(format!("{address}/api/v1/login")).json(&body);
        let answer: Value = read(request).await?;
        let token = answer["token"]
            .as_str()
            .ok_or("the answer has no token")?
            .to_owned();
        Ok(Self {
            http,
            address: address.to_owned(),
            token,
        })
    }

    /// The same login at another address.
    #[must_use]
    pub fn at(&self, address: &str) -> Self {
        Self {
            address: address.to_owned(),
            ..self.clone()
        }
    }

    /// The token, for programs that call by themselves.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The address in use.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Calls the API and reads the answer.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, Failure> {
        read(self.request(method, path, body)).await
    }

    /// Calls the API and gives status and text, whatever they are.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, String), Failure> {
        let answer = self.request(method, path, body).send().await?;
        Ok((answer.status(), answer.text().await?))
    }

    /// Calls the API for the status alone.
    pub async fn status(&self, method: Method, path: &str) -> Result<StatusCode, Failure> {
        Ok(self.request(method, path, None).send().await?.status())
    }

    /// Starts a session of an application.
    pub async fn start(&self, body: Value) -> Result<SessionRecord, Failure> {
        let answer: Value = self.call(Method::POST, "/sessions", Some(body)).await?;
        Ok(serde_json::from_value(answer["session"].clone())?)
    }

    /// Asks for a session under a key that may be used again; status and answer, whatever they are.
    pub async fn try_start(&self, key: &str, body: Value) -> Result<(u16, Value), Failure> {
        let request = self.request(Method::POST, "/sessions", Some(body));
        let answer = request.header("idempotency-key", key).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// All own sessions.
    pub async fn sessions(&self) -> Result<Vec<SessionRecord>, Failure> {
        let answer: Value = self.call(Method::GET, "/sessions", None).await?;
        Ok(serde_json::from_value(answer["sessions"].clone())?)
    }

    /// Ends a session and waits until it is over.
    pub async fn end(&self, session: &SessionRecord) -> Result<(), Failure> {
        let id = session.id.to_string();
        let (status, text) = self
            .raw(Method::DELETE, &format!("/sessions/{id}"), None)
            .await?;
        if !status.is_success() && status != StatusCode::NOT_FOUND {
            return Err(format!("ending {id}: {status} {text}").into());
        }
        eventually(Duration::from_secs(15), "the session is over", async || {
            let live = self
                .sessions()
                .await?
                .into_iter()
                .find(|s| s.id == session.id && s.state.is_live());
            live.map_or(Ok(()), |s| {
                Err(Failure::from(format!("still {:?}", s.state)))
            })
        })
        .await
    }

    fn request(&self, method: Method, path: &str, body: Option<Value>) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}/api/v1{path}", self.address))
            .bearer_auth(&self.token);
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
    }
}

async fn read<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Failure> {
    let answer = request.send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    if status.is_success() {
        return serde_json::from_str(&text)
            .map_err(|e| format!("{e} in the answer {text:?}").into());
    }
    let problem = serde_json::from_str(&text).map_err(|_| {
        format!(
            "{status} without a problem document: {:?}",
            text.chars().take(300).collect::<String>()
        )
    })?;
    Err(Box::new(Refusal {
        status: status.as_u16(),
        problem,
    }))
}
