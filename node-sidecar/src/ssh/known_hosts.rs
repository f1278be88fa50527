//! Keys of hosts: the administrator's, those that were accepted on this node, and the host's own.
//!
//! The SSH client reads the files at each connection, so that a key counts as soon as it was accepted.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::Target;

/// Name of the file in the folders of the node.
const FILE: &str = "ssh_known_hosts";

/// Longest file that is handed on, bytes.
const MAX_FILE: u64 = 128 * 1024;

/// Where keys are found.
#[derive(Debug, Clone)]
pub struct KnownHosts {
    /// Written by the administrator.
    configured: PathBuf,
    /// Written when a key is accepted.
    accepted: PathBuf,
    /// Folder with the public keys of this host's own sshd, which only root can write.
    own: PathBuf,
}

/// A public key as it stands in files: type and base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostKey {
    pub(super) kind: String,
    pub(super) blob: String,
}

impl HostKey {
    /// The key of two words; what follows is a comment.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (kind, blob) = (words.next()?, words.next()?);
        let known =
            kind.starts_with("ssh-") || kind.starts_with("ecdsa-") || kind.starts_with("sk-");
        (known && STANDARD.decode(blob).is_ok()).then(|| Self {
            kind: kind.to_owned(),
            blob: blob.to_owned(),
        })
    }

    /// Short form that people compare.
    pub(super) fn fingerprint(&self) -> String {
        let blob = STANDARD.decode(&self.blob).unwrap_or_default();
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
    }
}

impl KnownHosts {
    /// Looks into these folders.
    pub fn new(config_dir: &Path, local_dir: &Path, own: &Path) -> Self {
        Self {
            configured: config_dir.join(FILE),
            accepted: local_dir.join(FILE),
            own: own.to_owned(),
        }
    }

    /// Lines for the host itself, which its own files tell; none for other hosts.
    pub(super) fn own_lines(&self, target: &Target) -> String {
        let mut text = String::new();
        if !is_loopback(&target.host) {
            return text;
        }
        let entries = std::fs::read_dir(&self.own).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if !(name.starts_with("ssh_host_") && name.ends_with("_key.pub")) {
                continue;
            }
            let key = std::fs::read_to_string(entry.path()).ok();
            if let Some(key) = key.and_then(|text| HostKey::parse(&text)) {
                let _ = writeln!(text, "{} {} {}", line_name(target), key.kind, key.blob);
            }
        }
        text
    }

    /// Everything that is known, for a client that cannot read the files; what is too long is left out.
    pub(crate) fn text(&self, target: &Target) -> String {
        let mut text = self.own_lines(target);
        for file in [&self.configured, &self.accepted] {
            let size = std::fs::metadata(file).map_or(0, |about| about.len());
            if size <= MAX_FILE {
                text.push_str(&std::fs::read_to_string(file).unwrap_or_default());
                text.push('\n');
            }
        }
        text
    }

    /// Writes down a key; other keys that were accepted for the same host are dropped.
    pub(super) fn accept(&self, target: &Target, key: &HostKey) -> io::Result<()> {
        let name = line_name(target);
        let before = match std::fs::read_to_string(&self.accepted) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut text: String = before
            .lines()
            .filter(|line| line.split(' ').next() != Some(&name))
            .flat_map(|line| [line, "\n"])
            .collect();
        let _ = writeln!(text, "{name} {} {}", key.kind, key.blob);
        let new = self.accepted.with_extension("new");
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &self.accepted)
    }

    /// Where accepted keys are written.
    pub fn accepted_file(&self) -> &Path {
        &self.accepted
    }

    /// Where the administrator writes keys.
    pub fn configured_file(&self) -> &Path {
        &self.configured
    }
}

/// A host as it is named in the files.
fn line_name(target: &Target) -> String {
    if target.port == 22 {
        target.host.clone()
    } else {
        format!("[{}]:{}", target.host, target.port)
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIHU7TJ7Y1h8KQ2sTzT1qvPTvcTv8Y2EXGOJ3nMaBZ2X root@a";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

    fn key(text: &str) -> HostKey {
        HostKey::parse(text).unwrap()
    }

    #[test]
    fn an_accepted_key_replaces_the_former_of_that_host_alone() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = KnownHosts::new(&dir.path().join("etc"), dir.path(), dir.path());
        let (a, b): (Target, Target) = ("a:2222".parse().unwrap(), "b".parse().unwrap());
        hosts.accept(&a, &key(ONE)).unwrap();
        hosts.accept(&b, &key(ONE)).unwrap();
        hosts.accept(&a, &key(OTHER)).unwrap();
        let text = std::fs::read_to_string(hosts.accepted_file()).unwrap();
        let (one, other) = (key(ONE).blob, key(OTHER).blob);
        assert_eq!(
            text,
            format!("b ssh-ed25519 {one}\n[a]:2222 ssh-ed25519 {other}\n")
        );
    }

    #[test]
    fn the_host_itself_is_known_by_its_own_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ssh_host_ed25519_key.pub"), ONE).unwrap();
        let hosts = KnownHosts::new(&dir.path().join("x"), &dir.path().join("y"), dir.path());
        let lines = |host: &str| hosts.own_lines(&host.parse().unwrap());
        assert!(lines("127.0.0.1:2222").starts_with("[127.0.0.1]:2222 ssh-ed25519 AAAA"));
        assert!(lines("localhost").starts_with("localhost ssh-ed25519 AAAA"));
        assert_eq!(lines("10.0.0.1"), "");
    }

    #[test]
    fn only_keys_are_keys() {
        assert!(key(OTHER).fingerprint().starts_with("SHA256:"));
        assert_eq!(key(OTHER).fingerprint().len(), 50);
        for wrong in ["", "ssh-ed25519", "ssh-ed25519 !", "# comment here"] {
            assert_eq!(HostKey::parse(wrong), None, "{wrong}");
        }
    }
}
