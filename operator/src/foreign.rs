//! Secrets that others make and a cluster names: each is watched by itself, and read only when it changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::task::AbortHandle;

use crate::queue::{Key, Queue};

/// What the watch of a Secret has told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Seen {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It is not there.
    Absent,
    /// It is there in this version.
    Version(String),
}

#[derive(Default)]
struct Watched {
    seen: Seen,
    task: Option<AbortHandle>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// The Secrets that clusters name.
pub struct Foreign {
    /// None in tests, which tell themselves what is to be seen.
    client: Option<Client>,
    clusters: Arc<Queue>,
    entries: Mutex<BTreeMap<Key, BTreeMap<String, Watched>>>,
}

impl std::fmt::Debug for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Foreign").finish_non_exhaustive()
    }
}

impl Foreign {
    /// Nothing is watched yet. Without a client nothing ever is.
    pub fn new(client: Option<Client>, clusters: Arc<Queue>) -> Arc<Self> {
        Arc::new(Self {
            client,
            clusters,
            entries: Mutex::default(),
        })
    }

    /// Watches exactly these Secrets for a cluster.
    pub fn follow(self: &Arc<Self>, cluster: &Key, names: &BTreeSet<&str>) {
        let mut entries = self.lock();
        let watched = entries.entry(cluster.clone()).or_default();
        watched.retain(|name, _| names.contains(name.as_str()));
        for name in names {
            if watched.contains_key(*name) {
                continue;
            }
            let task = self.client.clone().map(|client| {
                let watch = watch(self.clone(), client, cluster.clone(), (*name).to_owned());
                tokio::spawn(watch).abort_handle()
            });
            let new = Watched {
                seen: Seen::Unknown,
                task,
            };
            watched.insert((*name).to_owned(), new);
        }
    }

    /// What is known of a Secret that is followed.
    pub fn seen(&self, cluster: &Key, name: &str) -> Seen {
        let entries = self.lock();
        let watched = entries.get(cluster).and_then(|names| names.get(name));
        watched.map(|w| w.seen.clone()).unwrap_or_default()
    }

    /// Ends the watches of a cluster that is no more.
    pub fn forget(&self, cluster: &Key) {
        self.lock().remove(cluster);
    }

    /// Wakes the cluster when that is news.
    pub(crate) fn told(&self, cluster: &Key, name: &str, seen: &Seen) {
        let mut entries = self.lock();
        let names = entries.get_mut(cluster);
        let Some(watched) = names.and_then(|names| names.get_mut(name)) else {
            return;
        };
        if watched.seen != *seen {
            watched.seen = seen.clone();
            drop(entries);
            self.clusters.poke(cluster.clone());
        }
    }

    #[cfg(test)]
    pub(crate) fn names(&self, cluster: &Key) -> Vec<String> {
        let entries = self.lock();
        let names = entries.get(cluster).into_iter().flatten();
        names.map(|(name, _)| name.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, BTreeMap<String, Watched>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn watch(foreign: Arc<Foreign>, client: Client, cluster: Key, name: String) {
    let api: Api<PartialObjectMeta<Secret>> = Api::namespaced(client, &cluster.namespace);
    let one = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut stream = std::pin::pin!(watcher(api, one).default_backoff());
    let mut listed = false;
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => listed = false,
            Ok(Event::InitApply(secret) | Event::Apply(secret)) => {
                listed = true;
                let version = secret.resource_version().unwrap_or_default();
                foreign.told(&cluster, &name, &Seen::Version(version));
            }
            Ok(Event::InitDone) if listed => {}
            Ok(Event::InitDone | Event::Delete(_)) => {
                foreign.told(&cluster, &name, &Seen::Absent);
            }
            // The watch tries again by itself.
            Err(error) => {
                let error = fastx_lifecycle::telemetry::chain(&error);
                tracing::debug!(%cluster, name, error, "watch of a Secret interrupted");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn news_wake_the_cluster_once() {
        let queue = Arc::new(Queue::new());
        let foreign = Foreign::new(None, queue.clone());
        let cluster = Key::new("n", "site");
        foreign.follow(&cluster, &["a", "b"].into());
        assert_eq!(foreign.seen(&cluster, "a"), Seen::Unknown);
        foreign.told(&cluster, "a", &Seen::Absent);
        assert_eq!(queue.next().await, cluster);
        queue.done(&cluster, crate::queue::Outcome::Done(None), 0.0);
        foreign.told(&cluster, "a", &Seen::Absent);
        foreign.told(&cluster, "stranger", &Seen::Absent);
        assert!(queue.is_empty());
        foreign.told(&cluster, "a", &Seen::Version("7".into()));
        assert_eq!(queue.next().await, cluster);
        // What is named no more is forgotten, the rest is kept.
        foreign.follow(&cluster, &["a"].into());
        assert_eq!(foreign.names(&cluster), ["a"]);
        assert_eq!(foreign.seen(&cluster, "a"), Seen::Version("7".into()));
        foreign.forget(&cluster);
        assert_eq!(foreign.seen(&cluster, "a"), Seen::Unknown);
    }
}
