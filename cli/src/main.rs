//! The `fastxctl` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    fastx_cli::main(&fastx_lifecycle::env::Process)
}
