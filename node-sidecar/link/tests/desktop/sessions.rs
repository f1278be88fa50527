//! Sessions with a real X server: how they start, show themselves, change and end.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{
    Node, eventually, family, holds, kill, need_desktop, new_id, nothing_left, pairs, runtime,
    session, timed, windows,
};
use fastx_core::wire::session::SessionState;
use rustix::process::Signal;

#[test]
fn a_session_starts_shows_its_window_and_ends_without_remains() {
    need_desktop();
    let mut node = Node::new();
    let start = session("xterm -T hello-there");
    let id = start.id.clone();
    let started = node.start(start.clone()).unwrap();
    assert_eq!(started.state, SessionState::Running);
    assert!(started.display.starts_with(':') && started.display_pid > 0);
    assert_eq!(started.start.geometry, "800x600");
    assert_eq!(node.greeting(&id), "RFB 003.008\n");
    eventually("the window", || {
        let seen = windows(&started);
        holds(seen.contains("hello-there")).map_err(|_| seen)
    });
    let mode = fs::metadata(runtime(&id)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    // Again, as a node does that is not sure: the same session.
    assert_eq!(node.start(start).unwrap().display_pid, started.display_pid);
    let ended = node.terminate(&id).unwrap();
    assert_eq!(ended.state, SessionState::Ended);
    assert_eq!(ended.end_reason, "ended on request");
    nothing_left(&started);
    assert_eq!(node.terminate(&id).unwrap(), ended);
    assert_eq!(node.open_display(&id).unwrap_err().kind, "session-ended");
}

#[test]
fn the_program_has_a_display_a_bus_and_a_place_of_its_own() {
    need_desktop();
    let mut node = Node::new();
    let mut start = session(
        "xwininfo -root >/dev/null && echo display works; \
         dbus-send --session --dest=org.freedesktop.DBus --print-reply / \
           org.freedesktop.DBus.ListNames >/dev/null && echo bus works; \
         touch $XDG_RUNTIME_DIR/x && echo place works; echo $COLOUR-$DISPLAY; pwd; exec sleep 1000",
    );
    start.env = pairs(&[("COLOUR", "green"), ("DISPLAY", ":999"), ("BAD=NAME", "x")]);
    start.geometry = String::new();
    let id = start.id.clone();
    let started = node.start(start).unwrap();
    assert_eq!(started.start.geometry, "1280x800");
    assert!(started.start.env.is_empty(), "the environment is not told");
    let home = node.home.path().to_string_lossy().into_owned();
    let wanted = [
        "display works",
        "bus works",
        "place works",
        &format!("green-{}", started.display),
        &home,
    ];
    eventually("the output", || {
        let log = node.log(&id);
        holds(wanted.iter().all(|text| log.contains(text))).map_err(|_| log)
    });
    node.terminate(&id).unwrap();
    nothing_left(&started);
}

#[test]
fn a_program_that_ends_at_once_shows_what_it_printed() {
    need_desktop();
    let mut node = Node::new();
    for (command, wanted) in [
        ("echo no licence left >&2; exit 3", "exit status 3"),
        ("echo no licence left", "exit status 0"),
        ("echo no licence left; kill -9 $$", "killed by signal 9"),
    ] {
        let start = session(command);
        let id = start.id.clone();
        node.start(start).unwrap();
        let ended = node.reported(&id, |s| s.state == SessionState::Ended);
        let reason = &ended.end_reason;
        assert!(reason.contains(wanted), "{reason}");
        assert!(reason.contains("no licence left"), "{reason}");
        nothing_left(&ended);
        assert!(node.log(&id).contains("no licence left"));
    }
    let start = session("no-such-program-anywhere");
    let id = start.id.clone();
    node.start(start).unwrap();
    let ended = node.reported(&id, |s| s.state == SessionState::Ended);
    assert!(
        ended.end_reason.contains("not found"),
        "{}",
        ended.end_reason
    );
}

#[test]
fn what_cannot_start_is_refused_with_the_way_out() {
    need_desktop();
    let mut node = Node::new();
    let refusal = |node: &mut Node, change: &dyn Fn(&mut fastx_core::wire::link::LinkStart)| {
        let mut start = session("xterm");
        change(&mut start);
        node.start(start).unwrap_err()
    };
    for geometry in ["0x0", "wide", "99999x99999", "800x600x24"] {
        let problem = refusal(&mut node, &|s| s.geometry = geometry.to_owned());
        assert_eq!(problem.kind, "bad-geometry");
    }
    let empty = refusal(&mut node, &|s| s.command = " ".to_owned());
    assert_eq!(empty.kind, "bad-request");
    let long = refusal(&mut node, &|s| s.command = "x".repeat(70_000));
    assert_eq!(long.kind, "bad-request");
    assert_eq!(node.terminate(&new_id()).unwrap_err().status, 404);
    assert_eq!(node.open_display(&new_id()).unwrap_err().status, 404);
}

#[test]
fn a_missing_x_server_is_named_with_its_package() {
    let mut node = Node::without_link();
    node.path = node.dir.path().to_string_lossy().into_owned();
    node.start_link();
    let start = session("xterm");
    let problem = node.start(start.clone()).unwrap_err();
    assert_eq!(problem.kind, "no-x-server");
    assert!(problem.action.contains("tigervnc-standalone-server"));
    assert_eq!(node.start(start.clone()).unwrap_err(), problem);
    assert!(!runtime(&start.id).exists());
}

#[test]
fn the_death_of_the_x_server_ends_the_session_with_that_reason() {
    need_desktop();
    let mut node = Node::new();
    let start = session("trap '' TERM HUP; while :; do sleep 1; done");
    let id = start.id.clone();
    let started = node.start(start).unwrap();
    eventually("the program", || holds(family(&id).len() >= 3));
    kill(started.display_pid, Signal::KILL);
    let ended = node.reported(&id, |s| s.state == SessionState::Ended);
    assert!(
        ended
            .end_reason
            .contains("X server ended (killed by signal 9)"),
        "{}",
        ended.end_reason
    );
    nothing_left(&started);
}

#[test]
fn what_ignores_the_polite_request_is_killed_with_all_its_strays() {
    need_desktop();
    let mut node = Node::new();
    let start = session(
        "trap '' TERM; setsid sh -c \"trap '' TERM; while :; do sleep 1; done\" & \
         while :; do sleep 1; done",
    );
    let id = start.id.clone();
    let started = node.start(start).unwrap();
    eventually("the stray", || holds(family(&id).len() >= 5));
    let (ended, took) = timed(|| node.terminate(&id).unwrap());
    assert_eq!(ended.state, SessionState::Ended);
    assert!(took.as_secs() >= 3, "there is a grace of 3 s");
    nothing_left(&started);
}

#[test]
fn two_sessions_do_not_disturb_each_other() {
    need_desktop();
    let mut node = Node::new();
    let [one, two] = ["xterm -T first", "xterm -T second"].map(session);
    let first = node.start(one).unwrap();
    let second = node.start(two).unwrap();
    assert_ne!(first.display, second.display);
    for (session, title) in [(&first, "first"), (&second, "second")] {
        eventually("its window", || holds(windows(session).contains(title)));
    }
    node.terminate(&first.start.id).unwrap();
    nothing_left(&first);
    assert_eq!(node.greeting(&second.start.id), "RFB 003.008\n");
    assert!(windows(&second).contains("second"));
    node.terminate(&second.start.id).unwrap();
    nothing_left(&second);
}

#[test]
fn name_and_parameters_change_and_outlive_the_link() {
    need_desktop();
    let mut node = Node::new();
    let mut start = session("sleep 1000");
    start.params = pairs(&[("a", "1"), ("b", "2")]);
    let id = start.id.clone();
    node.start(start).unwrap();
    let changed = node.params(&id, "Renamed", &[("a", ""), ("c", "3")]);
    assert_eq!(changed.start.name, "Renamed");
    assert_eq!(changed.start.params, pairs(&[("b", "2"), ("c", "3")]));
    node.kill_link();
    node.start_link();
    assert_eq!(node.told(&id), changed);
    node.terminate(&id).unwrap();
}

#[test]
fn a_rootless_session_ends_with_its_last_window() {
    need_desktop();
    let mut node = Node::new();
    let mut start = session("xterm -T only -e 'sleep 3' & exit 0");
    start.rootless = true;
    let id = start.id.clone();
    let started = node.start(start).unwrap();
    eventually("the window", || holds(windows(&started).contains("only")));
    // The command has long ended; the session has not, while there is a window.
    let ended = node.reported(&id, |s| s.state == SessionState::Ended);
    assert_eq!(ended.end_reason, "its last window was closed");
    nothing_left(&started);
}

#[test]
fn a_home_that_cannot_be_written_is_reported_and_no_obstacle() {
    need_desktop();
    let mut node = Node::without_link();
    let home = node.home.path().join("file");
    fs::write(&home, "in the way").unwrap();
    let mut command = node.command(crate::support::LINK, "run");
    node.link = Some(command.env("HOME", &home).spawn().unwrap());
    node.greet();
    assert!(
        node.faults[0].contains("cannot be written"),
        "{:?}",
        node.faults
    );
    let start = session("sleep 1000");
    let id = start.id.clone();
    let started = node.start(start).unwrap();
    assert_eq!(node.greeting(&id), "RFB 003.008\n");
    node.terminate(&id).unwrap();
    nothing_left(&started);
    let below_tmp = runtime(&id).with_file_name("sessions");
    fs::remove_dir_all(below_tmp.join(format!("FX3-{id}"))).unwrap();
}

#[test]
fn twenty_starts_in_a_row() {
    need_desktop();
    let mut node = Node::new();
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = session("sleep 1000");
        let id = start.id.clone();
        let ((), took) = timed(|| {
            node.start(start).unwrap();
            node.greeting(&id);
        });
        times.push(took.as_millis());
        node.terminate(&id).unwrap();
    }
    times.sort_unstable();
    println!(
        "start to RFB greeting, ms: median {}, worst {}, all {times:?}",
        times[10], times[19]
    );
}
