//! A site whose authority lives for two minutes: everything is signed anew, again and again, under an open desktop.

use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::demo::terminal;
use fastx_tests::eventually::eventually;
use fastx_tests::person::Person;
use fastx_tests::site::{CLUSTER, NODE, Site, in_site};
use fastx_tests::viewer::Viewer;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::json;

/// Life of an authority: replaced after two thirds of it, trusted until its end.
const AUTHORITY: Duration = Duration::from_mins(2);
/// The first authority ended, and what was signed by the second is in use.
const LIMIT: Duration = Duration::from_mins(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_certificate_is_replaced_under_an_open_desktop() {
    let values = json!({"extraEnv": [
        {"name": "FX_CERT_LIFETIME_SECONDS", "value": "60"},
        {"name": "FX_AUTHORITY_LIFETIME_SECONDS", "value": AUTHORITY.as_secs().to_string()},
    ]});
    in_site("rotation", values, json!({}), async |site| {
        let person = site.sign_in().await?;
        let session = terminal(&person, NODE).await?;
        let mut viewer = Viewer::open(&person, session.id.as_ref()).await?;
        let (authority, store) = signed(site).await?;
        let pods = running(site).await?;

        let mut refused = Vec::new();
        eventually(LIMIT, "the first authority is gone", async || {
            if let Err(error) = everything(site, &person, &mut viewer).await {
                refused.push(error.to_string());
            }
            let bundle = bundle(site).await?;
            let (now, of_store) = signed(site).await?;
            if bundle.contains(&authority) || of_store == store || now == authority {
                return Err(Failure::from("it is trusted still"));
            }
            Ok(())
        })
        .await?;

        assert_eq!(
            refused,
            Vec::<String>::new(),
            "nothing is refused meanwhile"
        );
        assert_eq!(
            running(site).await?,
            pods,
            "no pod and no container began anew"
        );
        // What begins now knows the new authority alone.
        let later = site.sign_in().await?;
        Viewer::open(&later, session.id.as_ref())
            .await?
            .picture()
            .await?;
        viewer.picture().await?;
        person.end(&session).await
    })
    .await;
}

/// What people do all the time: sign in, look at their sessions, look at a desktop that is open.
async fn everything(site: &Site, person: &Person, viewer: &mut Viewer) -> Result<(), Failure> {
    site.sign_in()
        .await
        .map_err(|e| format!("signing in: {e}"))?;
    let sessions = person
        .sessions()
        .await
        .map_err(|e| format!("the list: {e}"))?;
    if sessions.is_empty() {
        return Err("the session is not listed".into());
    }
    viewer
        .picture()
        .await
        .map_err(|e| format!("the open desktop: {e}"))?;
    Ok(())
}

/// The authority that signs, and the store's certificate.
async fn signed(site: &Site) -> Result<(String, String), Failure> {
    let authority = site
        .secret(&format!("{CLUSTER}-authority"), "tls.crt")
        .await?;
    let store = site
        .secret(&format!("{CLUSTER}-store-tls"), "tls.crt")
        .await?;
    Ok((authority, store))
}

async fn bundle(site: &Site) -> Result<String, Failure> {
    site.secret(&format!("{CLUSTER}-authority"), "bundle.crt")
        .await
}

/// Each pod with how often its containers began.
async fn running(site: &Site) -> Result<Vec<(String, i32)>, Failure> {
    let restarts = |pod: &Pod| {
        let status = pod.status.clone().unwrap_or_default();
        let all = [status.container_statuses, status.init_container_statuses];
        all.into_iter()
            .flatten()
            .flatten()
            .map(|c| c.restart_count)
            .sum()
    };
    let mut seen: Vec<_> = site
        .pods()
        .await?
        .iter()
        .map(|pod| (pod.name_any(), restarts(pod)))
        .collect();
    seen.sort();
    Ok(seen)
}
