//! Serving a router over TLS: bounded connections, time limits, a graceful end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::shutdown::Shutdown;

/// Connections at once; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4096;
/// A client that has not finished the handshake and sent its request head by then is cut off.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long open requests may take to finish once the end was asked for.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Whom a request came from; an extension of every request.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Address of the other end of the connection.
    pub addr: SocketAddr,
    /// Its certificate (DER), checked against the client authorities.
    pub client_certificate: Option<Vec<u8>>,
}

/// Serves until shutdown, then lets open requests finish for a while.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    router: Router,
    shutdown: Shutdown,
) {
    let acceptor = TlsAcceptor::from(tls);
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else {
            break;
        };
        let (stream, addr) = tokio::select! {
            () = shutdown.triggered() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: wait for some to be given back.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (acceptor, router, watcher) = (acceptor.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            if let Err(reason) = connection(stream, addr, &acceptor, router, watcher).await {
                tracing::debug!(%addr, %reason, "connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    let _late = tokio::time::timeout(DRAIN_LIMIT, graceful.shutdown()).await;
}

async fn connection(
    stream: TcpStream,
    addr: SocketAddr,
    acceptor: &TlsAcceptor,
    router: Router,
    watcher: Watcher,
) -> Result<(), String> {
    // Keystrokes are small and must not wait for more.
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    let stream = tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream))
        .await
        .map_err(|_| "the TLS handshake took too long".to_owned())?
        .map_err(|e| e.to_string())?;
    let certificate = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|leaf| leaf.to_vec());
    let peer = Peer {
        addr,
        client_certificate: certificate,
    };
    let service =
        hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(peer.clone());
            router.clone().oneshot(request.map(axum::body::Body::new))
        });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_LIMIT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100);
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let serving = watcher.watch(serving.into_owned());
    serving.await.map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn certificate(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    async fn get(addr: SocketAddr, trusted: &str, name: &'static str) -> std::io::Result<String> {
        let config = rustls::ClientConfig::builder()
            .with_root_certificates(tls::roots(trusted).unwrap())
            .with_no_client_auth();
        let tcp = TcpStream::connect(addr).await?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name.try_into().unwrap(), tcp).await?;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await?;
        let mut text = String::new();
        let _ends_without_close_notify = stream.read_to_string(&mut text).await;
        Ok(text)
    }

    #[tokio::test]
    async fn serves_follows_its_certificate_and_ends() {
        tls::install_provider();
        let (old, old_key) = certificate("a.test");
        let (new, new_key) = certificate("a.test");
        let cert = tls::ReloadingCert::from_pem(&old, &old_key).unwrap();
        let config = tls::server_config(cert.clone(), None, &["h2", "http/1.1"]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let router = Router::new().route(
            "/",
            axum::routing::get(
                |peer: axum::Extension<Peer>| async move { peer.addr.ip().to_string() },
            ),
        );
        let server = tokio::spawn(serve(listener, Arc::new(config), router, shutdown.clone()));

        assert!(
            get(addr, &old, "a.test")
                .await
                .unwrap()
                .ends_with("127.0.0.1")
        );
        assert!(
            get(addr, &new, "a.test").await.is_err(),
            "not the certificate yet"
        );
        cert.set_pem(&new, &new_key).unwrap();
        assert!(
            get(addr, &new, "a.test")
                .await
                .unwrap()
                .ends_with("127.0.0.1")
        );

        assert!(
            cert.set_pem(&new, &old_key).is_err(),
            "a key that does not fit is refused"
        );
        shutdown.trigger();
        tokio::time::timeout(Duration::from_secs(5), server)
            .await
            .unwrap()
            .unwrap();
    }
}
