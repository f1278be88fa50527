//! The Services that lead to nodes: the one that users open, and the one by which nodes find each other.

use fastx_crds::value::{Exposure, ServiceType};
use serde_json::{Value, json};

use super::super::validate::ValidCluster;
use crate::kind::{Kind, Object};
use crate::meta;
use crate::names;

pub(super) fn objects(cluster: &ValidCluster) -> Vec<Object> {
    let name = &cluster.key.name;
    let metadata = || meta::owned(&cluster.owner, &meta::labels(name, "node", None));
    let mut open = meta::pod_selector(name, "node");
    open[meta::LOGINS] = "true".into();
    let peers = json!({
        "metadata": metadata(),
        "spec": {
            "clusterIP": "None",
            // A node that is not ready may still have sessions that others relay to.
            "publishNotReadyAddresses": true,
            "selector": meta::pod_selector(name, "node"),
            "ports": [{"name": "https", "port": 3300, "targetPort": "https"}],
        },
    });
    vec![
        Object::new(
            Kind::Service,
            names::web(name),
            exposed_service(metadata(), &cluster.web, &open, "https", 3300),
        ),
        Object::new(Kind::Service, names::nodes(name), peers),
    ]
}

/// A Service with one port that is reachable as its exposure says.
pub(super) fn exposed_service(
    mut metadata: Value,
    exposure: &Exposure,
    selector: &Value,
    port: &str,
    usual: i32,
) -> Value {
    if !exposure.annotations.is_empty() {
        metadata["annotations"] = json!(exposure.annotations);
    }
    let mut opened =
        json!({"name": port, "port": exposure.port.unwrap_or(usual), "targetPort": port});
    if let (ServiceType::NodePort, Some(node_port)) = (exposure.service_type, exposure.node_port) {
        opened["nodePort"] = node_port.into();
    }
    let mut spec = json!({
        "type": exposure.service_type.name(),
        "selector": selector,
        "ports": [opened],
    });
    if let (ServiceType::LoadBalancer, Some(class)) =
        (exposure.service_type, &exposure.load_balancer_class)
    {
        spec["loadBalancerClass"] = class.as_str().into();
    }
    json!({"metadata": metadata, "spec": spec})
}

/// Where users sign in, as far as it is known.
pub fn address(cluster: &ValidCluster) -> String {
    let (host, port) = match (&cluster.web.host_name, cluster.host_names.first()) {
        (Some(host), _) | (None, Some(host)) => {
            let port = match cluster.web.service_type {
                ServiceType::NodePort => cluster.web.node_port.or(cluster.web.port),
                _ => cluster.web.port,
            };
            (host.clone(), port.unwrap_or(3300))
        }
        (None, None) => (
            names::host(&names::web(&cluster.key.name), &cluster.key.namespace),
            cluster.web.port.unwrap_or(3300),
        ),
    };
    if port == 443 {
        format!("https://{host}")
    } else {
        format!("https://{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::validate::tests::valid;
    use super::*;

    #[test]
    fn the_exposure_decides_what_kind_of_service_it_is() {
        let service = |spec: &str| objects(&valid(spec)).remove(0).body;
        let inside = service("");
        assert_eq!(inside["spec"]["type"], "ClusterIP");
        assert_eq!(inside["spec"]["ports"][0]["port"], 3300);
        assert_eq!(inside["spec"]["selector"]["fastx.dev/logins"], "true");
        let port = service("web: {exposure: {type: NodePort, nodePort: 30443, port: 443}}");
        assert_eq!(port["spec"]["ports"][0]["nodePort"], 30443);
        let balancer = service(
            "web: {exposure: {type: LoadBalancer, loadBalancerClass: x, annotations: {a: b}}}",
        );
        assert_eq!(balancer["spec"]["loadBalancerClass"], "x");
        assert_eq!(balancer["metadata"]["annotations"]["a"], "b");
    }

    #[test]
    fn the_address_is_the_one_that_people_can_open() {
        for (spec, expected) in [
            ("", "https://site-web.area.svc:3300"),
            (
                "web: {hostNames: [desk.example], exposure: {port: 443}}",
                "https://desk.example",
            ),
            (
                "web: {hostNames: [desk.example]}",
                "https://desk.example:3300",
            ),
            (
                "web: {exposure: {type: NodePort, nodePort: 30443, hostName: h.example}}",
                "https://h.example:30443",
            ),
        ] {
            assert_eq!(address(&valid(spec)), expected);
        }
    }
}
