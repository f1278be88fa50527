//! The `fastx-node` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The script process has no environment and needs none of the rest.
    match std::env::args().nth(1).as_deref() {
        Some("script-worker") => fastx_balancer::worker::main(),
        Some(word) => fastx_node::app::word(word),
        None => fastx_node::app::main(&fastx_lifecycle::env::Process),
    }
}
