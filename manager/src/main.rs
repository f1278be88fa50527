//! The cluster manager's process.

use std::process::ExitCode;

use fastx_lifecycle::env::{EXIT_USAGE, Process};
use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::telemetry;
use fastx_manager::config::Config;
use fastx_manager::{app, cli};

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(code) = cli::main().await {
        return code;
    }
    telemetry::init(&Process);
    let config = match Config::read(&Process) {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(%error, "a setting is not valid");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %telemetry::chain(&*error), "the manager cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    app::build(config).await?.run(shutdown).await?;
    Ok(())
}
