//! A manager within the process of a server that is alone: the same services, on a bus within the process
//! and a store that it is given.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fastx_bus::{Bus, BusError};
use fastx_core::wire::history::{Author, Via};
use fastx_core::wire::management::ConfigPut;
use fastx_lifecycle::clock;
use fastx_lifecycle::health::Liveness;
use fastx_lifecycle::shutdown::Shutdown;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::core::Core;
use crate::engine;
use crate::operations::{PutError, configuration};
use crate::serve::Ears;
use crate::store::{Pace, Store, StoreError};
use crate::users::Users;

/// How long the tasks may take to end.
const END_LIMIT: Duration = Duration::from_secs(4);

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub enum AloneError {
    /// The store.
    #[error("the store of this server cannot be used")]
    Store(#[from] StoreError),
    /// The first configuration.
    #[error("the first configuration cannot be stored")]
    Configuration(#[from] PutError),
    /// The bus.
    #[error("the bus of this process cannot be used")]
    Bus(#[from] BusError),
}

/// What it works with.
#[derive(Debug)]
pub struct Parts {
    /// Its place on the bus, under a manager's name.
    pub bus: Bus,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Folder of the local users.
    pub users: PathBuf,
    /// Drawn at each start.
    pub seed: u64,
    /// The configuration for a store that has none yet.
    pub first: ConfigPut,
}

/// A running manager.
#[derive(Debug)]
pub struct Alone {
    core: Arc<Core>,
    tasks: JoinSet<()>,
}

/// Starts it; it answers once this is done.
pub async fn start(
    parts: Parts,
    liveness: &Liveness,
    shutdown: &Shutdown,
) -> Result<Alone, AloneError> {
    let Parts {
        bus,
        store,
        users,
        seed,
        first,
    } = parts;
    store.prepare().await?;
    let (core, commands) = Core::new(
        bus.caller().clone(),
        // Its database is its own.
        String::new(),
        store,
        Pace::new(seed),
        clock::now,
        Users::Folder(users),
    );
    if configuration::root(&core).await?.is_none() {
        configuration::put(&core, &first, &Author::new(Via::Manager, "")).await?;
    }
    let mut tasks = JoinSet::new();
    let _status = engine::start(&core, commands, liveness, &mut tasks);
    let ears = Ears::open(&bus).await?;
    core.bus.send_replace(Some(bus.clone()));
    engine::join(&core, bus, ears, shutdown, &mut tasks);
    Ok(Alone { core, tasks })
}

impl Alone {
    /// Lets what it is writing be written, once the end was asked for.
    pub async fn end(mut self) {
        let _late = timeout(END_LIMIT, self.core.handed_back.notified()).await;
        self.tasks.shutdown().await;
    }
}
