//! Behind a real nginx that is configured as `docs/nginx.md` says, with the block of that very page.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use axum::http::{Method, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fastx_bus::testing::free_port;
use fastx_lifecycle::tls;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rcgen::generate_simple_self_signed;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::cluster::{Cluster, TestNode, eventually};
use crate::viewer::Viewer;

/// Longest wait of this test.
const PATIENCE: Duration = Duration::from_secs(20);
/// The name that people know, as the page has it.
const NAME: &str = "desktop.example.org";
/// Where the page has its files.
const FILES: &str = "/etc/nginx/fastx";

/// A running nginx; it ends when this is dropped.
struct Nginx {
    child: Child,
    port: u16,
    certificate: String,
    dir: tempfile::TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The first process takes its workers along when it is asked to.
        let quit = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        if quit.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// The one block of the page that is a configuration of nginx.
fn block() -> &'static str {
    let page = include_str!("../../../docs/nginx.md");
    let (_, rest) = page.split_once("```nginx\n").unwrap();
    rest.split_once("```").unwrap().0
}

/// A certificate as the command of the page prints it.
fn pem(node: &TestNode) -> String {
    let keys = fastx_node::keys::Keys::load(&node.dir.join("var"), &mut rand::rng()).unwrap();
    let text = BASE64.encode(&keys.peer_certificate);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

impl Nginx {
    async fn start(alpha: &TestNode, beta: &TestNode) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
        let certificate = made.cert.pem();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("tls.crt", &certificate);
        write("tls.key", &made.signing_key.serialize_pem());
        write("nodes.pem", &(pem(alpha) + &pem(beta)));
        let port = free_port();
        // Names, places and the port of this test; every other word is the page's.
        let mut text = block().to_owned();
        for (of_page, here) in [
            ("alpha.example.org:3300", alpha.addr.to_string()),
            ("beta.example.org:3300", beta.addr.to_string()),
            ("listen 443 ", format!("listen 127.0.0.1:{port} ")),
            (FILES, dir.path().display().to_string()),
        ] {
            assert!(text.contains(of_page), "the page has `{of_page}`");
            text = text.replace(of_page, &here);
        }
        write("nginx.conf", &surrounding(dir.path(), &text));
        let child = Command::new("nginx")
            .arg("-p")
            .arg(dir.path())
            .args(["-e", "stderr", "-c"])
            .arg(dir.path().join("nginx.conf"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.path().join("log")).unwrap())
            .spawn()
            .expect("nginx is installed; tests/tools.sh installs it");
        let nginx = Self {
            child,
            port,
            certificate,
            dir,
        };
        eventually("nginx listens", || async {
            let log = std::fs::read_to_string(nginx.dir.path().join("log")).unwrap_or_default();
            let connected = TcpStream::connect(("127.0.0.1", port)).await;
            connected.map(drop).map_err(|e| format!("{e}; {log}"))
        })
        .await;
        nginx
    }

    fn host(&self) -> String {
        format!("{NAME}:{}", self.port)
    }

    /// A connection from one of this machine's own addresses, to the certificate of the page.
    async fn connect(&self, from: IpAddr) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from, 0)).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let tcp = socket.connect(address).await.unwrap();
        let config = rustls::ClientConfig::builder()
            .with_root_certificates(tls::roots(&self.certificate).unwrap())
            .with_no_client_auth();
        let name = ServerName::try_from(NAME).unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
            .unwrap()
    }
}

/// What Debian has around the files of `conf.d`, with everything in the test's own folder.
fn surrounding(dir: &Path, text: &str) -> String {
    let dir = dir.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {dir}/{kind};\n"))
        .concat();
    format!(
        "daemon off;\nworker_processes 1;\npid {dir}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{text}}}\n"
    )
}

/// A browser in front of nginx.
struct Browser<'a> {
    nginx: &'a Nginx,
    from: IpAddr,
    cookie: String,
    csrf: String,
}

