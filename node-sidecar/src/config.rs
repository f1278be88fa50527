//! Settings of the node process, read once from the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use fastx_core::names::ServerId;
use fastx_lifecycle::env::{SettingError, Source};

use crate::accounts;
use crate::links::launch::Passwordless;
use crate::ssh::{KnownHosts, Target, Tools};

/// Whether the node belongs to a cluster, `FX_CLUSTER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// `auto`: when there is a `broker.json`, or the node runs in a pod.
    Auto,
    /// `required`: it waits for `broker.json`.
    Required,
    /// `none`: it is alone, whatever files there are.
    None,
}

impl Membership {
    fn load(source: &impl Source) -> Result<Self, SettingError> {
        match source.or("FX_CLUSTER", "auto").as_str() {
            // Kubernetes tells every container where its API is.
            "auto" if source.get("KUBERNETES_SERVICE_HOST").is_some() => Ok(Self::Required),
            "auto" => Ok(Self::Auto),
            "required" => Ok(Self::Required),
            "none" => Ok(Self::None),
            other => Err(SettingError {
                name: "FX_CLUSTER".to_owned(),
                reason: format!("`{other}` is not one of auto, required and none"),
            }),
        }
    }
}

/// Where the node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Beside a desktop container; configuration names its users.
    Pod,
    /// On a host whose own users have sessions.
    Host,
}

impl std::str::FromStr for Place {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "pod" => Ok(Self::Pod),
            "host" => Ok(Self::Host),
            _ => Err(format!("must be `pod` or `host`, not `{text}`")),
        }
    }
}

/// What the settings mean.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whose users have sessions here, `FX_PLACE`.
    pub place: Place,
    /// Whose links start without a password on a host, `FX_PASSWORDLESS_LINKS`.
    pub passwordless: Passwordless,
    /// Folder of `broker.json`, `FX_CONFIG_DIR`.
    pub config_dir: PathBuf,
    /// Folder of the node's own state, `FX_LOCAL_DIR`.
    pub local_dir: PathBuf,
    /// Folder that node and desktop share, `FX_LINK_DIR`.
    pub link_dir: PathBuf,
    /// The link's program as it is shipped, `FX_LINK_BINARY`.
    pub link_binary: PathBuf,
    /// Folder of the certificate of the web address, `FX_TLS_DIR`.
    pub tls_dir: PathBuf,
    /// Where browsers and members come, `FX_WEB_ADDR`.
    pub web_addr: SocketAddr,
    /// Where probes and metrics come, `FX_HEALTH_ADDR`.
    pub health_addr: SocketAddr,
    /// Name of the node when `broker.json` has no credentials that say it, `FX_SERVER_ID`.
    pub server_id: Option<ServerId>,
    /// The sshd that people sign in at, `FX_SSH_HOST` and `FX_SSH_PORT`: the host's own.
    pub ssh: Target,
    /// Folder with the public keys of the host's own sshd, `FX_SSH_KEYS_DIR`.
    pub ssh_keys_dir: PathBuf,
    /// Folder with `ssh` and `ssh-keyscan`, `FX_SSH_PROGRAMS`.
    pub ssh_programs: PathBuf,
    /// This program, which the SSH client runs to ask.
    pub askpass: PathBuf,
    /// What asks the name service.
    pub accounts: accounts::Programs,
    /// Whether it belongs to a cluster, `FX_CLUSTER`.
    pub membership: Membership,
    /// `LOGLEVEL`: stands until the configuration of the cluster names another.
    pub log_level: String,
}

