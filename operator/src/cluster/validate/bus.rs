//! The transporter that somebody else runs.

use fastx_core::wire::broker::TransporterType as Wire;
use fastx_crds::FastXCluster;
use fastx_crds::cluster::{Protocol, TransporterType};

use super::Invalid;

/// A transporter that somebody else runs. All members hold the same password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalBus {
    /// What it speaks.
    pub protocol: Wire,
    /// Its host.
    pub host: String,
    /// Its port; 0 for the usual one.
    pub port: u16,
    /// Secret with `password` and `ca.crt`.
    pub secret: Option<String>,
    /// Whether its certificate must check out.
    pub reject_unauthorized: bool,
}

pub(super) fn external(cluster: &FastXCluster) -> Result<Option<ExternalBus>, Invalid> {
    let transporter = &cluster.spec.transporter;
    if transporter.kind != TransporterType::External {
        return Ok(None);
    }
    let Some(external) = &transporter.external else {
        return Err(Invalid::wrong(
            "`transporter.external` is required with `type: External`",
        ));
    };
    let port = external.port.unwrap_or(0);
    Ok(Some(ExternalBus {
        protocol: match external.protocol {
            Protocol::NATS => Wire::Nats,
            Protocol::Redis => Wire::Redis,
        },
        host: external.host.clone(),
        port: u16::try_from(port).map_err(|_| {
            Invalid::wrong("`transporter.external.port` must be between 1 and 65535")
        })?,
        secret: external.secret_ref.as_ref().map(|s| s.name.clone()),
        reject_unauthorized: external.reject_unauthorized.unwrap_or(true),
    }))
}
