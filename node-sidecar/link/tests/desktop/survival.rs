//! What a session survives: the death of the link, of its supervisor, of both, and damaged files.

use std::fs;

use crate::support::{
    Node, alive, eventually, family, holds, kill, need_desktop, nothing_left, runtime, session,
};
use fastx_core::wire::link::LinkSession;
use fastx_core::wire::session::SessionState;
use rustix::process::Signal;

/// A session with a running program.
fn running(node: &mut Node) -> LinkSession {
    need_desktop();
    let start = session("echo started; exec sleep 1000");
    let id = start.id.clone();
    let started = node.start(start).unwrap();
    eventually("the program is noted", || {
        holds(node.state(&id)["program"]["pid"].as_u64() > Some(0))
    });
    started
}

fn same_display(a: &LinkSession, b: &LinkSession) {
    assert_eq!(a.display_pid, b.display_pid);
    assert_eq!(a.display_started, b.display_started);
    assert_eq!(a.display, b.display);
    assert!(alive(a.display_pid));
}

fn ends_well(node: &mut Node, session: &LinkSession) {
    let id = &session.start.id;
    assert_eq!(node.greeting(id), "RFB 003.008\n");
    let ended = node.terminate(id).unwrap();
    assert_eq!(ended.state, SessionState::Ended);
    assert_eq!(ended.end_reason, "ended on request");
    nothing_left(session);
}

#[test]
fn the_link_is_killed() {
    let mut node = Node::new();
    let before = running(&mut node);
    let supervisor = node.supervisor(&before.start.id);
    node.kill_link();
    node.start_link();
    same_display(&before, &node.told(&before.start.id));
    assert_eq!(node.told(&before.start.id).state, SessionState::Running);
    assert_eq!(node.supervisor(&before.start.id), supervisor);
    ends_well(&mut node, &before);
}

#[test]
fn the_supervisor_is_killed() {
    let mut node = Node::new();
    let before = running(&mut node);
    let id = before.start.id.clone();
    let first = node.supervisor(&id);
    kill(first, Signal::KILL);
    let second = node.adopted(&id, first);
    // A request to end is no different from a kill: it ends no session.
    kill(second, Signal::TERM);
    node.adopted(&id, second);
    let now = node.start(before.start.clone()).unwrap();
    same_display(&before, &now);
    assert!(node.log(&id).contains("started"));
    ends_well(&mut node, &before);
}

#[test]
fn link_and_supervisor_are_killed() {
    let mut node = Node::new();
    let before = running(&mut node);
    let supervisor = node.supervisor(&before.start.id);
    kill(supervisor, Signal::KILL);
    node.kill_link();
    node.start_link();
    same_display(&before, &node.told(&before.start.id));
    node.adopted(&before.start.id, supervisor);
    ends_well(&mut node, &before);
}

#[test]
fn an_adopted_session_still_ends_with_its_program() {
    let mut node = Node::new();
    let before = running(&mut node);
    let id = before.start.id.clone();
    let first = node.supervisor(&id);
    kill(first, Signal::KILL);
    node.adopted(&id, first);
    let program = u32::try_from(node.state(&id)["program"]["pid"].as_u64().unwrap()).unwrap();
    kill(program, Signal::TERM);
    let ended = node.reported(&id, |s| s.state == SessionState::Ended);
    assert!(ended.end_reason.contains("its program ended"));
    nothing_left(&before);
}

#[test]
fn one_copy_of_the_state_is_damaged() {
    for which in ["home", "runtime"] {
        let mut node = Node::new();
        let before = running(&mut node);
        let id = before.start.id.clone();
        let supervisor = node.supervisor(&id);
        kill(supervisor, Signal::KILL);
        node.kill_link();
        let file = match which {
            "home" => node.folder(&id).join("state.json"),
            _ => runtime(&id).join("state.json"),
        };
        fs::write(&file, "{\"schema\": 1, \"sess").unwrap();
        node.start_link();
        same_display(&before, &node.told(&before.start.id));
        assert_eq!(node.told(&before.start.id).start, before.start);
        node.adopted(&id, supervisor);
        ends_well(&mut node, &before);
    }
}

#[test]
fn both_copies_of_the_state_are_damaged() {
    let mut node = Node::new();
    let before = running(&mut node);
    let id = before.start.id.clone();
    let supervisor = node.supervisor(&id);
    kill(supervisor, Signal::KILL);
    node.kill_link();
    for folder in [node.folder(&id), runtime(&id)] {
        fs::write(folder.join("state.json"), "").unwrap();
    }
    node.start_link();
    same_display(&before, &node.told(&before.start.id));
    assert_eq!(node.told(&before.start.id).start.login, before.start.login);
    assert_eq!(node.told(&before.start.id).start.name, before.start.name);
    eventually("another supervisor", || {
        let pid = node.supervisor(&id);
        holds(pid != 0 && pid != supervisor)
    });
    assert!(family(&id).len() >= 2, "the program lives on");
    ends_well(&mut node, &before);
}

#[test]
fn a_state_that_somebody_deletes_is_written_again() {
    let mut node = Node::new();
    let before = running(&mut node);
    let id = before.start.id.clone();
    fs::remove_dir_all(node.folder(&id)).unwrap();
    eventually("the state at home", || {
        holds(node.state(&id)["session"]["state"] == "running")
    });
    ends_well(&mut node, &before);
}

#[test]
fn everything_of_a_session_is_killed_while_nobody_looks() {
    let mut node = Node::new();
    let before = running(&mut node);
    let id = before.start.id.clone();
    node.kill_link();
    kill(node.supervisor(&id), Signal::KILL);
    for pid in family(&id) {
        kill(pid, Signal::KILL);
    }
    node.start_link();
    let ended = if node.told(&before.start.id).state == SessionState::Ended {
        node.told(&before.start.id).clone()
    } else {
        node.reported(&id, |s| s.state == SessionState::Ended)
    };
    assert!(
        ended.end_reason.contains("X server was gone"),
        "{}",
        ended.end_reason
    );
    nothing_left(&before);
}

#[test]
fn a_supervisor_that_dies_while_it_starts_is_replaced() {
    need_desktop();
    // Killed at ever later moments of the start: whichever it hits, the start comes to something.
    for moment in 0..6 {
        let mut node = Node::new();
        let start = session("exec sleep 1000");
        let id = start.id.clone();
        let folder = node.home.path().to_owned();
        let killer = std::thread::spawn(move || {
            let supervisor = eventually("the supervisor", || find_supervisor(&folder).ok_or(()));
            std::thread::park_timeout(std::time::Duration::from_millis(moment * 20));
            kill(supervisor, Signal::KILL);
        });
        let started = node.start(start).unwrap();
        killer.join().unwrap();
        assert_eq!(
            started.state,
            SessionState::Running,
            "{}",
            started.end_reason
        );
        let display = eventually("a program and a supervisor", || {
            let state = node.state(&id);
            let ready = state["program"]["pid"].as_u64() > Some(0)
                && alive(node.supervisor(&id))
                && state["session"]["state"] == "running";
            ready
                .then(|| state["session"]["displayPid"].clone())
                .ok_or(state)
        });
        assert_eq!(display, started.display_pid);
        node.terminate(&id).unwrap();
        nothing_left(&started);
    }
}

/// The supervisor of the session below this home.
fn find_supervisor(home: &std::path::Path) -> Option<u32> {
    let home = home.to_string_lossy().into_owned();
    fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| {
            fs::read_to_string(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.contains("\0supervise\0") && line.contains(&home))
        })
}
