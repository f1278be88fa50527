//! Runs one measurement against the demo and prints its figures.

use std::io::Write as _;
use std::process::ExitCode;

use clap::ValueEnum;
use fastx_tests::Failure;
use fastx_tests::demo::Demo;

use crate::figure::Figure;
use crate::hosts::What;
use crate::{hosts, memory, reattach, relay, rest, start};

/// What to measure.
#[derive(Debug, clap::Parser)]
#[command(
    name = "cargo xtask bench",
    about = "Measures the demo beside other programs, which needs `make demo`; and hosts, which needs `cargo xtask package`; both need root"
)]
pub(crate) struct Args {
    /// What to measure
    #[arg(value_enum)]
    name: Name,
    /// Fewer rounds: shows that it works, its figures are rough
    #[arg(long)]
    quick: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Name {
    /// From the click to the first whole picture, beside a plain Xvnc in the same container
    Start,
    /// From the click to the whole picture of a session that runs, beside a connection to its socket
    Reattach,
    /// Latency and throughput of a display, direct and relayed, beside HAProxy with TLS
    Relay,
    /// Requests and memory of the operator while nothing changes
    OperatorRest,
    /// Memory of each process and of an idle session
    Memory,
    /// A hundred sessions on one host: memory, processor at rest, restart of the service
    HostSessions,
    /// Random kills on a host with sessions
    HostKills,
    /// A display of one host through another, beside direct
    HostRelay,
    /// Signing in by SSH
    HostSignIn,
}

/// Measures and prints `name | ours | peer | ratio | aim | met`.
pub(crate) async fn run(args: Args) -> ExitCode {
    let result = measure(&args).await;
    let mut out = std::io::stdout().lock();
    let done = match &result {
        Ok(figures) => figures
            .iter()
            .try_for_each(|figure| writeln!(out, "{figure}")),
        Err(error) => writeln!(std::io::stderr(), "error: {error}"),
    };
    if result.is_ok() && done.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn measure(args: &Args) -> Result<Vec<Figure>, Failure> {
    let on_hosts = match args.name {
        Name::HostSessions => Some(What::Many),
        Name::HostKills => Some(What::Kills),
        Name::HostRelay => Some(What::Relay),
        Name::HostSignIn => Some(What::SignIn),
        _ => None,
    };
    if let Some(what) = on_hosts {
        return hosts::run(what, args.quick).await;
    }
    let demo = Demo::find().await?;
    demo.ready().await?;
    match args.name {
        Name::Start => start::run(&demo, args.quick).await,
        Name::Reattach => reattach::run(&demo, args.quick).await,
        Name::Relay => relay::run(&demo, args.quick).await,
        Name::OperatorRest => rest::run(&demo, args.quick).await,
        Name::Memory => memory::run(&demo).await,
        _ => Ok(Vec::new()),
    }
}
