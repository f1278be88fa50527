//! Authorities that change while a manager runs: of its clients, and of its store.

use std::sync::Arc;
use std::time::Duration;

use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::tls::{self, ReloadingCert};
use fastx_manager::app;
use fastx_manager::store::mongo::MongoStore;
use fastx_manager::store::{Collection, Pace, Store as _};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::address::{Authority, Client, config};
use crate::support::{PATIENCE, eventually};

#[tokio::test]
async fn clients_of_a_new_authority_come_in_and_open_connections_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    let (certificate, key) = old.issue("manager");
    for (name, text) in [
        ("uri", "mongodb://127.0.0.1:1/"),
        ("tls.crt", &certificate),
        ("tls.key", &key),
        ("ca.crt", &old.0.pem()),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let app = app::build(config(dir.path())).await.unwrap();
    let addr = app.api_addr().unwrap();
    let shutdown = Shutdown::new();
    let running = tokio::spawn(app.run(shutdown.clone()));
    let comes_in = async |client: &Client| {
        let answer = client.call("GET", "/v1/status", &Value::Null).await;
        answer.is_some_and(|(status, _)| status == 200)
    };
    let before = Client::new(addr, &old, Some("fastx-operator"));
    let after = Client::of(addr, &old, Some((&new, "fastx-operator")));
    assert!(comes_in(&before).await && !comes_in(&after).await);
    let mut stream = before.open("GET", "/v1/status/stream", "").await.unwrap();
    let mut buffer = [0; 16384];
    assert!(stream.read(&mut buffer).await.unwrap() > 0);

    std::fs::write(dir.path().join("ca.crt"), "half a file").unwrap();
    let both = format!("{}{}", old.0.pem(), new.0.pem());
    std::fs::write(dir.path().join("ca.crt"), both).unwrap();
    eventually("the new one comes in", async || comes_in(&after).await).await;
    assert!(comes_in(&before).await, "both are trusted");
    std::fs::write(dir.path().join("ca.crt"), new.0.pem()).unwrap();
    eventually("the old one does not", async || !comes_in(&before).await).await;
    assert!(comes_in(&after).await);
    // The stream says something at least every few seconds.
    for _ in 0..2 {
        let read = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap();
        assert!(read.unwrap() > 0, "an open connection stays");
    }
    shutdown.trigger();
    timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
}

/// Something that looks like a store until its certificate was accepted; tells of each time that it was.
async fn listener(authority: &Authority) -> (u16, mpsc::Receiver<()>) {
    let (certificate, key) = authority.issue("store");
    let certificate = ReloadingCert::from_pem(&certificate, &key).unwrap();
    let tls = tls::server_config(certificate, None, &[]).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, sender) = (acceptor.clone(), sender.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                // A client sends its first message only after it has accepted the certificate.
                if stream.read(&mut [0]).await.is_ok_and(|n| n > 0) {
                    let _ = sender.send(()).await;
                }
            });
        }
    });
    (port, receiver)
}

#[tokio::test]
async fn a_store_of_a_new_authority_is_accepted_once_its_file_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    let (port, mut accepted) = listener(&new).await;
    let ca = dir.path().join("ca.crt");
    std::fs::write(&ca, old.0.pem()).unwrap();
    let uri = format!("mongodb://localhost:{port}/");
    let store = MongoStore::open(&uri, Some(ca.clone()), "fastx", Pace::new(1))
        .await
        .unwrap();
    let call = async || store.get(Collection::Config, "root").await;
    assert!(call().await.is_err());
    assert!(accepted.try_recv().is_err(), "not trusted yet");

    std::fs::write(&ca, "no certificate").unwrap();
    assert!(store.reopen(&uri).await.is_err(), "the old one stays");
    std::fs::write(&ca, new.0.pem()).unwrap();
    store.reopen(&uri).await.unwrap();
    let trusted = async { timeout(Duration::from_secs(10), accepted.recv()).await };
    let (_, trusted) = tokio::join!(call(), trusted);
    assert_eq!(trusted, Ok(Some(())));
}
