//! The problems that a link answers with: each says what happened and what to do.

use fastx_core::names::SessionId;
use fastx_core::wire::problem::Problem;

/// There is no X server on this machine.
pub(crate) fn no_xserver(path: &str) -> Problem {
    Problem::new(503, "no-x-server", "No X server is installed")
        .detail(format!("The program Xvnc is not in {path}."))
        .action("The administrator installs it in the image of the desktop: package tigervnc-standalone-server (Debian, Ubuntu) or tigervnc-server (Fedora, RHEL).")
}

/// The X server ended, or stayed silent, before it accepted connections.
pub(crate) fn display_failed(why: &str, log: &str) -> Problem {
    Problem::new(503, "display-failed", "The display did not start")
        .detail(if log.is_empty() {
            format!("{why}.")
        } else {
            format!("{why}. It printed: {log}")
        })
        .action("Try again; if it stays so, the administrator looks at xvnc.log in the session's folder.")
}

/// A file or folder of ours could not be made.
pub(crate) fn folder(what: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::new(507, "session-folder", "The session's files cannot be written")
        .detail(format!("{what}: {error}."))
        .action("Free some space in the home directory and in /tmp, and check that both belong to you and can be written.")
}

/// The session is over.
pub(crate) fn ended(id: &SessionId, reason: &str) -> Problem {
    Problem::new(410, "session-ended", "The session has ended")
        .detail(format!("Session {id}: {reason}"))
        .action("Start a new one.")
}

/// The display does not take connections.
pub(crate) fn display_unreachable(id: &SessionId, error: &dyn std::fmt::Display) -> Problem {
    Problem::unavailable(
        "display-unreachable",
        format!("The display of session {id} does not accept connections: {error}."),
    )
}

/// The session is not ready yet.
pub(crate) fn not_ready(id: &SessionId) -> Problem {
    Problem::unavailable(
        "session-not-ready",
        format!("Session {id} has not finished starting or ending."),
    )
}

/// A supervisor could not be started.
pub(crate) fn no_supervisor(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(503, "no-process", "No process could be started")
        .detail(format!("The session's supervisor did not start: {error}."))
        .action("Ask the administrator for a higher limit of processes or memory, or end other programs.")
}

/// Too much at once.
pub(crate) fn busy() -> Problem {
    Problem::unavailable(
        "link-busy",
        "The link serves as many calls as it can at the moment.",
    )
}

/// A newer node asks for something that this link does not have.
pub(crate) fn unknown_call() -> Problem {
    Problem::new(
        501,
        "unknown-call",
        "The desktop side does not know this call",
    )
    .detail("The node asks for something that this version of the link does not know.")
    .action("The administrator restarts the desktop, so that node and link have the same version.")
}
