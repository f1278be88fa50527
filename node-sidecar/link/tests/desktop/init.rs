//! The first process of a desktop container: waits, restarts, replaces, reaps, and ends everything with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command};

use crate::support::{
    LINK, Node, alive, eventually, exists, holds, kill, need_desktop, nothing_left, session,
};
use fastx_core::wire::session::SessionState;
use rustix::process::Signal;

/// Puts the link where init looks for it, as a node does.
fn install(dir: &Path) {
    let bin = dir.join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::copy(LINK, bin.join("new")).unwrap();
    fs::set_permissions(bin.join("new"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(bin.join("new"), bin.join("fastx-link")).unwrap();
}

fn children(pid: u32) -> Vec<u32> {
    let output = Command::new("ps")
        .args(["-o", "pid=", "--ppid", &pid.to_string()])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect()
}

/// The link below this init.
fn link_of(init: u32) -> Result<u32, Vec<u32>> {
    let children = children(init);
    let link = children.iter().copied().find(|pid| {
        fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|c| c.contains("\0run\0"))
    });
    link.ok_or(children)
}

struct Init(Child);

impl Drop for Init {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_link_is_restarted_and_replaced_while_the_session_lives() {
    need_desktop();
    let mut node = Node::without_link();
    let init = Init(node.command(LINK, "init").spawn().unwrap());
    let pid = init.0.id();
    install(node.dir.path());
    node.greet();
    let started = node.start(session("sleep 1000")).unwrap();
    let first = link_of(pid).unwrap();

    kill(first, Signal::KILL);
    node.greet();
    let second = link_of(pid).unwrap();
    assert_ne!(first, second);
    assert_eq!(
        node.told(&started.start.id).display_pid,
        started.display_pid
    );

    install(node.dir.path());
    node.greet();
    let third = link_of(pid).unwrap();
    assert_ne!(second, third);
    assert_eq!(
        node.told(&started.start.id).display_pid,
        started.display_pid
    );
    assert_eq!(
        node.told(&started.start.id).display_started,
        started.display_started
    );
    assert!(alive(started.display_pid));
    node.terminate(&started.start.id).unwrap();
    nothing_left(&started);
}

#[test]
fn its_end_ends_the_sessions_in_order_and_tells_the_node() {
    need_desktop();
    let mut node = Node::without_link();
    install(node.dir.path());
    let mut init = Init(node.command(LINK, "init").spawn().unwrap());
    node.greet();
    let mark = node.home.path().join("polite");
    let command = format!(
        "trap 'echo bye > {}; exit 0' TERM; while :; do sleep 0.1; done",
        mark.display()
    );
    let start = session(&command);
    let id = start.id.clone();
    let started = node.start(start).unwrap();
    eventually("the program", || {
        holds(node.state(&id)["program"]["pid"].as_u64() > Some(0))
    });
    kill(init.0.id(), Signal::TERM);
    let ended = node.reported(&id, |s| s.state == SessionState::Ended);
    assert_eq!(ended.end_reason, "the desktop was shut down");
    assert!(init.0.wait().unwrap().success());
    eventually("the program was asked to end", || exists(&mark));
    nothing_left(&started);
}

#[test]
fn orphans_are_reaped() {
    need_desktop();
    let mut node = Node::without_link();
    install(node.dir.path());
    let init = Init(node.command(LINK, "init").spawn().unwrap());
    node.greet();
    let started = node.start(session("sleep 1000")).unwrap();
    let supervisor = eventually("the supervisor", || {
        let pid = node.supervisor(&started.start.id);
        (pid != 0).then_some(pid).ok_or(pid)
    });
    kill(link_of(init.0.id()).unwrap(), Signal::KILL);
    node.greet();
    // Its former child: now it comes to init, and does not stay as a zombie.
    kill(supervisor, Signal::KILL);
    eventually("the supervisor is reaped", || {
        holds(!Path::new(&format!("/proc/{supervisor}")).exists())
    });
    node.adopted(&started.start.id, supervisor);
    node.terminate(&started.start.id).unwrap();
    nothing_left(&started);
}
