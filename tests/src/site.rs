//! A whole site of its own for one test: namespace, operator, a cluster with one compute node, and its address.

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures::FutureExt as _;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::eventually::eventually;
use crate::kube::{apply, install_definitions, kubeconfig};
use crate::namespace::{describe, in_namespace};
use crate::person::Person;
use crate::{Failure, chart, demo, ready, tool};

/// Name of the cluster.
pub const CLUSTER: &str = "site";
/// Name of its compute node.
pub const NODE: &str = "desk";
/// From the first object to Ready, on a busy machine.
const READY_LIMIT: Duration = Duration::from_mins(3);
/// How long the operator may take to remove everything.
const REMOVE_LIMIT: Duration = Duration::from_secs(40);

/// What a test needs to know of its site.
pub struct Site {
    /// A client with an administrator's rights.
    pub client: Client,
    /// Namespace of everything, the operator included.
    pub namespace: String,
    /// Address that people open.
    pub address: String,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// Makes a site, runs a test in it, and takes it down again.
///
/// `values` go to the operator's chart; the fields of `spec` replace those of the FastXCluster.
pub async fn in_site(
    purpose: &str,
    values: Value,
    spec: Value,
    body: impl AsyncFnOnce(&Site) -> Result<(), Failure>,
) {
    in_namespace(purpose, async |client, namespace| {
        let outcome = AssertUnwindSafe(async {
            let site = make(client.clone(), &namespace, values, &spec).await?;
            body(&site).await
        })
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err("the test panicked; its message is above".into()));
        // Described before it is gone.
        let outcome = outcome.map_err(|wrong| format!("{wrong}\n\n{}", describe(&namespace)));
        let removed = remove(&client, &namespace).await;
        outcome?;
        removed
    })
    .await;
}

async fn make(
    client: Client,
    namespace: &str,
    mut values: Value,
    spec: &Value,
) -> Result<Site, Failure> {
    install_definitions(&client).await?;
    values["replicas"] = 1.into();
    values["watchNamespaces"] = json!([namespace]);
    helm(
        &[
            "install",
            namespace,
            &chart::root()
                .join("charts/fastx-operator")
                .to_string_lossy(),
            "--values",
            "-",
            "--wait",
            "--timeout",
            "120s",
        ],
        namespace,
        &values,
    )?;
    let users = std::fs::read_to_string(chart::root().join("manifests/examples/10-users.yaml"))?;
    apply(&client, namespace, &users).await?;
    for object in objects(spec) {
        apply(&client, namespace, &object.to_string()).await?;
    }
    ready::ready(&client, namespace, READY_LIMIT).await?;
    let ip = ready::node_address(&client).await?;
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let entry = services.get("entry").await?;
    let port = entry
        .spec
        .and_then(|s| s.ports?.pop()?.node_port)
        .ok_or("the service has no port of the node")?;
    let port = u16::try_from(port)?;
    // Kubernetes leads there a moment after the node's Pod is ready.
    eventually(READY_LIMIT, "the address leads to the node", async || {
        TcpStream::connect((ip.as_str(), port)).await.map(drop)
    })
    .await?;
    Ok(Site {
        client,
        namespace: namespace.to_owned(),
        address: format!("https://{ip}:{port}"),
    })
}

fn objects(spec: &Value) -> [Value; 3] {
    let api = "fastx.dev/v1alpha1";
    let mut cluster = json!({
        "apiVersion": api, "kind": "FastXCluster", "metadata": {"name": CLUSTER},
        "spec": {
            "store": {"engine": "FerretDB", "size": "1Gi"},
            "transporter": {"type": "NATS", "replicas": 1},
            "manager": {"replicas": 2},
            "web": {"exposure": {"type": "ClusterIP"}, "hostNames": ["localhost"]},
            "authentication": {"local": {"usersSecretRef": {"name": "demo-users"}}},
        },
    });
    for (field, value) in spec.as_object().into_iter().flatten() {
        cluster["spec"][field] = value.clone();
    }
    [
        cluster,
        json!({
            "apiVersion": api, "kind": "ComputeNode", "metadata": {"name": NODE},
            "spec": {
                "clusterRef": {"name": CLUSTER},
                "pod": {"user": {"name": "user", "uid": 1000}, "users": ["ada"]},
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "entry"},
            "spec": {
                "type": "NodePort",
                "selector": {"fastx.dev/cluster": CLUSTER, "app.kubernetes.io/component": "node"},
                "ports": [{"name": "https", "port": 3300}],
            },
        }),
    ]
}

impl Site {
    /// Signs in once, without another try.
    pub async fn sign_in(&self) -> Result<Person, Failure> {
        Person::sign_in(&self.address, "ada", demo::PASSWORD).await
    }

    /// What a Secret holds under a key.
    pub async fn secret(&self, name: &str, key: &str) -> Result<String, Failure> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let data = secrets.get(name).await?.data.unwrap_or_default();
        let value = data
            .get(key)
            .ok_or_else(|| format!("Secret {name} has no {key}"))?;
        Ok(String::from_utf8(value.0.clone())?)
    }

    /// All its pods.
    pub async fn pods(&self) -> Result<Vec<Pod>, Failure> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        Ok(pods.list(&ListParams::default()).await?.items)
    }
}

fn helm(arguments: &[&str], namespace: &str, values: &Value) -> Result<(), Failure> {
    let mut child = Command::new(tool("helm"))
        .arg("--kubeconfig")
        .arg(kubeconfig())
        .args(["--namespace", namespace])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("helm: {error}; build it with: tests/localkube/build.sh helm"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(values.to_string().as_bytes())?;
    }
    let done = child.wait_with_output()?;
    if done.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&done.stderr).into_owned().into())
    }
}

/// The operator removes what it made; only then it goes itself.
async fn remove(client: &Client, namespace: &str) -> Result<(), Failure> {
    let mut left = Ok(());
    for kind in ["ComputeNode", "FastXCluster"] {
        let api = ready::objects(client, namespace, kind);
        for object in api.list(&ListParams::default()).await? {
            let name = object.metadata.name.unwrap_or_default();
            let force = json!({"metadata": {"annotations": {"fastx.dev/force": "true"}}});
            let parameters = PatchParams::default();
            api.patch(&name, &parameters, &Patch::Merge(&force)).await?;
            api.delete(&name, &DeleteParams::background()).await?;
        }
        let gone = eventually(REMOVE_LIMIT, &format!("every {kind} is gone"), async || {
            let names = api.list(&ListParams::default()).await?.items;
            if names.is_empty() {
                Ok(())
            } else {
                Err(Failure::from(format!("{} are left", names.len())))
            }
        })
        .await;
        if gone.is_err() {
            // So that the namespace can go; the test fails all the same.
            let released = json!({"metadata": {"finalizers": null}});
            for object in api.list(&ListParams::default()).await? {
                let name = object.metadata.name.unwrap_or_default();
                let parameters = PatchParams::default();
                api.patch(&name, &parameters, &Patch::Merge(&released))
                    .await?;
            }
            left = gone;
        }
    }
    helm(&["uninstall", namespace], namespace, &Value::Null)?;
    left
}
