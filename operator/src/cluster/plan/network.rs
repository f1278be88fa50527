//! Who may reach whom. What is not named is refused.

use serde_json::{Value, json};

use super::super::validate::{BusKind, ValidCluster, ValidStore, port_of};
use crate::kind::{Kind, Object};
use crate::meta;
use crate::names;

/// `has_hosts`: whether there are members with the network of their machine, whom no label of a Pod tells from others.
pub(super) fn policies(cluster: &ValidCluster, has_hosts: bool) -> Vec<Object> {
    let open = has_hosts || cluster.transporter.exposure.is_some();
    let name = &cluster.key.name;
    let part = |component: &str| json!({"podSelector": {"matchLabels": meta::pod_selector(name, component)}});
    let mut list = vec![
        policy(
            cluster,
            names::manager(name),
            "manager",
            manager_rules(cluster, &part),
        ),
        policy(
            cluster,
            names::nodes(name),
            "node",
            json!({
                // Browsers and gateways may come from anywhere; desktops may go anywhere.
                "policyTypes": ["Ingress"],
                "ingress": [{"ports": [port(3300)]}, scrapers()],
            }),
        ),
    ];
    match cluster.transporter.kind {
        BusKind::Nats => {
            let rules = nats_rules(open, &part);
            list.push(policy(cluster, names::nats(name), "nats", rules));
        }
        BusKind::Redis { .. } => {
            let rules = json!({
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [members(open, &part, 6379)],
                "egress": [],
            });
            list.push(policy(cluster, names::redis(name), "redis", rules));
        }
        BusKind::External(_) => {}
    }
    if matches!(cluster.store, ValidStore::Ferret { .. }) {
        let rules = json!({
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [part("manager")], "ports": [port(27017)]}],
            "egress": [],
        });
        list.push(policy(cluster, names::store(name), "store", rules));
    }
    list
}

/// Who reaches the transporter: anybody when it is open to those who have no label.
fn members(open: bool, part: &impl Fn(&str) -> Value, bus_port: u16) -> Value {
    if open {
        json!({"ports": [port(bus_port)]})
    } else {
        json!({"from": [part("node"), part("manager")], "ports": [port(bus_port)]})
    }
}

fn nats_rules(open: bool, part: &impl Fn(&str) -> Value) -> Value {
    json!({
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [members(open, part, 4222), {"from": [part("nats")], "ports": [port(6222)]}],
        "egress": [{"to": [part("nats")], "ports": [port(6222)]}, names_service()],
    })
}

fn manager_rules(cluster: &ValidCluster, part: &impl Fn(&str) -> Value) -> Value {
    let store = match cluster.store {
        ValidStore::Ferret { .. } => json!({"to": [part("store")], "ports": [port(27017)]}),
        // Where it is stands in a Secret.
        ValidStore::External { .. } => json!({}),
    };
    let bus = match (
        cluster.transporter.component(),
        cluster.transporter.external(),
    ) {
        (Some((name, bus_port)), _) => json!({"to": [part(name)], "ports": [port(bus_port)]}),
        // Its host may be a name, which a policy does not know.
        (None, Some(external)) if external.port != 0 => json!({"ports": [port(external.port)]}),
        (None, _) => json!({"ports": [port(4222), port(6379)]}),
    };
    let mut egress = vec![bus, store, names_service()];
    if let Some(oidc) = &cluster.sign_in.oidc {
        // Its host is a name, too; what it publishes may be at another address of its.
        let own = port_of(&oidc.issuer);
        let other = (own != 443).then(|| port(443));
        let ports: Vec<Value> = std::iter::once(port(own)).chain(other).collect();
        egress.push(json!({"ports": ports}));
    }
    json!({
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {
                // Whoever comes in must also show the operator's certificate.
                "from": [{
                    "namespaceSelector": {},
                    "podSelector": {"matchLabels": {meta::COMPONENT: "operator"}},
                }],
                "ports": [port(3310)],
            },
            scrapers(),
        ],
        "egress": egress,
    })
}

