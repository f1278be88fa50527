//! The first settings of a host that joined: outside Kubernetes nobody else would write them, and a server that the
//! configuration does not name starts no session and lets nobody sign in.

use std::collections::BTreeMap;

use fastx_core::wire::config::{ClusterPart, NodePart, RootDocument, hash};
use fastx_core::wire::history::{Author, Via};
use fastx_core::wire::join::JoinRecord;
use fastx_core::wire::management::ConfigPut;
use fastx_core::wire::problem::Problem;
use serde::Serialize;

use super::configuration::{self, PutError};
use crate::core::{Core, store_problem};

/// Other managers change the configuration at the same time; each try begins with what is in force then.
const TRIES: usize = 8;

/// Where a host's own address is served unless its settings say otherwise.
const PORT: u16 = 3300;

/// Gives the host its part of the configuration, and the cluster its own when there is none yet.
///
/// A host that has settings keeps them. A failure is the host's answer: it asks again by itself.
pub(crate) async fn welcome(core: &Core, host: &JoinRecord) -> Result<(), Problem> {
    let author = Author::new(Via::Join, host.server_id.as_str());
    let mut changed = None;
    for _ in 0..TRIES {
        let before = configuration::root(core).await;
        let before = before.map_err(|e| store_problem(&e))?;
        let known = before.as_ref().map(|root| &root.nodes);
        if known.is_some_and(|nodes| nodes.contains_key(&host.server_id)) {
            return Ok(());
        }
        let cluster = match &before {
            Some(root) => configuration::cluster_of(core, root).await,
            None => Ok(None),
        };
        let cluster = cluster.map_err(|e| store_problem(&e))?.unwrap_or_default();
        if !cluster.managed_by.is_empty() {
            return Ok(());
        }
        match configuration::put(core, &with(before, host), &author).await {
            Ok(root) => {
                let (server, revision) = (&host.server_id, root.revision());
                tracing::info!(%server, revision, "a host that joined got its first settings");
                return Ok(());
            }
            Err(error @ (PutError::Older { .. } | PutError::ChangedInPlace(_))) => {
                changed = Some(error);
            }
            Err(error) => return Err(error.problem()),
        }
    }
    changed.map_or(Ok(()), |error| Err(error.problem()))
}

fn with(before: Option<RootDocument>, host: &JoinRecord) -> ConfigPut {
    let mut parts = BTreeMap::new();
    let mut root = before.unwrap_or_else(|| RootDocument {
        schema: 1,
        cluster: part(&mut parts, &ClusterPart::first("FastX", &["ssh"])),
        ..RootDocument::default()
    });
    root.generation += 1;
    let hostname = match host.hostname.as_str() {
        "" => host.server_id.as_str(),
        named => named,
    };
    let name = part(&mut parts, &NodePart::first(hostname, PORT));
    root.nodes.insert(host.server_id.clone(), name);
    ConfigPut { root, parts }
}

fn part(parts: &mut BTreeMap<String, serde_json::Value>, content: &impl Serialize) -> String {
    let value = serde_json::to_value(content).unwrap_or_default();
    let name = hash(&value);
    parts.insert(name.clone(), value);
    name
}
