//! An HTTPS client as small as it gets.

use axum::body::Bytes;
use axum::http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::cluster::TestNode;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Status and kind of the problem.
    pub(crate) fn problem(&self) -> (u16, String) {
        let json = self.json();
        if json["type"].is_string() {
            assert_eq!(self.headers["content-type"], "application/problem+json");
            assert_eq!(
                json["traceId"],
                self.headers["x-trace-id"].to_str().unwrap()
            );
        }
        (
            self.status.as_u16(),
            json["type"].as_str().unwrap_or_default().to_owned(),
        )
    }
}

/// Opens a TLS connection to a node, which must show its registered certificate.
pub(crate) async fn connect(node: &TestNode) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(node.addr).await.unwrap();
    let tls = fastx_node::peer::client(&node.fingerprint).unwrap();
    TlsConnector::from(tls)
        .connect(fastx_node::peer::name(), tcp)
        .await
        .unwrap()
}

/// Sends a request and gives the answer with its body still to come.
pub(crate) async fn send(
    node: &TestNode,
    request: Request<Full<Bytes>>,
) -> hyper::Response<hyper::body::Incoming> {
    let stream = connect(node).await;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

/// A browser, or a program, at one node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    pub(crate) cookie: Option<String>,
    pub(crate) csrf: Option<String>,
    pub(crate) bearer: Option<String>,
    pub(crate) origin: Option<String>,
    pub(crate) key: Option<String>,
}

pub(crate) fn host(node: &TestNode) -> String {
    format!("127.0.0.1:{}", node.addr.port())
}

impl Client {
    /// Signs in as a browser does.
    pub(crate) async fn browser(node: &TestNode, login: &str) -> Self {
        let client = Self {
            origin: Some(format!("https://{}", host(node))),
            ..Self::default()
        };
        let body = json!({"method": "local", "login": login, "password": format!("pw-{login}")});
        let answer = client.post(node, "login", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let cookie = answer.headers[SET_COOKIE].to_str().unwrap();
        for word in ["; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/"] {
            assert!(cookie.contains(word), "{cookie}");
        }
        assert!(!cookie.contains("Domain"));
        assert_eq!(
            answer.json()["token"],
            Value::Null,
            "a browser gets no token to leak"
        );
        Self {
            cookie: cookie.split(';').next().map(str::to_owned),
            csrf: answer.json()["csrf"].as_str().map(str::to_owned),
            ..client
        }
    }

    /// Signs in as a program does.
    pub(crate) async fn program(node: &TestNode, login: &str) -> Self {
        let body = json!({"method": "local", "login": login, "password": format!("pw-{login}"), "token": true});
        let answer = Self::default().post(node, "login", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.headers.get(SET_COOKIE).is_none());
        Self {
            bearer: answer.json()["token"].as_str().map(str::to_owned),
            ..Self::default()
        }
    }

    pub(crate) fn request(
        &self,
        node: &TestNode,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/{path}"))
            .header(HOST, host(node));
        let bearer = self.bearer.as_ref().map(|t| format!("Bearer {t}"));
        for (name, value) in [
            (COOKIE.as_str(), &self.cookie),
            ("x-fastx-csrf", &self.csrf),
            ("authorization", &bearer),
            (ORIGIN.as_str(), &self.origin),
            ("idempotency-key", &self.key),
        ] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Full::from(body.to_string())
            }
            None => Full::default(),
        };
        request.body(body).unwrap()
    }

    pub(crate) async fn call(
        &self,
        node: &TestNode,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let response = send(node, self.request(node, method, path, body)).await;
        let (head, body) = response.into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub(crate) async fn get(&self, node: &TestNode, path: &str) -> Answer {
        self.call(node, Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, node: &TestNode, path: &str, body: Value) -> Answer {
        self.call(node, Method::POST, path, Some(body)).await
    }

    /// Starts a session; its id.
    pub(crate) async fn start(&self, node: &TestNode, server: &str) -> String {
        let body = json!({"command": "xterm", "geometry": "640x480", "serverId": server});
        let answer = self.post(node, "sessions", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["session"]["id"].as_str().unwrap().to_owned()
    }

    /// Starts the application of all test clusters; the session's id.
    pub(crate) async fn terminal(&self, node: &TestNode) -> String {
        let body = json!({"application": "term"});
        let answer = self.post(node, "sessions", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["session"]["id"].as_str().unwrap().to_owned()
    }

    /// Ways to a session.
    pub(crate) async fn ways(&self, node: &TestNode, id: &str, mode: &str) -> Vec<Value> {
        let answer = self
            .post(
                node,
                &format!("sessions/{id}/connect"),
                json!({"mode": mode}),
            )
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["candidates"].as_array().unwrap().clone()
    }

    /// A ticket to a session.
    pub(crate) async fn ticket(&self, node: &TestNode, id: &str, mode: &str) -> String {
        let ways = self.ways(node, id, mode).await;
        ways[0]["ticket"].as_str().unwrap().to_owned()
    }
}
