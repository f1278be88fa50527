//! One HTTPS connection to a manager for each request, and one that stays open for the status stream.
//!
//! Managers are dialled at the addresses of their Pods and checked by the name of their Service,
//! so that no name service is needed and a manager that does not answer is passed over.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use fastx_core::wire::config::RootDocument;
use fastx_core::wire::join::JoinDecision;
use fastx_core::wire::problem::Problem;
use fastx_core::wire::status::ClusterStatus;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Port of the managers' API.
pub(super) const PORT: u16 = 3310;
/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// Largest answer: a status of several thousand nodes.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// The stream says something at least each 10 s.
const STREAM_SILENCE: Duration = Duration::from_secs(25);

/// Where the managers are, and how we prove who we are.
#[derive(Clone)]
pub struct Endpoint {
    addresses: Vec<IpAddr>,
    name: ServerName<'static>,
    tls: Arc<rustls::ClientConfig>,
    #[cfg(test)]
    fake: Option<Fake>,
}

/// Answers in the place of managers.
#[cfg(test)]
pub(crate) type Fake =
    Arc<dyn Fn(&Method, &str, Option<&Value>) -> Result<Value, ManagerError> + Send + Sync>;

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("addresses", &self.addresses)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Why the managers gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManagerError {
    /// No manager Pod has an address.
    #[error("no manager is running")]
    Nobody,
    /// Our own certificate or trust is of no use.
    #[error("the operator's certificate cannot be used: {0}")]
    Tls(String),
    /// No connection, or it broke.
    #[error("manager {address} does not answer: {reason}")]
    NoAnswer {
        /// Where.
        address: IpAddr,
        /// Why.
        reason: String,
    },
    /// It refused.
    #[error("a manager refused: {0}")]
    Refused(Problem),
    /// It answered something else than JSON of the expected form.
    #[error("a manager's answer makes no sense: {0}")]
    Nonsense(String),
}

impl Endpoint {
    /// The managers at these addresses.
    pub fn new(
        addresses: Vec<IpAddr>,
        name: &str,
        bundle: &str,
        cert: &str,
        key: &str,
    ) -> Result<Self, ManagerError> {
        let broken = |e: String| ManagerError::Tls(e);
        let roots = fastx_lifecycle::tls::roots(bundle).map_err(|e| broken(e.to_string()))?;
        let chain = CertificateDer::pem_slice_iter(cert.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| broken(e.to_string()))?;
        let key =
            PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|e| broken(e.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| broken(e.to_string()))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(|e| broken(e.to_string()))?;
        let name = ServerName::try_from(name.to_owned()).map_err(|e| broken(e.to_string()))?;
        Ok(Self {
            addresses,
            name,
            tls: Arc::new(tls),
            #[cfg(test)]
            fake: None,
        })
    }

