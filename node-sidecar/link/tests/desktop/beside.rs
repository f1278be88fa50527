//! Event scripts and notices in sessions with a real X server.

use std::fs;

use crate::support::{
    Node, eventually, holds, need, need_desktop, new_id, nothing_left, session, timed, windows,
};

/// Waits until the log of the events holds this; all of it.
fn logged(node: &Node, id: &fastx_core::names::SessionId, wanted: &str) -> String {
    let path = node.folder(id).join("events.log");
    eventually(wanted, || {
        let log = fs::read_to_string(&path).unwrap_or_default();
        if log.contains(wanted) {
            Ok(log)
        } else {
            Err(log)
        }
    })
}

#[test]
fn a_script_runs_in_its_session_as_its_user_and_its_output_is_kept() {
    need_desktop();
    let mut node = Node::new();
    let start = session("sleep 1000");
    let id = start.id.clone();
    let started = node.start(start).unwrap();
    let script = "xwininfo -root >/dev/null && echo sees $DISPLAY; echo $FASTX_EVENT by $FASTX_VIEWER in $FASTX_SESSION_ID $LD_PRELOAD; pwd";
    node.event(&id, "connect", script).unwrap();
    let log = logged(&node, &id, "connect: exit status: 0");
    for wanted in [
        &format!("sees {}\n", started.display),
        &format!("connect by grace in {id}\n"),
        &format!("{}\n", node.home.path().display()),
    ] {
        assert!(log.contains(wanted), "{wanted:?} is not in {log}");
    }
    // One that names its interpreter, and one that fails.
    node.event(&id, "params", "#!/usr/bin/tail -n1\nthe second line\n")
        .unwrap();
    logged(&node, &id, "the second line\n");
    node.event(&id, "disconnect", "exit 7").unwrap();
    logged(&node, &id, "disconnect: exit status: 7");
    assert!(
        node.event(&id, "params", "#!/no/such/interpreter\n")
            .is_err()
    );
    assert!(node.event(&id, "../x", "true").is_err());
    assert!(node.event(&new_id(), "start", "true").is_err());
    // Nobody waits for one, and it ends with its session.
    let (told, took) = timed(|| node.event(&id, "connect", "sleep 1000"));
    told.unwrap();
    assert!(took.as_secs() < 5, "{took:?}");
    node.terminate(&id).unwrap();
    nothing_left(&started);
    logged(&node, &id, "connect: signal: 15");
    node.event(
        &id,
        "terminate",
        "ls $FASTX_SESSION_DIR; echo ${DISPLAY:-no display}",
    )
    .unwrap();
    let log = logged(&node, &id, "terminate: exit status: 0");
    assert!(
        log.contains("program.log\n") && log.contains("no display\n"),
        "{log}"
    );
}

#[test]
fn a_notice_is_on_the_screen_until_it_is_taken_away() {
    need_desktop();
    need("xmessage", "x11-utils");
    let mut node = Node::new();
    let start = session("sleep 1000");
    let id = start.id.clone();
    let started = node.start(start).unwrap();
    let shown = |wanted: usize| {
        eventually("so many notices", || {
            let seen = windows(&started);
            holds(seen.matches("\"FastX\"").count() == wanted).map_err(|_| seen)
        });
    };
    node.notice(&id, "It ends in a minute. To stay, press the button.");
    shown(1);
    node.notice(&id, "It ends in half a minute.");
    shown(1);
    node.notice(&id, "");
    shown(0);
    node.notice(&id, "It ends.");
    shown(1);
    node.terminate(&id).unwrap();
    nothing_left(&started);
}
