//! What cert-manager is asked for: a Certificate for the names that people type.

use std::net::IpAddr;

use serde_json::json;

use super::super::validate::{Issuer, ValidCluster};
use crate::kind::{Kind, Object};
use crate::meta;
use crate::names;

/// Names inside of Kubernetes are not asked for: no public authority signs them.
pub(in super::super) fn object(cluster: &ValidCluster, issuer: &Issuer) -> Object {
    let name = &cluster.key.name;
    let mut hosts: Vec<&str> = cluster
        .host_names
        .iter()
        .chain(&cluster.web.host_name)
        .map(String::as_str)
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    let (addresses, hosts): (Vec<&str>, Vec<&str>) =
        hosts.into_iter().partition(|h| h.parse::<IpAddr>().is_ok());
    let labels = meta::labels(name, "certificate", None);
    let mut spec = json!({
        "secretName": names::web_issued(name),
        // With our labels its changes reach us by the watch that there is.
        "secretTemplate": {"labels": labels},
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "issuerRef": {"name": issuer.name, "kind": issuer.kind, "group": issuer.group},
    });
    if !hosts.is_empty() {
        spec["dnsNames"] = hosts.into();
    }
    if !addresses.is_empty() {
        spec["ipAddresses"] = addresses.into();
    }
    Object::new(
        Kind::Certificate,
        names::web(name),
        json!({"metadata": meta::owned(&cluster.owner, &labels), "spec": spec}),
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::validate::ValidTls;
    use super::super::super::validate::tests::valid;
    use super::*;

    #[test]
    fn it_is_for_the_names_that_people_type() {
        let cluster = valid(
            "tls: {mode: CertManager, issuerRef: {name: public, kind: ClusterIssuer}}\nweb: {hostNames: [desk.example, 'b.example'], exposure: {type: LoadBalancer, hostName: 192.0.2.7}}",
        );
        let ValidTls::CertManager(issuer) = &cluster.tls else {
            panic!()
        };
        let object = object(&cluster, issuer);
        let spec = &object.body["spec"];
        assert_eq!(object.name, "site-web");
        assert_eq!(spec["dnsNames"], json!(["b.example", "desk.example"]));
        assert_eq!(spec["ipAddresses"], json!(["192.0.2.7"]));
        assert_eq!(spec["secretName"], "site-web-issued");
        assert_eq!(
            spec["issuerRef"],
            json!({"name": "public", "kind": "ClusterIssuer", "group": "cert-manager.io"})
        );
        assert_eq!(
            object.body["metadata"]["ownerReferences"][0]["uid"],
            "u-site"
        );
        assert_eq!(spec["secretTemplate"]["labels"][meta::CLUSTER], "site");
    }
}
