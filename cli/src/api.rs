//! The API of a cluster as a program uses it.

use std::time::Duration;

use fastx_core::secret::Secret;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Failure, Refusal};
use crate::trust::{Refused, Trust};

/// How long a call may take; a start waits for a display.
const LIMIT: Duration = Duration::from_mins(1);
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// A cluster at an address.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    address: String,
    token: Option<Secret>,
    refused: Refused,
}

impl Api {
    /// Speaks to an address that is believed for this reason.
    pub fn new(address: String, trust: &Trust, token: Option<Secret>) -> Result<Self, Failure> {
        let refused = Refused::default();
        let mut tls = trust.client(&refused)?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT)
            .user_agent(concat!("fastxctl/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| Failure::Usage(format!("TLS cannot be used: {e}")))?;
        Ok(Self {
            http,
            address,
            token,
            refused,
        })
    }

    /// The address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Calls and reads the answer; an empty one is `null`.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        let (_, value) = self.exchange(self.request(method, path, body)).await?;
        serde_json::from_value(value)
            .map_err(|e| Failure::Answer(self.address.clone(), e.to_string()))
    }

    /// Calls and gives the status with the answer.
    pub async fn status(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Failure> {
        self.exchange(self.request(method, path, body)).await
    }

    /// Calls under a key, so that a repetition does nothing twice.
    pub async fn keyed(
        &self,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Result<(StatusCode, Value), Failure> {
        let request = self
            .request(Method::POST, path, Some(body))
            .header("idempotency-key", key);
        self.exchange(request).await
    }

    /// Opens a stream of events; it has no end of its own.
    pub async fn stream(&self, path: &str, last: Option<&str>) -> Result<Response, Failure> {
        let mut request = self.request(Method::GET, path, None);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().await.map_err(|e| self.unreachable(&e))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(self.refusal(answer.status(), &answer.bytes().await.unwrap_or_default()))
    }

    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> RequestBuilder {
        let mut request = self
            .http
            .request(method, format!("{}/api/v1{path}", self.address));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        match body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<(StatusCode, Value), Failure> {
        let request = request.timeout(LIMIT);
        let answer = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|e| self.unreachable(&e))?;
        if !status.is_success() {
            return Err(self.refusal(status, &bytes));
        }
        if bytes.is_empty() {
            return Ok((status, Value::Null));
        }
        let value = serde_json::from_slice(&bytes)
            .map_err(|e| Failure::Answer(self.address.clone(), e.to_string()))?;
        Ok((status, value))
    }

    fn refusal(&self, status: StatusCode, bytes: &[u8]) -> Failure {
        match serde_json::from_slice(bytes).ok().and_then(refusal) {
            Some(refusal) => Failure::Refused(Box::new(refusal)),
            None => Failure::Answer(
                self.address.clone(),
                format!("{status}; is a cluster at this address, or a proxy without one?"),
            ),
        }
    }

    /// What kept a call from the cluster, with what to do.
    pub fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = match self.refused.fingerprint() {
            Some(fingerprint) => format!(
                "its certificate is not trusted.\n  \
                 Give the cluster's authority with --ca-file FILE, or, when you have compared it with the\n  \
                 administrator's, accept this one certificate with\n  \
                 fastxctl login {} --fingerprint {fingerprint}",
                self.address
            ),
            None if error.is_timeout() => "no answer in time; is a firewall in between?".to_owned(),
            None => fastx_lifecycle::telemetry::chain(error),
        };
        Failure::Unreachable {
            address: self.address.clone(),
            why,
        }
    }
}

/// Text as a value of a query.
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut value, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            value.push(char::from(byte));
        } else {
            let _ = write!(value, "%{byte:02X}");
        }
        value
    })
}

/// Over HTTP the trace id is spelled as everything else there.
fn refusal(mut members: Map<String, Value>) -> Option<Refusal> {
    if let Some(id) = members.remove("traceId") {
        members.insert("trace_id".to_owned(), id);
    }
    let problem = serde_json::from_value(Value::Object(members.clone())).ok()?;
    Some(Refusal { problem, members })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_survives_in_a_query() {
        assert_eq!(encoded("now & ä?"), "now%20%26%20%C3%A4%3F");
    }

    #[test]
    fn problems_keep_their_trace_id_and_what_else_they_say() {
        let document = json!({"type": "x", "title": "X", "status": 503, "traceId": "7", "serverId": "a", "servers": [
            {"serverId": "a", "chosen": false, "by": "cluster", "reason": "offline"}]});
        let read = refusal(document.as_object().unwrap().clone()).unwrap();
        assert_eq!(read.problem.trace_id, "7");
        assert_eq!(read.problem.servers.len(), 1);
        assert_eq!(read.members["serverId"], "a");
        assert_eq!(refusal(Map::new()), None);
    }
}
