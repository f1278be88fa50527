//! The transporter: our own NATS or Redis, or one that somebody else runs.

use fastx_core::wire::broker::TransporterType as Wire;
use fastx_crds::FastXCluster;
use fastx_crds::cluster::{Protocol, TransporterType};
use fastx_crds::value::{Exposure, Resources};

use super::Invalid;

/// The transporter of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Bus {
    /// What it is.
    pub kind: BusKind,
    /// Servers of it.
    pub replicas: u16,
    /// How it is reached from outside.
    pub exposure: Option<Exposure>,
    /// CPU and memory of each server.
    pub resources: Option<Resources>,
}

/// Kind of transporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusKind {
    /// Our own NATS, with an identity for each member.
    Nats,
    /// Our own Redis, with one password for all members.
    Redis {
        /// Size of the claim.
        size: String,
        /// Storage class.
        class: Option<String>,
    },
    /// Somebody else's.
    External(ExternalBus),
}

impl Bus {
    /// The one that somebody else runs.
    pub fn external(&self) -> Option<&ExternalBus> {
        match &self.kind {
            BusKind::External(external) => Some(external),
            BusKind::Nats | BusKind::Redis { .. } => None,
        }
    }

    /// Whether each member has an identity of its own.
    pub fn has_identities(&self) -> bool {
        self.kind == BusKind::Nats
    }

    /// Whether it is our own Redis.
    pub fn is_redis(&self) -> bool {
        matches!(self.kind, BusKind::Redis { .. })
    }

    /// The label of its Pods, and its port; none when they are not ours.
    pub fn component(&self) -> Option<(&'static str, u16)> {
        match self.kind {
            BusKind::Nats => Some(("nats", 4222)),
            BusKind::Redis { .. } => Some(("redis", 6379)),
            BusKind::External(_) => None,
        }
    }
}

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

pub(super) fn bus(cluster: &FastXCluster) -> Result<Bus, Invalid> {
    let transporter = &cluster.spec.transporter;
    let replicas = u16::try_from(transporter.replicas.unwrap_or(1)).unwrap_or(1);
    let kind = match transporter.kind {
        TransporterType::NATS => BusKind::Nats,
        TransporterType::Redis if replicas > 1 => {
            return Err(Invalid::wrong(
                "`transporter.replicas` above 1 are not allowed with `type: Redis`: it is one server",
            ));
        }
        TransporterType::Redis => BusKind::Redis {
            size: transporter.size.clone().unwrap_or_else(|| "1Gi".to_owned()),
            class: transporter.storage_class_name.clone(),
        },
        TransporterType::External => BusKind::External(external(cluster)?),
    };
    Ok(Bus {
        kind,
        replicas,
        exposure: transporter.exposure.clone(),
        resources: transporter.resources.clone(),
    })
}

fn external(cluster: &FastXCluster) -> Result<ExternalBus, Invalid> {
    let transporter = &cluster.spec.transporter;
    let Some(external) = &transporter.external else {
        return Err(Invalid::wrong(
            "`transporter.external` is required with `type: External`",
        ));
    };
    let port = external.port.unwrap_or(0);
    Ok(ExternalBus {
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
    })
}
