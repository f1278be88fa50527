//! What the managers last said of each cluster, kept by one stream for each.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastx_core::names::ServerId;
use fastx_core::wire::status::{ClusterStatus, NodeStatus};
use fastx_lifecycle::backoff::Backoff;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::client::{Endpoint, ManagerError};
use crate::queue::{Key, Queue};

/// A report older than this says nothing.
pub(super) const FRESH: Duration = Duration::from_secs(30);

/// What is known of a cluster's managers.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Their last status, if it is fresh.
    pub status: Option<Arc<ClusterStatus>>,
    /// Why there is none.
    pub error: Option<String>,
    /// How much longer silence means nothing: this replica has only just begun to listen.
    pub settling: Option<Duration>,
}

#[derive(Default)]
struct Entry {
    endpoint: Option<watch::Sender<Endpoint>>,
    identity: String,
    task: Option<AbortHandle>,
    last: Option<(Arc<ClusterStatus>, Instant)>,
    error: Option<String>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// One status stream for each cluster. Wakes the controllers when something changed that they show.
pub struct Reports {
    since: Instant,
    entries: Mutex<HashMap<Key, Entry>>,
    clusters: Arc<Queue>,
    nodes: Arc<Queue>,
}

impl std::fmt::Debug for Reports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reports").finish_non_exhaustive()
    }
}

impl Reports {
    /// No streams yet.
    pub fn new(clusters: Arc<Queue>, nodes: Arc<Queue>) -> Arc<Self> {
        Arc::new(Self {
            since: Instant::now(),
            entries: Mutex::default(),
            clusters,
            nodes,
        })
    }

    /// Follows the managers of a cluster at this endpoint. `identity` is what the endpoint was made of.
    pub fn follow(self: &Arc<Self>, cluster: &Key, endpoint: Endpoint, identity: String) {
        let mut entries = self.lock();
        let entry = entries.entry(cluster.clone()).or_default();
        if entry.identity == identity {
            return;
        }
        entry.identity = identity;
        // An open stream goes on; the next connection uses the new endpoint.
        if let Some(sender) = &entry.endpoint {
            sender.send_replace(endpoint);
            return;
        }
        let (sender, receiver) = watch::channel(endpoint);
        entry.endpoint = Some(sender);
        let task = tokio::spawn(stream(self.clone(), cluster.clone(), receiver));
        entry.task = Some(task.abort_handle());
    }

    /// The endpoint of a cluster's managers, once there is one.
    pub fn endpoint(&self, cluster: &Key) -> Option<Endpoint> {
        let entries = self.lock();
        let sender = entries.get(cluster)?.endpoint.as_ref()?;
        Some(sender.borrow().clone())
    }

    /// Ends the stream of a cluster that is no more.
    pub fn forget(&self, cluster: &Key) {
        self.lock().remove(cluster);
    }

    /// What the managers of a cluster last said.
    pub fn get(&self, cluster: &Key) -> Report {
        let entries = self.lock();
        let Some(entry) = entries.get(cluster) else {
            return Report {
                settling: left(self.since),
                ..Report::default()
            };
        };
        let fresh = entry
            .last
            .as_ref()
            .filter(|(_, at)| at.elapsed() <= FRESH)
            .map(|(status, _)| status.clone());
        Report {
            settling: if entry.last.is_some() {
                None
            } else {
                left(self.since)
            },
            status: fresh,
            error: entry.error.clone(),
        }
    }

    fn received(&self, cluster: &Key, status: ClusterStatus) {
        let status = Arc::new(status);
        let before = {
            let mut entries = self.lock();
            let Some(entry) = entries.get_mut(cluster) else {
                return;
            };
            entry.error = None;
            let before = entry.last.replace((status.clone(), Instant::now()));
            before
                .filter(|(_, at)| at.elapsed() <= FRESH)
                .map(|(s, _)| s)
        };
        self.wake(cluster, before.as_deref(), Some(&status));
    }

