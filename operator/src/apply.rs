//! The only writes to the API server, and the few reads by name.
//!
//! **Invariant:** what is as it should be costs no request. An object is left alone when the cache shows the hash of
//! what is wanted and the object has not changed since it was applied; a change by others is put right.

mod error;
mod reads;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use fastx_core::wire::config::hash;
use fastx_crds::ComputeNode;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, ValidationDirective};
use kube::core::{ApiResource, DynamicObject, ObjectMeta};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::error::request;
use crate::kind::{Kind, Object, pod_resource};
use crate::meta;
use crate::metrics::Metrics;
use crate::pki::Data;
use crate::queue::Key;
use crate::world::World;

pub use error::ApplyError;

/// What was applied, and how the object looked before and after.
#[derive(Debug, Clone)]
struct Applied {
    hash: String,
    before: Option<String>,
    after: String,
}

/// Applies planned objects.
pub struct Applier {
    client: Client,
    world: Arc<World>,
    metrics: Metrics,
    applied: Mutex<HashMap<(Kind, Key), Applied>>,
    secrets: Mutex<HashMap<Key, (String, Arc<Data>)>>,
    seen: Mutex<HashMap<Key, Instant>>,
}

impl std::fmt::Debug for Applier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Applier").finish_non_exhaustive()
    }
}

