//! How many requests a service account sends, as the API server itself counts them.
//!
//! Three flow schemas of our own sort them: the API server's metric has one counter for each schema.

use std::time::Duration;

use kube::Client;
use serde_json::{Value, json};

use crate::Failure;
use crate::eventually::eventually;
use crate::kube::{apply, delete};

const METRIC: &str = "apiserver_flowcontrol_dispatched_requests_total";
/// A new schema counts after a second or so; a Lease is renewed every few seconds.
const LIMIT: Duration = Duration::from_mins(1);

/// Requests so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Beginnings of watches.
    pub watches: u64,
    /// Reading and renewing Leases.
    pub leases: u64,
    /// Everything else.
    pub others: u64,
}

/// Counts the requests of one service account.
#[derive(Clone)]
pub struct Counter {
    client: Client,
    name: String,
    manifest: String,
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counter")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Counter {
    /// Begins to count, and waits until the first renewal of a Lease was counted.
    pub async fn attach(client: &Client, namespace: &str, account: &str) -> Result<Self, Failure> {
        let name = format!("fx-count-{:08x}", rand::random::<u32>());
        let manifest = schemas(&name, namespace, account);
        apply(client, namespace, &manifest).await?;
        let counter = Self {
            client: client.clone(),
            name,
            manifest,
        };
        eventually(
            LIMIT,
            "a renewed Lease is counted",
            async || match counter.counts().await? {
                counts if counts.leases > 0 => Ok(()),
                counts => Err(Failure::from(format!("{counts:?}"))),
            },
        )
        .await?;
        Ok(counter)
    }

    /// What was counted so far.
    pub async fn counts(&self) -> Result<Counts, Failure> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let metrics = self.client.request_text(request).await?;
        Ok(read(&metrics, &self.name))
    }

    /// Ends counting.
    pub async fn remove(self) -> Result<(), Failure> {
        delete(&self.client, "", &self.manifest).await
    }
}

fn schemas(name: &str, namespace: &str, account: &str) -> String {
    let all = json!(["*"]);
    let watch = json!(["watch"]);
    let kinds: [(&str, u32, &Value, Value); 3] = [
        ("watches", 2, &watch, all.clone()),
        ("leases", 3, &all, json!(["leases"])),
        ("others", 4, &all, all.clone()),
    ];
    let list = kinds.map(|(kind, precedence, verbs, resources)| {
        let rule = json!({
            "verbs": verbs, "apiGroups": all, "resources": resources,
            "clusterScope": true, "namespaces": all,
        });
        let paths = match kind {
            "others" => json!([{"verbs": all, "nonResourceURLs": all}]),
            _ => json!([]),
        };
        json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
            "kind": "FlowSchema",
            "metadata": {"name": format!("{name}-{kind}")},
            "spec": {
                "matchingPrecedence": precedence,
                "priorityLevelConfiguration": {"name": "workload-high"},
                "rules": [{
                    "subjects": [{
                        "kind": "ServiceAccount",
                        "serviceAccount": {"name": account, "namespace": namespace},
                    }],
                    "resourceRules": [rule],
                    "nonResourceRules": paths,
                }],
            },
        })
        .to_string()
    });
    list.join("\n---\n")
}

fn read(metrics: &str, name: &str) -> Counts {
    let count = |kind: &str| {
        let schema = format!("flow_schema=\"{name}-{kind}\"");
        metrics
            .lines()
            .filter(|line| line.starts_with(METRIC) && line.contains(&schema))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
            .sum()
    };
    Counts {
        watches: count("watches"),
        leases: count("leases"),
        others: count("others"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_schema_has_its_own_count() {
        let metrics = "\
            # TYPE apiserver_flowcontrol_dispatched_requests_total counter\n\
            apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"a-leases\",priority_level=\"x\"} 12\n\
            apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"a-others\",priority_level=\"x\"} 3\n\
            apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"b-others\",priority_level=\"x\"} 5\n";
        let counts = read(metrics, "a");
        assert_eq!((counts.watches, counts.leases, counts.others), (0, 12, 3));
    }

    #[test]
    fn three_schemas_are_three_documents() {
        let documents = crate::kube::documents(&schemas("a", "ns", "me")).unwrap();
        assert_eq!(documents.len(), 3);
    }
}
