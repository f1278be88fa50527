//! What the program does when it is called with more than one word.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fastx_lifecycle::env::{EXIT_USAGE, Source};
use fastx_lifecycle::{telemetry, tls};

use crate::config::Config;
use crate::links::install_link;
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

/// `fastx-node host-folders`, run as root before a node whose host sees the folders: the link is root's, so that the
/// node cannot change what users run; the node's own folders are the node's.
pub fn host_folders(source: &impl Source) -> ExitCode {
    telemetry::init(source);
    let path = |name: &str, default: &str| PathBuf::from(source.or(name, default));
    let binary = path("FX_LINK_BINARY", "/usr/lib/fastx/fastx-link");
    let own = [
        (path("FX_LOCAL_DIR", "/var/lib/fastx"), 0o700),
        (path("FX_LINK_DIR", "/run/fastx"), 0o755),
    ];
    let programs = path("FX_PROGRAMS_DIR", "/host-programs");
    let uid = source.parse("FX_NODE_UID", 65532_u32);
    let done = install_link(&binary, &programs)
        .map_err(|error| telemetry::chain(&error))
        .and_then(|_changed| {
            let uid = uid.map_err(|error| error.to_string())?;
            for (folder, mode) in &own {
                hand_over(folder, uid, *mode)
                    .map_err(|error| format!("{}: {error}", folder.display()))?;
            }
            Ok(())
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error, "the folders of the host cannot be prepared");
            ExitCode::FAILURE
        }
    }
}

fn hand_over(folder: &Path, uid: u32, mode: u32) -> std::io::Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode))?;
    std::os::unix::fs::chown(folder, Some(uid), Some(uid))
}

fn usage(text: &str) -> ExitCode {
    say(text);
    ExitCode::from(EXIT_USAGE)
}

fn say(text: &str) {
    let _gone = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}
