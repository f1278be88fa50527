//! Settings of the process, read once from the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use fastx_core::names::CallerId;
use fastx_lifecycle::env::{SettingError, Source};

use crate::operations::joins::Discovery;

/// What a manager runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Name of this process among the managers.
    pub name: CallerId,
    /// Folder of `broker.json`.
    pub config_dir: PathBuf,
    /// File that holds the store's address.
    pub store_uri_file: PathBuf,
    /// Authority of the store's certificate.
    pub store_ca_file: Option<PathBuf>,
    /// Name of the database.
    pub store_database: String,
    /// Folder of `tls.crt`, `tls.key` and `ca.crt` for the HTTPS address.
    pub tls_dir: PathBuf,
    /// Folder of the local users.
    pub users_dir: PathBuf,
    /// Who may join without being asked for.
    pub discovery: Discovery,
    /// File with the secret of the OIDC client.
    pub oidc_secret_file: PathBuf,
    /// File with authorities (PEM) of the OIDC provider, besides the system's.
    pub oidc_ca_file: PathBuf,
    /// Where to serve HTTPS.
    pub api_addr: SocketAddr,
    /// Where to serve health and metrics.
    pub health_addr: SocketAddr,
}

impl Config {
    /// Reads the settings.
    pub fn read(source: &impl Source) -> Result<Self, SettingError> {
        let path = |name: &str, default: &str| PathBuf::from(source.or(name, default));
        let addr = |name: &str, default: &str| {
            source.or(name, default).parse().map_err(|_| SettingError {
                name: name.to_owned(),
                reason: format!("must be an address and port such as {default}"),
            })
        };
        let name = source.or("FX_NAME", "manager");
        let name = name.parse().map_err(|_| SettingError {
            name: "FX_NAME".to_owned(),
            reason: "must have 1 to 63 characters of A-Z, a-z, 0-9, `_` and `-`".to_owned(),
        })?;
        Ok(Self {
            name,
            config_dir: path("FX_CONFIG_DIR", "/etc/fastx"),
            store_uri_file: path("FX_STORE_URI_FILE", "/etc/fastx/store/uri"),
            store_ca_file: source.get("FX_STORE_CA_FILE").map(PathBuf::from),
            store_database: source.or("FX_STORE_DATABASE", "fastx"),
            tls_dir: path("FX_TLS_DIR", "/etc/fastx/tls"),
            users_dir: path("FX_USERS_DIR", "/etc/fastx/users"),
            discovery: discovery(source)?,
            oidc_secret_file: path("FX_OIDC_SECRET_FILE", "/etc/fastx/oidc/client-secret"),
            oidc_ca_file: path("FX_OIDC_CA_FILE", "/etc/fastx/oidc/ca.crt"),
            api_addr: addr("FX_API_ADDR", "0.0.0.0:3310")?,
            health_addr: addr("FX_HEALTH_ADDR", "0.0.0.0:9300")?,
        })
    }
}

fn discovery(source: &impl Source) -> Result<Discovery, SettingError> {
    match source.or("FX_DISCOVERY", "Declared").as_str() {
        "Declared" => Ok(Discovery::Declared),
        "Any" => Ok(Discovery::Any {
            most: source.parse("FX_DISCOVERY_MAX", 100)?,
        }),
        _ => Err(SettingError {
            name: "FX_DISCOVERY".to_owned(),
            reason: "must be `Declared` or `Any`".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_lifecycle::env::Map;

    #[test]
    fn a_wrong_setting_is_named() {
        let source = |name: &str, value: &str| Map([(name.to_owned(), value.to_owned())].into());
        assert!(Config::read(&Map::default()).is_ok());
        for (name, value) in [
            ("FX_API_ADDR", "3310"),
            ("FX_NAME", "a b"),
            ("FX_DISCOVERY", "all"),
        ] {
            let error = Config::read(&source(name, value)).unwrap_err();
            assert_eq!(error.name, name);
        }
    }
}
