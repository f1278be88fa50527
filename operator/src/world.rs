//! Everything that is known of the watched namespaces, and which controller hears of which change.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastx_crds::{BalancerScript, ComputeNode, FastXCluster};
use kube::core::{DeserializeGuard, DynamicObject, ObjectMeta, PartialObjectMeta};
use kube::{Resource, ResourceExt};

use crate::cache::{Cache, Change};
use crate::cluster::material::Holder;
use crate::kind::Kind;
use crate::meta;
use crate::names;
use crate::pods::PodView;
use crate::queue::{Key, Queue};

/// Metadata of an object that we made.
pub type Child = PartialObjectMeta<DynamicObject>;

/// Caches of all kinds, and the controllers' queues.
#[derive(Debug)]
pub struct World {
    /// Clusters, readable or not.
    pub clusters: Cache<DeserializeGuard<FastXCluster>>,
    /// Nodes, readable or not.
    pub nodes: Cache<DeserializeGuard<ComputeNode>>,
    /// Scripts, readable or not.
    pub scripts: Cache<DeserializeGuard<BalancerScript>>,
    /// Our Pods.
    pub pods: Cache<PodView>,
    children: BTreeMap<Kind, Cache<Child>>,
    /// Machines of Kubernetes, where they may be seen.
    pub machines: Cache<Child>,
    /// Clusters to work on.
    pub cluster_queue: Arc<Queue>,
    /// Nodes to work on.
    pub node_queue: Arc<Queue>,
    /// Scripts to work on.
    pub script_queue: Arc<Queue>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            clusters: Cache::default(),
            nodes: Cache::default(),
            scripts: Cache::default(),
            pods: Cache::default(),
            children: Kind::ALL
                .into_iter()
                .chain([Kind::Certificate])
                .map(|k| (k, Cache::default()))
                .collect(),
            machines: Cache::default(),
            cluster_queue: Arc::default(),
            node_queue: Arc::default(),
            script_queue: Arc::default(),
        }
    }
}

impl World {
    /// What we made of a kind.
    pub(crate) fn children(&self, kind: Kind) -> &Cache<Child> {
        self.children
            .get(&kind)
            .expect("there is a cache for each kind")
    }

    /// Nodes of a cluster that could be read, by name.
    pub fn nodes_of(&self, cluster: &Key) -> Vec<Arc<ComputeNode>> {
        readable(&self.nodes, &cluster.namespace)
            .filter(|n| n.spec.cluster_ref.name == cluster.name)
            .map(Arc::new)
            .collect()
    }

    /// Nodes of a namespace that could be read, whatever their cluster.
    pub fn nodes_in(&self, namespace: &str) -> Vec<Arc<ComputeNode>> {
        readable(&self.nodes, namespace).map(Arc::new).collect()
    }

    /// Scripts of a cluster that could be read, by name.
    pub fn scripts_of(&self, cluster: &Key) -> Vec<Arc<BalancerScript>> {
        readable(&self.scripts, &cluster.namespace)
            .filter(|s| s.spec.cluster_ref.name == cluster.name)
            .map(Arc::new)
            .collect()
    }

    /// A cluster, if there is a readable one.
    pub fn cluster(&self, key: &Key) -> Option<FastXCluster> {
        self.clusters
            .get(key)
            .and_then(|guard| guard.0.clone().ok())
    }

    /// Pods of a cluster with this label value of `component`; all but nodes' when none is given.
    pub fn pods_of(&self, cluster: &Key) -> Vec<Arc<PodView>> {
        self.pods
            .list(&cluster.namespace)
            .into_iter()
            .filter(|p| p.label(meta::CLUSTER) == Some(&cluster.name))
            .collect()
    }

    /// A cluster changed.
    pub fn cluster_changed(&self, change: &Change<'_, DeserializeGuard<FastXCluster>>) {
        if signature(change.before) == signature(change.after) {
            return;
        }
        self.cluster_queue.poke(change.key.clone());
        self.poke_members(change.key);
    }

