//! The hub against a well-behaved fake and against hostile peers.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::wire::config::NodeUsers;
use fastx_core::wire::link::LinkStart;
use fastx_core::wire::session::SessionState;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{broadcast, watch};

use super::testing::FakeLink;
use super::{Hub, LinkEvent, install_link};
use crate::accounts::Accounts;

fn me() -> u32 {
    rustix::process::getuid().as_raw()
}

fn users(uid: u32) -> NodeUsers {
    NodeUsers {
        logins: vec!["ada".to_owned()],
        linux_user: "user".to_owned(),
        uid,
    }
}

fn id(n: u8) -> SessionId {
    SessionId::from_random([n; 8])
}

fn start(n: u8) -> LinkStart {
    LinkStart {
        id: id(n),
        login: "ada".parse().unwrap(),
        name: "test".to_owned(),
        application: String::new(),
        command: "xterm".to_owned(),
        profile: String::new(),
        geometry: "64x32".to_owned(),
        rootless: false,
        params: BTreeMap::from([("a".to_owned(), "1".to_owned())]),
        env: BTreeMap::new(),
    }
}

struct World {
    dir: tempfile::TempDir,
    users: watch::Sender<Option<NodeUsers>>,
    hub: Hub,
    events: broadcast::Receiver<LinkEvent>,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let users = watch::Sender::new(Some(users(me())));
        let accounts = Accounts::pod(users.subscribe());
        let hub = Hub::bind(dir.path(), accounts).await.unwrap();
        let events = hub.events();
        Self {
            dir,
            users,
            hub,
            events,
        }
    }

    async fn next(&mut self) -> LinkEvent {
        soon(self.events.recv()).await.unwrap()
    }

    async fn joined(&mut self) -> FakeLink {
        let fake = FakeLink::connect(self.dir.path()).await.unwrap();
        assert_eq!(self.next().await, LinkEvent::Joined { uid: me() });
        assert!(matches!(self.next().await, LinkEvent::Snapshot { .. }));
        fake
    }

    fn dial(&self) -> StdStream {
        StdStream::connect(self.dir.path().join("link.sock")).unwrap()
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what)
        .await
        .expect("not within 10 seconds")
}

/// Waits until the hub has hung up.
async fn hung_up(stream: StdStream) {
    stream.set_nonblocking(true).unwrap();
    let mut stream = tokio::net::UnixStream::from_std(stream).unwrap();
    let mut sink = Vec::new();
    // A reset counts as well: the hub hung up with unread bytes.
    let _ = soon(stream.read_to_end(&mut sink)).await;
}

