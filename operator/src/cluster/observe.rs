//! What is there of a cluster: from the caches, and from Secrets that are read by name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use fastx_crds::value::SecretKeyRef;
use fastx_crds::{BalancerScript, ComputeNode};
use jiff::Timestamp;
use kube::ResourceExt;

use super::certificate;
use super::material::{Existing, Holder};
use super::plan::hosts::Machine;
use super::validate::{ValidCluster, ValidStore, ValidTls};
use crate::apply::ApplyError;
use crate::context::Context;
use crate::foreign::Seen;
use crate::kind::Kind;
use crate::managers::Report;
use crate::meta;
use crate::names;
use crate::pki::Data;
use crate::pods::PodView;
use crate::queue::Key;

/// What is there.
#[derive(Debug)]
pub(super) struct Observed {
    /// Its nodes that could be read.
    pub(super) nodes: Vec<Arc<ComputeNode>>,
    /// Its scripts that could be read.
    pub(super) scripts: Vec<Arc<BalancerScript>>,
    /// Pods of store, transporter and managers.
    pub(super) pods: Vec<Arc<PodView>>,
    /// All nodes of the namespace that could be read.
    pub(super) namespace_nodes: Vec<Arc<ComputeNode>>,
    /// Machines of Kubernetes; none when they may not be seen.
    pub(super) machines: Option<Vec<Machine>>,
    /// Addresses of the machines of nodes of kind `host`.
    pub(super) hosts: BTreeMap<String, IpAddr>,
    /// Its secrets.
    pub(super) existing: Existing,
    /// Size that the store's StatefulSet makes claims with, if there is one.
    pub(super) claim_size: Option<String>,
    /// What the managers say.
    pub(super) report: Report,
    /// Secrets that the spec names and that are missing: name and what it is for.
    pub(super) missing: Vec<(String, &'static str)>,
    /// Secrets that are there without the key that the spec names: name, key and field.
    pub(super) lacking: Vec<(String, String, &'static str)>,
}

/// Most names in the web certificate.
const MAX_HOSTS: usize = 120;

/// Looks at everything.
pub(super) async fn observe(
    context: &Context,
    cluster: &ValidCluster,
    now: Timestamp,
) -> Result<Observed, ApplyError> {
    let key = &cluster.key;
    context.foreign.follow(key, &named(cluster));
    let mut pods = context.world.pods_of(key);
    let nodes = context.world.nodes_of(key);
    let hosts = hosts(&nodes, &pods);
    pods.retain(|p| p.label(meta::NODE).is_none());
    Ok(Observed {
        nodes,
        namespace_nodes: context.world.nodes_in(&key.namespace),
        machines: context.config.watch_machines.then(|| machines(context)),
        hosts,
        scripts: context.world.scripts_of(key),
        pods,
        existing: existing(context, cluster, now).await?,
        claim_size: claim_size(context, key),
        report: context.reports.get(key),
        missing: missing(context, cluster).await?,
        lacking: lacking(context, cluster).await?,
    })
}

fn machines(context: &Context) -> Vec<Machine> {
    let all = context.world.machines.all().into_iter();
    all.map(|(key, machine)| Machine {
        name: key.name,
        labels: machine.metadata.labels.clone().unwrap_or_default(),
    })
    .collect()
}

/// A Pod with the host's network has the host's address.
fn hosts(nodes: &[Arc<ComputeNode>], pods: &[Arc<PodView>]) -> BTreeMap<String, IpAddr> {
    let names = nodes.iter().filter(|n| n.spec.host.is_some());
    names
        .filter_map(|node| {
            let name = node.name_any();
            let pod = pods.iter().find(|p| p.label(meta::NODE) == Some(&name))?;
            Some((name, pod.status.pod_ip.parse().ok()?))
        })
        .collect()
}

fn claim_size(context: &Context, cluster: &Key) -> Option<String> {
    let key = Key::new(&cluster.namespace, names::store(&cluster.name));
    let set = context.world.children(Kind::StatefulSet).get(&key)?;
    set.metadata
        .annotations
        .as_ref()?
        .get(meta::CLAIM_SIZE)
        .cloned()
}

async fn existing(
    context: &Context,
    cluster: &ValidCluster,
    now: Timestamp,
) -> Result<Existing, ApplyError> {
    let name = &cluster.key.name;
    let read = async |secret: String| {
        let key = Key::new(&cluster.key.namespace, secret);
        context.applier.secret(&key).await
    };
    let mut existing = Existing {
        authority: read(names::authority(name)).await?,
        manager_broker: read(names::manager_broker(name)).await?,
        ..Existing::default()
    };
    // What is not there is not in the cache either, and would be asked for again and again.
    if cluster.transporter.has_identities() {
        existing.bus_keys = read(names::bus_keys(name)).await?;
    }
    if cluster.discovery.is_some() {
        existing.join = read(names::join(name)).await?;
    }
    if matches!(cluster.store, ValidStore::Ferret { .. }) {
        existing.store_login = read(names::store_login(name)).await?;
    }
    for holder in Holder::ALL.into_iter().filter(|h| h.is_of(cluster)) {
        if let Some(data) = read(holder.secret(name)).await? {
            existing.leaves.insert(holder, data);
        }
    }
    if let Some((secret, field)) = certificate::source(cluster) {
        let data = match &cluster.tls {
            // It has our labels.
            ValidTls::CertManager(_) => read(secret.clone()).await?,
            _ => others(context, cluster, &secret).await?,
        };
        let offered = certificate::offered(cluster, (&secret, field), data.as_deref(), now);
        existing.offered = Some(offered);
    }
    let external = cluster.transporter.external();
    if let Some(secret) = external.and_then(|b| b.secret.as_ref()) {
        existing.bus_secret = others(context, cluster, secret).await?;
    } else if cluster.transporter.is_redis() {
        existing.bus_secret = read(names::redis_config(name)).await?;
    }
    Ok(existing)
}

/// A Secret that somebody else makes; read only when its watch says that it changed.
async fn others(
    context: &Context,
    cluster: &ValidCluster,
    secret: &str,
) -> Result<Option<Arc<Data>>, ApplyError> {
    let key = Key::new(&cluster.key.namespace, secret);
    let seen = context.foreign.seen(&cluster.key, secret);
    context.applier.others_secret(&key, &seen).await
}

/// Secrets that the spec names: each is watched, so that making one is noticed at once.
fn named(cluster: &ValidCluster) -> BTreeSet<&str> {
    let mut names: BTreeSet<&str> = wanted(cluster).into_iter().map(|(name, _)| name).collect();
    if let ValidTls::Secret(secret) = &cluster.tls {
        names.insert(secret);
    }
    names
}

/// Secrets without which a part does not work, and the fields that name them.
fn wanted(cluster: &ValidCluster) -> Vec<(&str, &'static str)> {
    let mut wanted: Vec<(&str, &'static str)> = Vec::new();
    if let Some(users) = &cluster.sign_in.users_secret {
        wanted.push((users, "authentication.local.usersSecretRef"));
    }
    let provider = of_provider(cluster).into_iter();
    wanted.extend(provider.map(|(secret, field)| (secret.name.as_str(), field)));
    if let ValidStore::External { uri, ca } = &cluster.store {
        wanted.push((&uri.name, "store.external.uriSecretRef"));
        let ca = ca.as_ref().map(|ca| ca.name.as_str());
        wanted.extend(ca.map(|ca| (ca, "store.external.caSecretRef")));
    }
    let external = cluster.transporter.external();
    let bus = external.and_then(|b| b.secret.as_deref());
    wanted.extend(bus.map(|bus| (bus, "transporter.external.secretRef")));
    wanted
}

/// What signing in at a provider needs.
fn of_provider(cluster: &ValidCluster) -> Vec<(&SecretKeyRef, &'static str)> {
    let Some(oidc) = &cluster.sign_in.oidc else {
        return Vec::new();
    };
    let secret = oidc.client_secret_ref.as_ref();
    let ca = oidc.ca_secret_ref.as_ref();
    [
        secret.map(|s| (s, "authentication.oidc.clientSecretRef")),
        ca.map(|s| (s, "authentication.oidc.caSecretRef")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Managers mount one key of these: a Secret without it is as good as none.
async fn lacking(
    context: &Context,
    cluster: &ValidCluster,
) -> Result<Vec<(String, String, &'static str)>, ApplyError> {
    let mut lacking = Vec::new();
    for (secret, field) in of_provider(cluster) {
        let data = others(context, cluster, &secret.name).await?;
        if data.is_some_and(|d| !d.contains_key(&secret.key)) {
            lacking.push((secret.name.clone(), secret.key.clone(), field));
        }
    }
    Ok(lacking)
}

/// Secrets that somebody else must make and that are not there.
async fn missing(
    context: &Context,
    cluster: &ValidCluster,
) -> Result<Vec<(String, &'static str)>, ApplyError> {
    let mut missing = Vec::new();
    for (name, field) in wanted(cluster) {
        let is_there = match context.foreign.seen(&cluster.key, name) {
            Seen::Version(_) => true,
            Seen::Absent => false,
            Seen::Unknown => {
                let key = Key::new(&cluster.key.namespace, name);
                context.applier.is_there(&key).await?
            }
        };
        if !is_there {
            missing.push((name.to_owned(), field));
        }
    }
    Ok(missing)
}

/// Names in the certificate that nodes show: of the web address, of the nodes among themselves, and of their own addresses.
pub(super) fn web_hosts(cluster: &ValidCluster, nodes: &[Arc<ComputeNode>]) -> Vec<String> {
    let (name, namespace) = (&cluster.key.name, &cluster.key.namespace);
    let mut hosts: BTreeSet<String> = names::hosts(&names::web(name), namespace)
        .into_iter()
        .collect();
    hosts.extend(
        names::hosts(&names::nodes(name), namespace)
            .iter()
            .map(|h| format!("*.{h}")),
    );
    hosts.insert("localhost".to_owned());
    hosts.extend(cluster.host_names.iter().cloned());
    hosts.extend(cluster.web.host_name.clone());
    let own = nodes
        .iter()
        .flat_map(|n| &n.spec.urls)
        .filter_map(|u| host_of(u));
    hosts.extend(own.take(MAX_HOSTS));
    hosts.into_iter().collect()
}

/// Host of `https://HOST[:PORT]`.
fn host_of(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let host = uri.host()?;
    Some(
        host.trim_start_matches('[')
            .trim_end_matches(']')
            .to_ascii_lowercase(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::validate::tests::valid;
    use super::*;

    #[test]
    fn the_web_certificate_is_good_for_every_way_in() {
        let node: ComputeNode = serde_yaml_ng::from_str(
            "apiVersion: fastx.dev/v1alpha1\nkind: ComputeNode\nmetadata: {name: a}\nspec: {clusterRef: {name: site}, external: {}, urls: ['https://Own.example:3300', 'https://[2001:db8::1]:3300']}",
        )
        .unwrap();
        let hosts = web_hosts(
            &valid("web: {hostNames: [desk.example]}"),
            &[Arc::new(node)],
        );
        for host in [
            "desk.example",
            "own.example",
            "2001:db8::1",
            "site-web.area.svc",
            "*.site-nodes.area.svc",
            "localhost",
        ] {
            assert!(hosts.contains(&host.to_owned()), "{host} of {hosts:?}");
        }
    }
}
