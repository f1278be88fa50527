//! The hub with the real link and a real X server behind it.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream as StdStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::wire::config::NodeUsers;
use fastx_core::wire::link::LinkStart;
use fastx_core::wire::session::SessionState;
use fastx_node::accounts::Accounts;
use fastx_node::links::{Hub, LinkEvent};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

/// The link's program beside this test's.
fn link_program() -> PathBuf {
    let own = std::env::current_exe().expect("a running test has a program");
    let folder = own.parent().and_then(|deps| deps.parent());
    let program = folder
        .expect("tests lie two folders deep")
        .join("fastx-link");
    assert!(
        program.exists(),
        "{} is missing: cargo build -p fastx-link",
        program.display()
    );
    program
}

struct Link(Child);

impl Drop for Link {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn wait_for(hub: &mut tokio::sync::broadcast::Receiver<LinkEvent>) -> LinkEvent {
    tokio::time::timeout(Duration::from_secs(20), hub.recv())
        .await
        .expect("an event within 20 seconds")
        .expect("the hub lives")
}

#[tokio::test]
async fn a_session_outlives_the_link_that_started_it() {
    let found = Command::new("which").arg("Xvnc").output();
    assert!(
        found.is_ok_and(|o| o.status.success()),
        "Xvnc is missing: apt-get install -y tigervnc-standalone-server"
    );
    let dir = tempfile::tempdir().expect("a folder");
    let home = tempfile::tempdir().expect("a folder");
    let uid = rustix::process::getuid().as_raw();
    let users = watch::Sender::new(Some(NodeUsers {
        logins: vec!["ada".to_owned()],
        linux_user: "user".to_owned(),
        uid,
    }));
    let hub = Hub::bind(dir.path(), Accounts::pod(users.subscribe()))
        .await
        .expect("the hub listens");
    let mut events = hub.events();
    let start_link = || {
        let child = Command::new(link_program())
            .args(["run", "--dir"])
            .arg(dir.path())
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .spawn();
        Link(child.expect("the link starts"))
    };
    let first = start_link();
    assert_eq!(wait_for(&mut events).await, LinkEvent::Joined { uid });

    let id = SessionId::from_random(rand::random());
    let start = LinkStart {
        id: id.clone(),
        login: "ada".parse().expect("a login"),
        name: "test".to_owned(),
        application: String::new(),
        command: "sleep 1000".to_owned(),
        profile: String::new(),
        geometry: "640x480".to_owned(),
        rootless: false,
        params: BTreeMap::new(),
        env: BTreeMap::new(),
    };
    let started = hub.start(uid, start.clone()).await.expect("a session");
    assert_eq!(started.state, SessionState::Running);
    let mut greeting = [0; 12];
    let mut display = hub.open_display(uid, &id).await.expect("a display");
    display.read_exact(&mut greeting).await.expect("a greeting");
    assert_eq!(&greeting, b"RFB 003.008\n");

    drop(first);
    while wait_for(&mut events).await != (LinkEvent::Left { uid }) {}
    // The open display is the X server's own: it does not notice.
    let second = start_link();
    let again = hub.start(uid, start).await.expect("the same session");
    assert_eq!(again.display_pid, started.display_pid);
    assert_eq!(again.display_started, started.display_started);
    let still_open = display.try_read(&mut greeting);
    assert!(still_open.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock));

    hub.terminate(uid, &id).await.expect("an end");
    let over = hub.open_display(uid, &id).await.expect_err("it has ended");
    assert_eq!(over.kind, "session-ended");
    let socket = format!("/tmp/fastx-{uid}/{}/rfb.sock", &id.as_str()[..8]);
    assert!(StdStream::connect(socket).is_err());
    drop(second);
}
