//! A store in this process's memory, for tests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Collection, Document, Draft, Store, StoreError};

type Documents = BTreeMap<(Collection, String), Document>;

/// The store; several managers of a test share one.
#[derive(Debug, Default)]
pub struct MemoryStore {
    documents: Mutex<Documents>,
    away: AtomicBool,
}

impl MemoryStore {
    /// Has every call fail, or no longer.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn open(&self) -> Result<MutexGuard<'_, Documents>, StoreError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the test sent it away".to_owned()));
        }
        Ok(self
            .documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner))
    }
}

fn document(draft: &Draft, version: i64, now: Timestamp) -> Document {
    Document {
        id: draft.id.clone(),
        version,
        owner: draft.owner.clone(),
        expires: draft.expires,
        updated: now,
        body: draft.body.clone(),
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn prepare(&self) -> Result<(), StoreError> {
        self.open().map(drop)
    }

    async fn get(&self, kind: Collection, id: &str) -> Result<Option<Document>, StoreError> {
        Ok(self.open()?.get(&(kind, id.to_owned())).cloned())
    }

    async fn insert(
        &self,
        kind: Collection,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut documents = self.open()?;
        let key = (kind, draft.id.clone());
        if documents.contains_key(&key) {
            return Ok(false);
        }
        documents.insert(key, document(draft, 1, now));
        Ok(true)
    }

    async fn replace(
        &self,
        kind: Collection,
        draft: &Draft,
        version: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut documents = self.open()?;
        match documents.get_mut(&(kind, draft.id.clone())) {
            Some(present) if present.version == version => {
                *present = document(draft, version + 1, now);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn delete(&self, kind: Collection, id: &str) -> Result<(), StoreError> {
        self.open()?.remove(&(kind, id.to_owned()));
        Ok(())
    }

    async fn list(
        &self,
        kind: Collection,
        owner: Option<&str>,
    ) -> Result<Vec<Document>, StoreError> {
        Ok(self
            .open()?
            .iter()
            .filter(|((k, _), d)| *k == kind && owner.is_none_or(|owner| d.owner == owner))
            .map(|(_, d)| d.clone())
            .collect())
    }

    async fn sweep(&self, kind: Collection, now: Timestamp) -> Result<u64, StoreError> {
        let mut documents = self.open()?;
        let before = documents.len();
        documents.retain(|(k, _), d| *k != kind || d.expires.is_none_or(|at| at > now));
        Ok(u64::try_from(before - documents.len()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn keeps_the_contract() {
        conformance::all(Arc::new(MemoryStore::default()), "run").await;
    }
}
