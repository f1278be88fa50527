//! A site on Redis: it becomes Ready, people sign in and have desktops, and a Redis that starts anew costs nobody theirs.

use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::demo::terminal;
use fastx_tests::eventually::eventually;
use fastx_tests::site::{CLUSTER, NODE, Site, in_site};
use fastx_tests::viewer::Viewer;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_on_redis() {
    let spec = json!({"transporter": {"type": "Redis", "size": "64Mi"}});
    in_site("redis", json!({}), spec, async |site| {
        members_join_with_the_password(site).await?;
        let person = site.sign_in().await?;
        let session = terminal(&person, NODE).await?;
        let id = session.id.to_string();
        Viewer::open(&person, &id).await?.picture().await?;
        let listed = person.sessions().await?;
        assert!(listed.iter().any(|s| s.id == session.id), "{listed:?}");
        start_anew(site).await?;
        // Everybody comes back by themselves: what follows asks the managers over the new server.
        let again = eventually(Duration::from_mins(1), "signing in", async || {
            site.sign_in().await
        })
        .await?;
        let listed = again.sessions().await?;
        assert!(listed.iter().any(|s| s.id == session.id), "{listed:?}");
        Viewer::open(&again, &id).await?.picture().await?;
        again.end(&session).await?;
        Ok::<(), Failure>(())
    })
    .await;
}

/// What the six fields of a `broker.json` say, and that nothing of NATS was made.
async fn members_join_with_the_password(site: &Site) -> Result<(), Failure> {
    let password = site.secret("site-redis-config", "password").await?;
    for name in ["site-manager-broker", "desk-broker"] {
        let broker: Value = serde_json::from_str(&site.secret(name, "broker.json").await?)?;
        let said = [
            "transporterType",
            "host",
            "port",
            "password",
            "rejectUnauthorized",
            "namespace",
        ]
        .map(|field| broker[field].clone());
        let host = format!("site-redis.{}.svc", site.namespace);
        assert_eq!(
            json!(said),
            json!(["redis", host, 6379, password, true, CLUSTER]),
            "{name}"
        );
    }
    let sets: Api<StatefulSet> = Api::namespaced(site.client.clone(), &site.namespace);
    assert!(sets.get_opt("site-nats").await?.is_none());
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(site.client.clone(), &site.namespace);
    let claim = claims.get("data-site-redis-0").await?;
    let phase = claim.status.and_then(|s| s.phase);
    assert_eq!(phase.as_deref(), Some("Bound"));
    Ok(())
}

/// Another Redis in place of the one that runs.
async fn start_anew(site: &Site) -> Result<(), Failure> {
    let pods: Api<Pod> = Api::namespaced(site.client.clone(), &site.namespace);
    let name = "site-redis-0";
    let before = pods.get(name).await?.metadata.uid;
    pods.delete(name, &DeleteParams::default()).await?;
    eventually(
        Duration::from_mins(1),
        "another Redis is ready",
        async || {
            let pod = pods.get(name).await?;
            let conditions = pod.status.and_then(|s| s.conditions).unwrap_or_default();
            let ready = conditions
                .iter()
                .any(|c| c.type_ == "Ready" && c.status == "True");
            if pod.metadata.uid != before && ready {
                Ok(())
            } else {
                Err(Failure::from("it is not"))
            }
        },
    )
    .await
}
