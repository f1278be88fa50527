//! `cargo xtask`: every chore that is more than one line.

mod cluster;
mod images;
mod tidy;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository")]
enum Chore {
    /// Start, end or describe the Kubernetes cluster for tests and trials
    Cluster(cluster::Args),
    /// Build the container images and put them into the cluster
    Images(images::Args),
    /// Check the house rules
    Tidy,
}

fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Cluster(args) => cluster::run(&args).map_err(|error| report(&error)),
        Chore::Images(args) => images::run(&args).map_err(|error| report(&error)),
        Chore::Tidy => tidy::run().map_err(|error| report(&error)),
    };
    if done.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints an error with its causes.
fn report(error: &dyn std::error::Error) {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let line: Vec<String> = causes.map(ToString::to_string).collect();
    let _ = writeln!(std::io::stderr(), "error: {}", line.join(": "));
}

/// Prints a line for the person at the terminal.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