fn frame(text: &str) -> Vec<u8> {
    let mut bytes = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

const HELLO: &str = r#"{"type":"hello","schema":1,"version":"0","sessions":[]}"#;

#[tokio::test]
async fn every_call_reaches_the_link() {
    let mut world = World::new().await;
    let fake = world.joined().await;
    let hub = &world.hub;
    assert!(hub.present(me()));
    let first = hub.start(me(), start(1)).await.unwrap();
    assert_eq!(first.state, SessionState::Running);
    assert_eq!(hub.start(me(), start(1)).await.unwrap(), first);
    let wanted = BTreeMap::from([
        ("a".to_owned(), String::new()),
        ("b".to_owned(), "2".to_owned()),
    ]);
    let changed = hub
        .params(me(), &id(1), "new".to_owned(), wanted)
        .await
        .unwrap();
    assert_eq!(changed.start.name, "new");
    assert_eq!(changed.start.params.keys().collect::<Vec<_>>(), ["b"]);
    assert!(!hub.log(me(), &id(1), 100).await.unwrap().is_empty());
    hub.terminate(me(), &id(1)).await.unwrap();
    assert_eq!(fake.sessions()[0].state, SessionState::Ended);
    let missing = hub.terminate(me(), &id(9)).await.unwrap_err();
    assert_eq!(missing.status, 404);
    assert_eq!(world.hub.snapshot()[0].1.len(), 1);
}

#[tokio::test]
async fn a_display_is_handed_over_and_speaks_rfb() {
    let mut world = World::new().await;
    let fake = world.joined().await;
    world.hub.start(me(), start(1)).await.unwrap();
    let mut display = world.hub.open_display(me(), &id(1)).await.unwrap();
    let mut version = [0; 12];
    soon(display.read_exact(&mut version)).await.unwrap();
    display.write_all(&version).await.unwrap();
    let mut types = [0; 2];
    soon(display.read_exact(&mut types)).await.unwrap();
    display.write_all(&[1]).await.unwrap();
    assert_eq!(soon(display.read_u32()).await.unwrap(), 0);
    display.write_all(&[1]).await.unwrap();
    assert_eq!(soon(display.read_u16()).await.unwrap(), 64);
    assert_eq!(soon(display.read_u16()).await.unwrap(), 32);
    let mut rest = [0; 16 + 4 + 4];
    soon(display.read_exact(&mut rest)).await.unwrap();
    // One key, then a full update: the answer tells that the key has been read.
    display.write_all(&[4, 1, 0, 0, 0, 0, 0, 65]).await.unwrap();
    display
        .write_all(&[3, 0, 0, 0, 0, 0, 0, 64, 0, 32])
        .await
        .unwrap();
    let mut update = vec![0; 4 + 12 + 64 * 32 * 4];
    soon(display.read_exact(&mut update)).await.unwrap();
    assert_eq!(&update[16..20], &[0x80, 0x60, 0x30, 0]);
    assert_eq!(fake.inputs(&id(1)), 1);
}

#[tokio::test]
async fn sessions_are_told_again_after_a_reconnect_and_waiting_calls_go_on() {
    let mut world = World::new().await;
    let mut fake = world.joined().await;
    for n in 1..=3 {
        world.hub.start(me(), start(n)).await.unwrap();
    }
    fake.disconnect();
    assert_eq!(world.next().await, LinkEvent::Left { uid: me() });
    assert!(!world.hub.present(me()));
    let hub = world.hub.clone();
    let waiting = tokio::spawn(async move { hub.log(me(), &id(1), 10).await });
    fake.reconnect().await.unwrap();
    assert_eq!(world.next().await, LinkEvent::Joined { uid: me() });
    let LinkEvent::Snapshot { sessions, .. } = world.next().await else {
        panic!("no snapshot");
    };
    assert_eq!(sessions.len(), 3, "those of later frames, too");
    assert!(soon(waiting).await.unwrap().is_ok());
    fake.end(&id(1), "its program ended");
    let LinkEvent::Session { session, .. } = world.next().await else {
        panic!("no change");
    };
    assert_eq!(session.end_reason, "its program ended");
}

#[tokio::test]
async fn the_newest_link_wins_and_the_older_one_is_sent_away() {
    let mut world = World::new().await;
    let _first = world.joined().await;
    let second = world.joined().await;
    world.hub.start(me(), start(1)).await.unwrap();
    assert_eq!(second.sessions().len(), 1);
    assert!(world.hub.present(me()));
}

#[tokio::test]
async fn no_link_is_a_problem_that_says_what_to_do() {
    let world = World::new().await;
    let problem = soon(world.hub.start(me(), start(1))).await.unwrap_err();
    assert_eq!(problem.kind, "no-link");
    assert!(!problem.action.is_empty());
}

#[tokio::test]
async fn only_allowed_users_are_let_in_and_a_changed_policy_sends_away() {
    let mut world = World::new().await;
    let _fake = world.joined().await;
    world.users.send_replace(Some(users(me() + 1)));
    assert_eq!(world.next().await, LinkEvent::Left { uid: me() });
    hung_up(world.dial()).await;
}

#[tokio::test]
async fn a_link_that_is_there_before_the_configuration_is_kept_waiting_for_it() {
    let mut world = World::new().await;
    world.users.send_replace(None);
    let mut early = world.dial();
    early.write_all(&frame(HELLO)).unwrap();
    let nothing = tokio::time::timeout(Duration::from_millis(100), world.events.recv()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    world.users.send_replace(Some(users(me())));
    assert_eq!(world.next().await, LinkEvent::Joined { uid: me() });
}

#[tokio::test]
async fn a_user_has_four_connections() {
    let mut world = World::new().await;
    let idle: Vec<StdStream> = (0..4).map(|_| world.dial()).collect();
    hung_up(world.dial()).await;
    drop(idle);
    // The places come back, though not at once.
    soon(async {
        while !world.hub.present(me()) {
            let mut fake = world.dial();
            let _ = fake.write_all(&frame(HELLO));
            let _ = tokio::time::timeout(Duration::from_millis(100), world.events.recv()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn junk_ends_the_connection_and_nothing_else() {
    let hello = frame(HELLO);
    let huge = 0x7fff_ffff_u32.to_be_bytes().to_vec();
    let cases: [&[&[u8]]; 9] = [
        &[b"GET / HTTP/1.1\r\n\r\n"],
        &[&huge],
        &[&frame("not json")],
        &[&frame(r#"{"type":"answer","call":1,"ok":{}}"#)],
        &[&frame(
            r#"{"type":"hello","schema":99,"version":"","sessions":[]}"#,
        )],
        &[&frame(
            r#"{"type":"hello","schema":1,"version":"","sessions":[],"following":501}"#,
        )],
        &[
            &frame(r#"{"type":"hello","schema":1,"version":"","sessions":[],"following":1}"#),
            &hello,
        ],
        &[&hello, &hello],
        &[&hello, &frame("[]")],
    ];
    for case in cases {
        let mut world = World::new().await;
        let mut peer = world.dial();
        for part in case {
            peer.write_all(part).unwrap();
        }
        hung_up(peer).await;
        let _good = FakeLink::connect(world.dir.path()).await.unwrap();
        soon(async {
            while !matches!(world.events.recv().await, Ok(LinkEvent::Snapshot { .. })) {}
        })
        .await;
    }
}

fn send_with(peer: &StdStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(200))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
    rustix::net::sendmsg(
        peer,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::empty(),
    )
    .unwrap();
}

#[tokio::test]
async fn descriptors_that_nobody_asked_for_end_the_connection() {
    let null = std::fs::File::open("/dev/null").unwrap();
    for count in [1, 2, 200] {
        let world = World::new().await;
        let peer = world.dial();
        send_with(&peer, &frame(HELLO), &vec![null.as_fd(); count]);
        hung_up(peer).await;
        assert!(!world.hub.present(me()));
    }
}

#[tokio::test]
async fn only_a_unix_stream_is_taken_for_a_display() {
    let mut world = World::new().await;
    let mut peer = world.dial();
    peer.write_all(&frame(HELLO)).unwrap();
    world.next().await;
    let hub = world.hub.clone();
    let asked = tokio::spawn(async move { hub.open_display(me(), &id(1)).await });
    // First call of this connection: its number is 1.
    let null = std::fs::File::open("/dev/null").unwrap();
    peer.set_nonblocking(true).unwrap();
    let mut reader = tokio::net::UnixStream::from_std(peer.try_clone().unwrap()).unwrap();
    soon(reader.read_u32()).await.unwrap();
    let answer = frame(r#"{"type":"answer","call":1,"ok":{}}"#);
    send_with(&peer, &answer, &[null.as_fd()]);
    let problem = soon(asked).await.unwrap().unwrap_err();
    assert_eq!(problem.kind, "link-broken");
}

#[test]
fn the_link_program_is_replaced_only_when_it_differs() {
    let dir = tempfile::tempdir().unwrap();
    let binary = dir.path().join("source");
    std::fs::write(&binary, "one").unwrap();
    let installed = dir.path().join("bin/fastx-link");
    let inode = |p: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(p).unwrap());
    assert!(install_link(&binary, dir.path()).unwrap());
    let before = inode(&installed);
    assert!(!install_link(&binary, dir.path()).unwrap());
    assert_eq!(inode(&installed), before);
    std::fs::write(&binary, "two").unwrap();
    assert!(install_link(&binary, dir.path()).unwrap());
    assert_ne!(inode(&installed), before);
    assert_eq!(std::fs::read(&installed).unwrap(), b"two");
    let mode = std::fs::metadata(&installed).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
    let error = install_link(&dir.path().join("missing"), dir.path()).unwrap_err();
    assert!(error.to_string().contains("missing"));
}
