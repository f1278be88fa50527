//! `fastxctl`: sessions, servers and logins from a terminal, and what is wrong with a host.
//!
//! | module | what it does |
//! |---|---|
//! | [`arguments`] | what can be typed |
//! | [`accounts`] | logins that are kept between calls |
//! | [`api`], [`trust`] | how a cluster is talked to |
//! | [`output`] | tables for people, JSON for programs |
//! | `commands` | one file a command |
//! | [`doctor`] | checks of the host that it runs on |

pub mod accounts;
pub mod api;
pub mod arguments;
mod commands;
pub mod doctor;
pub mod error;
pub mod output;
pub mod trust;

use std::process::ExitCode;

use clap::Parser as _;
use fastx_lifecycle::env::Source;

use crate::arguments::Arguments;
pub use commands::run;

use crate::error::Failure;
use crate::output::Output;

/// Exit code when something that was asked for was refused or failed.
const FAILED: u8 = 1;
/// Exit code when a sign-in is needed first.
const NOT_SIGNED_IN: u8 = 3;

/// Runs the program.
pub fn main(source: &impl Source) -> ExitCode {
    let arguments = Arguments::parse();
    fastx_lifecycle::tls::install_provider();
    let mut output = Output::new(arguments.output, std::io::stdout());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(arguments, source, &mut output)),
        Err(error) => Err(Failure::Io("the program cannot start".to_owned(), error)),
    };
    match result {
        Ok(code) => code,
        // Whoever reads has gone, as with `| head`.
        Err(Failure::Output(_)) => ExitCode::SUCCESS,
        Err(failure) => {
            error::report(&failure);
            ExitCode::from(if failure.needs_sign_in() {
                NOT_SIGNED_IN
            } else {
                FAILED
            })
        }
    }
}
