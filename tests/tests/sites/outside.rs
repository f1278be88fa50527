//! A host outside Kubernetes that brings the operator's join file: it waits until a ComputeNode declares it, then is a
//! member, and is none when the ComputeNode is gone.

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
    let _host = NodeProcess::start(NAME, "", |etc| private(&etc.join("join.json"), &file))?;
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
    online(site, true).await?;
    waiting(site, "False").await?;
    let beside = servers(site).await?;
    assert!(
        before.iter().all(|name| beside.contains(name)),
        "{beside:?}"
    );
    delete(&site.client, &site.namespace, &node).await?;
    online(site, false).await
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
async fn online(site: &Site, wanted: bool) -> Result<(), Failure> {
    eventually(
        LIMIT,
        &format!("the host is a member: {wanted}"),
        async || {
            let all = servers(site).await?;
            if all.iter().any(|name| name == NAME) == wanted {
                Ok(())
            } else {
                Err(Failure::from(all.join(", ")))
            }
        },
    )
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
