//! What the program does when it is called with more than one word.

use std::io::Write as _;
use std::process::ExitCode;

use fastx_lifecycle::env::{EXIT_USAGE, Source};

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

fn usage(text: &str) -> ExitCode {
    say(text);
    ExitCode::from(EXIT_USAGE)
}

fn say(text: &str) {
    let _gone = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}
