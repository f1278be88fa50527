//! The configuration documents that travel to the nodes: one part for the cluster, one for each node.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use fastx_core::names::ServerId;
use fastx_core::wire::config::{
    ClusterPart, MAX_PART_BYTES, NodePart, NodeUsers, RootDocument, hash,
};
use fastx_crds::value::{LogLevel, ServiceType};
use fastx_crds::{BalancerScript, ComputeNode};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::super::validate::ValidCluster;
use crate::names;
use crate::script::active;

/// The documents as they should be, without a generation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Documents {
    cluster: (String, Value),
    nodes: BTreeMap<ServerId, (String, Value)>,
}

/// A part that is too large for one document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the configuration of {what} has {bytes} bytes, and {MAX_PART_BYTES} are allowed: shorten scripts, applications or static data"
)]
pub struct TooLarge {
    what: String,
    bytes: usize,
}

impl Documents {
    /// The documents of a cluster; `hosts` are the addresses of nodes of kind `host`, as far as they are known.
    pub fn of(
        cluster: &ValidCluster,
        nodes: &[Arc<ComputeNode>],
        scripts: &[Arc<BalancerScript>],
        hosts: &BTreeMap<String, IpAddr>,
    ) -> Result<Self, TooLarge> {
        let part = json!(cluster_part(cluster, scripts));
        let mut documents = Self {
            cluster: sized("the cluster", part)?,
            nodes: BTreeMap::new(),
        };
        for node in nodes {
            let name = node.name_any();
            // The definition admits no other names.
            let Ok(id) = name.parse::<ServerId>() else {
                continue;
            };
            let part = json!(node_part(cluster, node, hosts.get(&name).copied()));
            let part = sized(&format!("node `{name}`"), part)?;
            documents.nodes.insert(id, part);
        }
        Ok(documents)
    }

    /// Whether a root document names exactly these.
    pub fn are_those_of(&self, root: &RootDocument) -> bool {
        root.cluster == self.cluster.0
            && root.nodes.len() == self.nodes.len()
            && self
                .nodes
                .iter()
                .all(|(id, (hash, _))| root.nodes.get(id) == Some(hash))
    }

    /// The root that puts these into force after `before`. Its generation grows, past anything that a lost store
    /// may have had: the time counts too.
    pub fn root(&self, before: Option<&RootDocument>, now: Timestamp) -> RootDocument {
        let now = u64::try_from(now.as_second()).unwrap_or(0);
        RootDocument {
            schema: 1,
            generation: now.max(before.map_or(0, |b| b.generation) + 1),
            cluster: self.cluster.0.clone(),
            nodes: self
                .nodes
                .iter()
                .map(|(id, (hash, _))| (id.clone(), hash.clone()))
                .collect(),
            ..RootDocument::default()
        }
    }

    /// The body that puts a root into force: with the parts that are new since `before`.
    pub fn body(&self, root: &RootDocument, before: Option<&RootDocument>) -> Value {
        let known = |hash: &String| {
            before.is_some_and(|b| b.cluster == *hash || b.nodes.values().any(|h| h == hash))
        };
        let parts: serde_json::Map<String, Value> = std::iter::once(&self.cluster)
            .chain(self.nodes.values())
            .filter(|(hash, _)| !known(hash))
            .map(|(hash, part)| (hash.clone(), part.clone()))
            .collect();
        json!({"root": root, "parts": parts})
    }
}

fn sized(what: &str, part: Value) -> Result<(String, Value), TooLarge> {
    let bytes = part.to_string().len();
    if bytes > MAX_PART_BYTES {
        return Err(TooLarge {
            what: what.to_owned(),
            bytes,
        });
    }
    Ok((hash(&part), part))
}

