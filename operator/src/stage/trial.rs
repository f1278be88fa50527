//! A new image on a machine of Kubernetes: it stays where it works, and the one before comes back where it does not.

use super::*;
use crate::node::tests::node;

const STARTING: &str = "{phase: Running, conditions: [{type: PodScheduled, status: 'True'}]}";
const READY: &str = "{phase: Running, conditions: [{type: PodScheduled, status: 'True'}, {type: Ready, status: 'True'}]}";
const NO_IMAGE: &str = "{phase: Pending, conditions: [{type: PodScheduled, status: 'True'}], initContainerStatuses: \
    [{name: folders, state: {waiting: {reason: ErrImagePull, message: manifest unknown}}}]}";

/// A node of kind `host` that is ready with image `old:1`, and managers that run the image they are to run.
async fn site() -> Stage {
    let stage = Stage::new();
    stage.with_node(&node("host: {nodeName: w}"));
    roll(&stage, "old:1").await;
    now_is(&stage, READY, 0);
    stage.settle().await;
    assert_eq!(shown(&stage, "image"), "old:1");
    stage
}

/// Another image is asked for, and the managers have it.
async fn roll(stage: &Stage, image: &str) {
    stage.with_cluster(&format!("images: {{fastx: '{image}'}}"));
    stage.put("pods", "site-manager-0", |pod| {
        let status: Value = serde_yaml_ng::from_str(READY).unwrap();
        *pod = json!({
            "metadata": {"labels": {meta::CLUSTER: "site", meta::COMPONENT: "manager"}},
            "spec": {"containers": [{"name": "manager", "image": image}]}, "status": status,
        });
    });
    stage.settle().await;
}

/// What the kubelet says of the Pod that was made so long ago.
fn now_is(stage: &Stage, status: &str, seconds: i64) {
    let made = fastx_lifecycle::clock::now() - jiff::SignedDuration::from_secs(seconds);
    stage.put("pods", "desk", |pod| {
        pod["status"] = serde_yaml_ng::from_str(status).unwrap();
        pod["metadata"]["creationTimestamp"] = made.to_string().into();
    });
}

fn image(stage: &Stage) -> String {
    let pod = stage.get("pods", "desk").unwrap();
    let images: BTreeSet<String> = ["initContainers", "containers"]
        .iter()
        .flat_map(|list| pod["spec"][list].as_array().unwrap().clone())
        .map(|c| c["image"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(images.len(), 1, "all of a Pod run one image");
    images.into_iter().next().unwrap()
}

fn shown(stage: &Stage, field: &str) -> Value {
    stage.get("computenodes", "desk").unwrap()["status"][field].clone()
}

fn pending(stage: &Stage) -> Option<(String, String)> {
    let all = shown(stage, "conditions").as_array().unwrap().clone();
    let said = all.into_iter().find(|c| c["type"] == "UpdatePending")?;
    let text = |key: &str| said[key].as_str().unwrap().to_owned();
    Some((text("reason"), text("message")))
}

#[tokio::test]
async fn a_new_image_stays_on_a_machine_where_it_becomes_ready() {
    let stage = site().await;
    roll(&stage, "new:2").await;
    assert_eq!(image(&stage), "new:2");
    now_is(&stage, STARTING, 60);
    stage.settle().await;
    assert_eq!(
        (image(&stage).as_str(), shown(&stage, "image")),
        ("new:2", "old:1".into())
    );
    now_is(&stage, READY, 90);
    stage.settle().await;
    assert_eq!(shown(&stage, "image"), "new:2");
    assert!(shown(&stage, "failedImage").is_null() && pending(&stage).is_none());
    assert_eq!(stage.pass().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_image_that_is_not_ready_on_a_machine_in_time_is_put_back() {
    let stage = site().await;
    roll(&stage, "new:2").await;
    now_is(&stage, STARTING, 121);
    stage.settle().await;
    assert_eq!(image(&stage), "old:1");
    let (reason, message) = pending(&stage).unwrap();
    assert_eq!(reason, "RolledBack");
    let words = "Image `new:2` was not ready here in time, so `old:1` is put back. Sessions go on.";
    assert!(message.starts_with(words), "{message}");
    assert_eq!(shown(&stage, "failedImage"), "new:2");
    // Its mark keeps the others from taking that image.
    let pod = stage.get("pods", "desk").unwrap();
    assert_eq!(
        pod["metadata"]["annotations"]["fastx.dev/sidecar-failed"],
        "new:2"
    );
    now_is(&stage, READY, 10);
    stage.settle().await;
    assert_eq!(image(&stage), "old:1");
    assert_eq!(pending(&stage).unwrap().0, "RolledBack");
    assert_eq!(stage.pass().await, Vec::<String>::new());
    // A successor knows it, too.
    let successor = stage.successor();
    successor.settle().await;
    assert_eq!(image(&successor), "old:1");
    // Another image is tried.
    roll(&stage, "newer:3").await;
    assert_eq!(image(&stage), "newer:3");
    assert!(shown(&stage, "failedImage").is_null());
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_on_a_machine_is_put_back_at_once() {
    let stage = site().await;
    roll(&stage, "new:2").await;
    now_is(&stage, NO_IMAGE, 1);
    stage.settle().await;
    assert_eq!(image(&stage), "old:1");
    let (reason, message) = pending(&stage).unwrap();
    assert_eq!(reason, "RolledBack");
    for words in [
        "Image `new:2` cannot be pulled, so `old:1` is put back",
        "manifest unknown",
    ] {
        assert!(message.contains(words), "{message}");
    }
}
