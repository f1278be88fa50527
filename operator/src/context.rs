//! What every controller works with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use fastx_crds::conditions::{Condition, Finding, Kind as ConditionKind, Status, set_condition};
use fastx_lifecycle::clock;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::core::ApiResource;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};

use crate::apply::{Applier, ApplyError};
use crate::cluster::Roots;
use crate::config::Config;
use crate::controller::Failure;
use crate::foreign::Foreign;
use crate::managers::Reports;
use crate::metrics::Metrics;
use crate::queue::Key;
use crate::settled::Settled;
use crate::world::World;

/// Shared by all controllers.
#[derive(Clone)]
pub struct Context {
    /// Settings.
    pub config: Arc<Config>,
    /// What is known.
    pub world: Arc<World>,
    /// The only one who writes.
    pub applier: Arc<Applier>,
    /// What the managers say.
    pub reports: Arc<Reports>,
    /// The configuration that the managers have.
    pub roots: Arc<Roots>,
    /// What is known of objects that are not watched.
    pub settled: Arc<Settled>,
    /// Secrets that clusters name.
    pub foreign: Arc<Foreign>,
    /// Counters.
    pub metrics: Metrics,
    /// Tells people what happened.
    pub recorder: Recorder,
    /// Statuses that were written and that the caches may not show yet.
    written: Arc<Mutex<HashMap<(&'static str, Key), Written>>>,
}

#[derive(Debug, Clone)]
struct Written {
    seen: Option<String>,
    status: Value,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl Context {
    /// Puts the parts together.
    pub fn new(
        config: Arc<Config>,
        world: Arc<World>,
        applier: Arc<Applier>,
        reports: Arc<Reports>,
        metrics: Metrics,
        recorder: Recorder,
    ) -> Self {
        Self {
            config,
            foreign: Foreign::new(None, world.cluster_queue.clone()),
            world,
            applier,
            reports,
            metrics,
            recorder,
            roots: Arc::default(),
            settled: Arc::default(),
            written: Arc::default(),
        }
    }

    /// Watches the Secrets that clusters name.
    #[must_use]
    pub fn watching(self, client: Client) -> Self {
        Self {
            foreign: Foreign::new(Some(client), self.world.cluster_queue.clone()),
            ..self
        }
    }

    /// The time now; reconciliations read it once.
    pub fn now(&self) -> Timestamp {
        clock::now()
    }

    /// The status that an object has, also when the cache does not show our last write yet.
    pub fn status_of<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        cached: &impl Serialize,
    ) -> Value {
        let cached = serde_json::to_value(cached).unwrap_or_default();
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        match written.get(&(kind_of::<K>(), key_of(object))) {
            Some(w) if w.seen == object.meta().resource_version => w.status.clone(),
            _ => cached,
        }
    }

    /// Writes a status if it differs from the one before.
    pub async fn write_status<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        before: &Value,
        after: &impl Serialize,
    ) -> Result<(), ApplyError> {
        let after = serde_json::to_value(after).unwrap_or_default();
        let Some(change) = difference(before, &after) else {
            return Ok(());
        };
        let key = key_of(object);
        let resource = ApiResource::erase::<K>(&());
        let answer = self
            .applier
            .merge(&resource, &key, true, &json!({"status": change}))
            .await;
        match answer {
            // Deleted in the meantime.
            Err(error) if error.is_gone() => return Ok(()),
            answer => answer?,
        }
        self.tell(object, before, &after).await;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.insert(
            (kind_of::<K>(), key),
            Written {
                seen: object.meta().resource_version.clone(),
                status: after,
            },
        );
        Ok(())
    }

    /// Forgets an object that is no more.
    pub fn forget<K: Resource<DynamicType = ()>>(&self, key: &Key) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.remove(&(kind_of::<K>(), key.clone()));
    }

    /// An Event for each of the telling conditions that changed.
    async fn tell<K: Resource<DynamicType = ()>>(&self, object: &K, before: &Value, after: &Value) {
        for condition in conditions(after) {
            let telling = [
                ConditionKind::Ready,
                ConditionKind::Active,
                ConditionKind::UpdatePending,
            ];
            if !telling.iter().any(|k| k.name() == condition.kind) {
                continue;
            }
            let same = conditions(before).iter().any(|c| {
                c.kind == condition.kind
                    && c.status == condition.status
                    && c.reason == condition.reason
            });
            if same {
                continue;
            }
            let good = condition.status == Status::True;
            let note = if condition.message.is_empty() {
                format!("{} is {}", condition.kind, condition.status)
            } else {
                condition.message.chars().take(1000).collect()
            };
            let event = Event {
                type_: if good {
                    EventType::Normal
                } else {
                    EventType::Warning
                },
                reason: condition.reason.clone(),
                note: Some(note),
                action: format!("{}{}", condition.kind, condition.status),
                secondary: None,
            };
            if let Err(error) = self.recorder.publish(&event, &reference(object)).await {
                tracing::debug!(%error, "could not publish an event");
            }
        }
    }
}

/// Whether a status speaks of this generation. A replica that has only just begun to listen leaves it at that.
pub fn is_current(status: &Value, generation: Option<i64>) -> bool {
    generation.is_some() && status["observedGeneration"].as_i64() == generation
}

/// Applies findings to the conditions that an object had.
pub fn conditions_after(
    before: &Value,
    findings: &[Finding],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut list = conditions(before);
    // A condition that nobody finds any more is gone.
    list.retain(|c| findings.iter().any(|f| f.kind.name() == c.kind));
    for finding in findings {
        set_condition(&mut list, finding, generation, now);
    }
    list
}

fn conditions(status: &Value) -> Vec<Condition> {
    serde_json::from_value(status["conditions"].clone()).unwrap_or_default()
}

/// What a merge patch must say to get from one status to another; none when they are equal.
fn difference(before: &Value, after: &Value) -> Option<Value> {
    let empty = serde_json::Map::new();
    let (before, after) = (
        before.as_object().unwrap_or(&empty),
        after.as_object().unwrap_or(&empty),
    );
    let mut change = serde_json::Map::new();
    for (key, value) in after {
        if before.get(key) != Some(value) {
            change.insert(key.clone(), value.clone());
        }
    }
    for key in before.keys().filter(|k| !after.contains_key(*k)) {
        change.insert(key.clone(), Value::Null);
    }
    (!change.is_empty()).then_some(Value::Object(change))
}

fn key_of<K: Resource>(object: &K) -> Key {
    Key::new(object.namespace().unwrap_or_default(), object.name_any())
}

fn kind_of<K: Resource<DynamicType = ()>>() -> &'static str {
    match K::kind(&()).as_ref() {
        "FastXCluster" => "FastXCluster",
        "ComputeNode" => "ComputeNode",
        _ => "BalancerScript",
    }
}

fn reference<K: Resource<DynamicType = ()>>(object: &K) -> ObjectReference {
    object.object_ref(&())
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        let reason = match &error {
            ApplyError::Request { .. } => "Request",
            ApplyError::NameTaken { .. } => "NameTaken",
        };
        Self::passing(reason, error.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_written_and_nothing_when_nothing_did() {
        let before = json!({"a": 1, "b": 2, "c": [1]});
        assert_eq!(difference(&before, &before), None);
        assert_eq!(
            difference(&before, &json!({"a": 1, "c": [2]})),
            Some(json!({"b": null, "c": [2]}))
        );
        assert_eq!(difference(&Value::Null, &json!({})), None);
    }
}