fn cluster_part(cluster: &ValidCluster, scripts: &[Arc<BalancerScript>]) -> ClusterPart {
    ClusterPart {
        schema: 1,
        display_name: cluster.display_name.clone(),
        message: cluster.message.clone(),
        methods: cluster.sign_in.methods.clone(),
        oidc: cluster.sign_in.oidc_part(),
        roles: cluster.roles.clone(),
        scripts: active(scripts, cluster.script_limits),
        script_limits: cluster.script_limits,
        applications: cluster.applications.clone(),
        profiles: cluster.profiles.clone(),
        offline_grace_seconds: cluster.offline_grace_seconds,
        trusted_proxies: cluster.trusted_proxies.clone(),
        web_origins: web_origins(cluster),
        log_level: cluster.log_level.to_owned(),
        managed_by: cluster.key.to_string(),
    }
}

/// Origins of the web address besides a node's own.
fn web_origins(cluster: &ValidCluster) -> Vec<String> {
    let web = &cluster.web;
    let mut ports: Vec<i32> = vec![web.port.unwrap_or(3300)];
    if web.service_type == ServiceType::NodePort {
        ports.extend(web.node_port);
    }
    let mut origins: Vec<String> = cluster
        .host_names
        .iter()
        .chain(&web.host_name)
        // A page's origin has a name, not a pattern.
        .filter(|h| !h.starts_with('*'))
        .flat_map(|host| {
            let ports = ports
                .clone()
                .into_iter()
                .map(move |port| format!("https://{host}:{port}"));
            // Ingresses and load balancers listen on 443 in front of any port.
            std::iter::once(format!("https://{host}")).chain(ports.filter(|o| !o.ends_with(":443")))
        })
        .collect();
    origins.sort();
    origins.dedup();
    origins
}

/// Where other members reach a node.
fn peer_urls(cluster: &ValidCluster, node: &ComputeNode, host: Option<IpAddr>) -> Vec<String> {
    let (name, spec) = (node.name_any(), &node.spec);
    if spec.pod.is_some() {
        let service = names::host(&names::nodes(&cluster.key.name), &cluster.key.namespace);
        return vec![format!("https://{name}.{service}:3300")];
    }
    // What the administrator says is known to be reachable; a host's own address is the next best.
    match host.filter(|_| spec.host.is_some() && spec.urls.is_empty()) {
        Some(address) => vec![format!("https://{}", SocketAddr::new(address, 3300))],
        None => spec.urls.clone(),
    }
}

