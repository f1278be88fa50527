//! What the program does when it is called with more than one word.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use fastx_lifecycle::env::{EXIT_USAGE, Source};
use fastx_lifecycle::{telemetry, tls};

use crate::config::Config;
use crate::ssh::{Target, accept_host_key};

/// `accept-host-key HOST[:PORT] [FINGERPRINT]`.
pub fn accept_key(arguments: impl Iterator<Item = String>, source: &impl Source) -> ExitCode {
    let words: Vec<String> = arguments.collect();
    let (host, fingerprint) = match &words[..] {
        [host] => (host, None),
        [host, fingerprint] => (host, Some(fingerprint.as_str())),
        _ => return usage("usage: fastx-node accept-host-key HOST[:PORT] [FINGERPRINT]"),
    };
    let target: Target = match host.parse() {
        Ok(target) => target,
        Err(error) => return usage(&format!("error: {error}")),
    };
    let config = match Config::load(source) {
        Ok(config) => config,
        Err(error) => return usage(&format!("error: {error}")),
    };
    let tools = config.ssh_tools();
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(accept_host_key(&target, fingerprint, &tools)));
    match done {
        Ok(text) => {
            let _gone = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(text) => {
            say(&text);
            ExitCode::FAILURE
        }
    }
}

/// `fastx-node join FILE`.
pub fn join(source: &impl Source, file: Option<String>) -> ExitCode {
    telemetry::init(source);
    let (Ok(config), Some(file)) = (Config::load(source), file) else {
        tracing::error!("usage: fastx-node join FILE, with the settings of the service");
        return ExitCode::from(EXIT_USAGE);
    };
    tls::install_provider();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let joined = match runtime {
        Ok(runtime) => runtime.block_on(crate::join::command(&config, Path::new(&file))),
        Err(error) => {
            tracing::error!(%error, "the program cannot start");
            return ExitCode::FAILURE;
        }
    };
    match joined {
        Ok(server) => {
            tracing::info!(%server, "this host joined the cluster; start the service");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(error = %telemetry::chain(&error), "this host did not join");
            ExitCode::FAILURE
        }
    }
}

fn usage(text: &str) -> ExitCode {
    say(text);
    ExitCode::from(EXIT_USAGE)
}

fn say(text: &str) {
    let _gone = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}
