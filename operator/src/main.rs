//! The operator's binary, also the reload helper of the transporter and the process that scripts are checked in.

use std::process::ExitCode;

use fastx_operator::{app, reload};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(fastx_balancer::HIDDEN_ARGUMENT) => fastx_balancer::worker::main(),
        Some("reload") => reload::main(arguments),
        _ => app::main(),
    }
}
