//! The clipboard rule, with a real X server behind the node.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::cluster::{Cluster, TestNode, eventually};
use crate::http::Client;
use crate::viewer::Viewer;

const SECRET: &str = "text-of-the-session";
const EXTENDED: [u8; 4] = [0xc0, 0xa1, 0xe5, 0xce];
const REQUEST_TEXT: &[u8] = &[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 2, 0, 0, 1];
const NOTIFY: u32 = 1 << 27;
const PROVIDE: u32 = 1 << 28;

/// An X server with a terminal that copies [`SECRET`] when it is told to.
struct Desktop {
    server: Child,
    terminal: Child,
    socket: PathBuf,
    dir: tempfile::TempDir,
}

impl Drop for Desktop {
    fn drop(&mut self) {
        for child in [&mut self.terminal, &mut self.server] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn need(tool: &str, package: &str) {
    let found = Command::new("which").arg(tool).output();
    assert!(
        found.is_ok_and(|o| o.status.success()),
        "{tool} is missing: apt-get install -y {package}"
    );
}

impl Desktop {
    fn start() -> Self {
        need("Xvnc", "tigervnc-standalone-server");
        need("xterm", "xterm");
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("rfb.sock");
        let mut server = Command::new("Xvnc")
            .args([
                "-displayfd",
                "1",
                "-geometry",
                "320x240",
                "-depth",
                "24",
                "-rfbport",
                "-1",
            ])
            .arg("-rfbunixpath")
            .arg(&socket)
            .args([
                "-SecurityTypes",
                "None",
                "-nolisten",
                "tcp",
                "-AlwaysShared",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap())
            .read_line(&mut number)
            .unwrap();
        let script = "while :; do read line <\"$COPY\"; \
             printf '\\033]52;c;%s\\a' \"$(printf %s \"$line\" | base64 -w0)\"; done";
        let pipe = dir.path().join("copy");
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        let terminal = Command::new("xterm")
            .args(["-xrm", "*allowWindowOps: true", "-e", "sh", "-c", script])
            .env("DISPLAY", format!(":{}", number.trim()))
            .env("COPY", &pipe)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            server,
            terminal,
            socket,
            dir,
        }
    }

    /// Copies a text in the session.
    async fn copy(&self, text: &str) {
        let pipe = self.dir.path().join("copy");
        let text = format!("{text}\n");
        let writing = tokio::task::spawn_blocking(move || write(&pipe, &text));
        writing.await.unwrap();
    }
}

fn write(pipe: &Path, text: &str) {
    std::fs::write(pipe, text).unwrap();
}

async fn open(client: &Client, node: &TestNode, id: &str, mode: &str) -> Viewer {
    let ticket = client.ticket(node, id, mode).await;
    let mut viewer = Viewer::open(node, id, &ticket).await;
    viewer.handshake().await.unwrap();
    viewer
}

/// The next message about the clipboard: its bits, or its plain text.
async fn clipboard(viewer: &mut Viewer) -> Result<u32, String> {
    loop {
        let kind = viewer.receive(1).await.unwrap()[0];
        match kind {
            3 => {
                let head = viewer.receive(7).await.unwrap();
                let length = i32::from_be_bytes(head[3..].try_into().unwrap());
                let body = viewer
                    .receive(length.unsigned_abs() as usize)
                    .await
                    .unwrap();
                if length >= 0 {
                    return Err(String::from_utf8_lossy(&body).into_owned());
                }
                let bits = u32::from_be_bytes(body[..4].try_into().unwrap());
                // Capabilities are no news of a text.
                if bits & (1 << 24) == 0 {
                    return Ok(bits);
                }
            }
            2 => {}
            other => panic!("a message of kind {other} before anything was asked for"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_leaves_a_session_only_where_the_rule_lets_it() {
    let desktop = Desktop::start();
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    node.link.show(&desktop.socket);
    let ada = Client::program(&node, "ada").await;
    let body = json!({"application": "term"});
    let session = ada.post(&node, "sessions", body).await.json()["session"].clone();
    let id = session["id"].as_str().unwrap();
    let plain: &[u8] = &[2, 0, 0, 1, 0, 0, 0, 0];
    let extended = [&[2, 0, 0, 2, 0, 0, 0, 0][..], &EXTENDED].concat();

    // Under `both` a viewer gets the text at once, and one that only looks hears that there is one.
    let mut viewer = open(&ada, &node, id, "control").await;
    viewer.send(plain).await;
    let mut looking = open(&ada, &node, id, "view").await;
    looking.send(&extended).await;
    desktop.copy(SECRET).await;
    assert_eq!(clipboard(&mut viewer).await, Err(SECRET.to_owned()));
    assert_eq!(
        clipboard(&mut looking).await.unwrap() & (NOTIFY | PROVIDE),
        NOTIFY
    );
    // It asks in vain: the next that it hears of is the next text.
    looking.send(REQUEST_TEXT).await;
    desktop.copy("another one").await;
    assert_eq!(
        clipboard(&mut looking).await.unwrap() & (NOTIFY | PROVIDE),
        NOTIFY
    );
    assert_eq!(clipboard(&mut viewer).await, Err("another one".to_owned()));

    // The rule becomes stricter under the open views: they end, and the new rule holds for the next one.
    for (rule, gets) in [("in", false), ("off", false), ("out", true)] {
        cluster.part.profiles[0].clipboard = rule.to_owned();
        cluster.configure().await;
        assert_eq!(viewer.closed().await, 1012, "{rule}");
        eventually("the new rule holds", || async {
            let current = node.node.configuration().current();
            match current.profile("small").map(|p| p.clipboard) {
                Some(now) if now == rule => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        viewer = open(&ada, &node, id, "control").await;
        viewer.send(&extended).await;
        viewer.send(REQUEST_TEXT).await;
        desktop.copy(&format!("{SECRET} {rule}")).await;
        let heard = clipboard(&mut viewer).await.unwrap() & (NOTIFY | PROVIDE);
        if gets {
            // Sent at once or when it is asked for, as the display likes.
            if heard == NOTIFY {
                viewer.send(REQUEST_TEXT).await;
                let next = clipboard(&mut viewer).await.unwrap() & (NOTIFY | PROVIDE);
                assert_eq!(next, PROVIDE, "{rule}");
            }
        } else {
            assert_eq!(heard, NOTIFY, "{rule}");
            viewer.send(REQUEST_TEXT).await;
            desktop.copy("the last one").await;
            let next = clipboard(&mut viewer).await.unwrap() & (NOTIFY | PROVIDE);
            assert_eq!(next, NOTIFY, "{rule}");
        }
    }
}
