//! Names of everything that we make for a cluster and for a node.

macro_rules! of_cluster {
    ($($(#[$doc:meta])* $function:ident => $suffix:literal),+ $(,)?) => {
        $($(#[$doc])* pub fn $function(cluster: &str) -> String { format!("{cluster}-{}", $suffix) })+
    };
}

of_cluster!(
    /// Secret with the certificate authority.
    authority => "authority",
    /// Secret with the bus's signing keys, and who has an identity.
    bus_keys => "bus-keys",
    /// Secret with the store's login.
    store_login => "store-login",
    /// Store: StatefulSet, Service, NetworkPolicy.
    store => "store",
    /// Transporter: StatefulSet, Service, NetworkPolicy, budget.
    nats => "nats",
    /// Headless Service by which the transporter's servers find each other.
    nats_peers => "nats-peers",
    /// Secret with the transporter's configuration.
    nats_config => "nats-config",
    /// The other transporter: StatefulSet, Service, NetworkPolicy.
    redis => "redis",
    /// Secret with the password of Redis and its configuration.
    redis_config => "redis-config",
    /// Secret with the join file of hosts.
    join => "join",
    /// Managers: Deployment, Service, NetworkPolicy, budget.
    manager => "manager",
    /// Secret with the managers' identity on the bus.
    manager_broker => "manager-broker",
    /// The Service that users open.
    web => "web",
    /// Secret into which cert-manager puts the certificate that browsers see.
    web_issued => "web-issued",
    /// Headless Service by which nodes find each other; also their NetworkPolicy.
    nodes => "nodes",
    /// Service account of all Pods; it has no rights and its token is mounted nowhere.
    account => "fastx",
);

/// Claim of the store's data, as its StatefulSet names it.
pub fn store_claim(cluster: &str) -> String {
    format!("data-{}-0", store(cluster))
}

/// Name of the compute node that stands for a machine: the machine's own, where that is a possible one.
pub fn of_machine(machine: &str) -> String {
    let plain: String = machine
        .chars()
        .map(|c| if c == '.' { '-' } else { c })
        .collect();
    if plain == machine && plain.len() <= 56 && !plain.starts_with("manager-") {
        return plain;
    }
    // Another machine may end up with the same letters.
    let mark = &fastx_core::wire::config::hash(&machine)[..6];
    let start: String = plain
        .trim_start_matches("manager-")
        .chars()
        .take(49)
        .collect();
    format!("{}-{mark}", start.trim_end_matches('-'))
}

/// Whether a ComputeNode can have this name, as its definition says it.
pub fn is_of_node(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 56
        && name.bytes().all(|c| plain(c) || c == b'-')
        && name.bytes().next().is_some_and(plain)
        && name.bytes().last().is_some_and(plain)
}

/// Whether the Secret of a node of this name could be that of a cluster's managers.
pub fn may_be_of_managers(node: &str) -> bool {
    node.ends_with("-manager")
}

/// Secret with a node's `broker.json`.
pub fn node_broker(node: &str) -> String {
    format!("{node}-broker")
}

/// Claim of a node's home.
pub fn node_home(node: &str) -> String {
    format!("{node}-home")
}

/// Name under which managers speak on the bus.
pub fn manager_caller(cluster: &str) -> String {
    format!("{}{cluster}", fastx_core::subject::MANAGER_PREFIX)
}

/// Address of a Service inside the Kubernetes cluster.
pub fn host(service: &str, namespace: &str) -> String {
    format!("{service}.{namespace}.svc")
}

/// All the names by which a Service may be called.
pub fn hosts(service: &str, namespace: &str) -> Vec<String> {
    vec![
        service.to_owned(),
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_managers_meet_a_clusters_secrets() {
        assert_eq!(node_broker("site-manager"), manager_broker("site"));
        assert!(may_be_of_managers("site-manager") && !may_be_of_managers("manager7"));
    }

    #[test]
    fn machines_keep_their_names_where_they_can() {
        assert_eq!(of_machine("worker-3"), "worker-3");
        let dotted = of_machine("worker-3.lab.example");
        assert!(dotted.starts_with("worker-3-lab-example-"), "{dotted}");
        assert_ne!(dotted, of_machine("worker-3-lab.example"));
        let long = of_machine(&format!("{}.example", "a".repeat(200)));
        assert!(long.len() <= 56, "{long}");
        assert!(!of_machine("manager-1").starts_with("manager-"));
    }
}