impl Applier {
    /// Applies with this client.
    pub fn new(client: Client, world: Arc<World>, metrics: Metrics) -> Self {
        Self {
            client,
            world,
            metrics,
            applied: Mutex::default(),
            secrets: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// Brings one object to what is planned. `owner` is the uid of who must own it; claims have none.
    pub async fn ensure(
        &self,
        namespace: &str,
        owner: Option<&str>,
        object: &Object,
    ) -> Result<(), ApplyError> {
        let key = Key::new(namespace, &object.name);
        let wanted = hash(&object.body);
        let cached = self.world.children(object.kind).get(&key);
        if let Some(child) = &cached {
            check_owner(object, owner, &child.metadata)?;
            if self.untouched(object.kind, &key, &wanted, &child.metadata) {
                return Ok(());
            }
        } else if let Some(found) = self.metadata(object.kind, &key).await? {
            // Not in the cache: either just made by us, or somebody else's, or its label was taken away.
            check_owner(object, owner, &found)?;
        }
        let body = complete(object, &key, &wanted);
        let params = PatchParams {
            field_manager: Some(meta::OPERATOR.to_owned()),
            force: true,
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::default()
        };
        let answer = self
            .api(&object.kind.resource(), namespace)
            .patch(&object.name, &params, &Patch::Apply(&body))
            .await
            .map_err(|e| request("apply", object.kind.name(), &object.name, e))?;
        self.metrics.wrote(object.kind.name(), "apply");
        tracing::debug!(kind = object.kind.name(), object = %key, "applied");
        let record = Applied {
            hash: wanted,
            before: cached.map(|c| token(&c.metadata)),
            after: token(&answer.metadata),
        };
        lock(&self.applied).insert((object.kind, key), record);
        Ok(())
    }

    /// Removes an object, if it is still the one that was meant.
    pub async fn remove(&self, kind: Kind, metadata: &ObjectMeta) -> Result<(), ApplyError> {
        let (namespace, name) = (
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone().unwrap_or_default(),
        );
        self.metrics.wrote(kind.name(), "delete");
        self.delete(
            &kind.resource(),
            kind.name(),
            &Key::new(namespace, name),
            metadata,
        )
        .await
    }

    /// Brings a ComputeNode that we make ourselves to what is planned; the caller knows that it differs.
    pub async fn apply_node(&self, key: &Key, body: &Value) -> Result<(), ApplyError> {
        let params = PatchParams {
            field_manager: Some(meta::OPERATOR.to_owned()),
            force: true,
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::default()
        };
        self.api(&ApiResource::erase::<ComputeNode>(&()), &key.namespace)
            .patch(&key.name, &params, &Patch::Apply(body))
            .await
            .map_err(|e| request("apply", "ComputeNode", &key.name, e))?;
        self.metrics.wrote("ComputeNode", "apply");
        Ok(())
    }

    /// Makes a ComputeNode. Gives false when there is one of that name, whoever made it.
    pub async fn create_node(&self, key: &Key, body: &Value) -> Result<bool, ApplyError> {
        let failed = |error| request("create", "ComputeNode", &key.name, error);
        let object: DynamicObject = serde_json::from_value(body.clone())
            .map_err(|error| failed(kube::Error::SerdeError(error)))?;
        let params = PostParams {
            field_manager: Some(meta::OPERATOR.to_owned()),
            ..PostParams::default()
        };
        let answer = self
            .api(&ApiResource::erase::<ComputeNode>(&()), &key.namespace)
            .create(&params, &object)
            .await;
        match answer {
            Ok(_) => {
                self.metrics.wrote("ComputeNode", "create");
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Removes such a ComputeNode, if it is still the one that was meant.
    pub async fn remove_node(&self, metadata: &ObjectMeta) -> Result<(), ApplyError> {
        let key = Key::new(
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone().unwrap_or_default(),
        );
        self.metrics.wrote("ComputeNode", "delete");
        let resource = ApiResource::erase::<ComputeNode>(&());
        self.delete(&resource, "ComputeNode", &key, metadata).await
    }

    /// Makes a Pod. Gives false when one of that name is still there.
    pub async fn create_pod(&self, key: &Key, mut body: Value) -> Result<bool, ApplyError> {
        let resource = pod_resource();
        body["apiVersion"] = "v1".into();
        body["kind"] = "Pod".into();
        body["metadata"]["name"] = key.name.as_str().into();
        body["metadata"]["namespace"] = key.namespace.as_str().into();
        let params = PatchParams {
            field_manager: Some(meta::OPERATOR.to_owned()),
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::default()
        };
        // A Pod of that name that is not ours must not be taken over: look first, the cache has only ours.
        let api = self.api(&resource, &key.namespace);
        let found = api
            .get_metadata_opt(&key.name)
            .await
            .map_err(|e| request("read", "Pod", &key.name, e))?;
        if let Some(found) = found {
            let ours = found
                .metadata
                .labels
                .as_ref()
                .and_then(|l| l.get(meta::MANAGED_BY))
                == Some(&meta::OPERATOR.to_owned());
            return if ours {
                Ok(false)
            } else {
                Err(ApplyError::NameTaken {
                    kind: "Pod",
                    name: key.name.clone(),
                })
            };
        }
        api.patch(&key.name, &params, &Patch::Apply(&body))
            .await
            .map_err(|e| request("create", "Pod", &key.name, e))?;
        self.metrics.wrote("Pod", "create");
        Ok(true)
    }

    /// Changes what may change of a running Pod: images, labels, annotations.
    pub async fn patch_pod(&self, key: &Key, change: &Value) -> Result<(), ApplyError> {
        self.metrics.wrote("Pod", "patch");
        // Strategic: containers are merged by name.
        self.api(&pod_resource(), &key.namespace)
            .patch(&key.name, &manager(), &Patch::Strategic(change))
            .await
            .map(|_| ())
            .map_err(|e| request("patch", "Pod", &key.name, e))
    }

    /// Deletes a Pod, if it is still the one that was meant.
    pub async fn delete_pod(&self, metadata: &ObjectMeta) -> Result<(), ApplyError> {
        let (namespace, name) = (
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone().unwrap_or_default(),
        );
        self.metrics.wrote("Pod", "delete");
        self.delete(&pod_resource(), "Pod", &Key::new(namespace, name), metadata)
            .await
    }

    /// Merges a change into a custom resource or its status.
    pub async fn merge(
        &self,
        resource: &ApiResource,
        key: &Key,
        status: bool,
        change: &Value,
    ) -> Result<(), ApplyError> {
        let api = self.api(resource, &key.namespace);
        self.metrics
            .wrote("CustomResource", if status { "status" } else { "patch" });
        let patch = Patch::Merge(change);
        let answer = if status {
            api.patch_status(&key.name, &manager(), &patch).await
        } else {
            api.patch(&key.name, &manager(), &patch).await
        };
        answer
            .map(|_| ())
            .map_err(|e| request("patch", "object", &key.name, e))
    }

    /// Merges single keys into a Secret; `None` takes one away.
    pub async fn merge_secret(
        &self,
        key: &Key,
        change: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ApplyError> {
        use base64::Engine as _;
        let encode = |v: &String| base64::engine::general_purpose::STANDARD.encode(v);
        let data: BTreeMap<&String, Option<String>> = change
            .iter()
            .map(|(k, v)| (k, v.as_ref().map(encode)))
            .collect();
        let patch = json!({"data": data});
        self.metrics.wrote("Secret", "patch");
        let params = PatchParams {
            field_manager: Some(format!("{}-members", meta::OPERATOR)),
            ..PatchParams::default()
        };
        self.api(&Kind::Secret.resource(), &key.namespace)
            .patch(&key.name, &params, &Patch::Merge(&patch))
            .await
            .map(|_| ())
            .map_err(|e| request("patch", "Secret", &key.name, e))
    }

    /// Forgets what was remembered of the objects of a removed owner.
    pub fn forget(&self, namespace: &str, names: impl Fn(&str) -> bool) {
        lock(&self.applied).retain(|(_, key), _| key.namespace != namespace || !names(&key.name));
        lock(&self.secrets).retain(|key, _| key.namespace != namespace || !names(&key.name));
    }

    fn api(&self, resource: &ApiResource, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, resource)
    }

    async fn delete(
        &self,
        resource: &ApiResource,
        kind: &'static str,
        key: &Key,
        metadata: &ObjectMeta,
    ) -> Result<(), ApplyError> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        let answer = self
            .api(resource, &key.namespace)
            .delete(&key.name, &params)
            .await;
        match answer {
            Ok(_) => Ok(()),
            // Gone, or another one of the same name: both are what was wanted.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
            Err(error) => Err(request("delete", kind, &key.name, error)),
        }
    }

    fn untouched(&self, kind: Kind, key: &Key, wanted: &str, found: &ObjectMeta) -> bool {
        let shown = found.annotations.as_ref().and_then(|a| a.get(meta::HASH));
        if shown.map(String::as_str) != Some(wanted) {
            // Either it is wanted otherwise now, or the cache has not seen our last apply yet.
            return self.is_stale(kind, key, wanted, found);
        }
        lock(&self.applied)
            .get(&(kind, key.clone()))
            .is_some_and(|a| a.hash == wanted && a.after == token(found))
    }

    fn is_stale(&self, kind: Kind, key: &Key, wanted: &str, found: &ObjectMeta) -> bool {
        lock(&self.applied)
            .get(&(kind, key.clone()))
            .is_some_and(|a| a.hash == wanted && a.before.as_deref() == Some(&token(found)))
    }
}

fn check_owner(object: &Object, owner: Option<&str>, found: &ObjectMeta) -> Result<(), ApplyError> {
    let ours = match owner {
        Some(uid) => found
            .owner_references
            .iter()
            .flatten()
            .any(|o| o.uid == uid && o.controller == Some(true)),
        None => {
            found.labels.as_ref().and_then(|l| l.get(meta::MANAGED_BY))
                == Some(&meta::OPERATOR.to_owned())
        }
    };
    if ours {
        Ok(())
    } else {
        Err(ApplyError::NameTaken {
            kind: object.kind.name(),
            name: object.name.clone(),
        })
    }
}

/// What changes when somebody changes the object: its generation where it has one, which status writes leave alone.
fn token(metadata: &ObjectMeta) -> String {
    match metadata.generation {
        Some(generation) if generation > 0 => {
            format!(
                "{}/g{generation}",
                metadata.uid.as_deref().unwrap_or_default()
            )
        }
        _ => metadata.resource_version.clone().unwrap_or_default(),
    }
}

fn complete(object: &Object, key: &Key, wanted: &str) -> Value {
    let resource = object.kind.resource();
    let mut body = object.body.clone();
    body["apiVersion"] = resource.api_version.into();
    body["kind"] = resource.kind.into();
    body["metadata"]["name"] = key.name.as_str().into();
    body["metadata"]["namespace"] = key.namespace.as_str().into();
    body["metadata"]["annotations"][meta::HASH] = wanted.into();
    body
}

fn manager() -> PatchParams {
    PatchParams {
        field_manager: Some(meta::OPERATOR.to_owned()),
        ..PatchParams::default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
