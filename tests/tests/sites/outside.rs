//! Hosts outside Kubernetes that bring the operator's join file: one waits until a ComputeNode declares it, then is a
//! member, and is none when the ComputeNode is gone; others come in undeclared, as many as may.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::kube::{apply, client, delete};
use fastx_tests::program::NodeProcess;
use fastx_tests::ready::{condition, node_address, objects};
use fastx_tests::site::{CLUSTER, Site};
use kube::api::{Patch, PatchParams};
use reqwest::Method;
use serde_json::{Value, json};

/// Name of the host.
const NAME: &str = "outside";
/// Where the bus is reached from outside: below 30086 Kubernetes gives no port to others by itself.
const PORT: u16 = 30081;
/// For each step on a busy machine; usually a second or two.
const LIMIT: Duration = Duration::from_mins(1);

/// What the cluster needs for it: a bus that is reached from outside, and hosts that may ask.
pub(crate) async fn spec() -> Result<Value, Failure> {
    let machine = node_address(&client().await?).await?;
    Ok(json!({
        "discovery": {"mode": "Declared"},
        "transporter": {
            "type": "NATS", "replicas": 1,
            "exposure": {"type": "NodePort", "nodePort": PORT, "hostName": machine},
        },
    }))
}

/// The host asks, is declared, is a member beside the others, and goes with its ComputeNode.
pub(crate) async fn comes_and_goes(site: &Site) -> Result<(), Failure> {
    let file = site.secret(&format!("{CLUSTER}-join"), "join.json").await?;
    let _host = host(NAME, &file)?;
    let told = waiting(site, "True").await?;
    assert!(
        told.contains(NAME) && told.contains("kubectl apply"),
        "{told}"
    );
    let before = servers(site).await?;
    assert!(!before.contains(&NAME.to_owned()), "it is no member");
    let node = json!({
        "apiVersion": "fastx.dev/v1alpha1", "kind": "ComputeNode", "metadata": {"name": NAME},
        "spec": {"clusterRef": {"name": CLUSTER}, "external": {}},
    })
    .to_string();
    apply(&site.client, &site.namespace, &node).await?;
    online(site, NAME, true).await?;
    waiting(site, "False").await?;
    let beside = servers(site).await?;
    assert!(
        before.iter().all(|name| beside.contains(name)),
        "{beside:?}"
    );
    delete(&site.client, &site.namespace, &node).await?;
    online(site, NAME, false).await
}

/// Where one may come in undeclared, one does; the next waits until that one's ComputeNode is gone.
pub(crate) async fn come_undeclared(site: &Site) -> Result<(), Failure> {
    let clusters = objects(&site.client, &site.namespace, "FastXCluster");
    let open = json!({"spec": {"discovery": {"mode": "Any", "maximum": 1}}});
    clusters
        .patch(CLUSTER, &PatchParams::default(), &Patch::Merge(&open))
        .await?;
    let file = site.secret(&format!("{CLUSTER}-join"), "join.json").await?;
    let _first = host("first", &file)?;
    online(site, "first", true).await?;
    let nodes = objects(&site.client, &site.namespace, "ComputeNode");
    let labels = nodes.get("first").await?.metadata.labels;
    let label = labels.unwrap_or_default().remove("fastx.dev/discovered");
    assert_eq!(label.as_deref(), Some("true"));
    let _second = host("second", &file)?;
    eventually(LIMIT, "the second one finds no room", async || {
        let found = condition(&clusters.get(CLUSTER).await?, "HostsWaiting");
        let message = found["message"].as_str().unwrap_or_default();
        if found["reason"] == "MaximumReached" && message.contains("`second`") {
            Ok(())
        } else {
            Err(Failure::from(found.to_string()))
        }
    })
    .await?;
    let node = json!({
        "apiVersion": "fastx.dev/v1alpha1", "kind": "ComputeNode", "metadata": {"name": "first"},
    });
    delete(&site.client, &site.namespace, &node.to_string()).await?;
    online(site, "second", true).await?;
    online(site, "first", false).await
}

/// A host with that join file.
fn host(name: &str, file: &str) -> Result<NodeProcess, Failure> {
    NodeProcess::start(name, "", |etc| private(&etc.join("join.json"), file))
}

/// A file that others may read does not count.
fn private(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// Waits until the cluster says whether hosts wait; its words.
async fn waiting(site: &Site, status: &str) -> Result<String, Failure> {
    let clusters = objects(&site.client, &site.namespace, "FastXCluster");
    eventually(LIMIT, &format!("HostsWaiting is {status}"), async || {
        let found = condition(&clusters.get(CLUSTER).await?, "HostsWaiting");
        if found["status"] == status {
            Ok(found["message"].as_str().unwrap_or_default().to_owned())
        } else {
            Err(Failure::from(found.to_string()))
        }
    })
    .await
}

/// Waits until other members see the host, or see it no more.
async fn online(site: &Site, name: &str, wanted: bool) -> Result<(), Failure> {
    let what = format!("`{name}` is a member: {wanted}");
    eventually(LIMIT, &what, async || {
        let all = servers(site).await?;
        if all.iter().any(|other| other == name) == wanted {
            Ok(())
        } else {
            Err(Failure::from(all.join(", ")))
        }
    })
    .await
}

async fn servers(site: &Site) -> Result<Vec<String>, Failure> {
    let answer: Value = site
        .sign_in()
        .await?
        .call(Method::GET, "/servers", None)
        .await?;
    let servers = answer["servers"].as_array().cloned().unwrap_or_default();
    let online = servers.iter().filter(|s| s["online"] == true);
    let names = online.filter_map(|s| s["serverId"].as_str());
    Ok(names.map(str::to_owned).collect())
}
