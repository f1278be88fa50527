//! The configuration in a store that no manager need be running on: read whole, and replaced by one new root.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastx_core::wire::config::RootDocument;
use fastx_core::wire::history::{Author, Via};
use fastx_core::wire::management::ConfigPut;
use fastx_lifecycle::clock;
use serde_json::Value;

use crate::core::Core;
use crate::operations::{PutError, configuration};
use crate::store::{Pace, Store, StoreError};
use crate::users::Users;

/// Name of the writer; it never joins a bus.
const NAME: &str = "manager-archive";

/// A store's configuration.
#[derive(Debug)]
pub struct Archive {
    core: Arc<Core>,
}

impl Archive {
    /// Of this store; `seed` is drawn at each start.
    pub async fn open(store: Arc<dyn Store>, seed: u64) -> Result<Self, StoreError> {
        store.prepare().await?;
        let name = NAME
            .parse()
            .map_err(|_| StoreError::Address(NAME.to_owned()))?;
        let users = Users::Folder(std::path::PathBuf::new());
        let (core, _commands) = Core::new(
            name,
            String::new(),
            store,
            Pace::new(seed),
            clock::now,
            users,
        );
        Ok(Self { core })
    }

    /// The root in force with all parts that it names; none before the first.
    pub async fn read(
        &self,
    ) -> Result<Option<(RootDocument, BTreeMap<String, Value>)>, StoreError> {
        let Some(root) = configuration::root(&self.core).await? else {
            return Ok(None);
        };
        let mut parts = BTreeMap::new();
        for hash in root.hashes() {
            let part = configuration::part(&self.core, hash).await?;
            let part = part.ok_or_else(|| StoreError::Body(format!("part:{hash}")))?;
            parts.insert(hash.clone(), part);
        }
        Ok(Some((root, parts)))
    }

    /// Stores parts, then the root that names them.
    pub async fn write(&self, put: &ConfigPut) -> Result<RootDocument, PutError> {
        configuration::put(&self.core, put, &Author::new(Via::Manager, "")).await
    }
}
