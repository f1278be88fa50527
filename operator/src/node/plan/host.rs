//! The Pod of a node whose sessions run on the Kubernetes node itself: the node software, and what it needs of the host.
//!
//! Sessions are processes of the host, started by the users' links, which sshd started. This Pod only talks to them
//! through a folder of the host. It asks for more than any other of ours, so the namespace must admit it; yet what
//! faces the network runs as nobody and sees nothing of the host but that folder and its own.

use fastx_crds::node::HostNode;
use serde_json::{Value, json};

use super::super::validate::ValidNode;
use super::pod::{Desired, POD_HASH, credentials, variable};
use crate::cluster::plan::NUDGE;
use crate::cluster::plan::pod::{
    FASTX_UID, base, empty_dir, http_probe, locked, mount, named, resources, security,
};
use crate::cluster::validate::ValidCluster;
use crate::meta;
use crate::names;

/// Folder of the host that belongs to the node alone.
const STATE: &str = "/var/lib/fastx-host/state";
/// Folder of the host with the link program, which belongs to root.
const PROGRAMS: &str = "/var/lib/fastx-host/link";
/// Folder of the host in which links find the node.
const LINKS: &str = "/run/fastx-host";
/// Where the helper answers for the host's name service.
const NAMES: &str = "/run/fastx-names";
/// Public keys of the host's sshd.
const KEYS: &str = "/run/host-ssh";

pub(super) fn desired(
    cluster: &ValidCluster,
    node: &ValidNode,
    host: &HostNode,
    image: &str,
    secrets: &str,
) -> Desired {
    let mut labels = meta::labels(&cluster.key.name, "node", Some(&node.key.name));
    labels[meta::LOGINS] = node.logins.to_string().into();
    let spec = spec(cluster, node, host, image);
    // Nothing changes in place: a new Pod costs nobody a session.
    let hash = meta::digest(&spec);
    let mut metadata = meta::owned(&node.owner, &labels);
    metadata["annotations"] = json!({
        POD_HASH: hash, NUDGE: secrets,
        "kubectl.kubernetes.io/default-container": "node",
    });
    Desired {
        body: json!({"metadata": metadata, "spec": spec}),
        hash,
        sidecar_image: image.to_owned(),
        labels: serde_json::from_value(labels).unwrap_or_default(),
        secrets: secrets.to_owned(),
        holds_nothing: true,
    }
}

fn spec(cluster: &ValidCluster, node: &ValidNode, host: &HostNode, image: &str) -> Value {
    let uid = FASTX_UID;
    let mut security = security(uid, uid, uid);
    // Where SELinux rules, processes of the host may not speak to those of an ordinary container.
    security["seLinuxOptions"] = json!({"type": "spc_t"});
    let mut spec = base(&names::account(&cluster.key.name), &security);
    spec["hostNetwork"] = true.into();
    // Members inside of Kubernetes are called by name.
    spec["dnsPolicy"] = "ClusterFirstWithHostNet".into();
    spec["terminationGracePeriodSeconds"] = 30.into();
    spec["initContainers"] = json!([folders(cluster, image)]);
    spec["containers"] = json!([
        software(cluster, node, host, image),
        names_helper(cluster, image)
    ]);
    spec["volumes"] = json!([
        credentials(cluster, node),
        empty_dir("names", "1Mi"),
        host_path("state", STATE, "DirectoryOrCreate"),
        host_path("programs", PROGRAMS, "DirectoryOrCreate"),
        host_path("links", LINKS, "DirectoryOrCreate"),
        host_path("keys", "/etc/ssh", "Directory"),
        host_path("host", "/", "Directory"),
    ]);
    if !cluster.images.pull_secrets.is_empty() {
        spec["imagePullSecrets"] = named(&cluster.images.pull_secrets);
    }
    // As DaemonSets do it: the scheduler still sees taints and what is free.
    spec["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": [host.node_name]},
        ]}],
    }}});
    if !host.tolerations.is_empty() {
        spec["tolerations"] = json!(host.tolerations);
    }
    spec
}

