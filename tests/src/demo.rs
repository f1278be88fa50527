//! The demo cluster: its addresses, users, pods and processes.

use std::time::Duration;

use fastx_core::wire::session::SessionRecord;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::json;

use crate::Failure;
use crate::eventually::eventually;
use crate::person::Person;
use crate::processes::{self, Process};
use crate::ready;

/// Namespace of the demo.
pub const NAMESPACE: &str = "fastx-demo";
/// Namespace of its operator.
pub const OPERATOR_NAMESPACE: &str = "fastx-system";
/// Password of all users of `manifests/examples/10-users.yaml`.
pub const PASSWORD: &str = "demo-please-change";

/// Everything that one needs to know about it.
pub struct Demo {
    /// A client with an administrator's rights.
    pub client: Client,
    ip: String,
}

impl std::fmt::Debug for Demo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Demo")
            .field("ip", &self.ip)
            .finish_non_exhaustive()
    }
}

impl Demo {
    /// The one that `cargo xtask demo up` made.
    pub async fn find() -> Result<Self, Failure> {
        let client = crate::kube::client().await?;
        let ip = ready::node_address(&client).await?;
        Ok(Self { client, ip })
    }

    /// Address of a node: `any`, `alpha`, `beta`.
    pub fn address(&self, node: &str) -> String {
        let port = match node {
            "alpha" => 30301,
            "beta" => 30302,
            _ => 30300,
        };
        format!("https://{}:{port}", self.ip)
    }

    /// Signs in at a node, waiting for it to be there.
    pub async fn sign_in(&self, login: &str, node: &str) -> Result<Person, Failure> {
        let address = self.address(node);
        eventually(Duration::from_mins(1), "signing in", async || {
            Person::sign_in(&address, login, PASSWORD).await
        })
        .await
    }

    /// All pods of a component, or of a node by its name.
    pub async fn pods(&self, selector: &str) -> Result<Vec<Pod>, Failure> {
        let namespace = if selector == of_operator() {
            OPERATOR_NAMESPACE
        } else {
            NAMESPACE
        };
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut all = pods
            .list(&ListParams::default().labels(selector))
            .await?
            .items;
        all.retain(|p| p.metadata.deletion_timestamp.is_none());
        Ok(all)
    }

    /// The first of them.
    pub async fn pod(&self, selector: &str) -> Result<Pod, Failure> {
        let all = self.pods(selector).await?;
        all.into_iter()
            .next()
            .ok_or_else(|| format!("no pod with {selector}").into())
    }

    /// A process of such a pod, by parts of its command line.
    pub async fn process(&self, selector: &str, patterns: &[&str]) -> Result<Process, Failure> {
        let pod = self.pod(selector).await?;
        processes::one_of_pod(&pod.metadata.uid.unwrap_or_default(), patterns)
    }

    /// Waits until cluster and nodes say Ready.
    pub async fn ready(&self) -> Result<(), Failure> {
        ready::ready(&self.client, NAMESPACE, Duration::from_mins(2)).await
    }

    /// Our objects of a kind: `FastXCluster`, `ComputeNode`.
    pub fn objects(&self, kind: &str) -> Api<DynamicObject> {
        ready::objects(&self.client, NAMESPACE, kind)
    }
}

/// Starts a terminal on a server and waits for its display.
pub async fn terminal(person: &Person, server: &str) -> Result<SessionRecord, Failure> {
    person
        .start(
            json!({"command": "xterm", "name": "test", "geometry": "800x600", "serverId": server}),
        )
        .await
}

/// Selector of a compute node's pod.
pub fn of_node(name: &str) -> String {
    format!("fastx.dev/node={name}")
}

/// Selector of the pods of a component.
pub fn of_component(name: &str) -> String {
    format!("app.kubernetes.io/component={name}")
}

/// Selector of the operator's pods.
pub fn of_operator() -> String {
    "app.kubernetes.io/name=fastx-operator".to_owned()
}
