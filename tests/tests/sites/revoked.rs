//! A site whose keys were stolen: after their Secrets are deleted nothing signed before counts, and people go on.

use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::demo::terminal;
use fastx_tests::eventually::eventually;
use fastx_tests::ready;
use fastx_tests::site::{CLUSTER, NODE, Site, in_site};
use fastx_tests::viewer::Viewer;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, DeleteParams};
use serde_json::json;

/// From a deleted Secret to everybody using what was made anew.
const LIMIT: Duration = Duration::from_mins(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stolen_keys_are_replaced_by_deleting_their_secrets() {
    in_site("revoked", json!({}), json!({}), async |site| {
        let person = site.sign_in().await?;
        let session = terminal(&person, NODE).await?;
        let mut viewer = Viewer::open(&person, session.id.as_ref()).await?;

        let authority = format!("{CLUSTER}-authority");
        let stolen = site.secret(&authority, "tls.crt").await?;
        anew(site, &authority, "bundle.crt").await?;
        used(site, "the authority").await?;
        for part in ["store", "nats", "manager", "web"] {
            let trusted = site
                .secret(&format!("{CLUSTER}-{part}-tls"), "ca.crt")
                .await?;
            assert!(
                !trusted.contains(&stolen),
                "{part} trusts the stolen authority"
            );
        }

        let keys = format!("{CLUSTER}-bus-keys");
        anew(site, &keys, "issued").await?;
        restart(site, &format!("{CLUSTER}-nats-0")).await?;
        used(site, "the keys of the bus").await?;

        viewer.picture().await?;
        let later = site.sign_in().await?;
        Viewer::open(&later, session.id.as_ref())
            .await?
            .picture()
            .await?;
        later.end(&session).await
    })
    .await;
}

/// Deletes a Secret and waits for the one that the operator makes instead.
async fn anew(site: &Site, name: &str, key: &str) -> Result<(), Failure> {
    let secrets: Api<Secret> = Api::namespaced(site.client.clone(), &site.namespace);
    let before = secrets.get(name).await?.metadata.uid;
    secrets.delete(name, &DeleteParams::default()).await?;
    eventually(LIMIT, &format!("Secret {name} is made anew"), async || {
        let present = secrets.get(name).await?;
        if present.metadata.uid == before {
            return Err(Failure::from("it is the deleted one"));
        }
        site.secret(name, key).await.map(drop)
    })
    .await
}

/// Deletes a Pod and waits for the one that takes its place: until then the old one may still answer.
async fn restart(site: &Site, name: &str) -> Result<(), Failure> {
    let pods: Api<Pod> = Api::namespaced(site.client.clone(), &site.namespace);
    let before = pods.get(name).await?.metadata.uid;
    pods.delete(name, &DeleteParams::default()).await?;
    eventually(LIMIT, &format!("Pod {name} is ready again"), async || {
        let present = pods.get(name).await?;
        let conditions = present.status.and_then(|status| status.conditions);
        let ready = conditions
            .unwrap_or_default()
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "True");
        if present.metadata.uid == before || !ready {
            return Err(Failure::from("it is the deleted one, or not ready yet"));
        }
        Ok(())
    })
    .await
}

/// The cluster is Ready, somebody signs in, and starts and ends a terminal.
async fn used(site: &Site, after: &str) -> Result<(), Failure> {
    let what = format!("a start with {after} made anew");
    eventually(LIMIT, &what, async || {
        ready::ready(&site.client, &site.namespace, LIMIT).await?;
        let person = site.sign_in().await?;
        let session = terminal(&person, NODE).await?;
        Viewer::open(&person, session.id.as_ref())
            .await?
            .picture()
            .await?;
        person.end(&session).await
    })
    .await
}
