//! The `fastx-node` program.

use std::process::ExitCode;

use fastx_lifecycle::env::{Process, Source as _};

fn main() -> ExitCode {
    let first = std::env::args().nth(1);
    // The SSH client asks a question.
    if let Some(socket) = Process.get(fastx_node::ssh::SOCKET_VARIABLE) {
        return fastx_node::ssh::askpass_main(&socket, &first.unwrap_or_default());
    }
    // The script process has no environment and needs none of the rest.
    match first.as_deref() {
        Some("script-worker") => fastx_balancer::worker::main(),
        Some("accept-host-key") => {
            fastx_node::commands::accept_key(std::env::args().skip(2), &Process)
        }
        Some(word) => fastx_node::app::word(word),
        None => fastx_node::app::main(&Process),
    }
}
