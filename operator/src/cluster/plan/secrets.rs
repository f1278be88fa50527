//! The Secrets of a cluster, `nats.conf` and the managers' `broker.json` among them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fastx_core::identity::ServerConfig;
use fastx_core::names::CallerId;
use fastx_core::secret::Secret;
use fastx_core::subject::Member;
use fastx_core::wire::broker::{BrokerConfig, Credentials, SCHEMA, TransporterType};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::material::{BusSecret, Holder, Material};
use super::super::validate::ValidCluster;
use super::redis;
use crate::kind::{Kind, Object};
use crate::meta;
use crate::names;

/// Where the transporter's certificate is in its Pods.
const NATS_TLS: &str = "/etc/nats/tls";

pub(super) fn secrets(cluster: &ValidCluster, material: &Material, now: Timestamp) -> Vec<Object> {
    let name = &cluster.key.name;
    let mut list = vec![secret(
        cluster,
        names::authority(name),
        "authority",
        &text(&material.authority.write()),
    )];
    list.extend(bus_secrets(cluster, material, now));
    if let Some(document) = manager_broker(cluster, material, now) {
        list.push(secret(
            cluster,
            names::manager_broker(name),
            "manager",
            &one("broker.json", &document),
        ));
    }
    let bundle = material.authority.bundle();
    for (holder, leaf) in &material.leaves {
        let component = match holder {
            Holder::Store => "store",
            Holder::Nats => "nats",
            Holder::Redis => "redis",
            Holder::Manager => "manager",
            Holder::Operator => "operator",
            Holder::Web => "node",
        };
        list.push(secret(
            cluster,
            holder.secret(name),
            component,
            &text(&leaf.write(&bundle)),
        ));
    }
    if let Some(login) = &material.store_login {
        let host = names::host(&names::store(name), &cluster.key.namespace);
        let uri = format!(
            "mongodb://{}:{}@{host}:27017/?tls=true&authMechanism=SCRAM-SHA-256",
            login.user, login.password
        );
        let data = BTreeMap::from([
            ("username".to_owned(), login.user.clone()),
            ("password".to_owned(), login.password.clone()),
            ("uri".to_owned(), uri),
        ]);
        list.push(secret(
            cluster,
            names::store_login(name),
            "manager",
            &text(&data),
        ));
    }
    list
}

/// What our own transporter is configured with.
fn bus_secrets(cluster: &ValidCluster, material: &Material, now: Timestamp) -> Vec<Object> {
    let name = &cluster.key.name;
    let mut list = Vec::new();
    // No other transporter knows our identities.
    if cluster.transporter.has_identities() {
        list.push(secret(
            cluster,
            names::bus_keys(name),
            "authority",
            &bus_keys(material),
        ));
        list.push(secret(
            cluster,
            names::nats_config(name),
            "nats",
            &one("nats.conf", &nats_conf(cluster, material)),
        ));
        list.extend(join_file(cluster, material, now));
    }
    if let Some(bus) = material
        .bus_secret
        .as_ref()
        .filter(|_| cluster.transporter.is_redis())
    {
        let data = BTreeMap::from([
            ("password".to_owned(), bus.password.clone()),
            ("redis.conf".to_owned(), redis::conf(&bus.password)),
        ]);
        list.push(secret(
            cluster,
            names::redis_config(name),
            "redis",
            &text(&data),
        ));
    }
    list
}

/// What hosts ask to join with, from outside.
fn join_file(cluster: &ValidCluster, material: &Material, now: Timestamp) -> Option<Object> {
    let join = material.join.as_ref()?;
    let credentials = material.bus.authority().joiner(
        &cluster.bus,
        &join.caller,
        join.seed,
        material.bus.issued,
        join.expires,
    );
    let wanted = own_bus(cluster, &material.authority.bundle(), true, credentials);
    let document = broker_document(wanted, join.document.as_deref(), now);
    let data = json!({
        "join.json": BASE64.encode(document),
        "name": BASE64.encode(join.caller.as_str()),
        "seed": BASE64.encode(join.seed),
    });
    let name = names::join(&cluster.key.name);
    Some(secret(cluster, name, "join", &data))
}

fn secret(cluster: &ValidCluster, name: String, component: &str, data: &Value) -> Object {
    let labels = meta::labels(&cluster.key.name, component, None);
    Object::new(
        Kind::Secret,
        name,
        json!({"metadata": meta::owned(&cluster.owner, &labels), "type": "Opaque", "data": data}),
    )
}

