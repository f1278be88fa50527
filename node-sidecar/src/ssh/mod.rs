//! Proves to a host's own sshd who somebody is, and starts one program there as that user.
//!
//! The work is done by OpenSSH's own client in a child process, which has no keys of the node in its memory;
//! `docs/decisions/` says why. Its questions come back here and are put to the user. Nothing that a user
//! types is kept. Keys of hosts are known beforehand, or the host is refused with the command that accepts it.

mod accept;
mod askpass;
mod client;
mod dialogue;
mod known_hosts;

pub use accept::accept_host_key;
pub use askpass::{SOCKET_VARIABLE, main as askpass_main};
pub use client::{Finished, Tools};
pub(crate) use client::{quoted, wrong_credentials};
pub(crate) use dialogue::over;
pub use dialogue::{Dialogue, Next, Order, Prompt, Round};
pub use known_hosts::KnownHosts;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long a conversation may take, all answers included; sshd waits as long by default.
pub const CONVERSATION: Duration = Duration::from_mins(2);

/// An sshd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match (port, host.contains(':')) {
            (22, _) => f.write_str(host),
            (_, true) => write!(f, "[{host}]:{port}"),
            (_, false) => write!(f, "{host}:{port}"),
        }
    }
}

/// Why a text names no host.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not HOST, HOST:PORT or [ADDRESS]:PORT")]
pub struct TargetError(String);

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError(text.chars().take(80).collect());
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
            (host, port.strip_prefix(':'))
        } else {
            match text.split_once(':') {
                // An IPv6 address without a port.
                Some((_, rest)) if rest.contains(':') => (text, None),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let port = port.map_or(Ok(22), str::parse).map_err(|_| wrong())?;
        let fine = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
        if host.is_empty() || host.len() > 253 || host.starts_with('-') || !host.chars().all(fine) {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_as_people_write_them() {
        let target = |text: &str| text.parse::<Target>().map(|t| (t.host, t.port));
        assert_eq!(target("a.example"), Ok(("a.example".into(), 22)));
        assert_eq!(target("127.0.0.1:2222"), Ok(("127.0.0.1".into(), 2222)));
        assert_eq!(target("::1"), Ok(("::1".into(), 22)));
        assert_eq!(target("[::1]:2222"), Ok(("::1".into(), 2222)));
        for wrong in [
            "",
            "-oProxyCommand=x",
            "a b",
            "a:x",
            "a:70000",
            "[::1",
            "a/b",
        ] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
        for text in ["a.example", "127.0.0.1:2222", "::1", "[::1]:2222"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }
}