fn host_path(name: &str, path: &str, kind: &str) -> Value {
    json!({"name": name, "hostPath": {"path": path, "type": kind}})
}

/// A container that begins as root, with these rights and no other.
fn rooted(capabilities: &[&str]) -> Value {
    let mut security = locked();
    security["runAsNonRoot"] = false.into();
    security["runAsUser"] = 0.into();
    security["runAsGroup"] = 0.into();
    security["capabilities"]["add"] = json!(capabilities);
    security
}

/// Puts the link where root alone can change it, and gives the node its folders.
fn folders(cluster: &ValidCluster, image: &str) -> Value {
    json!({
        "name": "folders",
        "image": image,
        "imagePullPolicy": cluster.images.pull_policy,
        "command": ["/usr/bin/fastx-node", "host-folders"],
        "env": [
            variable("FX_LOCAL_DIR", "/var/lib/fastx"),
            variable("FX_LINK_DIR", LINKS),
            variable("FX_PROGRAMS_DIR", "/host-programs"),
            variable("FX_LOG_FORMAT", "json"),
        ],
        "securityContext": rooted(&["CHOWN", "FOWNER"]),
        "resources": resources(None, &[("cpu", "10m"), ("memory", "16Mi")], &[("memory", "64Mi")]),
        "volumeMounts": [
            mount("state", "/var/lib/fastx", false),
            mount("links", LINKS, false),
            mount("programs", "/host-programs", false),
        ],
    })
}

/// Goes into the host's folder tree, gives up its rights, and asks the programs there who somebody is.
fn names_helper(cluster: &ValidCluster, image: &str) -> Value {
    json!({
        "name": "names",
        "image": image,
        "imagePullPolicy": cluster.images.pull_policy,
        "command": ["/usr/bin/fastx-node", "names"],
        "env": [
            variable("FX_NAMES_SOCKET", &format!("{NAMES}/socket")),
            variable("FX_HOST_ROOT", "/host"),
            variable("FX_LOG_FORMAT", "json"),
        ],
        "securityContext": rooted(&["SYS_CHROOT", "SETUID", "SETGID"]),
        "resources": resources(None, &[("cpu", "1m"), ("memory", "16Mi")], &[("memory", "128Mi")]),
        "volumeMounts": [mount("names", NAMES, false), mount("host", "/host", true)],
    })
}