    /// A node changed.
    pub fn node_changed(&self, change: &Change<'_, DeserializeGuard<ComputeNode>>) {
        if signature(change.before) == signature(change.after) {
            return;
        }
        self.node_queue.poke(change.key.clone());
        for guard in [change.before, change.after].into_iter().flatten() {
            if let Ok(node) = &guard.0 {
                let cluster = &node.spec.cluster_ref.name;
                self.cluster_queue
                    .poke(Key::new(&change.key.namespace, cluster));
            }
        }
    }

    /// A script changed. The cluster's configuration also depends on its last good source.
    pub fn script_changed(&self, change: &Change<'_, DeserializeGuard<BalancerScript>>) {
        if signature(change.before) != signature(change.after) {
            self.script_queue.poke(change.key.clone());
        }
        let part = |guard: Option<&DeserializeGuard<BalancerScript>>| {
            let script = guard?.0.as_ref().ok()?;
            let good = script.status.as_ref().and_then(|s| s.last_good.clone());
            Some((script.spec.clone(), good))
        };
        let (before, after) = (part(change.before), part(change.after));
        if before != after {
            for (spec, _) in [before, after].into_iter().flatten() {
                let cluster = Key::new(&change.key.namespace, spec.cluster_ref.name);
                self.cluster_queue.poke(cluster);
            }
        }
    }

    /// Something that we made changed.
    pub fn child_changed(&self, kind: Kind, change: &Change<'_, Child>) {
        let version = |o: Option<&Child>| o.and_then(|o| o.metadata.resource_version.clone());
        if version(change.before) == version(change.after) {
            return;
        }
        let Some(metadata) = change.after.or(change.before).map(|o| &o.metadata) else {
            return;
        };
        let Some(cluster) = self.poke_owner(change.key, metadata) else {
            return;
        };
        // Nodes' identities and Pods are made of these.
        let is_shared = match kind {
            Kind::Secret => [
                names::bus_keys(&cluster.name),
                names::redis_config(&cluster.name),
                names::authority(&cluster.name),
                Holder::Web.secret(&cluster.name),
            ]
            .contains(&change.key.name),
            Kind::ServiceAccount => true,
            _ => false,
        };
        if is_shared {
            self.poke_members(&cluster);
        }
    }

    /// A Pod of ours changed.
    pub fn pod_changed(&self, change: &Change<'_, PodView>) {
        let Some(pod) = change.after.or(change.before) else {
            return;
        };
        let Some(cluster) = self.poke_owner(change.key, &pod.metadata) else {
            return;
        };
        // Other members learn where a machine is reached.
        let address = |pod: Option<&PodView>| pod.map(|p| p.status.pod_ip.clone());
        if pod.label(meta::NODE).is_some() && address(change.before) != address(change.after) {
            self.cluster_queue.poke(cluster.clone());
        }
        // Nodes get the image that managers have proved.
        let ready = |pod: Option<&PodView>| pod.is_some_and(PodView::ready);
        if pod.label(meta::COMPONENT) == Some("manager")
            && ready(change.before) != ready(change.after)
        {
            self.poke_members(&cluster);
        }
    }

    /// A machine of Kubernetes came, went or got other labels.
    pub fn machine_changed(&self, change: &Change<'_, Child>) {
        let labels = |o: Option<&Child>| o.map(|o| o.metadata.labels.clone());
        if labels(change.before) == labels(change.after) {
            return;
        }
        for (key, cluster) in self.clusters.all() {
            if cluster.0.as_ref().is_ok_and(|c| c.spec.hosts.is_some()) {
                self.cluster_queue.poke(key);
            }
        }
    }

    fn poke_owner(&self, key: &Key, metadata: &ObjectMeta) -> Option<Key> {
        let label = |name: &str| metadata.labels.as_ref().and_then(|l| l.get(name)).cloned();
        let cluster = Key::new(&key.namespace, label(meta::CLUSTER)?);
        match label(meta::NODE) {
            Some(node) => self.node_queue.poke(Key::new(&key.namespace, node)),
            None => self.cluster_queue.poke(cluster.clone()),
        }
        Some(cluster)
    }

