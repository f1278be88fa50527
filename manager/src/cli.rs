//! What the program can be told: to run (without a word), to set up a cluster, and to decide who joins.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use fastx_core::names::ServerId;
use fastx_core::wire::join::{JoinDecision, JoinState};
use fastx_lifecycle::clock;
use fastx_lifecycle::env::{EXIT_USAGE, Process, SettingError};
use fastx_lifecycle::telemetry::chain;

use crate::config::Config;
use crate::operations::joins;
use crate::setup::{self, SetupError};
use crate::store::mongo::MongoStore;
use crate::store::{Pace, Store, StoreError};

/// The cluster manager: without a command it runs, with the settings of its environment.
#[derive(Debug, Parser)]
#[command(name = "fastx-manager", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sets up a cluster on this machine, without Kubernetes.
    Setup(Box<setup::Options>),
    /// Lists and decides requests of hosts to join.
    #[command(subcommand)]
    Join(Join),
}

#[derive(Debug, Subcommand)]
enum Join {
    /// Lists all requests.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lets a host join.
    Accept {
        /// Its serverId.
        server: ServerId,
    },
    /// Refuses a host. A member that has its identity already is shut out by `setup --revoke KEY`.
    Refuse {
        /// Its serverId.
        server: ServerId,
    },
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The setup.
    #[error("nothing was changed")]
    Setup(#[from] SetupError),
    /// A setting.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The file with the store's address.
    #[error("cannot read {0}; run this as the managers' user, with the settings of their unit")]
    Uri(std::path::PathBuf, #[source] io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody asked under this name.
    #[error("no host asks to join as `{0}`; `fastx-manager join list` shows who does")]
    Nobody(ServerId),
    /// Standard output.
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
}

/// Reads the arguments and does what they say; none when the manager is to run.
pub async fn main() -> Option<ExitCode> {
    let command = Cli::parse().command?;
    let result = match command {
        Command::Setup(options) => run_setup(&options),
        Command::Join(join) => run_join(join).await,
    };
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {}", chain(&error));
            match error {
                CliError::Setting(_) => ExitCode::from(EXIT_USAGE),
                _ => ExitCode::FAILURE,
            }
        }
    })
}

fn run_setup(options: &setup::Options) -> Result<(), CliError> {
    setup::run(options, clock::now(), &mut rand::rng(), &mut io::stdout())?;
    Ok(())
}

async fn run_join(join: Join) -> Result<(), CliError> {
    let config = Config::read(&Process)?;
    let uri = std::fs::read_to_string(&config.store_uri_file)
        .map_err(|source| CliError::Uri(config.store_uri_file.clone(), source))?;
    fastx_lifecycle::tls::install_provider();
    let pace = Pace::new(rand::random());
    let opening = MongoStore::open(
        uri.trim(),
        config.store_ca_file,
        &config.store_database,
        Pace::new(rand::random()),
    );
    let store: Arc<dyn Store> = Arc::new(opening.await?);
    store.prepare().await?;
    match join {
        Join::List { json } => print_joins(&*store, json).await,
        Join::Accept { server } => decide(&*store, &pace, server, JoinState::Accepted).await,
        Join::Refuse { server } => decide(&*store, &pace, server, JoinState::Refused).await,
    }
}

async fn print_joins(store: &dyn Store, json: bool) -> Result<(), CliError> {
    let mut all = joins::list(store).await?;
    for join in &mut all {
        join.jwt = None;
    }
    let mut out = io::stdout().lock();
    if json {
        let text = serde_json::to_string_pretty(&all).map_err(io::Error::from)?;
        writeln!(out, "{text}")?;
        return Ok(());
    }
    if all.is_empty() {
        writeln!(out, "no host has asked to join")?;
    }
    for join in all {
        let state = match join.state {
            JoinState::Pending => "pending",
            JoinState::Accepted => "accepted",
            JoinState::Refused => "refused",
        };
        let (server, host, key, asked) =
            (join.server_id, join.hostname, join.public_key, join.asked);
        writeln!(
            out,
            "{server}  {state}  host {host}  asked {asked}  key {key}  {}",
            join.reason
        )?;
    }
    Ok(())
}

async fn decide(
    store: &dyn Store,
    pace: &Pace,
    server: ServerId,
    state: JoinState,
) -> Result<(), CliError> {
    let asked = joins::list(store).await?;
    let Some(asked) = asked.into_iter().find(|join| join.server_id == server) else {
        return Err(CliError::Nobody(server));
    };
    let decision = JoinDecision {
        state,
        jwt: asked.jwt,
        public_key: asked.public_key,
    };
    let settled = joins::settle(store, pace, &server, &decision, clock::now()).await?;
    let Some(settled) = settled else {
        return Err(CliError::Nobody(server));
    };
    let done = match state {
        JoinState::Refused => "refused",
        _ => "accepted; it joins when it asks again, within a minute",
    };
    writeln!(
        io::stdout(),
        "{server} on host {}: {done}",
        settled.hostname
    )?;
    Ok(())
}
