//! The Pod of a node: the desktop as the user, the sidecar as nobody, and a shared folder for their socket.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::validate::{ValidNode, ValidPod};
use crate::cluster::material::Holder;
use crate::cluster::plan::NUDGE;
use crate::cluster::plan::pod::{
    FASTX_UID, base, empty_dir, http_probe, locked, mount, named, projected, resources, security,
};
use crate::cluster::validate::ValidCluster;
use crate::meta;
use crate::names;

/// Annotation with the digest of the Pod without the sidecar's image.
pub(in super::super) const POD_HASH: &str = "fastx.dev/pod-hash";

/// The Pod as it should be.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Desired {
    /// The whole of it.
    pub(in super::super) body: Value,
    /// Digest of everything that needs a new Pod.
    pub(in super::super) hash: String,
    /// Image of the sidecar, which can change in place.
    pub(in super::super) sidecar_image: String,
    /// Labels, which can change in place.
    pub(in super::super) labels: BTreeMap<String, String>,
    /// Digest of the Secrets that it mounts.
    pub(in super::super) secrets: String,
    /// Whether sessions live elsewhere, so that it may be replaced at any time.
    pub(in super::super) holds_nothing: bool,
}

pub(super) fn desired(
    cluster: &ValidCluster,
    node: &ValidNode,
    pod: &ValidPod,
    sidecar_image: &str,
    secrets: &str,
) -> Desired {
    let mut labels = meta::labels(&cluster.key.name, "node", Some(&node.key.name));
    labels[meta::LOGINS] = node.logins.to_string().into();
    let spec = spec(cluster, node, pod, sidecar_image);
    let mut hashed = spec.clone();
    hashed["initContainers"][0]["image"] = Value::Null;
    // Changes by file, not by a new Pod.
    hashed["initContainers"][0]["imagePullPolicy"] = Value::Null;
    let hash = meta::digest(&hashed);
    let mut metadata = meta::owned(&node.owner, &labels);
    metadata["annotations"] = json!({
        POD_HASH: hash, NUDGE: secrets,
        "kubectl.kubernetes.io/default-container": "desktop",
    });
    Desired {
        body: json!({"metadata": metadata, "spec": spec}),
        hash,
        sidecar_image: sidecar_image.to_owned(),
        labels: serde_json::from_value(labels).unwrap_or_default(),
        secrets: secrets.to_owned(),
        holds_nothing: false,
    }
}

fn spec(cluster: &ValidCluster, node: &ValidNode, pod: &ValidPod, sidecar_image: &str) -> Value {
    let user = &pod.spec.user;
    let mut spec = base(
        &names::account(&cluster.key.name),
        &security(user.uid, pod.gid, pod.fs_group),
    );
    spec["hostname"] = node.key.name.as_str().into();
    spec["subdomain"] = names::nodes(&cluster.key.name).into();
    spec["terminationGracePeriodSeconds"] = 30.into();
    let mut sidecar = sidecar(cluster, pod, sidecar_image);
    if !cluster.transporter.has_identities() {
        // What it joins with does not say who it is.
        let name = variable("FX_SERVER_ID", &node.key.name);
        sidecar["env"]
            .as_array_mut()
            .into_iter()
            .for_each(|env| env.push(name.clone()));
    }
    spec["initContainers"] = json!([sidecar]);
    spec["containers"] = json!([desktop(cluster, pod)]);
    spec["volumes"] = volumes(cluster, node, pod).into();
    let mut secrets = cluster.images.pull_secrets.clone();
    secrets.extend(pod.spec.pull_secrets.iter().map(|s| s.name.clone()));
    secrets.sort();
    secrets.dedup();
    if !secrets.is_empty() {
        spec["imagePullSecrets"] = named(&secrets);
    }
    if !pod.spec.node_selector.is_empty() {
        spec["nodeSelector"] = json!(pod.spec.node_selector);
    }
    if !pod.tolerations.is_empty() {
        spec["tolerations"] = json!(pod.tolerations);
    }
    if let Some(affinity) = &pod.affinity {
        spec["affinity"] = affinity.clone();
    }
    if let Some(class) = &pod.spec.runtime_class_name {
        spec["runtimeClassName"] = class.as_str().into();
    }
    spec
}

