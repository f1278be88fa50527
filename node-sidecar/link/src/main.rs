//! The link: runs as the user beside a node and keeps the user's sessions.

use std::process::ExitCode;

fn main() -> ExitCode {
    fastx_link::run(std::env::args_os().skip(1), std::env::vars_os())
}