fn node_part(cluster: &ValidCluster, node: &ComputeNode, host: Option<IpAddr>) -> NodePart {
    let name = node.name_any();
    let spec = &node.spec;
    let leaving = node.metadata.deletion_timestamp.is_some();
    let namespace = &cluster.key.namespace;
    let machine = spec.host.as_ref().map(|h| h.node_name.clone());
    let hostname = spec.hostname.clone().or(machine);
    NodePart {
        schema: 1,
        hostname: hostname.unwrap_or_else(|| name.clone()),
        urls: spec.urls.clone(),
        peer_urls: peer_urls(cluster, node, host),
        // A node that goes away takes no new sessions. Logins that it issued go on counting: their users may have
        // sessions here that are waited for, and elsewhere.
        start_sessions: spec.start_sessions && !leaving,
        logins: spec.logins,
        direct_connections: spec.direct_connections,
        static_data: spec.static_data.clone().unwrap_or_default().0,
        users: spec.pod.as_ref().map(|pod| NodeUsers {
            logins: pod.users.clone(),
            linux_user: pod.user.name.clone(),
            uid: u32::try_from(pod.user.uid).unwrap_or_default(),
        }),
        debug: spec.debug.clone(),
        log_level: spec
            .log_level
            .map(LogLevel::name)
            .unwrap_or_default()
            .to_owned(),
        metrics: spec.metrics.clone(),
        job_scheduling: spec.job_scheduling.clone().unwrap_or_default(),
        managed_by: format!("{namespace}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::validate::tests::valid;
    use super::*;

    fn node(name: &str, spec: &str) -> Arc<ComputeNode> {
        Arc::new(serde_yaml_ng::from_str(&format!(
            "apiVersion: fastx.dev/v1alpha1\nkind: ComputeNode\nmetadata: {{name: {name}, namespace: area}}\nspec: {{clusterRef: {{name: site}}, {spec}}}"
        ))
        .unwrap())
    }

    fn documents(spec: &str, nodes: &[Arc<ComputeNode>]) -> Documents {
        Documents::of(&valid(spec), nodes, &[], &BTreeMap::new()).unwrap()
    }

    #[test]
    fn an_edit_sends_only_what_it_concerns() {
        let now = Timestamp::from_second(1000).unwrap();
        let (a, b) = (node("a", "external: {}"), node("b", "external: {}"));
        let first = documents("", &[a.clone(), b]);
        let root = first.root(None, now);
        assert_eq!(
            first.body(&root, None)["parts"].as_object().unwrap().len(),
            3
        );
        let second = documents("", &[a, node("b", "external: {}, logins: false")]);
        assert!(first.are_those_of(&root) && !second.are_those_of(&root));
        let next = second.root(Some(&root), now);
        assert_eq!(next.generation, 1001);
        let body = second.body(&next, Some(&root));
        assert_eq!(body["parts"].as_object().unwrap().len(), 1);
        assert_eq!(
            root.node_revision(&"a".parse().unwrap()),
            next.node_revision(&"a".parse().unwrap())
        );
    }

    #[test]
    fn a_node_that_goes_away_takes_no_new_sessions_and_keeps_its_logins() {
        let mut leaving =
            (*node("a", "pod: {users: [ada], user: {name: work, uid: 1234}}")).clone();
        leaving.metadata.deletion_timestamp =
            Some(serde_yaml_ng::from_str("2027-01-01T00:00:00Z").unwrap());
        let part = node_part(&valid(""), &leaving, None);
        assert!(!part.start_sessions && part.logins);
        assert_eq!(part.peer_urls, ["https://a.site-nodes.area.svc:3300"]);
        assert_eq!(part.users.unwrap().uid, 1234);
    }

    #[test]
    fn a_host_is_reached_at_its_own_address_unless_another_is_named() {
        let part = |spec: &str, address: Option<&str>| {
            let address = address.map(|a| a.parse().unwrap());
            node_part(&valid(""), &node("a", spec), address)
        };
        let host = part("host: {nodeName: worker-3}", Some("2001:db8::3"));
        assert_eq!(host.peer_urls, ["https://[2001:db8::3]:3300"]);
        assert_eq!(host.hostname, "worker-3");
        // Its users are its own.
        assert!(host.users.is_none());
        let named = "host: {nodeName: worker-3}, urls: ['https://w.example:3300']";
        let named = part(named, Some("192.0.2.3"));
        assert_eq!(named.peer_urls, ["https://w.example:3300"]);
        assert!(
            part("host: {nodeName: worker-3}", None)
                .peer_urls
                .is_empty()
        );
    }

    #[test]
    fn nodes_learn_of_the_provider_and_not_of_its_secret() {
        let spec = "authentication: {oidc: {title: Lab, issuer: 'https://id.example', clientId: desks, \
                    clientSecretRef: {name: lab, key: s}, groupsClaim: roles}}";
        let part = json!(cluster_part(&valid(spec), &[]));
        assert_eq!(part["methods"], json!(["oidc"]));
        assert_eq!(
            part["oidc"],
            json!({"title": "Lab", "issuer": "https://id.example", "clientId": "desks",
                "scopes": [], "loginClaim": "", "groupsClaim": "roles"})
        );
    }

    #[test]
    fn too_much_is_refused_by_name() {
        let data = "x".repeat(MAX_PART_BYTES);
        let large = node("a", &format!("external: {{}}, staticData: {{k: '{data}'}}"));
        let error = Documents::of(&valid(""), &[large], &[], &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().contains("node `a`"), "{error}");
    }

    #[test]
    fn pages_of_the_host_names_may_call() {
        assert_eq!(
            web_origins(&valid(
                "web: {hostNames: [d.example, '*.x.example'], exposure: {type: NodePort, nodePort: 30443}}"
            )),
            [
                "https://d.example",
                "https://d.example:30443",
                "https://d.example:3300"
            ]
        );
    }
}
