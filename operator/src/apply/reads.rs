//! The few reads by name: Secrets, metadata, a claim, and what the kubelet says of a Pod.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fastx_crds::ComputeNode;
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::api::ListParams;
use kube::core::{ApiResource, ObjectMeta};
use kube::{Api, ResourceExt};
use serde_json::Value;
use tokio::time::Instant;

use super::error::request;
use super::{Applier, ApplyError, lock};
use crate::foreign::Seen;
use crate::kind::Kind;
use crate::pki::Data;
use crate::queue::Key;

/// How long a Secret that was seen is taken to be there.
const BELIEVED: Duration = Duration::from_mins(10);
/// Events of one Pod that are looked at; the kubelet keeps no more of one kind apart.
const MOST_EVENTS: u32 = 100;

impl Applier {
    /// The data of one of our Secrets, read by name, and only when the cache says that it changed.
    pub async fn secret(&self, key: &Key) -> Result<Option<Arc<Data>>, ApplyError> {
        let version = self
            .world
            .children(Kind::Secret)
            .get(key)
            .and_then(|c| c.metadata.resource_version.clone());
        if let Some(version) = &version
            && let Some((known, data)) = lock(&self.secrets).get(key)
            && known == version
        {
            return Ok(Some(data.clone()));
        }
        let found = self.foreign_secret(key).await?;
        if let Some((version, data)) = found {
            let data = Arc::new(data);
            lock(&self.secrets).insert(key.clone(), (version, data.clone()));
            Ok(Some(data))
        } else {
            lock(&self.secrets).remove(key);
            Ok(None)
        }
    }

    /// The data of a Secret that somebody else makes, by what its watch has told.
    pub async fn others_secret(
        &self,
        key: &Key,
        seen: &Seen,
    ) -> Result<Option<Arc<Data>>, ApplyError> {
        match seen {
            Seen::Absent => return Ok(None),
            Seen::Version(version) => {
                if let Some((known, data)) = lock(&self.secrets).get(key)
                    && known == version
                {
                    return Ok(Some(data.clone()));
                }
            }
            Seen::Unknown => {}
        }
        let Some((version, data)) = self.foreign_secret(key).await? else {
            return Ok(None);
        };
        let data = Arc::new(data);
        lock(&self.secrets).insert(key.clone(), (version, data.clone()));
        Ok(Some(data))
    }

    /// The data of any Secret with its version, read by name.
    pub async fn foreign_secret(&self, key: &Key) -> Result<Option<(String, Data)>, ApplyError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &key.namespace);
        let found = api
            .get_opt(&key.name)
            .await
            .map_err(|e| request("read", "Secret", &key.name, e))?;
        Ok(found.map(|secret| {
            let data = secret.data.unwrap_or_default();
            (
                secret.metadata.resource_version.unwrap_or_default(),
                data.into_iter().map(|(k, v)| (k, v.0)).collect(),
            )
        }))
    }

    /// What went wrong with a Pod by the kubelet's Events. They are not watched: few are ever looked at.
    pub(crate) async fn warnings(&self, pod: &ObjectMeta) -> Result<Vec<Event>, ApplyError> {
        let namespace = pod.namespace.as_deref().unwrap_or_default();
        let uid = pod.uid.as_deref().unwrap_or_default();
        let params = ListParams::default()
            .fields(&format!("involvedObject.uid={uid},type=Warning"))
            .limit(MOST_EVENTS);
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let found = api
            .list(&params)
            .await
            .map_err(|e| request("list", "Event", pod.name.as_deref().unwrap_or_default(), e))?;
        Ok(found.items)
    }

    /// Whether a Secret that somebody else makes is there. One that was is taken to be for some minutes.
    pub async fn is_there(&self, key: &Key) -> Result<bool, ApplyError> {
        let lately = |at: &Instant| at.elapsed() < BELIEVED;
        if lock(&self.seen).get(key).is_some_and(lately) {
            return Ok(true);
        }
        let found = self.metadata(Kind::Secret, key).await?.is_some();
        let mut seen = lock(&self.seen);
        seen.remove(key);
        if found {
            seen.insert(key.clone(), Instant::now());
        }
        Ok(found)
    }

    /// Names of the ComputeNodes with these labels, as they are at this moment.
    pub async fn node_names(
        &self,
        namespace: &str,
        labels: &str,
    ) -> Result<BTreeSet<String>, ApplyError> {
        let params = ListParams::default().labels(labels);
        let found = self
            .api(&ApiResource::erase::<ComputeNode>(&()), namespace)
            .list_metadata(&params)
            .await
            .map_err(|e| request("list", "ComputeNode", labels, e))?;
        Ok(found.items.iter().map(ResourceExt::name_any).collect())
    }

    /// A whole object, read by name.
    pub async fn read(&self, kind: Kind, key: &Key) -> Result<Option<Value>, ApplyError> {
        let found = self
            .api(&kind.resource(), &key.namespace)
            .get_opt(&key.name)
            .await
            .map_err(|e| request("read", kind.name(), &key.name, e))?;
        Ok(found.and_then(|object| serde_json::to_value(object).ok()))
    }

    /// Metadata of an object, read by name.
    pub async fn metadata(&self, kind: Kind, key: &Key) -> Result<Option<ObjectMeta>, ApplyError> {
        self.api(&kind.resource(), &key.namespace)
            .get_metadata_opt(&key.name)
            .await
            .map(|found| found.map(|f| f.metadata))
            .map_err(|e| request("read", kind.name(), &key.name, e))
    }
}
