//! A provider whose certificate only an authority of the site has signed.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use fastx_bus::{Bus, Hub};
use fastx_core::wire::config::{ClusterPart, OidcPart};
use fastx_core::wire::operations::{OidcAddress, OidcBegin};
use fastx_core::wire::problem::Problem;
use fastx_lifecycle::https;
use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::tls::{self, ReloadingCert};
use fastx_manager::testing;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::address::Authority;
use crate::support::{PATIENCE, member, namespace};

/// Serves what a provider publishes about itself; its address.
async fn provider(authority: &Authority) -> (String, Shutdown) {
    tls::install_provider();
    let (certificate, key) = authority.issue("provider");
    let certificate = ReloadingCert::from_pem(&certificate, &key).unwrap();
    let config = tls::server_config(certificate, None, &["http/1.1"]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    let published = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
    });
    let answer = |value: Value| get(move || std::future::ready(axum::Json(value.clone())));
    let router = Router::new()
        .route("/.well-known/openid-configuration", answer(published))
        .route("/keys", answer(json!({"keys": []})));
    let shutdown = Shutdown::new();
    tokio::spawn(https::serve(
        listener,
        Arc::new(config),
        router,
        shutdown.clone(),
    ));
    (issuer, shutdown)
}

async fn begin(bus: &Bus) -> Result<OidcAddress, Problem> {
    let body = OidcBegin {
        redirect_uri: "https://desk.example/back".into(),
        state: "s".into(),
        nonce: "n".into(),
        code_challenge: "c".into(),
    };
    let subject = bus
        .subjects()
        .store(bus.caller(), fastx_core::subject::Operation::OidcBegin);
    bus.request(subject, &body, PATIENCE).await
}

#[tokio::test]
async fn a_provider_is_trusted_by_the_sites_own_authority_once_it_is_named() {
    let authority = Authority::new();
    let (issuer, _shutdown) = provider(&authority).await;
    let hub = Hub::new();
    let manager = testing::start(&hub, namespace()).await;
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.crt");
    manager.oidc_files_at(dir.path().join("client-secret"), ca.clone());
    let part = ClusterPart {
        methods: vec!["oidc".into()],
        oidc: Some(OidcPart {
            issuer: issuer.clone(),
            client_id: "desks".into(),
            ..OidcPart::default()
        }),
        ..ClusterPart::default()
    };
    manager.put_config(&part, &[].into()).await;
    let node = member(&hub, "desk");
    assert_eq!(begin(&node).await.unwrap_err().kind, "no-oidc");
    std::fs::write(&ca, "not a certificate").unwrap();
    assert_eq!(begin(&node).await.unwrap_err().kind, "internal");
    std::fs::write(&ca, authority.0.pem()).unwrap();
    let address = begin(&node).await.unwrap();
    assert!(
        address.url.starts_with(&format!("{issuer}/auth?")),
        "{}",
        address.url
    );
}