fn software(cluster: &ValidCluster, node: &ValidNode, host: &HostNode, image: &str) -> Value {
    let probe = |path: &str, period: u32, failures: u32| {
        let mut probe = http_probe(path, "health", period, failures);
        probe["httpGet"]["host"] = "127.0.0.1".into();
        probe
    };
    let mut env = vec![
        variable("FX_PLACE", "host"),
        variable("FX_CONFIG_DIR", "/etc/fastx"),
        variable("FX_LOCAL_DIR", "/var/lib/fastx"),
        variable("FX_LINK_DIR", LINKS),
        // Where it is on the host: sshd starts it there.
        variable("FX_LINK_BINARY", &format!("{PROGRAMS}/bin/fastx-link")),
        variable("FX_TLS_DIR", "/etc/fastx/tls"),
        variable("FX_WEB_ADDR", "0.0.0.0:3300"),
        // The host's own addresses are open to others.
        variable("FX_HEALTH_ADDR", "127.0.0.1:9300"),
        variable("FX_NAMES_SOCKET", &format!("{NAMES}/socket")),
        variable("FX_SSH_PROGRAMS", "/usr/lib/fastx"),
        variable("FX_SSH_KEYS_DIR", KEYS),
        variable("FX_SSH_PORT", &host.ssh_port.unwrap_or(22).to_string()),
        variable("FX_PASSWORDLESS_LINKS", "Disable"),
        variable("FX_LOG_FORMAT", "json"),
        variable("LOGLEVEL", "info"),
    ];
    if !cluster.transporter.has_identities() {
        env.push(variable("FX_SERVER_ID", &node.key.name));
    }
    json!({
        "name": "node",
        "image": image,
        "imagePullPolicy": cluster.images.pull_policy,
        "command": ["/usr/bin/fastx-node"],
        "env": env,
        "ports": [{"name": "https", "containerPort": 3300}, {"name": "health", "containerPort": 9300}],
        "securityContext": locked(),
        "resources": resources(
            host.sidecar_resources.as_ref(),
            &[("cpu", "10m"), ("memory", "48Mi")],
            &[("memory", "256Mi")],
        ),
        "startupProbe": probe("/livez", 1, 60),
        "readinessProbe": probe("/readyz", 5, 2),
        "livenessProbe": probe("/livez", 10, 6),
        "volumeMounts": [
            mount("broker", "/etc/fastx", true),
            mount("state", "/var/lib/fastx", false),
            mount("links", LINKS, false),
            mount("names", NAMES, true),
            mount("keys", KEYS, true),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::validate::tests::valid as valid_node;
    use super::*;
    use crate::cluster::validate::tests::valid as valid_cluster;

    fn desired(cluster: &str, node: &str) -> Desired {
        let node = valid_node(node);
        let cluster = valid_cluster(cluster);
        let host = node.host.as_ref().unwrap();
        super::desired(&cluster, &node, host, &cluster.images.fastx, "s")
    }

    #[test]
    fn it_runs_on_that_machine_alone_and_with_its_network() {
        let pod = desired(
            "",
            "host: {nodeName: worker-3, sshPort: 2222, tolerations: [{operator: Exists}]}",
        );
        let spec = &pod.body["spec"];
        assert_eq!(spec["hostNetwork"], true);
        let affinity = spec["affinity"].to_string();
        assert!(affinity.contains("worker-3"), "{affinity}");
        assert_eq!(spec["tolerations"][0]["operator"], "Exists");
        let env = spec["containers"][0]["env"].to_string();
        assert!(
            env.contains(r#""name":"FX_SSH_PORT","value":"2222""#),
            "{env}"
        );
        assert!(pod.holds_nothing);
    }

    #[test]
    fn what_faces_the_network_is_nobody_and_sees_little_of_the_host() {
        let pod = desired("", "host: {nodeName: w}").body;
        let spec = &pod["spec"];
        assert_eq!(spec["automountServiceAccountToken"], false);
        assert_eq!(spec["securityContext"]["runAsUser"], FASTX_UID);
        let node = &spec["containers"][0];
        assert!(node["securityContext"].get("runAsUser").is_none());
        assert_eq!(
            node["securityContext"]["capabilities"],
            json!({"drop": ["ALL"]})
        );
        let mounts = node["volumeMounts"].as_array().unwrap();
        for hidden in ["host", "programs"] {
            assert!(mounts.iter().all(|m| m["name"] != hidden), "{hidden}");
        }
        for container in [&spec["initContainers"][0], &spec["containers"][1]] {
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false);
            assert_eq!(security["capabilities"]["drop"][0], "ALL");
            let mounts = container["volumeMounts"].to_string();
            assert!(!mounts.contains("broker"), "{mounts}");
        }
        let host = spec["containers"][1]["volumeMounts"].as_array().unwrap();
        let host = host.iter().find(|m| m["name"] == "host").unwrap();
        assert_eq!(host["readOnly"], true);
    }

    #[test]
    fn a_new_image_is_a_new_pod() {
        let hash = |cluster: &str| desired(cluster, "host: {nodeName: w}").hash;
        assert_ne!(hash(""), hash("images: {fastx: 'other:2'}"));
        assert_eq!(hash(""), hash("message: hello"));
    }
}
