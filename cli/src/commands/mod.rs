//! The commands, one file each.

mod config;
mod connect;
mod find;
mod login;
mod logs;
mod prompts;
mod servers;
mod sessions;
mod start;
mod why;

use std::process::ExitCode;

use clap::CommandFactory as _;
use fastx_lifecycle::env::Source;

use crate::accounts::Accounts;
use crate::api::Api;
use crate::arguments::{Arguments, Command};
use crate::doctor;
use crate::error::Failure;
use crate::output::Output;

/// Runs what was typed.
pub async fn run(
    arguments: Arguments,
    source: &impl Source,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let address = arguments.address.as_deref();
    match arguments.command {
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "fastxctl", &mut script);
            output.line(&String::from_utf8_lossy(&script))?;
        }
        Command::Doctor(options) => return doctor::run(&options, output).await,
        Command::Logs(options) if options.service.is_some() => return logs::service(&options),
        Command::Login(options) => login::login(options, address, source, output).await?,
        command => {
            let mut accounts = Accounts::open(source)?;
            let (address, account) = accounts.choose(address)?;
            let api = Api::new(address.clone(), &account.trust, Some(account.token.clone()))?;
            match command {
                Command::Logout => login::logout(&api, &mut accounts, output).await?,
                Command::Whoami => login::whoami(&api, output).await?,
                Command::Sessions(options) => sessions::list(&api, &options, output).await?,
                Command::Disconnect(options) => {
                    sessions::disconnect(&api, &options, output).await?;
                }
                Command::End(options) => sessions::end(&api, &options, output).await?,
                Command::Servers(options) => servers::list(&api, &options, output).await?,
                Command::Applications => start::applications(&api, output).await?,
                Command::Start(options) => start::start(&api, options, output).await?,
                Command::Connect(options) => {
                    connect::connect(&api, &account.trust, &options, output).await?;
                }
                Command::Config(options) => config::run(&api, &options, output).await?,
                Command::Why(options) => why::why(&api, &options, output).await?,
                Command::Logs(options) => logs::session(&api, &options, output).await?,
                Command::Completion { .. } | Command::Doctor(_) | Command::Login(_) => {}
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
