//! The three kinds of nodes in one cluster: a pod; the machine itself, kept out until its namespace admits it, whose
//! people keep their desktops when its Pod goes; and a host outside Kubernetes.

use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::kube::apply;
use fastx_tests::ready::{condition, objects};
use fastx_tests::site::{CLUSTER, Site, in_site};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use reqwest::Method;
use serde_json::{Value, json};

use crate::account::{Account, SSH_PORT};
use crate::outside;

/// Name of the node; the machine has another one.
const NAME: &str = "machine";
/// From the label to a member of the cluster.
const LIMIT: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_a_machine_and_a_host_outside_are_one_cluster() -> Result<(), Failure> {
    let mut spec = outside::spec().await?;
    spec["authentication"] = json!({
        "local": {"usersSecretRef": {"name": "demo-users"}}, "ssh": {},
    });
    let mut account = Account::make().await?;
    in_site("host", json!({}), spec, async |site| {
        let machine = machine(site).await?;
        let node = json!({
            "apiVersion": "fastx.dev/v1alpha1", "kind": "ComputeNode", "metadata": {"name": NAME},
            "spec": {
                "clusterRef": {"name": CLUSTER},
                "host": {"nodeName": machine, "sshPort": SSH_PORT},
            },
        });
        apply(&site.client, &site.namespace, &node.to_string()).await?;
        said(site, "Schedulable", "False", "NamespaceForbids").await?;
        admit(site).await?;
        said(site, "Ready", "True", "AsExpected").await?;
        is_listed(site, &machine).await?;
        account.listen(&pod_uid(site).await?).await?;
        let desktop = account.desktop(NAME).await?;
        // Its keys are the machine's: another Pod is the same member.
        another_pod(site).await?;
        said(site, "Ready", "True", "AsExpected").await?;
        is_listed(site, &machine).await?;
        desktop.is_still_there().await?;
        outside::comes_and_goes(site).await?;
        outside::come_undeclared(site).await
    })
    .await;
    Ok(())
}

async fn pod_uid(site: &Site) -> Result<String, Failure> {
    let pods: Api<Pod> = Api::namespaced(site.client.clone(), &site.namespace);
    Ok(pods.get(NAME).await?.metadata.uid.unwrap_or_default())
}

/// Deletes the Pod of the node and waits for the one in its place.
async fn another_pod(site: &Site) -> Result<(), Failure> {
    let pods: Api<Pod> = Api::namespaced(site.client.clone(), &site.namespace);
    let before = pods.get(NAME).await?;
    assert_eq!(before.spec.and_then(|s| s.host_network), Some(true));
    pods.delete(NAME, &DeleteParams::default()).await?;
    eventually(LIMIT, "another Pod", async || {
        let pod = pods.get(NAME).await?;
        if pod.metadata.uid == before.metadata.uid {
            return Err(Failure::from("it is the same"));
        }
        Ok(())
    })
    .await
}

async fn machine(site: &Site) -> Result<String, Failure> {
    let nodes: Api<Node> = Api::all(site.client.clone());
    let mut all = nodes.list(&ListParams::default()).await?.items;
    let node = all.pop().ok_or("the cluster has no node")?;
    Ok(node.metadata.name.unwrap_or_default())
}

/// The label that the condition asks for.
async fn admit(site: &Site) -> Result<(), Failure> {
    let namespaces: Api<Namespace> = Api::all(site.client.clone());
    let label = json!({"metadata": {"labels": {
        "pod-security.kubernetes.io/enforce": "privileged",
    }}});
    let parameters = PatchParams::default();
    namespaces
        .patch(&site.namespace, &parameters, &Patch::Merge(&label))
        .await?;
    Ok(())
}

async fn said(site: &Site, kind: &str, status: &str, reason: &str) -> Result<(), Failure> {
    let nodes = objects(&site.client, &site.namespace, "ComputeNode");
    eventually(LIMIT, &format!("{kind} is {status}"), async || {
        let found = condition(&nodes.get(NAME).await?, kind);
        if found["status"] == status && found["reason"] == reason {
            Ok(())
        } else {
            Err(Failure::from(found.to_string()))
        }
    })
    .await
}

/// Other nodes know it, by its own address.
async fn is_listed(site: &Site, machine: &str) -> Result<(), Failure> {
    let person = site.sign_in().await?;
    eventually(LIMIT, "the machine among the servers", async || {
        let answer: Value = person.call(Method::GET, "/servers", None).await?;
        let servers = answer["servers"].as_array().cloned().unwrap_or_default();
        let own = servers.iter().find(|s| s["serverId"] == NAME);
        match own {
            Some(own) if own["hostname"] == machine => Ok(()),
            _ => Err(Failure::from(answer.to_string())),
        }
    })
    .await
}