impl<'a> Browser<'a> {
    fn at(nginx: &'a Nginx, from: [u8; 4]) -> Self {
        Self {
            nginx,
            from: from.into(),
            cookie: String::new(),
            csrf: String::new(),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> hyper::Response<hyper::body::Incoming> {
        let stream = self.nginx.connect(self.from).await;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/{path}"))
            .header(HOST, self.nginx.host())
            .header(ORIGIN, format!("https://{}", self.nginx.host()))
            .header("x-forwarded-for", "198.51.100.7")
            .header("content-type", "application/json");
        if !self.cookie.is_empty() {
            request = request
                .header(COOKIE, &self.cookie)
                .header("x-fastx-csrf", &self.csrf);
        }
        let body = body.map(|b| b.to_string()).unwrap_or_default();
        let request: Request<Full<Bytes>> = request.body(Full::from(body)).unwrap();
        sender.send_request(request).await.unwrap()
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let answer = self.send(method, path, body).await;
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn sign_in(&mut self, login: &str, password: &str) -> (StatusCode, Value) {
        let body = json!({"method": "local", "login": login, "password": password});
        let answer = self.send(Method::POST, "login", Some(body)).await;
        let status = answer.status();
        let cookie = answer.headers().get(SET_COOKIE).cloned();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if let Some(cookie) = cookie {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            cookie.clone_into(&mut self.cookie);
            answer["csrf"].as_str().unwrap().clone_into(&mut self.csrf);
        }
        (status, answer)
    }

    /// Opens a display as the page of this address does.
    async fn view(&self, id: &str) -> Viewer {
        let path = format!("sessions/{id}/connect");
        let body = json!({"mode": "control"});
        let (status, ways) = self.call(Method::POST, &path, Some(body)).await;
        assert_eq!(status, 200, "{ways}");
        let way = ways["candidates"].as_array().unwrap().last().unwrap();
        let url = way["url"].as_str().unwrap();
        assert!(
            url.starts_with(&format!("wss://{}/", self.nginx.host())),
            "{url}"
        );
        let origin = format!("https://{}", self.nginx.host());
        let stream = self.nginx.connect(self.from).await;
        let ticket = way["ticket"].as_str().unwrap();
        Viewer::over(stream, url, ticket, Some(&origin))
            .await
            .unwrap()
    }
}

/// Two nodes that trust a proxy on this machine, and nginx.
async fn site() -> (Cluster, TestNode, TestNode, Nginx) {
    let mut cluster = Cluster::new().await;
    cluster.part.trusted_proxies = vec!["127.0.0.1".into()];
    let (a, b) = cluster.pair(&["ada"]).await;
    cluster.settle(&[&a, &b]).await;
    let nginx = Nginx::start(&a, &b).await;
    (cluster, a, b, nginx)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_come_through_nginx_as_the_page_says() {
    tls::install_provider();
    let (_cluster, a, b, nginx) = site().await;
    let mut ada = Browser::at(&nginx, [127, 0, 0, 2]);
    let (status, answer) = ada.sign_in("ada", "pw-ada").await;
    assert_eq!(status, 200, "{answer}");
    // The client's own address: neither nginx's nor the one that the client claims.
    let (_, tokens) = ada.call(Method::GET, "tokens", None).await;
    assert_eq!(tokens["tokens"][0]["address"], "127.0.0.2", "{tokens}");

    // News come as they happen.
    let events = ada.send(Method::GET, "events", None).await;
    assert_eq!(events.status(), 200);
    let mut events = events.into_body();
    let body = json!({"command": "xterm", "geometry": "640x480", "serverId": "b"});
    let (status, started) = ada.call(Method::POST, "sessions", Some(body)).await;
    assert_eq!(status, 201, "{started}");
    let id = started["session"]["id"].as_str().unwrap().to_owned();
    let mut heard = String::new();
    let listening = async {
        while !heard.contains("event: session\n") {
            let frame = events.frame().await.unwrap().unwrap();
            heard += &String::from_utf8_lossy(&frame.into_data().unwrap_or_default());
        }
    };
    tokio::time::timeout(PATIENCE, listening)
        .await
        .expect("the news of the start");

    let mut viewer = ada.view(&id).await;
    let size = viewer.handshake().await.unwrap();
    viewer.frame(size).await.unwrap();

    // The one who guesses is kept out by the own address, and nobody else.
    let mut guesser = Browser::at(&nginx, [127, 0, 0, 3]);
    let guessing =
        async { while guesser.sign_in("max", "wrong").await.0 != StatusCode::TOO_MANY_REQUESTS {} };
    tokio::time::timeout(PATIENCE, guessing)
        .await
        .expect("guessing ends");
    let (status, answer) = Browser::at(&nginx, [127, 0, 0, 4])
        .sign_in("bob", "pw-bob")
        .await;
    assert_eq!(status, 200, "{answer}");

    // One of them dies, whichever ada was led to: the other one serves her.
    for dying in [&a, &b] {
        dying.shutdown.trigger();
        if dying.id == a.id {
            let (status, me) = ada.call(Method::GET, "me", None).await;
            assert_eq!((status, &me["login"]), (StatusCode::OK, &json!("ada")));
            let mut viewer = ada.view(&id).await;
            viewer.handshake().await.unwrap();
        }
    }
    eventually("nobody serves her", || async {
        let (status, answer) = ada.call(Method::GET, "me", None).await;
        (status == 502)
            .then_some(())
            .ok_or_else(|| answer.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_talks_to_nobody_else() {
    tls::install_provider();
    let (_cluster, a, b, nginx) = site().await;
    // Only a is known; what stands at the address of b has another key.
    std::fs::write(nginx.dir.path().join("nodes.pem"), pem(&a)).unwrap();
    let text = std::fs::read_to_string(nginx.dir.path().join("nginx.conf")).unwrap();
    let only_b = text.replace(&a.addr.to_string(), &b.addr.to_string());
    std::fs::write(nginx.dir.path().join("nginx.conf"), only_b).unwrap();
    let reload = Command::new("kill")
        .args(["-HUP", &nginx.child.id().to_string()])
        .status();
    assert!(reload.unwrap().success());
    eventually("nginx refuses", || async {
        let mut ada = Browser::at(&nginx, [127, 0, 0, 2]);
        let (status, answer) = ada.sign_in("ada", "pw-ada").await;
        (status == 502)
            .then_some(())
            .ok_or_else(|| format!("{status} {answer}"))
    })
    .await;
    let log = std::fs::read_to_string(nginx.dir.path().join("log")).unwrap();
    assert!(
        log.contains("upstream SSL certificate verify error"),
        "{log}"
    );
}
