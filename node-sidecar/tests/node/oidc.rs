//! Signing in at a real OpenID Connect provider.

use std::collections::BTreeMap;
use std::process::Stdio;

use axum::http::header::{LOCATION, SET_COOKIE};
use base64::Engine as _;
use fastx_core::wire::config::OidcPart;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::cluster::{Cluster, TestNode};
use crate::http::{Answer, Client, host};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oidc");
const MISSING: &str =
    "this test needs the provider of the folder tests/oidc: npm ci --prefix tests/oidc";
const SECRET: &str = "a secret: with & signs";

/// Starts a provider that knows this node's address; its own address.
async fn provider(node: &TestNode, account: &str) -> (Child, String) {
    let mut child = Command::new("node")
        .arg("provider.mjs")
        .current_dir(FOLDER)
        .env("ACCOUNT", account)
        .env("CLIENT_SECRET", SECRET)
        .env(
            "REDIRECT_URI",
            format!("https://{}/api/v1/login/oidc/callback", host(node)),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect(MISSING);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let limit = std::time::Duration::from_mins(1);
    let first = tokio::time::timeout(limit, lines.next_line()).await;
    let issuer = first.expect("the provider listens in time").unwrap();
    (child, issuer.expect(MISSING))
}

/// A cluster whose only method is this provider.
async fn world(account: &str, secret: &str) -> (Cluster, TestNode, Child) {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let (child, issuer) = provider(&node, account).await;
    let file = node.dir.join("client-secret");
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    cluster.manager.oidc_secret_at(file);
    cluster.part.methods = vec!["oidc".into()];
    cluster.part.oidc = Some(OidcPart {
        title: "University".into(),
        issuer,
        client_id: "fastx".into(),
        ..OidcPart::default()
    });
    cluster.configure().await;
    cluster.settle(&[&node]).await;
    (cluster, node, child)
}

/// What a browser does at the provider: it follows where it is sent, with its cookies, until that is our own address.
async fn follow(mut address: String) -> String {
    let mut jar: BTreeMap<String, String> = BTreeMap::new();
    for _ in 0..8 {
        let Some(rest) = address.strip_prefix("http://") else {
            return address;
        };
        let (authority, path) = rest.split_once('/').unwrap();
        let cookies: Vec<String> = jar.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let request = format!(
            "GET /{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\ncookie: {}\r\n\r\n",
            cookies.join("; ")
        );
        let mut stream = TcpStream::connect(authority).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        let mut next = None;
        for line in head.lines().skip(1) {
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            match name.to_lowercase().as_str() {
                "location" => next = Some(value.to_owned()),
                "set-cookie" => {
                    let pair = value.split(';').next().unwrap();
                    let (name, value) = pair.split_once('=').unwrap();
                    jar.insert(name.to_owned(), value.to_owned());
                }
                _ => {}
            }
        }
        let next = next.unwrap_or_else(|| panic!("the provider sends nowhere: {answer}"));
        address = if next.starts_with('/') {
            format!("http://{authority}{next}")
        } else {
            next
        };
    }
    panic!("sent around in a circle: {address}");
}

/// The value that a cookie gets.
fn cookie(answer: &Answer, name: &str) -> Option<String> {
    let cookies = answer.headers.get_all(SET_COOKIE).iter();
    cookies
        .filter_map(|c| c.to_str().ok()?.split(';').next())
        .find(|pair| pair.starts_with(&format!("{name}=")))
        .map(str::to_owned)
}

/// Begins; the cookie for the way back, and where the provider sends the browser.
async fn begin(node: &TestNode) -> (Option<String>, String) {
    let begun = Client::default()
        .get(node, "login/oidc?return=%2Fsessions")
        .await;
    assert_eq!(begun.status, 302, "{begun:?}");
    let all = begun.headers[SET_COOKIE].to_str().unwrap();
    for word in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(all.contains(word), "{all}");
    }
    let back = follow(begun.headers[LOCATION].to_str().unwrap().to_owned()).await;
    (cookie(&begun, "__Host-fastx-oidc"), back)
}

async fn come_back(node: &TestNode, cookie: Option<String>, back: &str) -> Answer {
    let start = format!("https://{}/api/v1/", host(node));
    let path = back.strip_prefix(&start).unwrap();
    let browser = Client {
        cookie,
        ..Client::default()
    };
    browser.get(node, path).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_signs_in_at_the_provider_and_groups_make_the_role() {
    let (_cluster, node, _provider) = world("ada", SECRET).await;
    let info = Client::default().get(&node, "info").await.json();
    assert_eq!(
        (&info["methods"], &info["oidc"]["title"]),
        (&json!(["oidc"]), &json!("University"))
    );
    let (way, back) = begin(&node).await;
    let done = come_back(&node, way.clone(), &back).await;
    assert_eq!(done.status, 302, "{done:?}");
    assert_eq!(done.headers[LOCATION], "/sessions");
    let browser = Client {
        cookie: cookie(&done, "__Host-fastx"),
        ..Client::default()
    };
    let me = browser.get(&node, "me").await.json();
    assert_eq!(
        (&me["login"], &me["role"], &me["groups"]),
        (&json!("ada"), &json!("manager"), &json!(["ops", "artists"]))
    );
    let tokens = browser.get(&node, "tokens").await.json();
    assert_eq!(tokens["tokens"][0]["method"], "oidc");

    let again = come_back(&node, way, &back).await;
    assert_eq!(
        again.problem(),
        (401, "sign-in-refused".into()),
        "a code is good once"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_worth_nothing_in_another_browser() {
    let (_cluster, node, _provider) = world("ada", SECRET).await;
    let (own, back) = begin(&node).await;
    let (other, _) = begin(&node).await;
    for stolen in [None, other] {
        let refused = come_back(&node, stolen, &back).await;
        assert_eq!(refused.problem(), (401, "sign-in-refused".into()));
    }
    // Another sign-in's state, and a cookie that was made up for it: the verifier is missing.
    let state = back
        .split("state=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let made_up = json!({"state": state, "nonce": "n", "verifier": "v".repeat(64),
        "redirect": format!("https://{}/api/v1/login/oidc/callback", host(&node)), "back": "/"});
    let made_up = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(made_up.to_string());
    let forged = Some(format!("__Host-fastx-oidc={made_up}"));
    let refused = come_back(&node, forged, &back).await;
    assert_eq!(refused.problem(), (401, "sign-in-refused".into()));
    assert!(own.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_the_provider_refuses_and_a_wrong_secret_get_no_login() {
    let (_cluster, node, _provider) = world("", SECRET).await;
    let (way, back) = begin(&node).await;
    assert!(back.contains("error=access_denied"), "{back}");
    let refused = come_back(&node, way, &back).await;
    assert_eq!(refused.problem(), (401, "sign-in-refused".into()));

    let (_cluster, node, _provider) = world("ada", "another secret").await;
    let (way, back) = begin(&node).await;
    let refused = come_back(&node, way, &back).await;
    assert_eq!(refused.problem(), (503, "no-oidc".into()));
}
