//! The helper beside each transporter server: sends it SIGHUP when its mounted configuration has changed.
//!
//! It knows neither the API server nor any secret but the folder that it watches, and starts no runtime: it is meant
//! to weigh nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use fastx_core::names::hex;
use fastx_lifecycle::env::{EXIT_USAGE, Process};
use fastx_lifecycle::telemetry;
use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};

/// How often the folder is looked at. The operator nudges the kubelet, so that its copy is seconds old.
const INTERVAL: Duration = Duration::from_secs(1);

/// What the helper was told.
#[derive(Debug, PartialEq, Eq)]
struct Arguments {
    watch: PathBuf,
    pid_file: PathBuf,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let (mut watch, mut pid_file) = (None, None);
        while let Some(name) = arguments.next() {
            let value = PathBuf::from(arguments.next()?);
            match name.as_str() {
                "--watch" => watch = Some(value),
                "--pid-file" => pid_file = Some(value),
                _ => return None,
            }
        }
        Some(Self {
            watch: watch?,
            pid_file: pid_file?,
        })
    }
}

/// Watches until it is ended.
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    telemetry::init(&Process);
    let Some(arguments) = Arguments::parse(arguments) else {
        tracing::error!("usage: fastx-operator reload --watch FOLDER --pid-file FILE");
        return ExitCode::from(EXIT_USAGE);
    };
    let mut seen = Seen::default();
    loop {
        let present = contents(&arguments.watch);
        let server = read_pid(&arguments.pid_file);
        if let Some(pid) = seen.look(present, server) {
            match kill_process(pid, Signal::HUP) {
                Ok(()) => tracing::info!(
                    pid = pid.as_raw_nonzero().get(),
                    "told the server to read its configuration"
                ),
                Err(error) => {
                    tracing::warn!(%error, "could not tell the server to read its configuration");
                    // Try again at the next look.
                    seen = Seen::default();
                }
            }
        }
        std::thread::sleep(INTERVAL);
    }
}

/// What was there at the last look.
#[derive(Debug, Default)]
struct Seen {
    contents: Option<String>,
    server: Option<Pid>,
}

impl Seen {
    /// Who is to be told. A server that was just started has read what was there then; whether that was the
    /// present content nobody knows, so it is told once. It costs nothing.
    fn look(&mut self, contents: Option<String>, server: Option<Pid>) -> Option<Pid> {
        let pid = server?;
        // In the middle of a change the folder may be unreadable.
        let contents = contents?;
        let same = self.server == Some(pid) && self.contents.as_ref() == Some(&contents);
        self.contents = Some(contents);
        self.server = Some(pid);
        (!same).then_some(pid)
    }
}

fn read_pid(file: &Path) -> Option<Pid> {
    Pid::from_raw(std::fs::read_to_string(file).ok()?.trim().parse().ok()?)
}

/// A digest of all files below a folder; none when it cannot be read.
fn contents(folder: &Path) -> Option<String> {
    let mut files = BTreeMap::new();
    collect(folder, &mut files, 0)?;
    let mut digest = Sha256::new();
    for (path, content) in files {
        digest.update(path.to_string_lossy().as_bytes());
        digest.update(Sha256::digest(&content));
    }
    Some(hex(&digest.finalize()))
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>, depth: u8) -> Option<()> {
    for entry in std::fs::read_dir(folder).ok()? {
        let path = entry.ok()?.path();
        let name = path.file_name()?.to_string_lossy().into_owned();
        // The kubelet's own folders: what counts is reached through the links beside them.
        if name.starts_with("..") {
            continue;
        }
        if path.is_dir() {
            if depth < 4 {
                collect(&path, files, depth + 1)?;
            }
        } else {
            files.insert(path.clone(), std::fs::read(&path).ok()?);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_a_new_server_too() {
        let pid = |n| Pid::from_raw(n);
        let look = |seen: &mut Seen, content: Option<&str>, server| {
            seen.look(content.map(str::to_owned), server).is_some()
        };
        let mut seen = Seen::default();
        assert!(!look(&mut seen, Some("a"), None));
        assert!(look(&mut seen, Some("a"), pid(7)));
        assert!(!look(&mut seen, Some("a"), pid(7)));
        assert!(!look(&mut seen, None, pid(7)));
        assert!(look(&mut seen, Some("b"), pid(7)));
        assert!(look(&mut seen, Some("b"), pid(8)));
    }

    #[test]
    fn folders_of_the_kubelet_are_seen_through_their_links() {
        let root = tempfile::tempdir().unwrap();
        let versions = [root.path().join("..v1"), root.path().join("..v2")];
        for (i, version) in versions.iter().enumerate() {
            std::fs::create_dir(version).unwrap();
            std::fs::write(version.join("nats.conf"), format!("version {i}")).unwrap();
        }
        let data = root.path().join("..data");
        std::os::unix::fs::symlink(&versions[0], &data).unwrap();
        std::os::unix::fs::symlink("..data/nats.conf", root.path().join("nats.conf")).unwrap();
        let first = contents(root.path()).unwrap();
        assert_eq!(contents(root.path()).unwrap(), first);
        std::fs::remove_file(&data).unwrap();
        assert_eq!(contents(root.path()), None);
        std::os::unix::fs::symlink(&versions[1], &data).unwrap();
        assert_ne!(contents(root.path()).unwrap(), first);
    }

    #[test]
    fn arguments_are_complete_or_refused() {
        let parse = |text: &str| Arguments::parse(text.split_whitespace().map(str::to_owned));
        assert!(parse("--watch /a --pid-file /b").is_some());
        for bad in [
            "",
            "--watch /a",
            "--watch",
            "--watch /a --pid-file /b --more x",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
