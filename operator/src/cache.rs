//! What the API server has of one kind, kept by a watch. Deletions and restarts of the watch are told like changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock};

use fastx_lifecycle::readiness::Block;
use futures::{Stream, StreamExt as _};
use kube::ResourceExt;
use kube::runtime::watcher::{self, Event};

use crate::queue::Key;

/// The objects of one kind in all watched namespaces.
#[derive(Debug)]
pub struct Cache<T> {
    objects: RwLock<BTreeMap<Key, Arc<T>>>,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self {
            objects: RwLock::default(),
        }
    }
}

/// One change: the object before and after it.
#[derive(Debug)]
pub struct Change<'a, T> {
    /// Which object.
    pub key: &'a Key,
    /// What it was; none when it is new.
    pub before: Option<&'a T>,
    /// What it is; none when it is gone.
    pub after: Option<&'a T>,
}

impl<T> Cache<T> {
    /// One object.
    pub fn get(&self, key: &Key) -> Option<Arc<T>> {
        self.objects
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    /// All objects of a namespace, by name.
    pub fn list(&self, namespace: &str) -> Vec<Arc<T>> {
        self.objects
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .range(Key::new(namespace, "")..)
            .take_while(|(key, _)| key.namespace == namespace)
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// All objects.
    pub fn all(&self) -> Vec<(Key, Arc<T>)> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects
            .iter()
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect()
    }

    /// Sets or removes one object; gives the one before.
    pub fn set(&self, key: &Key, object: Option<Arc<T>>) -> Option<Arc<T>> {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        match object {
            Some(object) => objects.insert(key.clone(), object),
            None => objects.remove(key),
        }
    }

    fn keys(&self, namespace: &str) -> BTreeSet<Key> {
        self.objects
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .filter(|k| k.namespace == namespace)
            .cloned()
            .collect()
    }
}

/// Key of an object.
pub fn key_of(object: &impl ResourceExt) -> Key {
    Key::new(object.namespace().unwrap_or_default(), object.name_any())
}

/// Keeps a cache up to date with the watch of one namespace; ends only when the stream does, and it should not.
pub async fn follow<T>(
    what: &str,
    namespace: &str,
    stream: impl Stream<Item = watcher::Result<Event<T>>> + Send,
    cache: &Cache<T>,
    initial: Block,
    mut on_change: impl FnMut(&Change<'_, T>) + Send,
) where
    T: ResourceExt + Debug + Send + Sync,
{
    let mut initial = Some(initial);
    let mut listed: BTreeSet<Key> = BTreeSet::new();
    let mut complaint = String::new();
    let mut update = |key: &Key, object: Option<T>| {
        let after = object.map(Arc::new);
        let before = cache.set(key, after.clone());
        on_change(&Change {
            key,
            before: before.as_deref(),
            after: after.as_deref(),
        });
    };
    let mut stream = std::pin::pin!(stream);
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(mut object)) => {
                object.managed_fields_mut().clear();
                let key = key_of(&object);
                listed.insert(key.clone());
                update(&key, Some(object));
            }
            Ok(Event::InitDone) => {
                // What was deleted while the watch was down is told now.
                for gone in cache.keys(namespace).difference(&listed) {
                    update(gone, None);
                }
                complaint.clear();
                initial.take();
            }
            Ok(Event::Apply(mut object)) => {
                object.managed_fields_mut().clear();
                update(&key_of(&object), Some(object));
            }
            Ok(Event::Delete(object)) => update(&key_of(&object), None),
            Err(error) => {
                let text = fastx_lifecycle::telemetry::chain(&error);
                // The watch tries again by itself; the same reason is worth one line.
                if text != complaint {
                    tracing::warn!(what, namespace, error = %text, "watch interrupted");
                    complaint = text;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_lifecycle::readiness::Readiness;
    use k8s_openapi::api::core::v1::ConfigMap;

    fn object(name: &str, version: &str) -> ConfigMap {
        serde_yaml_ng::from_str(&format!(
            "metadata: {{name: {name}, namespace: n, resourceVersion: '{version}', managedFields: [{{manager: x}}]}}"
        ))
        .unwrap()
    }

    #[tokio::test]
    async fn deletions_that_the_watch_missed_are_told() {
        let events = vec![
            Ok(Event::Init),
            Ok(Event::InitApply(object("a", "1"))),
            Ok(Event::InitApply(object("b", "1"))),
            Ok(Event::InitDone),
            Ok(Event::Apply(object("a", "2"))),
            Ok(Event::Init),
            Ok(Event::InitApply(object("b", "1"))),
            Ok(Event::InitDone),
        ];
        let (cache, readiness) = (Cache::default(), Readiness::new());
        let mut told = Vec::new();
        follow(
            "ConfigMap",
            "n",
            futures::stream::iter(events),
            &cache,
            readiness.block("watch"),
            |c| {
                let version = |o: Option<&ConfigMap>| {
                    o.and_then(ConfigMap::resource_version).unwrap_or_default()
                };
                told.push(format!(
                    "{} {}>{}",
                    c.key.name,
                    version(c.before),
                    version(c.after)
                ));
            },
        )
        .await;
        assert_eq!(told, ["a >1", "b >1", "a 1>2", "b 1>1", "a 2>"]);
        assert!(readiness.is_ready());
        assert_eq!(cache.list("n").len(), 1);
        assert!(
            cache.list("n")[0]
                .metadata
                .managed_fields
                .as_ref()
                .unwrap()
                .is_empty()
        );
        assert_eq!(cache.list("m").len(), 0);
    }
}