/// Metrics are for namespaces that an administrator has marked.
fn scrapers() -> Value {
    json!({
        "from": [{"namespaceSelector": {"matchLabels": {"fastx.dev/scrape": "true"}}}],
        "ports": [port(9300)],
    })
}

fn names_service() -> Value {
    json!({"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]})
}

fn port(port: u16) -> Value {
    json!({"protocol": "TCP", "port": port})
}

fn policy(cluster: &ValidCluster, name: String, component: &str, mut spec: Value) -> Object {
    let labels = meta::labels(&cluster.key.name, component, None);
    spec["podSelector"] = json!({"matchLabels": meta::pod_selector(&cluster.key.name, component)});
    Object::new(
        Kind::NetworkPolicy,
        name,
        json!({"metadata": meta::owned(&cluster.owner, &labels), "spec": spec}),
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::validate::tests::valid;
    use super::*;

    fn rules(spec: &str, name: &str) -> Value {
        let found = policies(&valid(spec), false)
            .into_iter()
            .find(|p| p.name == name);
        found.unwrap().body["spec"].clone()
    }

    #[test]
    fn only_managers_reach_the_store_and_it_reaches_nobody() {
        let store = rules("", "site-store");
        assert_eq!(store["ingress"].as_array().unwrap().len(), 1);
        assert_eq!(
            store["ingress"][0]["from"][0]["podSelector"]["matchLabels"][meta::COMPONENT],
            "manager"
        );
        assert_eq!(store["egress"], json!([]));
    }

    #[test]
    fn managers_reach_the_bus_of_somebody_else() {
        let spec = "transporter: {type: External, external: {host: bus.example, port: 4333}}";
        let egress = rules(spec, "site-manager")["egress"][0].clone();
        assert_eq!(
            egress,
            json!({"ports": [{"protocol": "TCP", "port": 4333}]})
        );
        let listed = policies(&valid(spec), false);
        assert!(listed.iter().all(|p| p.name != "site-nats"));
    }

    #[test]
    fn managers_reach_the_provider_and_only_with_one() {
        let ports = |issuer: &str| {
            let spec = format!("authentication: {{oidc: {{issuer: '{issuer}', clientId: c}}}}");
            let egress = rules(&spec, "site-manager")["egress"].clone();
            let ports = egress[3]["ports"].as_array().unwrap().clone();
            ports
                .iter()
                .map(|p| p["port"].as_i64().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(ports("https://id.example"), [443]);
        assert_eq!(ports("https://id.example:8443/x"), [8443, 443]);
        let without = rules("", "site-manager")["egress"].clone();
        assert_eq!(without.as_array().unwrap().len(), 3);
    }

    #[test]
    fn redis_is_reached_by_members_alone_and_reaches_nobody() {
        let policy = rules("transporter: {type: Redis}", "site-redis");
        let from = policy["ingress"][0]["from"].as_array().unwrap();
        let who: Vec<&Value> = from
            .iter()
            .map(|f| &f["podSelector"]["matchLabels"][meta::COMPONENT])
            .collect();
        assert_eq!(who, ["node", "manager"]);
        assert_eq!(policy["ingress"][0]["ports"][0]["port"], 6379);
        assert_eq!(policy["egress"], json!([]));
        let egress = rules("transporter: {type: Redis}", "site-manager")["egress"][0].clone();
        assert_eq!(
            egress["to"][0]["podSelector"]["matchLabels"][meta::COMPONENT],
            "redis"
        );
        let open = "transporter: {type: Redis, exposure: {type: LoadBalancer}}";
        assert!(
            rules(open, "site-redis")["ingress"][0]
                .get("from")
                .is_none()
        );
    }

    #[test]
    fn the_bus_is_open_to_the_outside_only_when_exposed() {
        assert!(rules("", "site-nats")["ingress"][0]["from"].is_array());
        let exposed = rules("transporter: {exposure: {type: LoadBalancer}}", "site-nats");
        assert!(exposed["ingress"][0].get("from").is_none());
        let with_hosts = policies(&valid(""), true);
        let bus = with_hosts.iter().find(|p| p.name == "site-nats").unwrap();
        assert!(bus.body["spec"]["ingress"][0].get("from").is_none());
    }
}
