//! Readiness: a process is ready while nobody holds a [`Block`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by everything that must be there before traffic may come.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    blocks: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    names: BTreeMap<u64, String>,
}

impl Readiness {
    /// Ready until the first block.
    pub fn new() -> Self {
        Self::default()
    }

    /// Not ready until the returned guard is dropped. `name` says what is waited for.
    pub fn block(&self, name: &str) -> Block {
        let mut state = self.lock();
        state.next += 1;
        let id = state.next;
        state.names.insert(id, name.to_owned());
        Block {
            id,
            readiness: self.clone(),
        }
    }

    /// Whether nothing is waited for.
    pub fn is_ready(&self) -> bool {
        self.lock().names.is_empty()
    }

    /// What is waited for.
    pub fn pending(&self) -> Vec<String> {
        self.lock().names.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps its process from being ready while it lives.
#[derive(Debug)]
pub struct Block {
    id: u64,
    readiness: Readiness,
}

impl Drop for Block {
    fn drop(&mut self) {
        let (name, left) = {
            let mut state = self.readiness.lock();
            let name = state.names.remove(&self.id).unwrap_or_default();
            (name, state.names.values().cloned().collect::<Vec<_>>())
        };
        tracing::debug!(done = %name, waiting_for = ?left, "one step nearer to ready");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_the_last_block_is_gone() {
        let readiness = Readiness::new();
        assert!(readiness.is_ready());
        let (bus, config) = (readiness.block("bus"), readiness.block("configuration"));
        drop(bus);
        assert_eq!(readiness.pending(), ["configuration"]);
        drop(config);
        assert!(readiness.is_ready());
    }
}
