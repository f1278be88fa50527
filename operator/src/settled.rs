//! What is known to be as wanted of objects that are not watched, so that nobody asks for it again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::kind::Kind;
use crate::queue::Key;

/// Objects and what they are known to have.
#[derive(Debug, Default)]
pub struct Settled {
    known: Mutex<HashMap<(Kind, Key), String>>,
}

impl Settled {
    /// Whether an object is known to have that.
    pub fn has(&self, kind: Kind, key: &Key, what: &str) -> bool {
        let found = self.lock().get(&(kind, key.clone())).cloned();
        found.as_deref() == Some(what)
    }

    /// An object was seen to have that.
    pub fn set(&self, kind: Kind, key: &Key, what: &str) {
        self.lock().insert((kind, key.clone()), what.to_owned());
    }

    /// Nothing is known of an object any more.
    pub fn forget(&self, kind: Kind, key: &Key) {
        self.lock().remove(&(kind, key.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Kind, Key), String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
