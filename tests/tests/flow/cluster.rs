//! The demo cluster: its addresses, users, pods and processes.

use std::time::Duration;

use fastx_core::wire::session::SessionRecord;
use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::person::Person;
use fastx_tests::processes::{self, Process};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::discovery::ApiResource;
use serde_json::json;

/// Namespace of the demo.
pub(crate) const NAMESPACE: &str = "fastx-demo";
const OPERATOR_NAMESPACE: &str = "fastx-system";
const PASSWORD: &str = "demo-please-change";

/// Everything that the tests need to know.
pub(crate) struct Demo {
    pub(crate) client: kube::Client,
    ip: String,
}

impl Demo {
    pub(crate) async fn find() -> Result<Self, Failure> {
        let client = fastx_tests::kube::client().await?;
        let nodes: Api<Node> = Api::all(client.clone());
        let node = nodes
            .list(&ListParams::default())
            .await?
            .items
            .pop()
            .ok_or("the cluster has no node")?;
        let ip = node
            .status
            .and_then(|s| s.addresses)
            .and_then(|all| all.into_iter().find(|a| a.type_ == "InternalIP"))
            .ok_or("the node has no address")?
            .address;
        Ok(Self { client, ip })
    }

    /// Address of a node: `any`, `alpha`, `beta`.
    pub(crate) fn address(&self, node: &str) -> String {
        let port = match node {
            "alpha" => 30301,
            "beta" => 30302,
            _ => 30300,
        };
        format!("https://{}:{port}", self.ip)
    }

    /// Signs in at a node, waiting for it to be there.
    pub(crate) async fn sign_in(&self, login: &str, node: &str) -> Result<Person, Failure> {
        let address = self.address(node);
        eventually(Duration::from_mins(1), "signing in", async || {
            Person::sign_in(&address, login, PASSWORD).await
        })
        .await
    }

    /// The pod of a component, or of a node by its name.
    pub(crate) async fn pod(&self, selector: &str) -> Result<Pod, Failure> {
        let operator = selector == of_operator();
        let namespace = if operator {
            OPERATOR_NAMESPACE
        } else {
            NAMESPACE
        };
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let all = pods.list(&ListParams::default().labels(selector)).await?;
        all.items
            .into_iter()
            .find(|p| p.metadata.deletion_timestamp.is_none())
            .ok_or_else(|| format!("no pod with {selector}").into())
    }

    /// A process of such a pod, by parts of its command line.
    pub(crate) async fn process(
        &self,
        selector: &str,
        patterns: &[&str],
    ) -> Result<Process, Failure> {
        let pod = self.pod(selector).await?;
        processes::one_of_pod(&pod.metadata.uid.unwrap_or_default(), patterns)
    }

    /// Waits until cluster and nodes say Ready.
    pub(crate) async fn ready(&self) -> Result<(), Failure> {
        eventually(Duration::from_mins(2), "the cluster is Ready", async || {
            for (kind, plural) in [
                ("FastXCluster", "fastxclusters"),
                ("ComputeNode", "computenodes"),
            ] {
                self.kind_ready(kind, plural).await?;
            }
            Ok::<(), Failure>(())
        })
        .await
    }

    async fn kind_ready(&self, kind: &str, plural: &str) -> Result<(), Failure> {
        let resource = ApiResource {
            group: "fastx.dev".into(),
            version: "v1alpha1".into(),
            api_version: "fastx.dev/v1alpha1".into(),
            kind: kind.into(),
            plural: plural.into(),
        };
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), NAMESPACE, &resource);
        for object in api.list(&ListParams::default()).await? {
            let name = object.metadata.name.unwrap_or_default();
            let conditions = object.data["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let ready = conditions.iter().find(|c| c["type"] == "Ready");
            if ready.is_none_or(|c| c["status"] != "True") {
                return Err(
                    format!("{kind} {name}: {}", ready.cloned().unwrap_or_default()).into(),
                );
            }
        }
        Ok(())
    }
}

/// Starts a terminal on a server and waits for its display.
pub(crate) async fn terminal(person: &Person, server: &str) -> Result<SessionRecord, Failure> {
    person
        .start(
            json!({"command": "xterm", "name": "test", "geometry": "800x600", "serverId": server}),
        )
        .await
}

/// Selector of a compute node's pod.
pub(crate) fn of_node(name: &str) -> String {
    format!("fastx.dev/node={name}")
}

/// Selector of the pods of a component.
pub(crate) fn of_component(name: &str) -> String {
    format!("app.kubernetes.io/component={name}")
}

/// Selector of the operator's pods.
pub(crate) fn of_operator() -> String {
    "app.kubernetes.io/name=fastx-operator".to_owned()
}
