//! A viewer of a session as a browser is one: ticket, WebSocket, RFB.

use std::sync::Arc;
use std::time::Duration;

use fastx_lifecycle::verify;
use futures::{SinkExt, StreamExt as _};
use reqwest::Method;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::Failure;
use crate::person::Person;
use crate::rfb::{Area, Display, STEP_LIMIT, Wire};

/// The WebSocket that carries a display.
pub type Socket = WebSocketStream<TlsStream<TcpStream>>;

impl Wire for Socket {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(SinkExt::send(self, Message::binary(bytes.to_vec())).await?)
    }

    async fn receive(&mut self, into: &mut Vec<u8>) -> Result<(), Failure> {
        loop {
            match self.next().await.ok_or("the connection ended")?? {
                Message::Binary(bytes) => {
                    into.extend_from_slice(&bytes);
                    return Ok(());
                }
                Message::Close(frame) => return Err(format!("closed: {frame:?}").into()),
                _ => {}
            }
        }
    }
}

/// An open connection to a display.
pub struct Viewer {
    display: Display<Socket>,
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
        let host = request
            .uri()
            .host()
            .ok_or("the address has no host")?
            .to_owned();
        let port = request.uri().port_u16().unwrap_or(443);
        let connecting = async {
            let tls = tls(&host, port).await?;
            Ok::<_, Failure>(tokio_tungstenite::client_async(request, tls).await?)
        };
        let (socket, _) = tokio::time::timeout(STEP_LIMIT, connecting).await??;
        let display = Display::open(socket).await?;
        let size = display.size;
        Ok(Self { display, size })
    }

    /// Asks for a corner of the screen and waits until it comes.
    pub async fn picture(&mut self) -> Result<(), Failure> {
        let corner = Area {
            width: 16,
            height: 16,
        };
        self.display.part(corner).await.map(drop)
    }

    /// Asks for the whole screen and waits until all of it is there; gives the number of bytes.
    pub async fn frame(&mut self) -> Result<u64, Failure> {
        self.display.frame().await
    }

    /// The display alone.
    pub fn into_display(self) -> Display<Socket> {
        self.display
    }

    /// Closes the connection as a viewer that goes away does.
    pub async fn close(self) -> Result<(), Failure> {
        let mut socket = self.display.into_wire();
        Ok(tokio::time::timeout(STEP_LIMIT, socket.close(None)).await??)
    }

    /// Waits until the server closes, and gives the close code.
    pub async fn closed(self, limit: Duration) -> Result<u16, Failure> {
        let mut socket = self.display.into_wire();
        let waiting = async {
            while let Some(message) = socket.next().await {
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
}

/// Connects with TLS to a server whose certificate is its own.
pub async fn tls(host: &str, port: u16) -> Result<TlsStream<TcpStream>, Failure> {
    // The certificate is the cluster's own.
    let verifier = verify::anything(Arc::new(ring::default_provider()));
    let config = rustls::ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let tcp = TcpStream::connect((host, port)).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from(host.to_owned())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    Ok(connector.connect(name, tcp).await?)
}