impl Config {
    /// Reads the settings; the first wrong one is named.
    pub fn load(source: &impl Source) -> Result<Self, SettingError> {
        let path = |name: &str, default: &str| PathBuf::from(source.or(name, default));
        let server_id = match source
            .get("FX_SERVER_ID")
            .or_else(|| source.get("HOSTNAME"))
        {
            // A host name need not be a valid name of a node: only what was set on purpose is an error.
            Some(name) if source.get("FX_SERVER_ID").is_some() => Some(name.parse().map_err(
                |e: fastx_core::names::NameError| SettingError {
                    name: "FX_SERVER_ID".to_owned(),
                    reason: e.to_string(),
                },
            )?),
            Some(name) => name.split('.').next().and_then(|n| n.parse().ok()),
            None => None,
        };
        let mut ssh = source.parse(
            "FX_SSH_HOST",
            Target {
                host: "127.0.0.1".to_owned(),
                port: 22,
            },
        )?;
        ssh.port = source.parse("FX_SSH_PORT", ssh.port)?;
        Ok(Self {
            place: source.parse("FX_PLACE", Place::Pod)?,
            passwordless: source.parse("FX_PASSWORDLESS_LINKS", Passwordless::default())?,
            config_dir: path("FX_CONFIG_DIR", "/etc/fastx"),
            local_dir: path("FX_LOCAL_DIR", "/var/lib/fastx"),
            link_dir: path("FX_LINK_DIR", "/run/fastx"),
            link_binary: path("FX_LINK_BINARY", "/usr/lib/fastx/fastx-link"),
            tls_dir: path("FX_TLS_DIR", "/etc/fastx/tls"),
            web_addr: source.parse("FX_WEB_ADDR", SocketAddr::from(([0, 0, 0, 0], 3300)))?,
            health_addr: source.parse("FX_HEALTH_ADDR", SocketAddr::from(([0, 0, 0, 0], 9300)))?,
            server_id,
            ssh,
            ssh_keys_dir: path("FX_SSH_KEYS_DIR", "/etc/ssh"),
            ssh_programs: path("FX_SSH_PROGRAMS", "/usr/bin"),
            askpass: std::env::current_exe().unwrap_or_else(|_| "/usr/bin/fastx-node".into()),
            accounts: accounts::Programs {
                helper: source.get("FX_NAMES_SOCKET").map(PathBuf::from),
                ..accounts::Programs::default()
            },
            membership: Membership::load(source)?,
            log_level: source.or("LOGLEVEL", "info"),
        })
    }
}

impl Config {
    /// How this node runs the SSH client.
    pub fn ssh_tools(&self) -> Tools {
        Tools {
            ssh: self.ssh_programs.join("ssh"),
            keyscan: self.ssh_programs.join("ssh-keyscan"),
            askpass: self.askpass.clone(),
            dir: self.local_dir.clone(),
            hosts: KnownHosts::new(&self.config_dir, &self.local_dir, &self.ssh_keys_dir),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_lifecycle::env::Map;

    #[test]
    fn defaults_are_those_of_the_pod() {
        let config = Config::load(&Map::default()).unwrap();
        assert_eq!(config.web_addr.port(), 3300);
        assert_eq!(config.local_dir, PathBuf::from("/var/lib/fastx"));
        assert_eq!(config.server_id, None);
        assert_eq!(config.place, Place::Pod);
        let host = Config::load(&Map::from([("FX_PLACE", "host")])).unwrap();
        assert_eq!(host.place, Place::Host);
        assert!(Config::load(&Map::from([("FX_PLACE", "moon")])).is_err());
    }

    #[test]
    fn a_pod_waits_for_its_cluster_and_a_host_does_not() {
        let of = |pairs: [(&str, &str); 2]| Config::load(&Map::from(pairs)).map(|c| c.membership);
        let pod = ("KUBERNETES_SERVICE_HOST", "10.0.0.1");
        assert_eq!(of([("FX_CLUSTER", ""), ("", "")]), Ok(Membership::Auto));
        assert_eq!(of([("FX_CLUSTER", "auto"), pod]), Ok(Membership::Required));
        assert_eq!(of([("FX_CLUSTER", "none"), pod]), Ok(Membership::None));
        let wrong = of([("FX_CLUSTER", "maybe"), pod]).unwrap_err();
        assert!(
            wrong.to_string().contains("auto, required and none"),
            "{wrong}"
        );
    }

    #[test]
    fn a_wrong_address_names_its_setting() {
        let wrong = Config::load(&Map::from([("FX_WEB_ADDR", "here")])).unwrap_err();
        assert!(
            wrong.to_string().starts_with("FX_WEB_ADDR is not valid"),
            "{wrong}"
        );
    }

    #[test]
    fn the_host_name_stands_in_for_a_missing_name() {
        let id = |pairs: [(&str, &str); 1]| Config::load(&Map::from(pairs)).map(|c| c.server_id);
        assert_eq!(
            id([("HOSTNAME", "a.example.org")]).unwrap(),
            Some("a".parse().unwrap())
        );
        assert_eq!(id([("HOSTNAME", "ä")]).unwrap(), None);
        assert!(id([("FX_SERVER_ID", "a.b")]).is_err());
    }
}
