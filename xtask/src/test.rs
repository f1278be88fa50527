//! `cargo xtask test` and `cargo xtask lint`: everything that must hold before a change lands.

use std::process::Command;

use crate::cluster::{self, Paths, process};
use crate::steps::{Failure, Steps};
use crate::{demo, hosts, images, tidy, web};

/// Custom resources, charts, and the pages that list things.
const RESOURCES: [&str; 11] = [
    "test",
    "--quiet",
    "--workspace",
    "--features",
    "xtask/generate",
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
    /// Also what takes long: the whole matrix of the web client, and 200 random kills
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
    // All tests have it among the unit tests, where the resource types are compiled already.
    let result = lint_steps(&mut steps)
        .and_then(|()| steps.run("generated files", "5 s", || crate::generate(true)));
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
    steps.run(
        "the API, fuzzed from its own document",
        "1 min; once 15 s for the fuzzer",
        || api(&paths),
    )?;
    web_tests(args, steps)?;
    if args.fast {
        return Ok(());
    }
    on_hosts(steps)?;
    steps.run("images", "10 min from nothing, then seconds", || {
        cluster::up_default()?;
        images::all().map_err(Failure::from)
    })?;
    steps.run("custom resources against the API server", "30 s", || {
        in_cluster(&paths, &RESOURCES)
    })?;
    steps.run(
        "the whole product in a cluster, with a real browser",
        "1 min",
        || {
            demo::up()?;
            demo::check()
        },
    )?;
    steps.run("the whole product under faults", "4 min", || {
        faults(args, &paths)
    })?;
    steps.run("sites of their own beside the demo", "3 min", || {
        described(&paths, in_cluster(&paths, &of_tests("sites", 3)))
    })?;
    steps.run("take everything down", "5 s", demo::down)
}

/// Installs the fuzzer where the test looks for it, and runs it against the server that was built before.
fn api(paths: &Paths) -> Result<(), Failure> {
    let list = cluster::root().join("tests/api/requirements.txt");
    let wanted = std::fs::read(&list)?;
    let venv = paths.cache.join("api/venv");
    let stamp = venv.join("requirements.txt");
    if !std::fs::read(&stamp).is_ok_and(|have| have == wanted) {
        process::run(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&venv),
        )?;
        let mut install = Command::new(venv.join("bin/pip"));
        install.args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ]);
        process::run(install.arg(&list))?;
        std::fs::write(&stamp, wanted)?;
    }
    let mut test = cargo(&of_tests("api", 1));
    test.env("FASTX_CACHE", &paths.cache);
    process::run(&mut test).map_err(Failure::from)
}

/// Boots hosts in containers and installs the package that was built of the programs of the tests before.
fn on_hosts(steps: &mut Steps) -> Result<(), Failure> {
    steps.run(
        "hosts: package, bus and store",
        "20 s; once 6 min, for PostgreSQL and FerretDB",
        hosts::prepare,
    )?;
    steps.run(
        "hosts with systemd: package, sessions, faults",
        "4 min; once 2 min for a Debian tree",
        || process::run(&mut cargo(&of_tests("hosts", 2))).map_err(Failure::from),
    )
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
    })
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

/// One after the other: each kills something that the next one needs.
fn faults(args: &Args, paths: &Paths) -> Result<(), Failure> {
    images::second_names()?;
    let mut flow = cargo(&of_tests("flow", 1));
    flow.env("KUBECONFIG", paths.kubeconfig());
    if args.all {
        flow.env("FASTX_KILLS", "200");
    }
    described(paths, process::run(&mut flow).map_err(Failure::from))
}

/// Of the whole workspace, so that the features, and with them all that is built already, are those of the unit tests.
fn of_tests(name: &'static str, threads: u8) -> Vec<String> {
    let threads = format!("--test-threads={threads}");
    [
        "test",
        "--quiet",
        "--workspace",
        "--features",
        "xtask/generate",
        "--test",
        name,
        "--",
        &threads,
    ]
    .map(str::to_owned)
    .into()
}

fn described(paths: &Paths, result: Result<(), Failure>) -> Result<(), Failure> {
    if result.is_err() {
        demo::describe(paths);
    }
    result
}

fn in_cluster<A: AsRef<std::ffi::OsStr>>(paths: &Paths, arguments: &[A]) -> Result<(), Failure> {
    let mut command = cargo(arguments);
    command.env("KUBECONFIG", paths.kubeconfig());
    process::run(&mut command).map_err(Failure::from)
}

fn cargo<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(cluster::root());
    command
}