/// A native sidecar: its image can change while the desktop goes on.
fn sidecar(cluster: &ValidCluster, pod: &ValidPod, image: &str) -> Value {
    let mut security = locked();
    security["runAsUser"] = FASTX_UID.into();
    security["runAsGroup"] = FASTX_UID.into();
    json!({
        "name": "node",
        "image": image,
        "imagePullPolicy": cluster.images.pull_policy,
        "restartPolicy": "Always",
        "command": ["/usr/bin/fastx-node"],
        "env": [
            variable("FX_CONFIG_DIR", "/etc/fastx"),
            variable("FX_LOCAL_DIR", "/var/lib/fastx"),
            variable("FX_LINK_DIR", "/run/fastx"),
            variable("FX_LINK_BINARY", "/usr/lib/fastx/fastx-link"),
            variable("FX_TLS_DIR", "/etc/fastx/tls"),
            variable("FX_WEB_ADDR", "0.0.0.0:3300"),
            variable("FX_HEALTH_ADDR", "0.0.0.0:9300"),
            variable("FX_LOG_FORMAT", "json"),
            // Until the configuration is there; what it says counts without a new Pod.
            variable("LOGLEVEL", "info"),
        ],
        "ports": [{"name": "https", "containerPort": 3300}, {"name": "health", "containerPort": 9300}],
        "securityContext": security,
        "resources": resources(
            pod.spec.sidecar_resources.as_ref(),
            &[("cpu", "10m"), ("memory", "48Mi")],
            &[("memory", "256Mi")],
        ),
        // The desktop starts when the sidecar is alive; whether it reaches the managers is another question.
        "startupProbe": http_probe("/livez", "health", 1, 60),
        "readinessProbe": http_probe("/readyz", "health", 5, 2),
        "livenessProbe": http_probe("/livez", "health", 10, 6),
        "volumeMounts": [
            mount("broker", "/etc/fastx", true),
            mount("state", "/var/lib/fastx", false),
            mount("link", "/run/fastx", false),
        ],
    })
}

fn desktop(cluster: &ValidCluster, pod: &ValidPod) -> Value {
    let user = &pod.spec.user;
    let home = format!("/home/{}", user.name);
    let own = [
        ("HOME", home.as_str()),
        ("USER", &user.name),
        ("LOGNAME", &user.name),
    ];
    let mut env: Vec<Value> = own
        .into_iter()
        .filter(|(name, _)| !pod.spec.env.iter().any(|e| e.name == *name))
        .map(|(name, value)| variable(name, value))
        .collect();
    // `$(NAME)` would be replaced by Kubernetes; a value is taken as it is.
    env.extend(
        pod.spec
            .env
            .iter()
            .map(|e| variable(&e.name, &e.value.replace("$(", "$$("))),
    );
    let mut mounts = vec![
        mount("link", "/run/fastx", true),
        mount("home", &home, false),
        mount("tmp", "/tmp", false),
        mount("dev-shm", "/dev/shm", false),
    ];
    for volume in &pod.spec.extra_volumes {
        let read_only = volume.read_only || volume.config_map_name.is_some();
        mounts.push(mount(&volume.name, &volume.mount_path, read_only));
    }
    json!({
        "name": "desktop",
        "image": pod.spec.image.as_ref().unwrap_or(&cluster.images.desktop),
        "imagePullPolicy": pod.spec.pull_policy.map_or(cluster.images.pull_policy, fastx_crds::cluster::PullPolicy::name),
        "command": ["/run/fastx/bin/fastx-link", "init", "--dir", "/run/fastx"],
        "workingDir": home,
        "env": env,
        // Images of desktops write where they like; as an ordinary user they can do little harm.
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        "resources": resources(pod.spec.resources.as_ref(), &[("cpu", "100m"), ("memory", "256Mi")], &[]),
        "volumeMounts": mounts,
    })
}

/// `broker.json`, and beside it the certificate that browsers see.
pub(super) fn credentials(cluster: &ValidCluster, node: &ValidNode) -> Value {
    let certificate = match &node.tls_secret {
        Some(own) => {
            let mut source = projected(
                own,
                &[("tls.crt", "tls/tls.crt"), ("tls.key", "tls/tls.key")],
            );
            // Without it the node shows one of its own making, and says so.
            source["secret"]["optional"] = true.into();
            source
        }
        None => projected(
            &Holder::Web.secret(&cluster.key.name),
            &[("tls.crt", "tls/tls.crt"), ("tls.key", "tls/tls.key")],
        ),
    };
    let broker = projected(
        &names::node_broker(&node.key.name),
        &[("broker.json", "broker.json")],
    );
    json!({"name": "broker", "projected": {"defaultMode": 0o440, "sources": [broker, certificate]}})
}

fn volumes(cluster: &ValidCluster, node: &ValidNode, pod: &ValidPod) -> Vec<Value> {
    let shm = pod.spec.shm_size.as_deref().unwrap_or("1Gi");
    let mut volumes = vec![
        credentials(cluster, node),
        empty_dir("link", "64Mi"),
        empty_dir("state", "256Mi"),
        json!({"name": "tmp", "emptyDir": {}}),
        json!({"name": "dev-shm", "emptyDir": {"medium": "Memory", "sizeLimit": shm}}),
        home(node, pod),
    ];
    for volume in &pod.spec.extra_volumes {
        volumes.push(match (&volume.claim_name, &volume.config_map_name) {
            (Some(claim), _) => {
                json!({"name": volume.name, "persistentVolumeClaim": {"claimName": claim}})
            }
            (None, map) => json!({"name": volume.name, "configMap": {"name": map}}),
        });
    }
    volumes
}

