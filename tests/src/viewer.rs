//! A viewer of a session: ticket, WebSocket and just enough RFB to see that the display lives.

use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::Failure;
use crate::person::Person;

/// No single step of a handshake takes longer on a busy machine.
const STEP_LIMIT: Duration = Duration::from_secs(10);

/// An open connection to a display.
pub struct Viewer {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    buffer: Vec<u8>,
    /// Width and height of the screen.
    pub size: (u16, u16),
}

impl std::fmt::Debug for Viewer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Viewer")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Asks for a ticket that holds at the person's own address, and gives that display's address and the ticket.
pub async fn ticket(person: &Person, session: &str) -> Result<(String, String), Failure> {
    let path = format!("/sessions/{session}/connect");
    let answer: Value = person
        .call(Method::POST, &path, Some(json!({"mode": "control"})))
        .await?;
    // The last way always leads through the node that was asked; it is the only one when that has the session.
    let way = answer["candidates"]
        .as_array()
        .and_then(|all| all.last())
        .ok_or("no way to the session was offered")?;
    let ticket = way["ticket"].as_str().ok_or("the way has no ticket")?;
    let origin = person.address().replacen("https", "wss", 1);
    let url = format!("{origin}/api/v1/sessions/{session}/display");
    Ok((url, ticket.to_owned()))
}

impl Viewer {
    /// Opens a session through the node at the person's address.
    pub async fn open(person: &Person, session: &str) -> Result<Self, Failure> {
        let (url, ticket) = ticket(person, session).await?;
        Self::with_ticket(&url, &ticket).await
    }

    /// Opens a display with a ticket.
    pub async fn with_ticket(url: &str, ticket: &str) -> Result<Self, Failure> {
        let mut request = url.into_client_request()?;
        let protocols = format!("binary, fastx.ticket.{ticket}");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocols.parse()?);
        let config = rustls::ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(Arc::new(
                ring::default_provider(),
            ))))
            .with_no_client_auth();
        let host = request
            .uri()
            .host()
            .ok_or("the address has no host")?
            .to_owned();
        let port = request.uri().port_u16().unwrap_or(443);
        let connecting = async {
            let tcp = TcpStream::connect((host.as_str(), port)).await?;
            tcp.set_nodelay(true)?;
            let name = ServerName::try_from(host.clone())?;
            let tls = tokio_rustls::TlsConnector::from(Arc::new(config))
                .connect(name, tcp)
                .await?;
            Ok::<_, Failure>(tokio_tungstenite::client_async(request, tls).await?)
        };
        let (socket, _) = tokio::time::timeout(STEP_LIMIT, connecting).await??;
        let mut viewer = Self {
            socket,
            buffer: Vec::new(),
            size: (0, 0),
        };
        viewer.handshake().await?;
        Ok(viewer)
    }

    /// RFB 3.8 without authentication, up to the size of the screen.
    async fn handshake(&mut self) -> Result<(), Failure> {
        let version = self.take(12).await?;
        if !version.starts_with(b"RFB 003.") {
            return Err(format!("not an RFB server: {version:?}").into());
        }
        self.send(b"RFB 003.008\n").await?;
        let kinds = self.take(1).await?[0];
        self.take(usize::from(kinds)).await?;
        self.send(&[1]).await?;
        if self.take(4).await? != [0; 4] {
            return Err("the display refused the viewer".into());
        }
        self.send(&[1]).await?;
        let init = self.take(24).await?;
        self.size = (
            u16::from_be_bytes([init[0], init[1]]),
            u16::from_be_bytes([init[2], init[3]]),
        );
        let name = u32::from_be_bytes([init[20], init[21], init[22], init[23]]);
        self.take(usize::try_from(name)?).await?;
        Ok(())
    }

    /// Asks for a whole picture and waits until its first rectangle comes.
    pub async fn picture(&mut self) -> Result<(), Failure> {
        // Raw encoding only: type 2, one encoding, 0.
        self.send(&[2, 0, 0, 1, 0, 0, 0, 0]).await?;
        let (width, height) = (16u16.to_be_bytes(), 16u16.to_be_bytes());
        self.send(&[3, 0, 0, 0, 0, 0, width[0], width[1], height[0], height[1]])
            .await?;
        let head = self.take(4).await?;
        if head[0] != 0 {
            return Err(format!("expected a picture, got message {}", head[0]).into());
        }
        Ok(())
    }

    /// Waits until the server closes, and gives the close code.
    pub async fn closed(mut self, limit: Duration) -> Result<u16, Failure> {
        let waiting = async {
            while let Some(message) = self.socket.next().await {
                match message {
                    Ok(Message::Close(frame)) => return frame.map_or(1005, |f| u16::from(f.code)),
                    Ok(_) => {}
                    Err(_) => return 1006,
                }
            }
            1006
        };
        Ok(tokio::time::timeout(limit, waiting).await?)
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.socket.send(Message::binary(bytes.to_vec())).await?)
    }

    async fn take(&mut self, count: usize) -> Result<Vec<u8>, Failure> {
        while self.buffer.len() < count {
            let message = tokio::time::timeout(STEP_LIMIT, self.socket.next()).await?;
            match message.ok_or("the connection ended")?? {
                Message::Binary(bytes) => self.buffer.extend_from_slice(&bytes),
                Message::Close(frame) => return Err(format!("closed: {frame:?}").into()),
                _ => {}
            }
        }
        Ok(self.buffer.drain(..count).collect())
    }
}

/// Takes any certificate, but checks that the server has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
