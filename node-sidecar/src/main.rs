//! The `fastx-node` program, which is also `upload-store` and `download-store`.

use std::process::ExitCode;

use fastx_lifecycle::env::{Process, Source as _};
use fastx_node::moving;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    // The SSH client asks a question.
    if let Some(socket) = Process.get(fastx_node::ssh::SOCKET_VARIABLE) {
        let question = words.get(1).map_or("", String::as_str);
        return fastx_node::ssh::askpass_main(&socket, question);
    }
    if let Some((direction, words)) = moving::called(&words) {
        return moving::main(direction, words, &Process);
    }
    // The script process has no environment and needs none of the rest.
    match words.get(1).map(String::as_str) {
        Some("script-worker") => fastx_balancer::worker::main(),
        Some("names") => fastx_node::accounts::helper::main(&Process),
        Some("host-folders") => fastx_node::commands::host_folders(&Process),
        Some("accept-host-key") => {
            fastx_node::commands::accept_key(std::env::args().skip(2), &Process)
        }
        Some("join") => fastx_node::commands::join(&Process, std::env::args().nth(2)),
        Some(word) => fastx_node::app::word(word),
        None => fastx_node::app::main(&Process),
    }
}
