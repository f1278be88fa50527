//! Logins that are kept between calls, in a file that only their owner can read.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use fastx_core::secret::Secret;
use fastx_lifecycle::env::Source;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::trust::Trust;

/// A kept login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Login name.
    pub login: String,
    /// The token.
    pub token: Secret,
    /// When it ends.
    pub expires: Timestamp,
    /// Why the address is believed to be the cluster.
    #[serde(default)]
    pub trust: Trust,
}

/// The file of all kept logins, by address.
#[derive(Debug)]
pub struct Accounts {
    path: PathBuf,
    all: BTreeMap<String, Account>,
}

impl Accounts {
    /// Reads the file; none is an empty one.
    pub fn open(source: &impl Source) -> Result<Self, Failure> {
        let folder = source
            .get("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| {
                source
                    .get("HOME")
                    .map(|home| Path::new(&home).join(".config"))
            })
            .ok_or_else(|| {
                Failure::Usage(
                    "neither HOME nor XDG_CONFIG_HOME is set, so no login can be kept".to_owned(),
                )
            })?;
        Self::at(folder.join("fastx/logins.json"))
    }

    fn at(path: PathBuf) -> Result<Self, Failure> {
        let all = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| Failure::File {
                path: path.clone(),
                source: e.into(),
            })?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(Failure::File { path, source }),
        };
        Ok(Self { path, all })
    }

    /// The login at an address, or the only one.
    pub fn choose(&self, address: Option<&str>) -> Result<(String, Account), Failure> {
        if let Some(address) = address {
            let address = normal(address)?;
            let account = self.all.get(&address).ok_or(Failure::NoLogin)?;
            return Ok((address, account.clone()));
        }
        let mut all = self.all.iter();
        match (all.next(), all.next()) {
            (None, _) => Err(Failure::NoLogin),
            (Some((address, account)), None) => Ok((address.clone(), account.clone())),
            _ => {
                let names: Vec<&str> = self.all.keys().map(String::as_str).collect();
                Err(Failure::WhichLogin(names.join(", ")))
            }
        }
    }

    /// Keeps a login.
    pub fn keep(&mut self, address: String, account: Account) -> Result<(), Failure> {
        self.all.insert(address, account);
        self.write()
    }

    /// Forgets a login.
    pub fn forget(&mut self, address: &str) -> Result<(), Failure> {
        self.all.remove(address);
        self.write()
    }

    /// In one step, so that a second call never reads half a file.
    fn write(&self) -> Result<(), Failure> {
        let failed = |source| Failure::File {
            path: self.path.clone(),
            source,
        };
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
        let text = serde_json::to_vec_pretty(&self.all).map_err(|e| failed(e.into()))?;
        let new = self
            .path
            .with_extension(format!("new.{}", std::process::id()));
        let written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| file.write_all(&text))
            .and_then(|()| fs::rename(&new, &self.path));
        if written.is_err() {
            let _not_there = fs::remove_file(&new);
        }
        written.map_err(failed)
    }
}

/// An address as it is kept: `https://host[:port]`, without a path.
pub fn normal(address: &str) -> Result<String, Failure> {
    let wrong = |why: &str| {
        Failure::Usage(format!(
            "`{address}` is not the address of a cluster: {why}; it looks like https://desks.example.org:3300"
        ))
    };
    let rest = match address.split_once("://") {
        Some(("https", rest)) => rest,
        Some(_) => return Err(wrong("only https is spoken")),
        None => address,
    };
    let host = rest.trim_end_matches('/');
    if host.is_empty() || host.contains(['/', '@', '?', '#', ' ']) {
        return Err(wrong(
            "it needs a host and perhaps a port, and nothing else",
        ));
    }
    Ok(format!("https://{}", host.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn account(login: &str) -> Account {
        Account {
            login: login.to_owned(),
            token: Secret::new("t"),
            expires: Timestamp::MAX,
            trust: Trust::System,
        }
    }

    #[test]
    fn logins_are_kept_for_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fastx/logins.json");
        let mut accounts = Accounts::at(path.clone()).unwrap();
        assert!(matches!(accounts.choose(None), Err(Failure::NoLogin)));
        accounts.keep("https://a".into(), account("ada")).unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let mut again = Accounts::at(path.clone()).unwrap();
        assert_eq!(again.choose(None).unwrap().1, account("ada"));
        assert_eq!(again.choose(Some("https://A/")).unwrap().0, "https://a");
        again.keep("https://b".into(), account("bob")).unwrap();
        assert!(matches!(again.choose(None), Err(Failure::WhichLogin(_))));
        again.forget("https://a").unwrap();
        assert_eq!(again.choose(None).unwrap().1.login, "bob");
        fs::write(&path, "{").unwrap();
        assert!(matches!(Accounts::at(path), Err(Failure::File { .. })));
    }

    #[test]
    fn addresses_have_one_form() {
        assert_eq!(
            normal("Desks.example.org/").unwrap(),
            "https://desks.example.org"
        );
        assert_eq!(normal("https://[::1]:3300").unwrap(), "https://[::1]:3300");
        for wrong in ["http://a", "https://", "https://a/b", "https://u@a", "a b"] {
            assert!(normal(wrong).is_err(), "{wrong}");
        }
    }
}