    /// The configuration that is in force; none before the first.
    pub async fn config(&self) -> Result<Option<RootDocument>, ManagerError> {
        match self.request(Method::GET, "/v1/config", None).await {
            Ok(answer) => read(answer["root"].clone()).map(Some),
            Err(ManagerError::Refused(problem)) if problem.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts a configuration into force.
    pub async fn put_config(&self, body: &Value) -> Result<(), ManagerError> {
        self.request(Method::PUT, "/v1/config", Some(body))
            .await
            .map(|_| ())
    }

    /// Makes the managers forget a node that is no more.
    pub async fn forget(&self, server: &str) -> Result<(), ManagerError> {
        match self
            .request(Method::DELETE, &format!("/v1/servers/{server}"), None)
            .await
        {
            Err(ManagerError::Refused(problem)) if problem.status == 404 => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// Tells what was decided about a host that asks to join. Another host that asks since is not meant, and that is
    /// for the next status to say.
    pub async fn decide_join(
        &self,
        server: &str,
        decision: &JoinDecision,
    ) -> Result<(), ManagerError> {
        let path = format!("/v1/joins/{server}");
        let body = serde_json::to_value(decision).unwrap_or_default();
        match self.request(Method::PUT, &path, Some(&body)).await {
            Err(ManagerError::Refused(problem)) if problem.status == 404 => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// Follows the status until the connection ends; gives why it did.
    pub async fn follow(&self, mut each: impl FnMut(ClusterStatus)) -> ManagerError {
        let (address, answer) = match self.send(Method::GET, "/v1/status/stream", None).await {
            Ok(found) => found,
            Err(error) => return error,
        };
        let broken = |reason: &str| ManagerError::NoAnswer {
            address,
            reason: reason.to_owned(),
        };
        if answer.status() != StatusCode::OK {
            return broken(&format!("it answered {}", answer.status()));
        }
        let mut body = answer.into_body();
        let mut buffer = Vec::new();
        loop {
            let frame = match timeout(STREAM_SILENCE, body.frame()).await {
                Err(_) => return broken("it has been silent for 25 s"),
                Ok(None) => return broken("it ended the status stream"),
                Ok(Some(Err(error))) => return broken(&error.to_string()),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            buffer.extend_from_slice(&bytes);
            if buffer.len() > MAX_ANSWER {
                return broken("its status is larger than 8 MiB");
            }
            while let Some(event) = take_event(&mut buffer) {
                match serde_json::from_str(&event) {
                    Ok(status) => each(status),
                    Err(error) => return ManagerError::Nonsense(error.to_string()),
                }
            }
        }
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ManagerError> {
        #[cfg(test)]
        if let Some(fake) = &self.fake {
            return fake(&method, path, body);
        }
        let work = async {
            let (address, answer) = self.send(method, path, body).await?;
            let status = answer.status();
            let bytes = Limited::new(answer.into_body(), MAX_ANSWER)
                .collect()
                .await
                .map_err(|e| ManagerError::NoAnswer {
                    address,
                    reason: e.to_string(),
                })?
                .to_bytes();
            if status.is_success() {
                return if bytes.is_empty() {
                    Ok(Value::Null)
                } else {
                    serde_json::from_slice(&bytes)
                        .map_err(|e| ManagerError::Nonsense(e.to_string()))
                };
            }
            Err(ManagerError::Refused(
                serde_json::from_slice(&bytes).unwrap_or_else(|_| {
                    Problem::new(status.as_u16(), "unknown", "No reason was given")
                }),
            ))
        };
        timeout(ANSWER_LIMIT, work).await.unwrap_or_else(|_| {
            Err(ManagerError::NoAnswer {
                address: self
                    .addresses
                    .first()
                    .copied()
                    .unwrap_or_else(|| IpAddr::from([0, 0, 0, 0])),
                reason: "no answer within 20 s".to_owned(),
            })
        })
    }

    /// Sends to the first manager that takes the connection.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(IpAddr, http::Response<Incoming>), ManagerError> {
        let mut last = ManagerError::Nobody;
        for &address in &self.addresses {
            let failed = |reason: String| ManagerError::NoAnswer { address, reason };
            let mut sender = match timeout(CONNECT_LIMIT, self.dial(address)).await {
                Ok(Ok(sender)) => sender,
                Ok(Err(reason)) => {
                    last = failed(reason);
                    continue;
                }
                Err(_) => {
                    last = failed("no connection within 5 s".to_owned());
                    continue;
                }
            };
            let bytes = body.map(Value::to_string).unwrap_or_default();
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(http::header::HOST, self.name.to_str().as_ref())
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(Full::new(Bytes::from(bytes)))
                .map_err(|e| failed(e.to_string()))?;
            return match timeout(ANSWER_LIMIT, sender.send_request(request)).await {
                Ok(Ok(answer)) => Ok((address, answer)),
                Ok(Err(error)) => Err(failed(fastx_lifecycle::telemetry::chain(&error))),
                Err(_) => Err(failed("no answer within 20 s".to_owned())),
            };
        }
        Err(last)
    }

    async fn dial(&self, address: IpAddr) -> Result<http1::SendRequest<Full<Bytes>>, String> {
        let tcp = TcpStream::connect((address, PORT))
            .await
            .map_err(|e| e.to_string())?;
        let tls = TlsConnector::from(self.tls.clone())
            .connect(self.name.clone(), tcp)
            .await
            .map_err(|e| format!("TLS: {e}"))?;
        let (sender, connection) = http1::handshake(TokioIo::new(tls))
            .await
            .map_err(|e| e.to_string())?;
        // Ends with the sender, or with the peer.
        tokio::spawn(async move {
            let _closed = connection.await;
        });
        Ok(sender)
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, ManagerError> {
    serde_json::from_value(value).map_err(|e| ManagerError::Nonsense(e.to_string()))
}

/// Takes the data of the first complete event `status` out of a server-sent-events buffer.
fn take_event(buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        let end = buffer.windows(2).position(|w| w == b"\n\n")?;
        let block: Vec<u8> = buffer.drain(..end + 2).collect();
        let block = String::from_utf8_lossy(&block);
        let mut event = "message";
        let mut data = String::new();
        for line in block.lines() {
            if let Some(name) = line.strip_prefix("event:") {
                event = name.trim();
            } else if let Some(part) = line.strip_prefix("data:") {
                if !data.is_empty() {
                    data.push('\n');
                }
                data.push_str(part.strip_prefix(' ').unwrap_or(part));
            }
        }
        if event == "status" && !data.is_empty() {
            return Some(data);
        }
    }
}

#[cfg(test)]
impl Endpoint {
    /// Managers in memory.
    pub(crate) fn in_memory(fake: Fake) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the usual versions")
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        Self {
            addresses: Vec::new(),
            name: ServerName::try_from("managers").expect("a name"),
            tls: Arc::new(tls),
            fake: Some(fake),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_whole_and_comments_are_passed_over() {
        let mut buffer = b": hello\n\nevent: other\ndata: x\n\nevent: status\ndata: {\"a\":\ndata: 1}\n\nevent: st".to_vec();
        assert_eq!(take_event(&mut buffer).as_deref(), Some("{\"a\":\n1}"));
        assert_eq!(take_event(&mut buffer), None);
        buffer.extend_from_slice(b"atus\ndata: 2\n\n");
        assert_eq!(take_event(&mut buffer).as_deref(), Some("2"));
        assert!(buffer.is_empty());
    }
}