    /// Nodes and scripts of a cluster.
    pub fn poke_members(&self, cluster: &Key) {
        for node in self.nodes_of(cluster) {
            self.node_queue
                .poke(Key::new(&cluster.namespace, node.name_any()));
        }
        for script in self.scripts_of(cluster) {
            self.script_queue
                .poke(Key::new(&cluster.namespace, script.name_any()));
        }
    }
}

fn readable<K: Resource + Clone>(
    cache: &Cache<DeserializeGuard<K>>,
    namespace: &str,
) -> impl Iterator<Item = K> {
    cache
        .list(namespace)
        .into_iter()
        .filter_map(|guard| guard.0.clone().ok())
}

/// What matters of an object besides its status: our own status writes must not wake us.
#[derive(PartialEq)]
struct Signature {
    uid: Option<String>,
    generation: Option<i64>,
    is_deleting: bool,
    finalizers: Vec<String>,
    annotations: BTreeMap<String, String>,
}

fn signature<K: Resource>(object: Option<&DeserializeGuard<K>>) -> Option<Signature> {
    object.map(|object| {
        let metadata = object.meta();
        Signature {
            uid: metadata.uid.clone(),
            generation: metadata.generation,
            is_deleting: metadata.deletion_timestamp.is_some(),
            finalizers: metadata.finalizers.clone().unwrap_or_default(),
            annotations: metadata.annotations.clone().unwrap_or_default(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(yaml: &str) -> DeserializeGuard<ComputeNode> {
        serde_yaml_ng::from_str(&format!(
            "apiVersion: fastx.dev/v1alpha1\nkind: ComputeNode\nmetadata: {{name: desk, namespace: n, generation: 1}}\n{yaml}"
        ))
        .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_own_status_write_wakes_nobody() {
        let world = World::default();
        let key = Key::new("n", "desk");
        let spec = "spec: {clusterRef: {name: site}, external: {}}";
        let before = node(spec);
        let after = node(&format!("{spec}\nstatus: {{sessions: 3}}"));
        let change = |before, after| Change {
            key: &key,
            before,
            after,
        };
        world.node_changed(&change(Some(&before), Some(&after)));
        assert!(world.node_queue.is_empty() && world.cluster_queue.is_empty());
        world.node_changed(&change(None, Some(&after)));
        assert_eq!(world.node_queue.next().await, key);
        assert_eq!(world.cluster_queue.next().await, Key::new("n", "site"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_cannot_be_read_does_not_stop_the_others() {
        let world = World::default();
        world.nodes.set(
            &Key::new("n", "bad"),
            Some(Arc::new(node("spec: {clusterRef: 7}"))),
        );
        world.nodes.set(
            &Key::new("n", "desk"),
            Some(Arc::new(node(
                "spec: {clusterRef: {name: site}, external: {}}",
            ))),
        );
        assert_eq!(world.nodes_of(&Key::new("n", "site")).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_authority_wakes_the_nodes() {
        let world = World::default();
        world.nodes.set(
            &Key::new("n", "desk"),
            Some(Arc::new(node(
                "spec: {clusterRef: {name: site}, external: {}}",
            ))),
        );
        let secret: Child = serde_yaml_ng::from_str(
            "metadata: {name: site-authority, namespace: n, resourceVersion: '1', labels: {fastx.dev/cluster: site}}",
        )
        .unwrap();
        let key = Key::new("n", "site-authority");
        let change = Change {
            key: &key,
            before: None,
            after: Some(&secret),
        };
        world.child_changed(Kind::Secret, &change);
        assert_eq!(world.node_queue.next().await, Key::new("n", "desk"));
        assert_eq!(world.cluster_queue.next().await, Key::new("n", "site"));
    }
}