fn text(data: &BTreeMap<String, String>) -> Value {
    data.iter()
        .map(|(k, v)| (k.clone(), Value::from(BASE64.encode(v))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn one(key: &str, value: &str) -> Value {
    json!({key: BASE64.encode(value)})
}

/// Members and revocations are merged in beside these by whoever gives identities and takes them away.
fn bus_keys(material: &Material) -> Value {
    json!({
        "seeds": BASE64.encode(material.bus.seeds),
        "manager-seed": BASE64.encode(material.bus.manager_seed),
        "issued": BASE64.encode(material.bus.issued.to_string()),
    })
}

fn nats_conf(cluster: &ValidCluster, material: &Material) -> String {
    let (name, namespace) = (&cluster.key.name, &cluster.key.namespace);
    let server = names::nats(name);
    let peers = names::host(&names::nats_peers(name), namespace);
    let routes = if cluster.transporter.replicas > 1 {
        (0..cluster.transporter.replicas)
            .map(|i| format!("{server}-{i}.{peers}:6222"))
            .collect()
    } else {
        Vec::new()
    };
    material.bus.authority().nats_conf(
        &cluster.bus,
        &material.bus.revoked,
        material.bus.issued,
        &ServerConfig {
            name: "$POD_NAME".to_owned(),
            listen: "0.0.0.0:4222".to_owned(),
            monitor: "0.0.0.0:8222".to_owned(),
            certificate: format!("{NATS_TLS}/tls.crt"),
            key: format!("{NATS_TLS}/tls.key"),
            ca: format!("{NATS_TLS}/ca.crt"),
            routes,
        },
    )
}

/// None while the Secret of somebody else's transporter is missing: the managers wait for it.
fn manager_broker(cluster: &ValidCluster, material: &Material, now: Timestamp) -> Option<String> {
    let wanted = if cluster.transporter.has_identities() {
        let caller: CallerId = names::manager_caller(&cluster.key.name)
            .parse()
            .expect("a cluster's name has at most 40 letters, digits and dashes");
        let credentials = material.bus.authority().member(
            Member::Manager,
            &caller,
            material.bus.manager_seed,
            material.bus.issued,
        );
        own_bus(cluster, &material.authority.bundle(), false, credentials)
    } else {
        shared_bus(cluster, material.bus_secret.as_ref()?, false)
    };
    let before = material.manager_broker.as_deref();
    Some(broker_document(wanted, before, now))
}

/// Host and port of our own transporter, for members inside or outside of the Kubernetes cluster.
fn address(cluster: &ValidCluster, outside: bool) -> (String, u16) {
    let name = &cluster.key.name;
    let (service, usual) = if cluster.transporter.is_redis() {
        (names::redis(name), 6379)
    } else {
        (names::nats(name), 4222)
    };
    let inside = names::host(&service, &cluster.key.namespace);
    if outside && let Some(exposure) = &cluster.transporter.exposure {
        let port = exposure.node_port.or(exposure.port);
        let host = exposure.host_name.clone().unwrap_or(inside);
        let port = port.and_then(|p| u16::try_from(p).ok()).unwrap_or(usual);
        return (host, port);
    }
    (inside, usual)
}

/// How a member with this identity joins our own NATS.
pub(crate) fn own_bus(
    cluster: &ValidCluster,
    bundle: &str,
    outside: bool,
    credentials: Credentials,
) -> BrokerConfig {
    let (host, port) = address(cluster, outside);
    BrokerConfig {
        transporter_type: TransporterType::Nats,
        host,
        port,
        password: Secret::default(),
        reject_unauthorized: true,
        namespace: cluster.bus.clone(),
        schema: SCHEMA,
        generation: 0,
        hosts: Vec::new(),
        credentials: Some(credentials),
        ca: bundle.to_owned(),
    }
}

/// How any member joins a transporter without identities, our own Redis or somebody else's: all hold the same
/// password, so each is trusted with everything.
pub(crate) fn shared_bus(
    cluster: &ValidCluster,
    secret: &BusSecret,
    outside: bool,
) -> BrokerConfig {
    let external = cluster.transporter.external();
    let (host, port) = match external {
        Some(external) => (external.host.clone(), external.port),
        None => address(cluster, outside),
    };
    BrokerConfig {
        transporter_type: external.map_or(TransporterType::Redis, |e| e.protocol),
        host,
        port,
        password: Secret::new(secret.password.clone()),
        reject_unauthorized: external.is_none_or(|e| e.reject_unauthorized),
        namespace: cluster.bus.clone(),
        schema: SCHEMA,
        generation: 0,
        hosts: Vec::new(),
        credentials: None,
        ca: secret.ca.clone(),
    }
}

/// A member's `broker.json`. Its generation stays with its content and grows with each change,
/// past anything that a lost Secret may have had: the time counts too.
pub(crate) fn broker_document(
    mut wanted: BrokerConfig,
    existing: Option<&str>,
    now: Timestamp,
) -> String {
    let existing = existing.and_then(|text| BrokerConfig::parse(text).ok());
    let before = existing.as_ref().map_or(0, |e| e.generation);
    wanted.generation = before;
    if existing.as_ref() != Some(&wanted) {
        let now = u64::try_from(now.as_second()).unwrap_or(0);
        wanted.generation = now.max(before + 1);
    }
    serde_json::to_string(&wanted).expect("a broker document has only texts and numbers")
}

#[cfg(test)]
mod tests {
    use super::super::super::material::Existing;
    use super::super::super::material::tests::made;
    use super::super::super::validate::tests::valid;
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_broker_document_keeps_its_generation_while_nothing_changes() {
        let cluster = valid("");
        let material = made(&cluster, &Existing::default());
        let document = |existing: Option<&str>, bundle: &str, now| {
            let seed = material.bus.manager_seed;
            let credentials = material.bus.authority().member(
                Member::Node,
                &"desk".parse().unwrap(),
                seed,
                material.bus.issued,
            );
            let wanted = own_bus(&cluster, bundle, false, credentials);
            broker_document(wanted, existing, at(now))
        };
        let generation = |text: &str| BrokerConfig::parse(text).unwrap().generation;
        let first = document(None, "a", 100);
        assert_eq!(generation(&first), 100);
        assert_eq!(document(Some(&first), "a", 200), first);
        let second = document(Some(&first), "b", 200);
        assert_eq!(generation(&second), 200);
        // A clock that went back does not take the generation with it.
        assert_eq!(generation(&document(Some(&second), "c", 50)), 201);
        assert_eq!(
            BrokerConfig::parse(&second).unwrap().host,
            "site-nats.area.svc"
        );
    }

    #[test]
    fn members_outside_get_the_exposed_address() {
        let cluster = valid(
            "transporter: {exposure: {type: NodePort, nodePort: 30422, hostName: bus.example}}",
        );
        assert_eq!(address(&cluster, true), ("bus.example".to_owned(), 30422));
        assert_eq!(address(&cluster, false).1, 4222);
        let redis = valid("transporter: {type: Redis, exposure: {hostName: bus.example}}");
        assert_eq!(address(&redis, true), ("bus.example".to_owned(), 6379));
        assert_eq!(address(&redis, false).0, "site-redis.area.svc");
    }

    #[test]
    fn somebody_elses_bus_is_joined_with_its_one_password() {
        let spec = "transporter: {type: External, external: {host: bus.example, port: 4333, secretRef: {name: bus}}}";
        let cluster = valid(spec);
        let data = [
            ("password".to_owned(), b"s4j5\n".to_vec()),
            ("ca.crt".to_owned(), b"PEM".to_vec()),
        ];
        let existing = Existing {
            bus_secret: Some(std::sync::Arc::new(data.into())),
            ..Existing::default()
        };
        let names = |existing: &Existing| -> Vec<String> {
            let list = secrets(&cluster, &made(&cluster, existing), at(100));
            list.into_iter().map(|o| o.name).collect()
        };
        let all = names(&existing);
        for name in ["site-bus-keys", "site-nats-config", "site-nats-tls"] {
            assert!(!all.contains(&name.to_owned()), "{all:?}");
        }
        let text = manager_broker(&cluster, &made(&cluster, &existing), at(100)).unwrap();
        let broker = BrokerConfig::parse(&text).unwrap();
        assert_eq!((broker.host.as_str(), broker.port), ("bus.example", 4333));
        assert_eq!(broker.password.expose(), "s4j5");
        assert!(broker.credentials.is_none() && broker.reject_unauthorized);
        assert_eq!(broker.ca, "PEM");
        // Without its Secret there is nothing to join with.
        let missing = names(&Existing::default());
        assert!(
            !missing.contains(&"site-manager-broker".to_owned()),
            "{missing:?}"
        );
    }

    #[test]
    fn members_of_our_redis_share_a_password_that_is_made_once() {
        let cluster = valid("transporter: {type: Redis}");
        let material = made(&cluster, &Existing::default());
        let text = manager_broker(&cluster, &material, at(100)).unwrap();
        let broker = BrokerConfig::parse(&text).unwrap();
        assert_eq!(broker.transporter_type, TransporterType::Redis);
        assert_eq!(
            (broker.host.as_str(), broker.port),
            ("site-redis.area.svc", 6379)
        );
        assert!(broker.reject_unauthorized && broker.credentials.is_none());
        assert_eq!(broker.ca, material.authority.bundle());
        let password = broker.password.expose().to_owned();
        let data = [("password".to_owned(), password.clone().into_bytes())];
        let existing = Existing {
            bus_secret: Some(std::sync::Arc::new(data.into())),
            ..Existing::default()
        };
        let again = made(&cluster, &existing);
        assert_eq!(again.bus_secret.unwrap().password, password);
    }

    #[test]
    fn three_servers_have_routes_to_each_other() {
        let cluster = valid("transporter: {replicas: 3}");
        let conf = nats_conf(&cluster, &made(&cluster, &Existing::default()));
        assert!(
            conf.contains("site-nats-2.site-nats-peers.area.svc:6222"),
            "{conf}"
        );
    }
}
