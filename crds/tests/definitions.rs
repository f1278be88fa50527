//! The definitions as Kubernetes sees them: every rule with what it admits and refuses, bounds everywhere, small enough.

#![expect(
    clippy::unwrap_used,
    reason = "a definition that cannot be read fails its test"
)]

use kube_cel::Validator;
use serde_json::{Value, json};

fn schema_of(kind: &str) -> Value {
    let definition = fastx_crds::all()
        .into_iter()
        .find(|c| c.spec.names.kind == kind)
        .unwrap();
    serde_json::to_value(
        definition.spec.versions[0]
            .schema
            .as_ref()
            .unwrap()
            .open_api_v3_schema
            .as_ref()
            .unwrap(),
    )
    .unwrap()
}

fn object(kind: &str, name: &str, spec: &str) -> Value {
    let spec: Value = serde_yaml_ng::from_str(spec).unwrap();
    let spec = if spec.is_null() { json!({}) } else { spec };
    json!({"apiVersion": "fastx.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn verdict(kind: &str, name: &str, spec: &str, before: Option<&str>) -> String {
    let schema = schema_of(kind);
    let old = before.map(|spec| object(kind, name, spec));
    match Validator::new().validate_with_defaults(&schema, &object(kind, name, spec), old.as_ref())
    {
        Ok(()) => String::new(),
        Err(errors) => errors
            .as_slice()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; "),
    }
}

#[track_caller]
fn check(kind: &str, name: &str, spec: &str, expect: &str) {
    let got = verdict(kind, name, spec, None);
    if expect.is_empty() {
        assert_eq!(got, "", "{spec}");
    } else {
        assert!(
            got.contains(expect),
            "{spec}\nexpected: {expect}\ngot: {got}"
        );
    }
}

#[track_caller]
fn check_change(kind: &str, before: &str, after: &str, expect: &str) {
    let got = verdict(kind, "a", after, Some(before));
    if expect.is_empty() {
        assert_eq!(got, "", "{after}");
    } else {
        assert!(
            got.contains(expect),
            "{after}\nexpected: {expect}\ngot: {got}"
        );
    }
}

#[test]
fn clusters() {
    let cluster = |spec, expect| check("FastXCluster", "site", spec, expect);
    cluster("", "");
    cluster("store: {size: 5Gi}\ntransporter: {replicas: 3}", "");
    cluster(
        "store: {replicas: 3}",
        "allowed only with `engine: MongoDB`",
    );
    cluster("store: {engine: MongoDB, replicas: 3}", "");
    cluster("store: {engine: External}", "`external` is required");
    cluster(
        "store: {external: {uriSecretRef: {name: a, key: uri}}}",
        "`external` is required",
    );
    cluster(
        "store: {engine: External, external: {uriSecretRef: {name: a, key: uri}}}",
        "",
    );
    cluster("transporter: {replicas: 2}", "must be 1 or 3");
    cluster("transporter: {type: Redis}", "");
    cluster(
        "transporter: {type: Redis, replicas: 1, size: 2Gi, storageClassName: fast}",
        "",
    );
    cluster(
        "transporter: {type: Redis, replicas: 3}",
        "it is one server",
    );
    cluster("transporter: {size: 2Gi}", "only with `type: Redis`");
    cluster(
        "transporter: {type: External, external: {host: a}, storageClassName: fast}",
        "only with `type: Redis`",
    );
    cluster("transporter: {type: External}", "`external` is required");
    cluster(
        "transporter: {type: External, external: {host: a, protocol: Redis, secretRef: {name: s}}}",
        "",
    );
    cluster("tls: {mode: SecretRef}", "`secretRef` is required");
    cluster("tls: {secretRef: {name: a}}", "`secretRef` is required");
    cluster("tls: {mode: SecretRef, secretRef: {name: a}}", "");
    cluster("tls: {mode: CertManager}", "`issuerRef` is required");
    cluster(
        "tls: {mode: CertManager, issuerRef: {name: i}}",
        "`web.hostNames` is required",
    );
    cluster(
        "tls: {mode: CertManager, issuerRef: {name: i, kind: ClusterIssuer}}\nweb: {hostNames: [a.example]}",
        "",
    );
    cluster("web: {exposure: {type: NodePort, nodePort: 30443}}", "");
    cluster(
        "web: {exposure: {nodePort: 30443}}",
        "only with `type: NodePort`",
    );
    cluster(
        "web: {trustedProxies: [10.0.0.1, 10.0.0.0/24, '2001:db8::/32']}",
        "",
    );
    cluster("web: {trustedProxies: [proxy]}", "must be an address");
    cluster("balancing: {limits: {memory: 1Mi}}", "4Mi to 256Mi");
    cluster("balancing: {limits: {memory: 32Mi}}", "");
    cluster(
        "sessions: {applications: [{name: a, command: x, profile: slow}]}",
        "`profile` must be",
    );
    cluster(
        "sessions: {applications: [{name: a, command: x, profile: slow}], profiles: [{name: slow}]}",
        "",
    );
    let oidc = "oidc: {issuer: 'https://id.example.org/realms/lab', clientId: desks}";
    check(
        "FastXCluster",
        "site",
        &format!("authentication: {{{oidc}}}"),
        "",
    );
    check(
        "FastXCluster",
        "site",
        &format!("authentication: {{ssh: {{}}, {oidc}, order: [OIDC, SSH]}}"),
        "",
    );
    check(
        "FastXCluster",
        "site",
        &format!("authentication: {{{oidc}, order: [Local]}}"),
        "must also be set",
    );
    cluster(
        "sessions: {applications: [{name: a, command: x, users: [ada], groups: [staff]}], profiles: [{name: p, users: [ada], groups: [staff]}]}",
        "",
    );
    cluster(
        "hosts: {nodeSelector: {desks: 'yes'}, template: {sshPort: 2222, tolerations: [{operator: Exists}]}}",
        "",
    );
    check("FastXCluster", "a.b", "", "`metadata.name` must have");
    check("FastXCluster", "9a", "", "begin with a letter");
    check("FastXCluster", &"a".repeat(41), "", "at most 40");
    check("FastXCluster", &"a".repeat(40), "", "");
}

#[test]
fn discovery_of_clusters() {
    let cluster = |spec, expect| check("FastXCluster", "site", spec, expect);
    cluster("discovery: {}", "");
    cluster("discovery: {mode: Declared}\ntransporter: {type: NATS}", "");
    cluster(
        "discovery: {mode: Declared}\ntransporter: {replicas: 3}",
        "",
    );
    cluster(
        "discovery: {}\ntransporter: {type: Redis}",
        "`discovery` is allowed only with `transporter.type: NATS`",
    );
    cluster("discovery: {mode: Any, maximum: 1}", "");
    cluster("discovery: {mode: Any, maximum: 1000}", "");
    for spec in [
        "discovery: {mode: Any}",
        "discovery: {mode: Declared, maximum: 5}",
        "discovery: {maximum: 5}",
    ] {
        cluster(spec, "`maximum` is required with `mode: Any`");
    }
}

#[test]
fn changes_of_clusters() {
    let change = |before, after, expect| check_change("FastXCluster", before, after, expect);
    change("discovery: {}", "discovery: {mode: Any, maximum: 40}", "");
    change("discovery: {mode: Any, maximum: 40}", "discovery: {}", "");
    change(
        "transporter: {type: Redis, size: 1Gi}",
        "transporter: {type: Redis, size: 2Gi}",
        "cannot change while the claim exists",
    );
    change(
        "transporter: {type: Redis}",
        "transporter: {type: Redis, storageClassName: fast}",
        "cannot change while the claim exists",
    );
    change(
        "transporter: {type: Redis, size: 1Gi}",
        "transporter: {type: Redis, size: 1Gi, exposure: {type: LoadBalancer}}",
        "",
    );
    change(
        "transporter: {type: NATS}",
        "transporter: {type: Redis, size: 2Gi}",
        "",
    );
    change("transporter: {type: Redis, size: 2Gi}", "", "");
    let external = "store: {engine: External, external: {uriSecretRef: {name: a, key: uri}}}";
    change(
        "store: {engine: FerretDB}",
        external,
        "`engine` cannot change",
    );
    change("store: {size: 5Gi}", "store: {size: 10Gi}", "");
    change("store: {size: 5Gi}", "store: {size: 1Gi}", "may only grow");
    change(
        "store: {storageClassName: a}",
        "store: {storageClassName: b}",
        "cannot change",
    );
    change(
        "store: {storageClassName: a}",
        "store: {storageClassName: a, size: 4Gi}",
        "",
    );
    change(
        "store: {storageClassName: a}",
        "store: {storageClassName: a, size: 1Gi}",
        "it was 2Gi",
    );
    change(
        "store: {storageClassName: a, size: 4Gi}",
        "store: {storageClassName: a}",
        "cannot be taken away",
    );
}

#[test]
fn nodes() {
    let node = |spec: &str, expect| {
        check(
            "ComputeNode",
            "desk-1",
            &format!("clusterRef: {{name: site}}\n{spec}"),
            expect,
        );
    };
    node("pod: {users: [ada]}", "");
    node("external: {}", "");
    node("", "exactly one of `pod`, `host` and `external`");
    node(
        "pod: {}\nexternal: {}",
        "exactly one of `pod`, `host` and `external`",
    );
    node("host: {nodeName: worker-3, sshPort: 2222}", "");
    node("host: {nodeName: worker-3}\npod: {}", "exactly one of");
    node("pod: {users: [ada, bob]}", "only with `sharedUser: true`");
    node("pod: {users: [ada, bob], sharedUser: true}", "");
    node("pod: {user: {name: x, uid: 65532}}", "the node sidecar's");
    node("pod: {home: {size: 1Gi}}", "");
    node("pod: {home: {claimName: data-of-store}}", "");
    node(
        "pod: {home: {claimName: data-site-store-0}}",
        "the claim of a cluster's store",
    );
    node(
        "pod: {extraVolumes: [{name: v, mountPath: /srv/v, claimName: data-site-store-0}]}",
        "the claim of a cluster's store",
    );
    node("pod: {home: {claimName: c}}", "");
    node("pod: {home: {}}", "exactly one of `claimName`");
    node(
        "pod: {home: {size: 1Gi, claimName: c}}",
        "exactly one of `claimName`",
    );
    node(
        "pod: {home: {claimName: c, storageClassName: s}}",
        "only with `size`",
    );
    node("pod: {env: [{name: FX_X, value: '1'}]}", "are reserved");
    node("pod: {env: [{name: LANG, value: C}]}", "");
    let volume = |text: &str, expect| node(&format!("pod: {{extraVolumes: [{{{text}}}]}}"), expect);
    volume("name: data, mountPath: /data, claimName: c", "");
    volume(
        "name: data, mountPath: /data",
        "exactly one of `claimName` and `configMapName`",
    );
    volume(
        "name: home, mountPath: /data, claimName: c",
        "`name` must not be",
    );
    volume(
        "name: data, mountPath: /run/fastx, claimName: c",
        "system folder",
    );
    volume("name: data, mountPath: /etc, claimName: c", "system folder");
    volume(
        "name: data, mountPath: /data/../etc, claimName: c",
        "must not contain",
    );
    volume(
        "name: data, mountPath: /home/user/x, claimName: c",
        "must not be in the user's home",
    );
    volume("name: data, mountPath: /home/other, claimName: c", "");
    check(
        "ComputeNode",
        "a.b",
        "clusterRef: {name: c}\nexternal: {}",
        "serverId",
    );
    check(
        "ComputeNode",
        "manager-a",
        "clusterRef: {name: c}\nexternal: {}",
        "belong to the cluster managers",
    );
    check(
        "ComputeNode",
        &"a".repeat(57),
        "clusterRef: {name: c}\nexternal: {}",
        "at most 56",
    );
}

#[test]
fn changes_of_nodes() {
    let change = |before: &str, after: &str, expect| {
        let with = |spec: &str| format!("clusterRef: {{name: site}}\n{spec}");
        check_change("ComputeNode", &with(before), &with(after), expect);
    };
    change("pod: {}", "external: {}", "cannot change between");
    change("pod: {}", "pod: {users: [ada]}", "");
    change(
        "pod: {home: {size: 2Gi}}",
        "pod: {home: {size: 1Gi}}",
        "may only grow",
    );
    change(
        "pod: {home: {size: 2Gi}}",
        "pod: {home: {claimName: c}}",
        "cannot change between",
    );
    change(
        "pod: {home: {size: 2Gi}}",
        "pod: {home: {size: 2Gi, accessMode: ReadWriteMany}}",
        "`accessMode` cannot change",
    );
    check_change(
        "ComputeNode",
        "clusterRef: {name: a}\nexternal: {}",
        "clusterRef: {name: b}\nexternal: {}",
        "`clusterRef` cannot change",
    );
}

#[test]
fn scripts() {
    let script = |spec: &str, expect| {
        check(
            "BalancerScript",
            "s",
            &format!("clusterRef: {{name: site}}\n{spec}"),
            expect,
        );
    };
    script("builtin: fewestSessions", "");
    script("source: 'x => null'", "");
    script("", "exactly one of `source`");
    script(
        "builtin: roundRobin\nsource: 'x => null'",
        "exactly one of `source`",
    );
    check_change(
        "BalancerScript",
        "clusterRef: {name: a}\nbuiltin: roundRobin",
        "clusterRef: {name: b}\nbuiltin: roundRobin",
        "`clusterRef` cannot change",
    );
}

/// Walks a schema and reports everything without a bound, a list type or a description.
fn faults(path: &str, schema: &Value, found: &mut Vec<String>) {
    let has = |key: &str| schema.get(key).is_some();
    let free = has("x-kubernetes-preserve-unknown-fields");
    match schema["type"].as_str() {
        Some("string") if !has("enum") && !has("maxLength") => {
            found.push(format!("{path}: no maxLength"));
        }
        Some("array") if !has("maxItems") => found.push(format!("{path}: no maxItems")),
        Some("array") if !has("x-kubernetes-list-type") => {
            found.push(format!("{path}: no list type"));
        }
        Some("integer") if !(path.contains(".status") || has("minimum") && has("maximum")) => {
            found.push(format!("{path}: no minimum or maximum"));
        }
        Some("object") if has("additionalProperties") && !has("maxProperties") => {
            found.push(format!("{path}: no maxProperties"));
        }
        None if !free && !has("x-kubernetes-int-or-string") => {
            found.push(format!("{path}: no type"));
        }
        _ => {}
    }
    if let Some(properties) = schema["properties"].as_object() {
        for (name, child) in properties {
            let path = format!("{path}.{name}");
            if child.get("description").is_none() && path.matches('.').count() > 1 {
                found.push(format!("{path}: no description"));
            }
            faults(&path, child, found);
        }
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            faults(&format!("{path}[]"), &schema[inner], found);
        }
    }
}

#[test]
fn everything_is_bounded_and_described() {
    let mut found = Vec::new();
    for kind in ["FastXCluster", "ComputeNode", "BalancerScript"] {
        for part in ["spec", "status"] {
            faults(
                &format!("{kind}.{part}"),
                &schema_of(kind)["properties"][part],
                &mut found,
            );
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn lists_of_conditions_merge_by_type() {
    for kind in ["FastXCluster", "ComputeNode", "BalancerScript"] {
        let conditions = &schema_of(kind)["properties"]["status"]["properties"]["conditions"];
        assert_eq!(conditions["x-kubernetes-list-type"], "map");
        assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
    }
}

#[test]
fn definitions_are_small_and_without_short_names() {
    for definition in fastx_crds::all() {
        let text = serde_json::to_string(&definition).unwrap();
        assert!(text.len() < 60_000, "{}", text.len());
        assert_eq!(
            definition.spec.names.short_names.unwrap_or_default().len(),
            0
        );
        assert_eq!(definition.spec.names.categories.unwrap(), ["fastx"]);
        assert_eq!(definition.spec.scope, "Namespaced");
        assert!(
            definition.spec.versions[0]
                .subresources
                .as_ref()
                .unwrap()
                .status
                .is_some()
        );
    }
}
