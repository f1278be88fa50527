//! A viewer: RFB inside a WebSocket.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::cluster::TestNode;
use crate::http;

pub(crate) struct Viewer {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    buffer: Vec<u8>,
    reason: String,
}

impl Viewer {
    /// Opens the socket of a session with a ticket.
    pub(crate) async fn open(node: &TestNode, id: &str, ticket: &str) -> Self {
        Self::open_from(node, id, ticket, None).await.unwrap()
    }

    /// A viewer of somebody who may control the session, after the handshake.
    pub(crate) async fn at(client: &http::Client, node: &TestNode, id: &str) -> Self {
        let ticket = client.ticket(node, id, "control").await;
        let mut viewer = Self::open(node, id, &ticket).await;
        viewer.handshake().await.unwrap();
        viewer
    }

    /// Opens it from a page of this origin; the HTTP status when that is refused.
    pub(crate) async fn open_from(
        node: &TestNode,
        id: &str,
        ticket: &str,
        origin: Option<&str>,
    ) -> Result<Self, u16> {
        let url = format!("wss://{}/api/v1/sessions/{id}/display", http::host(node));
        Self::over(http::connect(node).await, &url, ticket, origin).await
    }

    /// Opens it over a connection that leads there.
    pub(crate) async fn over(
        stream: TlsStream<TcpStream>,
        url: &str,
        ticket: &str,
        origin: Option<&str>,
    ) -> Result<Self, u16> {
        let mut request = url.into_client_request().unwrap();
        let protocols = format!("binary, fastx.ticket.{ticket}");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocols.parse().unwrap());
        if let Some(origin) = origin {
            request
                .headers_mut()
                .insert("origin", origin.parse().unwrap());
        }
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, answer)) => {
                assert_eq!(answer.headers()["sec-websocket-protocol"], "binary");
                Ok(Self {
                    socket,
                    buffer: Vec::new(),
                    reason: String::new(),
                })
            }
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
                Err(answer.status().as_u16())
            }
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.socket
            .send(Message::binary(bytes.to_vec()))
            .await
            .unwrap();
    }

    /// Sends what the node need not take.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) {
        let _refused = self.socket.send(Message::binary(bytes.to_vec())).await;
    }

    pub(crate) async fn text(&mut self, words: &str) {
        self.socket.send(Message::text(words)).await.unwrap();
    }

    /// The close code, if the node closes the socket within a moment.
    pub(crate) async fn closed_within(&mut self) -> Option<u16> {
        tokio::time::timeout(Duration::from_secs(1), self.closed())
            .await
            .ok()
    }

    /// So many bytes of the display; the close code when there are no more.
    pub(crate) async fn receive(&mut self, count: usize) -> Result<Vec<u8>, u16> {
        while self.buffer.len() < count {
            match self.message().await {
                Some(Message::Binary(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Message::Close(Some(frame))) => {
                    self.reason = frame.reason.to_string();
                    return Err(frame.code.into());
                }
                Some(Message::Close(None)) | None => return Err(0),
                Some(_) => {}
            }
        }
        Ok(self.buffer.drain(..count).collect())
    }

    async fn message(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(Duration::from_secs(10), self.socket.next());
        next.await.expect("the node says something in time")?.ok()
    }

    /// The handshake; width and height of the display.
    pub(crate) async fn handshake(&mut self) -> Result<(u16, u16), u16> {
        assert_eq!(self.receive(12).await?, b"RFB 003.008\n");
        self.send(b"RFB 003.008\n").await;
        let count = self.receive(1).await?[0];
        assert!(self.receive(usize::from(count)).await?.contains(&1));
        self.send(&[1]).await;
        assert_eq!(self.receive(4).await?, [0; 4]);
        self.send(&[0]).await;
        let head = self.receive(24).await?;
        let name = u32::from_be_bytes(head[20..24].try_into().unwrap());
        self.receive(name as usize).await?;
        let side = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        Ok((side(0), side(2)))
    }

    pub(crate) async fn key(&mut self) {
        self.send(&[4, 1, 0, 0, 0, 0, 0, 65]).await;
    }

    pub(crate) async fn pointer(&mut self) {
        self.send(&[5, 1, 0, 10, 0, 10]).await;
    }

    /// Asks for the whole screen and reads it: whatever was sent before has been read by then.
    pub(crate) async fn frame(&mut self, (width, height): (u16, u16)) -> Result<Vec<u8>, u16> {
        let mut request = vec![3, 0, 0, 0, 0, 0];
        request.extend(width.to_be_bytes());
        request.extend(height.to_be_bytes());
        self.send(&request).await;
        self.receive(4 + 12).await?;
        self.receive(usize::from(width) * usize::from(height) * 4)
            .await
    }

    /// Reads until the node closes the socket; code and reason.
    pub(crate) async fn closed_why(&mut self) -> (u16, String) {
        (self.closed().await, self.reason.clone())
    }

    /// Reads until the node closes the socket; the code.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            match self.receive(1).await {
                Ok(_) => {}
                Err(code) => return code,
            }
        }
    }
}
