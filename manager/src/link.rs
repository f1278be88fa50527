//! The manager's connection to the bus: made when it can be, moved when `broker.json` changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fastx_bus::{Bus, BusError, Options};
use fastx_core::names::CallerId;
use fastx_core::subject::MANAGER_PREFIX;
use fastx_core::wire::broker::{Accept, BrokerConfig, BrokerError};
use fastx_lifecycle::backoff::Backoff;
use fastx_lifecycle::telemetry::chain;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::core::Core;
use crate::serve::Ears;

/// Pause between two looks at the file.
const LOOK: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} is refused")]
    Broker { path: PathBuf, source: BrokerError },
    #[error(transparent)]
    Bus(#[from] BusError),
}

fn read(path: &Path) -> Result<BrokerConfig, LinkError> {
    let text = std::fs::read_to_string(path).map_err(|source| LinkError::Read {
        path: path.to_owned(),
        source,
    })?;
    BrokerConfig::parse(&text).map_err(|source| LinkError::Broker {
        path: path.to_owned(),
        source,
    })
}

/// A file without credentials says nothing about who this is; managers are told by the prefix of their names.
fn options(config: &BrokerConfig, name: &CallerId) -> Options {
    let caller = match &config.credentials {
        Some(_) => None,
        None if name.as_str().starts_with(MANAGER_PREFIX) => Some(name.clone()),
        None => format!("{MANAGER_PREFIX}{name}").parse().ok(),
    };
    Options {
        caller,
        ..Options::default()
    }
}

async fn connect(core: &Core, path: &Path) -> Result<(BrokerConfig, Bus, Ears), LinkError> {
    let config = read(path)?;
    let options = options(&config, &core.name);
    let bus = Bus::connect(config.clone(), options).await?;
    let ears = Ears::open(&bus).await?;
    Ok((config, bus, ears))
}

/// Tries until it works; one line for each new reason why not.
pub(crate) async fn establish(core: &Core, path: &Path, seed: u64) -> (BrokerConfig, Bus, Ears) {
    let mut rng = <rand::rngs::SmallRng as rand::SeedableRng>::seed_from_u64(seed);
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
    let mut last = String::new();
    loop {
        let reason = match connect(core, path).await {
            Ok(link) => {
                core.bus_fault.send_replace(String::new());
                return link;
            }
            Err(error) => chain(&error),
        };
        if reason != last {
            tracing::error!(%reason, "no connection to the bus; trying again");
        }
        core.bus_fault.send_replace(reason.clone());
        last = reason;
        sleep(backoff.next(&mut rng)).await;
    }
}

/// Follows the file: a newer one is applied without a restart, a bad one is told once.
pub(crate) async fn follow(bus: Bus, mut running: BrokerConfig, path: PathBuf) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = String::new();
    loop {
        ticks.tick().await;
        let result = match read(&path) {
            Ok(offered) => offered
                .accept(Some(&running))
                .map_err(|source| LinkError::Broker {
                    path: path.clone(),
                    source,
                }),
            Err(error) => Err(error),
        };
        let result = match result {
            Ok(Accept::Unchanged) => Ok(None),
            Ok(Accept::New(config)) => match bus.replace((*config).clone()).await {
                Ok(()) => Ok(Some(*config)),
                Err(error) => Err(LinkError::Bus(error)),
            },
            Err(error) => Err(error),
        };
        match result {
            Ok(None) => told.clear(),
            Ok(Some(config)) => {
                tracing::info!(generation = config.generation, "broker.json was applied");
                running = config;
            }
            Err(error) => {
                let reason = chain(&error);
                if reason != told {
                    tracing::warn!(%reason, "the new broker.json is not applied; the old one stays");
                    told = reason;
                }
            }
        }
    }
}

/// Runs [`establish`] and makes the bus known.
pub(crate) async fn enter(core: &Arc<Core>, path: &Path, seed: u64) -> (BrokerConfig, Bus, Ears) {
    let (config, bus, ears) = establish(core, path, seed).await;
    core.bus.send_replace(Some(bus.clone()));
    (config, bus, ears)
}
