//! What all parts of a manager share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastx_bus::Bus;
use fastx_core::names::CallerId;
use fastx_core::wire::problem::Problem;
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::fleet::{Command, Leading};
use crate::hashing::Hashing;
use crate::metrics::Metrics;
use crate::oidc::Oidc;
use crate::operations::joins::Admission;
use crate::store::{Collection, Document, Draft, Pace, Store, StoreError, modify};
use crate::users::Users;
use crate::wire::ManagerNews;

/// Reads the time; the composition root says how.
pub type Clock = fn() -> Timestamp;

/// A manager that has not been heard of for so long is not listed any more.
const MANAGER_SILENCE: Duration = Duration::from_secs(15);

/// Shared by everything in a manager.
#[derive(Debug)]
pub struct Core {
    /// Name of this process; replicas may share a bus identity, but not this.
    pub name: CallerId,
    /// Tells this process from another that was given the same name; empty where there can be no other.
    pub process: String,
    /// The database.
    pub store: Arc<dyn Store>,
    /// Pauses and marks.
    pub pace: Pace,
    /// The clock.
    pub clock: Clock,
    /// The bus, once it is there.
    pub(crate) bus: watch::Sender<Option<Bus>>,
    /// Why the bus is not there yet.
    pub(crate) bus_fault: watch::Sender<String>,
    /// Whether this manager publishes.
    pub(crate) leading: watch::Sender<Leading>,
    pub(crate) fleet: mpsc::Sender<Command>,
    pub(crate) users: Users,
    pub(crate) hashing: Hashing,
    /// The provider of the method `oidc`.
    pub(crate) oidc: Oidc,
    pub(crate) metrics: Metrics,
    /// At the end: the lease is not held any more.
    pub(crate) handed_back: Notify,
    managers: Mutex<BTreeMap<CallerId, Instant>>,
    admission: watch::Sender<Admission>,
}

impl Core {
    /// A core, and the commands that its fleet is to obey.
    pub(crate) fn new(
        name: CallerId,
        process: String,
        store: Arc<dyn Store>,
        pace: Pace,
        clock: Clock,
        users: Users,
    ) -> (Arc<Self>, mpsc::Receiver<Command>) {
        let (fleet, commands) = mpsc::channel(crate::fleet::QUEUE);
        let core = Self {
            name,
            process,
            store,
            pace,
            clock,
            bus: watch::Sender::new(None),
            bus_fault: watch::Sender::new("not connected yet".to_owned()),
            leading: watch::Sender::new(None),
            fleet,
            users,
            hashing: Hashing::default(),
            oidc: Oidc::default(),
            metrics: Metrics::default(),
            handed_back: Notify::new(),
            managers: Mutex::default(),
            admission: watch::Sender::default(),
        };
        (Arc::new(core), commands)
    }

    /// How hosts that ask to join are answered from now on.
    pub fn set_admission(&self, admission: Admission) {
        self.admission.send_replace(admission);
    }

    pub(crate) fn admission(&self) -> Admission {
        self.admission.borrow().clone()
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The bus, when it is there.
    pub(crate) fn bus(&self) -> Option<Bus> {
        self.bus.borrow().clone()
    }

    /// Whether this manager publishes at this moment.
    pub(crate) fn is_leading(&self) -> bool {
        self.leading
            .borrow()
            .is_some_and(|(_, until)| Instant::now() < until)
    }

    /// Reads, changes and writes one document.
    pub(crate) async fn modify(
        &self,
        kind: Collection,
        id: &str,
        change: impl FnMut(Option<&Document>) -> Result<Option<Draft>, StoreError>,
    ) -> Result<Option<Draft>, Problem> {
        modify(&*self.store, &self.pace, kind, id, self.now(), change)
            .await
            .map_err(|error| store_problem(&error))
    }

    /// Tells the other managers, and this one by the same way. Unheard news is repaired from the store.
    pub(crate) async fn tell(&self, news: &ManagerNews) {
        if let Some(bus) = self.bus()
            && let Err(error) = bus.publish(bus.subjects().stored(), news).await
        {
            tracing::warn!(%error, "the other managers were not told");
        }
    }

    /// A manager was heard of.
    pub(crate) fn heard_of(&self, manager: CallerId) {
        let mut managers = self.managers.lock().unwrap_or_else(PoisonError::into_inner);
        managers.insert(manager, Instant::now());
    }

    /// Managers that were heard of lately, this one included.
    pub(crate) fn managers(&self) -> Vec<CallerId> {
        let mut managers = self.managers.lock().unwrap_or_else(PoisonError::into_inner);
        managers.retain(|_, heard| heard.elapsed() < MANAGER_SILENCE);
        managers.insert(self.name.clone(), Instant::now());
        managers.keys().cloned().collect()
    }

    /// Asks this manager's own fleet.
    pub(crate) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        self.fleet.send(command(sender)).await.ok()?;
        receiver.await.ok()
    }
}

/// What a failing store is to the one who asked.
pub(crate) fn store_problem(error: &StoreError) -> Problem {
    tracing::warn!(%error, "the store failed");
    let kind = match error {
        StoreError::Contended(_) => "busy",
        _ => "no-store",
    };
    Problem::unavailable(
        kind,
        "The cluster manager cannot use its store; sessions that run go on.",
    )
}
