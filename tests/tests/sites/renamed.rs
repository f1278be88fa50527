//! A site that keeps its images in a registry of its own: only chart values name it, and everything comes from there.

use fastx_tests::Failure;
use fastx_tests::demo::terminal;
use fastx_tests::site::{NODE, in_site};
use fastx_tests::viewer::Viewer;
use serde_json::json;

/// Made by `cargo xtask images fastx nats fastx-store --registry example.internal/mirror --tag renamed`.
const REGISTRY: &str = "example.internal/mirror";
const TAG: &str = "renamed";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_image_from_another_registry() {
    let image = |name: &str| json!({"registry": REGISTRY, "repository": name, "tag": TAG});
    let values = json!({
        "images": {"fastx": image("fastx"), "nats": image("nats"), "store": image("fastx-store")},
    });
    in_site("renamed", values, json!({}), async |site| {
        let mut seen = 0;
        for pod in site.pods().await? {
            let spec = pod.spec.unwrap_or_default();
            let all = spec.init_containers.unwrap_or_default();
            for container in all.iter().chain(&spec.containers) {
                let image = container.image.as_deref().unwrap_or_default();
                // 900 MB under a second name would only cost time where Docker carries it.
                if container.name != "desktop" {
                    assert!(image.starts_with(REGISTRY), "{}: {image}", container.name);
                    assert!(image.ends_with(TAG), "{}: {image}", container.name);
                    seen += 1;
                }
            }
        }
        // Operator, two managers, server and helper of the transporter, three of the store, sidecar.
        assert!(seen >= 9, "{seen} containers");
        let person = site.sign_in().await?;
        let session = terminal(&person, NODE).await?;
        let id = session.id.to_string();
        Viewer::open(&person, &id).await?.picture().await?;
        person.end(&session).await?;
        Ok::<(), Failure>(())
    })
    .await;
}
