//! The HTTPS address: who may write, what is refused, the stream, and a start without store and bus.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use fastx_bus::Hub;
use fastx_core::wire::config::hash;
use fastx_core::wire::join::JoinAnswer;
use fastx_core::wire::status::ClusterStatus;
use fastx_lifecycle::https;
use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::tls::{self, ReloadingCert};
use fastx_lifecycle::trust::ReloadingTrust;
use fastx_manager::operations::joins::Discovery;
use fastx_manager::{app, config::Config, testing};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{PATIENCE, beat, eventually, member, namespace};

/// An authority of the cluster.
pub(crate) struct Authority(pub(crate) CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key of this common name.
    pub(crate) fn issue(&self, name: &str) -> (String, String) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        (leaf.pem(), key.serialize_pem())
    }
}

/// A client of this address; `name` is the common name of its certificate.
pub(crate) struct Client {
    addr: SocketAddr,
    tls: tokio_rustls::TlsConnector,
}

impl Client {
    pub(crate) fn new(addr: SocketAddr, authority: &Authority, name: Option<&str>) -> Self {
        Self::of(addr, authority, name.map(|name| (authority, name)))
    }

    /// One that trusts an authority, and shows a certificate of that one or another.
    pub(crate) fn of(
        addr: SocketAddr,
        trusted: &Authority,
        own: Option<(&Authority, &str)>,
    ) -> Self {
        tls::install_provider();
        let roots = tls::roots(&trusted.0.pem()).unwrap();
        let builder = rustls::ClientConfig::builder().with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some((authority, name)) => {
                let (certificate, key) = authority.issue(name);
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        Self {
            addr,
            tls: Arc::new(config).into(),
        }
    }

    pub(crate) async fn open(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.addr).await?;
        let mut stream = self
            .tls
            .connect(ServerName::try_from("localhost").unwrap(), tcp)
            .await?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        Ok(stream)
    }

    /// Status and body; none when the connection is refused.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Option<(u16, Value)> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = self.open(method, path, &body).await.ok()?;
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .unwrap()
            .ok()?;
        let text = String::from_utf8(answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().unwrap();
        Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    }
}

