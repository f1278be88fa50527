//! `cargo xtask test` and `cargo xtask lint`: everything that must hold before a change lands.

use std::process::Command;

use crate::cluster::{self, Paths, process};
use crate::steps::{Failure, Steps};
use crate::{demo, images, tidy, web};

/// Custom resources, charts, and the pages that list things.
const RESOURCES: [&str; 10] = [
    "test",
    "--quiet",
    "--package",
    "fastx-tests",
    "--test",
    "apiserver",
    "--test",
    "charts",
    "--test",
    "docs",
];

/// Which tests to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also what takes long: the whole matrix of the web client
    #[arg(long)]
    all: bool,
    /// Only what needs no cluster
    #[arg(long)]
    fast: bool,
}

/// Runs all tests, cheapest first.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut steps = Steps::begin();
    let result = all(args, &mut steps);
    steps.summary();
    result
}

/// Runs the checks that need no test to run.
pub(crate) fn lint() -> Result<(), Failure> {
    let mut steps = Steps::begin();
    let result = lint_steps(&mut steps);
    steps.summary();
    result
}

fn all(args: &Args, steps: &mut Steps) -> Result<(), Failure> {
    let paths = Paths::load()?;
    steps.run(
        "build the web client",
        "20 s, nothing when unchanged",
        || web::build(&paths),
    )?;
    lint_steps(steps)?;
    steps.run(
        "unit tests and single processes",
        "5 min from nothing, then 1 min",
        || {
            process::run(&mut cargo(&[
                "test",
                "--quiet",
                "--features",
                "xtask/generate",
            ]))
        },
    )?;
    web_tests(args, steps)?;
    if args.fast {
        return Ok(());
    }
    steps.run("images", "10 min from nothing, then seconds", || {
        cluster::up_default()?;
        images::all().map_err(Failure::from)
    })?;
    steps.run("custom resources against the API server", "30 s", || {
        in_cluster(&paths, &RESOURCES)
    })?;
    steps.run(
        "the whole product in a cluster, with a real browser",
        "5 min",
        || {
            demo::up()?;
            demo::check()?;
            let flow = in_cluster(
                &paths,
                &[
                    "test",
                    "--quiet",
                    "--package",
                    "fastx-tests",
                    "--test",
                    "flow",
                    "--",
                    "--test-threads=1",
                ],
            );
            if flow.is_err() {
                demo::describe(&paths);
            }
            flow
        },
    )?;
    steps.run("take everything down", "5 s", demo::down)
}

fn lint_steps(steps: &mut Steps) -> Result<(), Failure> {
    steps.run("format", "2 s", || {
        process::run(&mut cargo(&["fmt", "--all", "--check"]))
    })?;
    steps.run("house rules", "1 s", tidy::run)?;
    steps.run("clippy", "4 min from nothing, then seconds", || {
        process::run(&mut cargo(&[
            "clippy",
            "--quiet",
            "--workspace",
            "--features",
            "xtask/generate",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    steps.run("generated files", "5 s", || crate::generate(true))
}

fn web_tests(args: &Args, steps: &mut Steps) -> Result<(), Failure> {
    let web = cluster::root().join("web");
    let npm = |script: &'static str| {
        let mut command = Command::new("npm");
        command.args(["run", "--silent", script]).current_dir(&web);
        if args.all {
            command.env("FULL", "1");
        }
        command
    };
    steps.run("web client: packages", "30 s, once", || web::packages(&web))?;
    steps.run("web client: types and style", "15 s", || {
        process::run(&mut npm("lint"))
    })?;
    steps.run("web client: unit tests", "10 s", || {
        process::run(&mut npm("test"))
    })?;
    let usual = if args.all { "5 min" } else { "1 min" };
    steps.run("web client: in a browser", usual, || {
        process::run(&mut npm("e2e"))
    })
}

fn in_cluster(paths: &Paths, arguments: &[&str]) -> Result<(), Failure> {
    let mut command = cargo(arguments);
    command.env("KUBECONFIG", paths.kubeconfig());
    process::run(&mut command).map_err(Failure::from)
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(cluster::root());
    command
}
