//! Settings of the operator: read once from an injected source, refused with one sentence when wrong.

use std::net::SocketAddr;
use std::time::Duration;

use fastx_lifecycle::env::{SettingError, Source};

/// What the operator was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Who this replica is in the Lease and in Events.
    pub name: String,
    /// Namespace of the Lease; the one of the credentials when empty.
    pub namespace: String,
    /// Name of the Lease.
    pub lease_name: String,
    /// Namespaces that are watched; the own one when empty.
    pub watch_namespaces: Vec<String>,
    /// Whether the machines of Kubernetes may be seen, for `hosts` of a FastXCluster.
    pub watch_machines: bool,
    /// Images for objects that name none.
    pub images: Images,
    /// Address of `/livez`, `/readyz`, `/metrics`.
    pub health: SocketAddr,
    /// How long certificates live.
    pub lifetimes: Lifetimes,
    /// How many objects of a kind are worked on at once.
    pub concurrency: usize,
}

/// Default images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// Operator, managers, node sidecars.
    pub fastx: String,
    /// Desktops.
    pub desktop: String,
    /// Transporter NATS.
    pub nats: String,
    /// Transporter Redis.
    pub redis: String,
    /// Store.
    pub store: String,
}

pub use fastx_lifecycle::pki::Lifetimes;

const DAY: u64 = 24 * 60 * 60;

impl Config {
    /// Reads the settings.
    pub fn load(source: &impl Source) -> Result<Self, SettingError> {
        let seconds = |name: &str, default: u64| -> Result<Duration, SettingError> {
            let value = source.parse(name, default)?;
            if value < 60 {
                return Err(invalid(
                    name,
                    "a certificate must live for at least 60 seconds",
                ));
            }
            Ok(Duration::from_secs(value))
        };
        let leaf = seconds("FX_CERT_LIFETIME_SECONDS", 90 * DAY)?;
        let authority = seconds("FX_AUTHORITY_LIFETIME_SECONDS", 3650 * DAY)?;
        if authority < leaf * 2 {
            return Err(invalid(
                "FX_AUTHORITY_LIFETIME_SECONDS",
                "an authority must live at least twice as long as its certificates",
            ));
        }
        let image = |name: &str, default: &str| source.or(name, default);
        Ok(Self {
            name: source.or("FX_NAME", "fastx-operator"),
            namespace: source.or("FX_NAMESPACE", ""),
            lease_name: source.or("FX_LEASE_NAME", "fastx-operator"),
            watch_namespaces: list(&source.or("FX_WATCH_NAMESPACES", "")),
            watch_machines: source.parse("FX_WATCH_MACHINES", false)?,
            images: Images {
                fastx: image("FX_IMAGE_FASTX", "localhost/fastx:dev"),
                desktop: image("FX_IMAGE_DESKTOP", "localhost/fastx-desktop:dev"),
                nats: image("FX_IMAGE_NATS", "localhost/nats:dev"),
                redis: image("FX_IMAGE_REDIS", "localhost/redis:dev"),
                store: image("FX_IMAGE_STORE", "localhost/fastx-store:dev"),
            },
            health: source.parse("FX_HEALTH_ADDR", SocketAddr::from(([0, 0, 0, 0], 9300)))?,
            lifetimes: Lifetimes { leaf, authority },
            concurrency: source.parse("FX_CONCURRENCY", 8_usize)?.clamp(1, 64),
        })
    }
}

fn list(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text
        .split(',')
        .map(str::trim)
        .filter(|n| !n.is_empty())
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

fn invalid(name: &str, reason: &str) -> SettingError {
    SettingError {
        name: name.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_lifecycle::env::Map;

    #[test]
    fn namespaces_are_a_list_without_repetition() {
        let config = Config::load(&Map::from([("FX_WATCH_NAMESPACES", " b, a,,b ")])).unwrap();
        assert_eq!(config.watch_namespaces, ["a", "b"]);
        assert!(
            Config::load(&Map::default())
                .unwrap()
                .watch_namespaces
                .is_empty()
        );
    }

    #[test]
    fn lifetimes_must_make_sense() {
        for (name, value) in [
            ("FX_CERT_LIFETIME_SECONDS", "10"),
            ("FX_AUTHORITY_LIFETIME_SECONDS", "86400"),
            ("FX_CERT_LIFETIME_SECONDS", "soon"),
        ] {
            let error = Config::load(&Map::from([(name, value)])).unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }
}
