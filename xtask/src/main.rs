//! `cargo xtask`: every chore that is more than one line.

mod cluster;
mod demo;
#[cfg(feature = "generate")]
mod generate;
mod hosts;
mod images;
mod package;
mod steps;
mod test;
mod tidy;
mod web;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::steps::Failure;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository")]
enum Chore {
    /// Start, end or describe the Kubernetes cluster for tests and trials
    Cluster(cluster::Args),
    /// Build the container images and put them into the cluster
    Images(images::Args),
    /// Build the Debian package of a host
    Package(package::Args),
    /// Build what the tests of hosts need: a quick package, a bus and a store
    Hosts,
    /// The whole product on this machine
    #[command(subcommand)]
    Demo(demo::Action),
    /// Run all tests, cheapest first
    Test(test::Args),
    /// Check format, house rules, lints and generated files
    Lint,
    /// Check the house rules
    Tidy,
    /// Write what is made from the code: CRDs, install.yaml, the reference
    Generate {
        /// Only say what differs
        #[arg(long)]
        check: bool,
    },
    /// Build the web client
    Web,
    /// Measure the demo beside other programs: start, reattach, relay, operator-rest, memory
    Bench {
        /// What to measure, and `--quick` for a rough look
        #[arg(required = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Chore::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(failure.as_ref());
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<(), Failure> {
    match chore {
        Chore::Cluster(args) => Ok(cluster::run(&args)?),
        Chore::Images(args) => Ok(images::run(&args)?),
        Chore::Package(args) => package::run(&args),
        Chore::Hosts => hosts::prepare(),
        Chore::Demo(action) => demo::run(action),
        Chore::Test(args) => test::run(&args),
        Chore::Lint => test::lint(),
        Chore::Tidy => Ok(tidy::run()?),
        Chore::Generate { check } => generate(check),
        Chore::Web => web::build(&cluster::Paths::load()?),
        Chore::Bench { arguments } => bench(&arguments),
    }
}

#[cfg(feature = "generate")]
fn generate(check: bool) -> Result<(), Failure> {
    Ok(generate::run(check)?)
}

/// Builds this program with the resource types in it and hands the chore over.
#[cfg(not(feature = "generate"))]
fn generate(check: bool) -> Result<(), Failure> {
    let mut cargo = std::process::Command::new("cargo");
    cargo.args([
        "run",
        "--quiet",
        "--package",
        "xtask",
        "--features",
        "generate",
        "--",
        "generate",
    ]);
    cargo
        .args(check.then_some("--check"))
        .current_dir(cluster::root());
    Ok(cluster::process::run(&mut cargo)?)
}

/// Built like what goes into images: an unoptimised viewer would measure itself. So is the package that hosts install,
/// which is another one than that of the tests.
fn bench(arguments: &[String]) -> Result<(), Failure> {
    let mut cargo = std::process::Command::new("cargo");
    if arguments.iter().any(|name| name.starts_with("host-")) {
        cargo.env("FASTX_PACKAGES", hosts::for_measuring()?);
    }
    cargo
        .args(["run", "--quiet", "--profile", "image"])
        .args(["--package", "fastx-benches", "--"])
        .args(arguments)
        .env("KUBECONFIG", cluster::Paths::load()?.kubeconfig())
        .current_dir(cluster::root());
    Ok(cluster::process::run(&mut cargo)?)
}

/// Prints an error with its causes.
fn report(error: &dyn std::error::Error) {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let line: Vec<String> = causes.map(ToString::to_string).collect();
    let _ = writeln!(std::io::stderr(), "error: {}", line.join(": "));
}