fn home(node: &ValidNode, pod: &ValidPod) -> Value {
    let claim = pod.spec.home.as_ref().map(|home| match &home.claim_name {
        Some(claim) => claim.clone(),
        None => names::node_home(&node.key.name),
    });
    match claim {
        Some(claim) => json!({"name": "home", "persistentVolumeClaim": {"claimName": claim}}),
        None => json!({"name": "home", "emptyDir": {}}),
    }
}

pub(super) fn variable(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

#[cfg(test)]
mod tests {
    use super::super::super::validate::tests::valid as valid_node;
    use super::*;
    use crate::cluster::validate::tests::valid as valid_cluster;

    fn desired(cluster: &str, node: &str) -> Desired {
        let node = valid_node(node);
        let cluster = valid_cluster(cluster);
        let pod = node.pod.as_ref().unwrap();
        super::desired(&cluster, &node, pod, &cluster.images.fastx, "s")
    }

    #[test]
    fn the_pod_is_restricted_and_the_desktop_is_the_users() {
        let pod = desired("", "pod: {user: {name: ada, uid: 1234, gid: 50}}").body;
        let spec = &pod["spec"];
        assert_eq!(spec["securityContext"]["runAsUser"], 1234);
        assert_eq!(spec["securityContext"]["fsGroup"], 50);
        assert_eq!(spec["automountServiceAccountToken"], false);
        assert_eq!(
            spec["initContainers"][0]["securityContext"]["runAsUser"],
            65532
        );
        assert_eq!(spec["containers"][0]["env"][0]["value"], "/home/ada");
        for container in [&spec["initContainers"][0], &spec["containers"][0]] {
            assert_eq!(
                container["securityContext"]["capabilities"]["drop"][0],
                "ALL"
            );
            assert_eq!(
                container["securityContext"]["allowPrivilegeEscalation"],
                false
            );
        }
    }

    #[test]
    fn the_desktop_gets_no_secret_and_only_reads_the_shared_folder() {
        let pod = desired("", "pod: {}").body;
        let mounts = pod["spec"]["containers"][0]["volumeMounts"]
            .as_array()
            .unwrap();
        assert!(
            mounts
                .iter()
                .all(|m| m["name"] != "broker" && m["name"] != "state")
        );
        let link = mounts.iter().find(|m| m["name"] == "link").unwrap();
        assert_eq!(link["readOnly"], true);
    }

    #[test]
    fn what_needs_a_new_pod_and_what_does_not() {
        let base = desired("", "pod: {users: [ada]}");
        for (cluster, node, same) in [
            ("images: {fastx: 'other:2'}", "pod: {users: [ada]}", true),
            ("", "pod: {users: [bob]}", true),
            ("", "pod: {users: [ada]}\nlogins: false", true),
            ("", "pod: {users: [ada]}\nstartSessions: false", true),
            ("", "pod: {users: [ada]}\nlogLevel: debug", true),
            ("", "pod: {users: [ada]}\nstaticData: {a: 1}", true),
            ("message: hello", "pod: {users: [ada]}", true),
            ("images: {desktop: 'other:2'}", "pod: {users: [ada]}", false),
            ("", "pod: {users: [ada], env: [{name: A, value: b}]}", false),
            ("", "pod: {users: [ada], shmSize: 2Gi}", false),
        ] {
            let changed = desired(cluster, node);
            assert_eq!(changed.hash == base.hash, same, "{cluster} {node}");
        }
        assert_eq!(
            desired("", "pod: {}\nlogins: false").labels[meta::LOGINS],
            "false"
        );
    }

    #[test]
    fn without_an_identity_a_node_is_told_who_it_is() {
        let env = |cluster: &str| {
            desired(cluster, "pod: {}").body["spec"]["initContainers"][0]["env"].to_string()
        };
        let named = r#"{"name":"FX_SERVER_ID","value":"desk"}"#;
        assert!(!env("").contains("FX_SERVER_ID"));
        for bus in ["{type: External, external: {host: h}}", "{type: Redis}"] {
            let env = env(&format!("transporter: {bus}"));
            assert!(env.contains(named), "{env}");
        }
    }

    #[test]
    fn values_are_taken_as_they_are() {
        let pod = desired(
            "",
            "pod: {env: [{name: A, value: '$(B)'}, {name: HOME, value: /srv}]}",
        )
        .body;
        let env = pod["spec"]["containers"][0]["env"].to_string();
        assert!(env.contains(r#""value":"$$(B)""#), "{env}");
        assert_eq!(env.matches("HOME").count(), 1);
    }
}
