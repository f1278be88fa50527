//! Images that cannot be pulled: the objects say so in the registry's words, and what runs goes on.

use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::demo::{Demo, NAMESPACE, of_node, terminal};
use fastx_tests::eventually::eventually;
use fastx_tests::kube::{apply, delete};
use fastx_tests::ready::condition;
use fastx_tests::viewer::Viewer;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

/// Nobody has it, and nobody is asked for it: the name has no registry that answers.
const MISSING: &str = "localhost/fastx:missing";
/// Longer than the kubelet needs for its first two tries.
const SAID: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_servers_nobody_notices_it() -> Result<(), Failure> {
    let demo = Demo::find().await?;
    demo.ready().await?;
    let person = demo.sign_in("manager", "alpha").await?;
    let session = terminal(&person, "alpha").await?;
    let mut viewer = Viewer::open(&person, session.id.as_ref()).await?;
    let clusters = demo.objects("FastXCluster");
    let before = clusters.get("demo").await?.data["spec"]["images"]["fastx"].clone();
    let sidecar = image(&demo, "alpha").await?;

    name(&demo, &json!(MISSING)).await?;
    eventually(SAID, "the cluster says which image", async || {
        let said = condition(&clusters.get("demo").await?, "Degraded");
        says(&said, "True")
    })
    .await?;
    assert_eq!(
        image(&demo, "alpha").await?,
        sidecar,
        "nodes come after the managers"
    );
    viewer.picture().await?;
    let another = demo.sign_in("ada", "beta").await?;
    another.sessions().await?;

    name(&demo, &before).await?;
    demo.ready().await?;
    viewer.picture().await?;
    person.end(&session).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_desktop_the_node_says_it() -> Result<(), Failure> {
    let demo = Demo::find().await?;
    let node = json!({
        "apiVersion": "fastx.dev/v1alpha1", "kind": "ComputeNode", "metadata": {"name": "unpulled"},
        "spec": {"clusterRef": {"name": "demo"}, "pod": {"image": MISSING, "user": {"name": "user", "uid": 1000}}},
    })
    .to_string();
    apply(&demo.client, NAMESPACE, &node).await?;
    let said = eventually(SAID, "the node says which image", async || {
        let said = condition(&demo.objects("ComputeNode").get("unpulled").await?, "Ready");
        says(&said, "False")
    })
    .await;
    delete(&demo.client, NAMESPACE, &node).await?;
    eventually(SAID, "the node is gone", async || {
        match demo.objects("ComputeNode").get_opt("unpulled").await? {
            None => Ok(()),
            Some(left) => Err(Failure::from(format!("{}", left.data["status"]))),
        }
    })
    .await?;
    said
}

/// Gives the cluster's servers an image; null for the operator's own.
async fn name(demo: &Demo, image: &Value) -> Result<(), Failure> {
    let change = json!({"spec": {"images": {"fastx": image}}});
    let clusters = demo.objects("FastXCluster");
    clusters
        .patch("demo", &PatchParams::default(), &Patch::Merge(&change))
        .await?;
    Ok(())
}

fn says(condition: &Value, status: &str) -> Result<(), Failure> {
    let message = condition["message"].as_str().unwrap_or_default();
    let known = condition["status"] == status && condition["reason"] == "ImagePullFailed";
    if known && message.contains(MISSING) {
        return Ok(());
    }
    Err(condition.to_string().into())
}

/// The image that a node's sidecar runs.
async fn image(demo: &Demo, node: &str) -> Result<String, Failure> {
    let pod = demo.pod(&of_node(node)).await?;
    pod.spec
        .and_then(|s| s.init_containers?.pop()?.image)
        .ok_or_else(|| "the pod has no sidecar".into())
}