async fn serve(handle: &testing::Handle, authority: &Authority) -> (SocketAddr, Shutdown) {
    let (certificate, key) = authority.issue("manager");
    let certificate = ReloadingCert::from_pem(&certificate, &key).unwrap();
    let trust = ReloadingTrust::from_pem(&authority.0.pem()).unwrap();
    let config = tls::server_config(certificate, Some(trust), &["http/1.1"]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let shutdown = Shutdown::new();
    tokio::spawn(https::serve(
        listener,
        Arc::new(config),
        handle.router(),
        shutdown.clone(),
    ));
    (addr, shutdown)
}

fn root(generation: u64, cluster: &Value) -> Value {
    json!({"schema": 1, "generation": generation, "cluster": hash(cluster), "nodes": {}})
}

#[tokio::test]
async fn only_the_operator_writes_and_generations_only_grow() {
    let hub = Hub::new();
    let manager = testing::start(&hub, namespace()).await;
    let authority = Authority::new();
    let (addr, _shutdown) = serve(&manager, &authority).await;
    let operator = Client::new(addr, &authority, Some("fastx-operator"));
    let reader = Client::new(addr, &authority, Some("prometheus"));
    let (old, new) = (json!({"displayName": "old"}), json!({"displayName": "new"}));
    let put = |generation, part: &Value| json!({"root": root(generation, part), "parts": {hash(part): part}});
    let none = Value::Null;

    let stranger = Client::new(addr, &Authority::new(), Some("fastx-operator"));
    assert_eq!(
        stranger.call("GET", "/v1/config", &none).await,
        None,
        "another authority's certificate"
    );
    let nameless = Client::new(addr, &authority, None);
    assert_eq!(
        nameless.call("GET", "/v1/config", &none).await,
        None,
        "no certificate at all"
    );

    let status = async |client: &Client, method: &str, path: &str, body: &Value| {
        client.call(method, path, body).await.unwrap().0
    };
    assert_eq!(
        status(&reader, "PUT", "/v1/config", &put(2, &new)).await,
        403
    );
    assert_eq!(status(&reader, "DELETE", "/v1/servers/a", &none).await, 403);
    assert_eq!(status(&reader, "GET", "/v1/config", &none).await, 404);

    let missing = json!({"root": root(1, &new), "parts": {}});
    let (code, problem) = operator.call("PUT", "/v1/config", &missing).await.unwrap();
    assert_eq!(
        (code, problem["type"].as_str()),
        (422, Some("config-parts-missing"))
    );
    let forged = json!({"root": root(1, &new), "parts": {hash(&new): old}});
    assert_eq!(status(&operator, "PUT", "/v1/config", &forged).await, 422);
    let large = json!({"x": "y".repeat(300 * 1024)});
    assert_eq!(
        status(&operator, "PUT", "/v1/config", &put(1, &large)).await,
        422
    );

    let (code, stored) = operator
        .call("PUT", "/v1/config", &put(2, &new))
        .await
        .unwrap();
    assert_eq!(code, 200, "{stored}");
    assert_eq!(
        operator
            .call("PUT", "/v1/config", &put(2, &new))
            .await
            .unwrap()
            .1,
        stored,
        "idempotent"
    );
    let (_, state) = reader.call("GET", "/v1/config", &none).await.unwrap();
    assert_eq!(state["root"]["generation"], 2);
    assert_eq!(
        status(&operator, "PUT", "/v1/config", &put(1, &old)).await,
        409
    );
    assert_eq!(
        status(&operator, "PUT", "/v1/config", &put(2, &old)).await,
        409
    );
    let without_parts = json!({"root": root(3, &new), "parts": {}});
    assert_eq!(
        status(&operator, "PUT", "/v1/config", &without_parts).await,
        200,
        "the part is there already"
    );
    assert_eq!(
        status(&operator, "PUT", "/v1/config", &json!({"root": 1})).await,
        422
    );
    assert_eq!(status(&operator, "GET", "/v1/nothing", &none).await, 404);
}

#[tokio::test]
async fn the_stream_tells_of_nodes_and_a_forgotten_one_is_gone() {
    let hub = Hub::new();
    let manager = testing::start(&hub, namespace()).await;
    let authority = Authority::new();
    let (addr, _shutdown) = serve(&manager, &authority).await;
    let operator = Client::new(addr, &authority, Some("fastx-operator"));
    let mut stream = operator.open("GET", "/v1/status/stream", "").await.unwrap();
    let mut text = String::new();
    let mut buffer = [0; 16384];
    let mut read_until = async |wanted: &str| {
        while !text.contains(wanted) {
            let count = timeout(PATIENCE, stream.read(&mut buffer))
                .await
                .expect(wanted)
                .unwrap();
            assert!(count > 0, "the stream ended: {text}");
            text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        text.clone()
    };
    let first = read_until("event: status").await;
    assert!(first.contains("text/event-stream"), "{first}");
    beat(&member(&hub, "a"), 1).await;
    read_until(r#""nodes":{"a":"#).await;

    assert_eq!(
        operator
            .call("DELETE", "/v1/servers/a", &Value::Null)
            .await
            .unwrap()
            .0,
        204
    );
    assert_eq!(
        operator
            .call("DELETE", "/v1/servers/a", &Value::Null)
            .await
            .unwrap()
            .0,
        204,
        "idempotent"
    );
    assert_eq!(
        operator
            .call("DELETE", "/v1/servers/a.b", &Value::Null)
            .await
            .unwrap()
            .0,
        400
    );
    manager
        .wait_status("it is gone", |s| s.nodes.is_empty())
        .await;
    let (_, status) = operator
        .call("GET", "/v1/status", &Value::Null)
        .await
        .unwrap();
    let status: ClusterStatus = serde_json::from_value(status).unwrap();
    assert!(status.leading && status.nodes.is_empty());
}

#[tokio::test]
async fn the_operator_hears_of_hosts_that_ask_and_its_answer_reaches_them() {
    let hub = Hub::new();
    // Without a signing key: the operator makes identities.
    let manager = testing::start(&hub, namespace()).await;
    let authority = Authority::new();
    let (addr, _shutdown) = serve(&manager, &authority).await;
    let operator = Client::new(addr, &authority, Some("fastx-operator"));
    let (host, ask) = (
        crate::joins::host(&hub),
        crate::joins::ask("a", 1, "host-a"),
    );
    let waits = crate::joins::join(&host, &ask).await;
    assert!(matches!(waits, Ok(JoinAnswer::Pending { .. })), "{waits:?}");
    let told = |s: &ClusterStatus| {
        let joins = s.joins.iter();
        joins
            .map(|j| (j.server_id.to_string(), j.accepted, j.identified))
            .collect::<Vec<_>>()
    };
    let status = manager
        .wait_status("it asks", |s| told(s) == [("a".to_owned(), false, false)])
        .await;
    assert_eq!(status.joins[0].public_key, ask.public_key);
    assert_eq!(status.joins[0].hostname, "host-a");
    let decision = |key: &str| json!({"state": "accepted", "jwt": "signed", "publicKey": key});
    let put = async |body: &Value| operator.call("PUT", "/v1/joins/a", body).await.unwrap().0;
    assert_eq!(
        put(&decision("UOTHER")).await,
        404,
        "another key is not meant"
    );
    for _ in 0..2 {
        assert_eq!(put(&decision(&ask.public_key)).await, 204, "idempotent");
    }
    manager
        .wait_status("it is settled", |s| {
            told(s) == [("a".to_owned(), true, true)]
        })
        .await;
    let comes_in = crate::joins::join(&host, &ask).await;
    assert!(
        matches!(&comes_in, Ok(JoinAnswer::Accepted { jwt }) if jwt.expose() == "signed"),
        "{comes_in:?}"
    );
    // Identities are for those who asked, not for those who list.
    let (_, list) = operator
        .call("GET", "/v1/joins", &Value::Null)
        .await
        .unwrap();
    assert!(!list.to_string().contains("signed"), "{list}");
    // Forgotten, it is somebody new.
    let forgotten = operator.call("DELETE", "/v1/servers/a", &Value::Null).await;
    assert_eq!(forgotten.unwrap().0, 204);
    manager
        .wait_status("nobody asks", |s| s.joins.is_empty())
        .await;
    let anew = crate::joins::join(&host, &ask).await;
    assert!(matches!(anew, Ok(JoinAnswer::Pending { .. })), "{anew:?}");
}

pub(crate) fn config(dir: &Path) -> Config {
    Config {
        name: "manager-x".parse().unwrap(),
        config_dir: dir.into(),
        store_uri_file: dir.join("uri"),
        store_ca_file: None,
        store_database: "fastx".into(),
        tls_dir: dir.into(),
        users_dir: dir.join("users"),
        discovery: Discovery::Declared,
        oidc_secret_file: dir.join("oidc-secret"),
        oidc_ca_file: dir.join("oidc-ca"),
        api_addr: "127.0.0.1:0".parse().unwrap(),
        health_addr: "127.0.0.1:0".parse().unwrap(),
    }
}

#[tokio::test]
async fn a_manager_starts_without_store_and_bus_and_says_what_it_waits_for() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (certificate, key) = authority.issue("manager");
    let files = BTreeMap::from([
        ("uri", "mongodb://user:hunter2@127.0.0.1:1/".to_owned()),
        ("tls.crt", certificate),
        ("tls.key", key),
        ("ca.crt", authority.0.pem()),
    ]);
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let app = app::build(config(dir.path())).await.unwrap();
    let addr = app.api_addr().unwrap();
    let shutdown = Shutdown::new();
    let running = tokio::spawn(app.run(shutdown.clone()));
    let client = Client::new(addr, &authority, Some("fastx-operator"));
    eventually("the status names the store's fault", async || {
        let (_, status) = client
            .call("GET", "/v1/status", &Value::Null)
            .await
            .unwrap();
        let text = status.to_string();
        assert!(!text.contains("hunter2"), "{text}");
        status["store"]["ok"] == false
            && status["store"]["detail"]
                .as_str()
                .unwrap()
                .contains("refused")
    })
    .await;
    shutdown.trigger();
    timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();

    std::fs::remove_file(dir.path().join("tls.key")).unwrap();
    let error = app::build(config(dir.path())).await.unwrap_err();
    let text = fastx_lifecycle::telemetry::chain(&error);
    assert!(text.contains("tls.key"), "{text}");
}