    fn failed(&self, cluster: &Key, error: &ManagerError) {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(cluster) else {
            return;
        };
        let text = Some(error.to_string());
        if entry.error != text {
            tracing::info!(cluster = %cluster, %error, "no status from the managers");
            entry.error = text;
            drop(entries);
            self.clusters.poke(cluster.clone());
        }
    }

    /// The last report grew too old.
    fn expired(&self, cluster: &Key) {
        let before = {
            let mut entries = self.lock();
            entries.get_mut(cluster).and_then(|e| e.last.take())
        };
        if let Some((before, _)) = before {
            self.wake(cluster, Some(&before), None);
        }
    }

    fn wake(&self, cluster: &Key, before: Option<&ClusterStatus>, after: Option<&ClusterStatus>) {
        if before.map(steady) == after.map(steady) {
            return;
        }
        self.clusters.poke(cluster.clone());
        let node = |status: Option<&ClusterStatus>, id| {
            status.and_then(|s: &ClusterStatus| s.nodes.get(id).map(steady_node))
        };
        let ids: BTreeSet<_> = [before, after]
            .into_iter()
            .flatten()
            .flat_map(|s| s.nodes.keys().chain(s.joins.iter().map(|j| &j.server_id)))
            .collect();
        let join = |status: Option<&ClusterStatus>, id: &ServerId| {
            let joins = &status?.joins;
            joins.iter().find(|j| j.server_id == *id).cloned()
        };
        for id in ids {
            let same = node(before, id) == node(after, id) && join(before, id) == join(after, id);
            if before.is_none() || after.is_none() || !same {
                self.nodes.poke(Key::new(&cluster.namespace, id.as_str()));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left of the time in which silence means nothing.
fn left(since: Instant) -> Option<Duration> {
    FRESH.checked_sub(since.elapsed()).filter(|d| !d.is_zero())
}

/// A status without what changes with each heartbeat and without who says it.
fn steady(status: &ClusterStatus) -> ClusterStatus {
    let mut steady = status.clone();
    steady.at = Timestamp::UNIX_EPOCH;
    steady
        .manager
        .clone_from(status.managers.first().unwrap_or(&status.manager));
    steady.leading = false;
    steady.store.round_trip_ms = 0;
    steady.bus.round_trip_ms = 0;
    for node in steady.nodes.values_mut() {
        *node = steady_node(node);
    }
    steady
}

fn steady_node(node: &NodeStatus) -> NodeStatus {
    NodeStatus {
        last_seen: Timestamp::UNIX_EPOCH,
        ..node.clone()
    }
}

async fn stream(reports: Arc<Reports>, cluster: Key, mut endpoint: watch::Receiver<Endpoint>) {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    loop {
        let current = endpoint.borrow_and_update().clone();
        let mut heard = false;
        let error = {
            let follow = current.follow(|status| {
                heard = true;
                reports.received(&cluster, status);
            });
            follow.await
        };
        if heard {
            backoff.reset();
        }
        reports.failed(&cluster, &error);
        let wait = backoff.next(&mut rand::rng());
        let stale = {
            let entries = reports.lock();
            let last = entries.get(&cluster).and_then(|e| e.last.as_ref());
            last.map(|(_, at)| *at + FRESH)
        };
        // A new endpoint is worth a try at once.
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            changed = endpoint.changed() => if changed.is_err() { return },
        }
        if stale.is_some_and(|at| at <= Instant::now()) {
            reports.expired(&cluster);
        }
    }
}

#[cfg(test)]
impl Reports {
    /// As one that has listened long enough for silence to mean something.
    pub(crate) fn settled(clusters: Arc<Queue>, nodes: Arc<Queue>) -> Arc<Self> {
        let reports = Self::new(clusters, nodes);
        let mut reports = Arc::into_inner(reports).expect("nobody else has it yet");
        reports.since = reports
            .since
            .checked_sub(FRESH)
            .expect("the clock is older");
        Arc::new(reports)
    }

    /// Managers at this endpoint say this.
    pub(crate) fn told(&self, cluster: &Key, endpoint: Endpoint, status: ClusterStatus) {
        self.lock()
            .entry(cluster.clone())
            .or_default()
            .endpoint
            .get_or_insert_with(|| watch::Sender::new(endpoint));
        self.received(cluster, status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(last_seen: &str, sessions: u32) -> ClusterStatus {
        serde_json::from_value(json!({
            "at": last_seen, "manager": "manager-a", "leading": true,
            "store": {"ok": true, "roundTripMs": sessions}, "bus": {"ok": true},
            "managers": ["manager-a"],
            "nodes": {
                "x": {"online": true, "lastSeen": last_seen, "sessions": sessions},
                "y": {"online": true, "lastSeen": last_seen},
            },
        }))
        .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_wake_nobody_and_changes_wake_whom_they_concern() {
        let (clusters, nodes) = (Arc::new(Queue::new()), Arc::new(Queue::new()));
        let reports = Reports::new(clusters.clone(), nodes.clone());
        let key = Key::new("n", "site");
        reports.lock().insert(key.clone(), Entry::default());
        reports.received(&key, status("2026-01-01T00:00:00Z", 1));
        assert_eq!((clusters.len(), nodes.len()), (1, 2));
        for queue in [&clusters, &nodes, &nodes] {
            let key = queue.next().await;
            queue.done(&key, crate::queue::Outcome::Done(None), 0.0);
        }
        reports.received(&key, status("2026-01-01T00:00:05Z", 1));
        assert_eq!((clusters.len(), nodes.len()), (0, 0));
        reports.received(&key, status("2026-01-01T00:00:10Z", 2));
        assert_eq!((clusters.len(), nodes.len()), (1, 1));
        assert_eq!(nodes.next().await.name, "x");
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_asks_to_join_wakes_the_cluster_and_the_node_of_its_name() {
        let (clusters, nodes) = (Arc::new(Queue::new()), Arc::new(Queue::new()));
        let reports = Reports::new(clusters.clone(), nodes.clone());
        let key = Key::new("n", "site");
        reports.lock().insert(key.clone(), Entry::default());
        reports.received(&key, status("2026-01-01T00:00:00Z", 1));
        for queue in [&clusters, &nodes, &nodes] {
            let key = queue.next().await;
            queue.done(&key, crate::queue::Outcome::Done(None), 0.0);
        }
        let mut asked = status("2026-01-01T00:00:05Z", 1);
        asked.joins =
            vec![serde_json::from_value(json!({"serverId": "new", "publicKey": "U"})).unwrap()];
        reports.received(&key, asked.clone());
        assert_eq!((clusters.len(), nodes.len()), (1, 1));
        assert_eq!(nodes.next().await.name, "new");
        let key = clusters.next().await;
        clusters.done(&key, crate::queue::Outcome::Done(None), 0.0);
        asked.at = "2026-01-01T00:00:10Z".parse().unwrap();
        reports.received(&key, asked);
        assert_eq!(clusters.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_means_nothing_at_first() {
        let reports = Reports::new(Arc::default(), Arc::default());
        let key = Key::new("n", "site");
        assert_eq!(reports.get(&key).settling, Some(FRESH));
        tokio::time::advance(FRESH / 3).await;
        reports.lock().insert(key.clone(), Entry::default());
        assert_eq!(reports.get(&key).settling, Some(FRESH * 2 / 3));
        reports.received(&key, status("2026-01-01T00:00:00Z", 1));
        assert_eq!(reports.get(&key).settling, None);
        let other = Key::new("n", "other");
        tokio::time::advance(FRESH).await;
        assert_eq!(reports.get(&other).settling, None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_report_is_none() {
        let reports = Reports::new(Arc::default(), Arc::default());
        let key = Key::new("n", "site");
        reports.lock().insert(key.clone(), Entry::default());
        reports.received(&key, status("2026-01-01T00:00:00Z", 1));
        assert!(reports.get(&key).status.is_some());
        tokio::time::advance(FRESH + Duration::from_secs(1)).await;
        assert!(reports.get(&key).status.is_none());
    }
}
