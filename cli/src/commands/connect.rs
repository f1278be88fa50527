//! Opening a session in a VNC viewer: the display's WebSocket behind a socket that only its owner can reach.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::find;
use crate::api::Api;
use crate::arguments::Connect;
use crate::error::Failure;
use crate::output::Output;
use crate::trust::{Refused, Trust};

/// How long one way to the display may take.
const WAY: Duration = Duration::from_secs(5);

/// A way to the display.
#[derive(Debug, Deserialize)]
struct Candidate {
    kind: String,
    url: String,
    ticket: String,
}

#[derive(Debug, Deserialize)]
struct Ways {
    candidates: Vec<Candidate>,
}

type Display = WebSocketStream<TlsStream<TcpStream>>;

pub(super) async fn connect(
    api: &Api,
    trust: &Trust,
    options: &Connect,
    output: &mut Output,
) -> Result<(), Failure> {
    let session = find::session(api, &options.session).await?;
    let url = format!("{}/desktop/{}", api.address(), session.id);
    if options.url {
        return output.document(&json!({"url": url}), || url.clone());
    }
    if let Some(address) = options.listen {
        if !address.ip().is_loopback() {
            return Err(Failure::Usage(
                "--listen takes loopback addresses only: whoever reaches the port sees the session"
                    .to_owned(),
            ));
        }
        let listener = TcpListener::bind(address)
            .await
            .map_err(|e| Failure::Io(format!("cannot listen on {address}"), e))?;
        output.say(&format!(
            "{} can be reached at {address} until you press Ctrl+C.",
            session.id
        ))?;
        loop {
            let (stream, _) = listener
                .accept()
                .await
                .map_err(|e| Failure::Io("a viewer could not be accepted".to_owned(), e))?;
            let (display, _) = open(api, trust, &session.id, options.view).await?;
            pump(stream, display).await;
        }
    }
    viewer(api, trust, &session.id, options, &url, output).await
}

/// Runs a viewer on a socket in a private folder, and ends with it.
async fn viewer(
    api: &Api,
    trust: &Trust,
    session: &str,
    options: &Connect,
    url: &str,
    output: &mut Output,
) -> Result<(), Failure> {
    let folder = Private::make(session)?;
    let socket = folder.0.join("display");
    let listener = UnixListener::bind(&socket).map_err(|source| Failure::File {
        path: socket.clone(),
        source,
    })?;
    // Before the viewer starts, so that a refusal is said here and not in a window.
    let (display, kind) = open(api, trust, session, options.view).await?;
    let mut child = tokio::process::Command::new(&options.viewer)
        .arg(&socket)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| {
            Failure::Io(
                format!(
                    "`{}` cannot be started: install a VNC viewer that takes the path of a socket, such as TigerVNC's, or open {url} in a browser",
                    options.viewer
                ),
                e,
            )
        })?;
    output.say(&format!(
        "Open ({kind}); closing the viewer leaves the session running."
    ))?;
    let carried = async {
        if let Ok((stream, _)) = listener.accept().await {
            pump(stream, display).await;
        }
    };
    tokio::select! {
        ended = child.wait() => ended.map(drop),
        // The viewer shows why the line ended, and is closed by its user.
        () = carried => child.wait().await.map(drop),
    }
    .map_err(|e| Failure::Io("the viewer cannot be waited for".to_owned(), e))
}

/// A folder that only its owner can enter; removed when dropped.
struct Private(PathBuf);

impl Private {
    fn make(session: &str) -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("fastxctl-{}-{session}", std::process::id()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|source| Failure::File {
                path: path.clone(),
                source,
            })?;
        Ok(Self(path))
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _gone_already = std::fs::remove_dir_all(Path::new(&self.0));
    }
}

/// Tries the ways in their order and says which one it was.
async fn open(
    api: &Api,
    trust: &Trust,
    session: &str,
    view: bool,
) -> Result<(Display, String), Failure> {
    let mode = if view { "view" } else { "control" };
    let path = format!("/sessions/{session}/connect");
    let ways: Ways = api
        .call(Method::POST, &path, Some(&json!({"mode": mode})))
        .await?;
    let mut last = "the cluster offered no way to it".to_owned();
    for way in ways.candidates {
        match tokio::time::timeout(WAY, dial(&way, trust)).await {
            Ok(Ok(display)) => return Ok((display, way.kind)),
            Ok(Err(why)) => last = format!("{} ({}): {why}", way.kind, way.url),
            Err(_) => last = format!("{} ({}): no answer in time", way.kind, way.url),
        }
    }
    Err(Failure::Unreachable {
        address: format!("the display of {session}"),
        why: last,
    })
}

async fn dial(
    way: &Candidate,
    trust: &Trust,
) -> Result<Display, Box<dyn std::error::Error + Send + Sync>> {
    let mut request = way.url.as_str().into_client_request()?;
    let protocols = format!("binary, fastx.ticket.{}", way.ticket);
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocols.parse()?);
    let host = request.uri().host().ok_or("the address has no host")?;
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let port = request.uri().port_u16().unwrap_or(443);
    let tls = trust.client(&Refused::default())?;
    let tcp = TcpStream::connect((host.as_str(), port)).await?;
    tcp.set_nodelay(true)?;
    let stream = TlsConnector::from(Arc::new(tls))
        .connect(ServerName::try_from(host)?, tcp)
        .await?;
    let (display, _) = tokio_tungstenite::client_async(request, stream).await?;
    Ok(display)
}

/// Carries bytes both ways until one side ends.
async fn pump<S: AsyncRead + AsyncWrite + Unpin>(stream: S, display: Display) {
    let (mut read, mut write) = tokio::io::split(stream);
    let (mut sink, mut source) = display.split();
    let up = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count) = read.read(&mut buffer).await {
            if count == 0
                || sink
                    .send(Message::binary(buffer[..count].to_vec()))
                    .await
                    .is_err()
            {
                break;
            }
        }
        let _closed_already = sink.close().await;
    };
    let down = async {
        while let Some(Ok(message)) = source.next().await {
            let done = match message {
                Message::Binary(bytes) => write.write_all(&bytes).await.is_err(),
                Message::Close(_) => true,
                _ => false,
            };
            if done {
                break;
            }
        }
        let _closed_already = write.shutdown().await;
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}
