//! Goes to another server as the user would from a terminal, with keys that need no answer.
//!
//! The user's own settings and keys count, and keys of hosts that the user or the node knows. Nothing is kept.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fastx_core::wire::link::LinkReach;
use fastx_core::wire::problem::Problem;

use super::Link;
use super::calls::Done;
use crate::backoff::random;
use crate::{detach, faults, journal};

/// How long all of it may take; the node waits a little longer.
const LIMIT: Duration = Duration::from_secs(18);

/// The node's keys of hosts for one client; gone when dropped.
struct KnownHosts(PathBuf);

impl KnownHosts {
    fn write(folder: &Path, text: &str) -> std::io::Result<Self> {
        let path = folder.join(format!("known-hosts-{:08x}", random()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let kept = Self(path);
        file.write_all(text.as_bytes())?;
        Ok(kept)
    }
}

impl Drop for KnownHosts {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Link {
    pub(super) fn reach(&self, reach: &LinkReach) -> Result<Done, Problem> {
        let program = self
            .environment
            .find("ssh")
            .ok_or_else(|| no_way("there is no `ssh` on this server"))?;
        let known = KnownHosts::write(&self.store.folders.runtime, &reach.known_hosts)
            .map_err(|e| faults::folder("The keys of hosts", &e))?;
        let mut client = client(&program, &known.0, reach);
        client.current_dir("/");
        match detach::ask(client, LIMIT) {
            Ok((true, _)) => {
                journal::info(format!("went to {} with your own keys", reach.host));
                Ok(Done::default())
            }
            Ok((false, said)) => Err(no_way(said.trim())),
            Err(why) => Err(no_way(&why)),
        }
    }
}

/// The user's client, which asks nobody and leaves nothing behind.
fn client(program: &Path, known: &Path, reach: &LinkReach) -> Command {
    let mut command = Command::new(program);
    command.args(["-T", "-n", "-a", "-x"]);
    // What stands here first counts; the user's own files say the rest.
    let known = format!(
        "UserKnownHostsFile=\"{}\" ~/.ssh/known_hosts ~/.ssh/known_hosts2",
        known.display().to_string().replace('%', "%%")
    );
    for option in [
        known.as_str(),
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "AddKeysToAgent=no",
        "ClearAllForwardings=yes",
        "ControlMaster=no",
        "ControlPath=none",
        "PermitLocalCommand=no",
        "RemoteCommand=none",
        "ConnectTimeout=5",
        "ConnectionAttempts=1",
        "LogLevel=ERROR",
    ] {
        command.args(["-o", option]);
    }
    command
        .args(["-p", &reach.port.to_string()])
        .args(["-l", reach.login.as_str()])
        .args(["--", &reach.host, &reach.command])
        .env_remove("DISPLAY")
        .env("SSH_ASKPASS_REQUIRE", "never");
    command
}

fn no_way(why: &str) -> Problem {
    let why: String = why.chars().take(500).collect();
    Problem::unavailable("no-link", format!("Your own keys open no way there: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_asks_nobody_and_takes_words_for_words() {
        let reach = LinkReach {
            host: "-oProxyCommand=x".to_owned(),
            port: 2222,
            login: "ada".parse().unwrap(),
            known_hosts: String::new(),
            command: "exit 0".to_owned(),
        };
        let command = client(Path::new("/usr/bin/ssh"), Path::new("/tmp/a b"), &reach);
        let words: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
        let at = |word: &str| words.iter().position(|w| w == word).unwrap();
        assert!(at("BatchMode=yes") < at("--") && at("--") < at("-oProxyCommand=x"));
        assert!(words[at("-o") + 1].contains("\"/tmp/a b\" ~/.ssh/known_hosts"));
    }

    #[test]
    fn keys_of_hosts_do_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let known = KnownHosts::write(folder.path(), "a ssh-ed25519 x\n").unwrap();
        let path = known.0.clone();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a ssh-ed25519 x\n");
        drop(known);
        assert!(!path.exists());
    }
}
