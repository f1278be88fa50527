//! Takes a script and its cluster from the caches.

use fastx_crds::{BalancerScript, FastXCluster};
use kube::Resource as _;
use kube::core::error_boundary::InvalidObject;

use crate::queue::Key;
use crate::world::World;

/// What is there under a key.
#[derive(Debug)]
pub(super) enum Observed {
    /// Nothing, or nothing any more.
    Gone,
    /// An object that is no script.
    Unreadable(Box<InvalidObject>),
    /// A script.
    There(Box<Seen>),
}

/// A script and what it refers to.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// The script.
    pub(super) script: BalancerScript,
    /// The cluster that it names.
    pub(super) cluster: Cluster,
}

/// The cluster of a script.
#[derive(Debug, Clone)]
pub(super) enum Cluster {
    /// It does not exist, or cannot be read. The watch of clusters tells when that changes.
    Missing,
    /// It is being deleted.
    Deleting,
    /// It is there.
    Present(Box<FastXCluster>),
}

impl From<Option<FastXCluster>> for Cluster {
    fn from(found: Option<FastXCluster>) -> Self {
        match found {
            None => Self::Missing,
            Some(c) if c.meta().deletion_timestamp.is_some() => Self::Deleting,
            Some(c) => Self::Present(Box::new(c)),
        }
    }
}

/// Looks into the caches; sends nothing.
pub(super) fn observe(world: &World, key: &Key) -> Observed {
    let Some(guard) = world.scripts.get(key) else {
        return Observed::Gone;
    };
    match &guard.0 {
        Err(invalid) => Observed::Unreadable(Box::new(InvalidObject {
            error: invalid.error.clone(),
            metadata: invalid.metadata.clone(),
        })),
        Ok(script) => {
            let cluster = Key::new(&key.namespace, &script.spec.cluster_ref.name);
            Observed::There(Box::new(Seen {
                script: script.clone(),
                cluster: world.cluster(&cluster).into(),
            }))
        }
    }
}
