//! Follows `broker.json` and keeps the node on the bus.

use std::time::Duration;

use fastx_bus::{Bus, Options};
use fastx_core::names::{CallerId, ServerId};
use fastx_core::wire::broker::BrokerConfig;
use fastx_lifecycle::backoff::Backoff;
use fastx_lifecycle::private_file::Me;
use fastx_lifecycle::readiness::Readiness;
use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::telemetry;
use tokio::sync::watch;

use crate::app::{BusSource, StartError};
use crate::broker_file::BrokerFile;
use crate::config::Config;
use crate::join::{self, Joined};
use crate::node::Node;

/// How often the file is looked at. A mounted Secret is swapped as a link, which few watchers notice.
const LOOK: Duration = Duration::from_secs(2);

/// The node's place on the bus.
#[derive(Debug)]
pub struct Broker {
    /// Name of the node.
    pub me: ServerId,
    /// The bus, once it was reached.
    pub bus: watch::Receiver<Option<Bus>>,
    /// Generation of the file that runs.
    pub generation: watch::Receiver<u64>,
}

/// Waits for the first good `broker.json` and starts to follow it.
pub async fn open(
    config: &Config,
    source: BusSource,
    shutdown: &Shutdown,
) -> Result<Broker, StartError> {
    match source {
        BusSource::Given(bus) => {
            let me = bus
                .caller()
                .as_str()
                .parse()
                .map_err(|_| StartError::NoName)?;
            // The senders are gone at once: receivers keep what they have.
            Ok(Broker {
                me,
                bus: watch::channel(Some(bus)).1,
                generation: watch::channel(0).1,
            })
        }
        // Whoever is alone has been given a bus by now.
        BusSource::Alone | BusSource::Broker => {
            let mut file = BrokerFile::open(&config.config_dir, &config.local_dir, Me::now());
            let first = first(&mut file, config, shutdown)
                .await
                .ok_or(StartError::Ended)?;
            let me = name(&first, config)?;
            let (bus_sender, bus) = watch::channel(None);
            let (generation_sender, generation) = watch::channel(first.generation);
            let follower = Follower {
                file,
                caller: me.clone().into(),
                bus: bus_sender,
                generation: generation_sender,
            };
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = shutdown.triggered() => {}
                    () = follower.run(first) => {}
                }
            });
            Ok(Broker {
                me,
                bus,
                generation,
            })
        }
    }
}

async fn first(
    file: &mut BrokerFile,
    config: &Config,
    shutdown: &Shutdown,
) -> Option<BrokerConfig> {
    let mut asking = Asking::default();
    loop {
        if let Some(config) = file.look().or_else(|| file.running().cloned()) {
            return Some(config);
        }
        tokio::select! {
            () = shutdown.triggered() => return None,
            () = asking.ask(config) => file.refresh(),
        }
        if file.running().is_some() {
            continue;
        }
        tokio::select! {
            () = shutdown.triggered() => return None,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// A host with a join file and no identity yet: it asks now and then, and tells each new answer once.
#[derive(Default)]
struct Asking {
    next: Option<tokio::time::Instant>,
    told: String,
}

impl Asking {
    async fn ask(&mut self, config: &Config) {
        let path = config.config_dir.join(join::FILE);
        let now = tokio::time::Instant::now();
        if !path.exists() || self.next.is_some_and(|next| now < next) {
            return;
        }
        self.next = Some(now + join::AGAIN);
        let asked = join::ask(config, &path, &Me::now(), &mut rand::rng()).await;
        let told = match &asked {
            Ok(Joined::Member(server)) => {
                tracing::info!(%server, "this host joined the cluster");
                return;
            }
            Ok(Joined::Pending(detail)) => detail.clone(),
            Err(error) => telemetry::chain(error),
        };
        if told != self.told {
            tracing::warn!(reason = %told, "this host has not joined yet; it goes on asking");
            self.told = told;
        }
    }
}

fn name(broker: &BrokerConfig, config: &Config) -> Result<ServerId, StartError> {
    match &broker.credentials {
        Some(credentials) => credentials
            .caller
            .as_str()
            .parse()
            .map_err(|_| StartError::NoName),
        None => join::own_name(config).ok_or(StartError::NoName),
    }
}

struct Follower {
    file: BrokerFile,
    caller: CallerId,
    bus: watch::Sender<Option<Bus>>,
    generation: watch::Sender<u64>,
}

impl Follower {
    async fn run(mut self, first: BrokerConfig) {
        let (bus, mut running) = self.connect(first).await;
        self.generation.send_replace(running.generation);
        self.bus.send_replace(Some(bus.clone()));
        let mut waiting: Option<BrokerConfig> = None;
        loop {
            tokio::time::sleep(LOOK).await;
            // What the transporter did not take is offered again until it does, or until newer content comes.
            let offered = waiting.take();
            let Some(new) = self.file.look().or(offered) else {
                continue;
            };
            if let Err(error) = self.file.same_member(&running, &new) {
                tracing::warn!(%error, "broker.json is not applied");
                continue;
            }
            match bus.replace(new.clone()).await {
                Ok(()) => {
                    tracing::info!(generation = new.generation, "broker.json applied");
                    self.generation.send_replace(new.generation);
                    running = new;
                }
                Err(error) => {
                    tracing::warn!(
                        error = %telemetry::chain(&error),
                        "the new broker.json is good, but the transporter does not take it yet"
                    );
                    waiting = Some(new);
                }
            }
        }
    }

    /// Waits, but not longer than until the file has something newer.
    async fn newer_within(&mut self, wait: Duration) -> Option<BrokerConfig> {
        let until = tokio::time::Instant::now() + wait;
        while tokio::time::Instant::now() < until {
            let next = tokio::time::Instant::now() + LOOK;
            tokio::time::sleep_until(next.min(until)).await;
            let newer = self.file.look();
            if newer.is_some() {
                return newer;
            }
        }
        None
    }

    /// Tries until it succeeds, also with newer content of the file.
    async fn connect(&mut self, mut config: BrokerConfig) -> (Bus, BrokerConfig) {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(15));
        loop {
            let options = Options {
                caller: Some(self.caller.clone()),
                ..Options::default()
            };
            match Bus::connect(config.clone(), options).await {
                Ok(bus) => {
                    tracing::info!(host = %config.host, port = config.effective_port(), "on the bus");
                    return (bus, config);
                }
                Err(error) => {
                    tracing::warn!(error = %telemetry::chain(&error), "the bus cannot be reached, trying again");
                }
            }
            let wait = backoff.next(&mut rand::rng());
            if let Some(newer) = self.newer_within(wait).await {
                config = newer;
            }
        }
    }
}

/// Keeps the node from being ready until the bus was reached once or a configuration is there.
pub fn ready_when_loaded(readiness: &Readiness, node: &Node, shutdown: &Shutdown) {
    let block = readiness.block("configuration, or a first connection to the bus");
    let (node, shutdown) = (node.clone(), shutdown.clone());
    tokio::spawn(async move {
        let mut transport = node.transport().clone();
        let mut configuration = node.configuration().watch();
        tokio::select! {
            () = shutdown.triggered() => {}
            _ = transport.connected() => {}
            _ = configuration.wait_for(|c| c.root.generation > 0) => {}
        }
        drop(block);
    });
}

/// Follows what the configuration says about the log, and tells the managers of each new revision.
pub async fn follow_level(own: String, node: Node, shutdown: Shutdown) {
    let mut changes = node.configuration().watch();
    loop {
        let current = changes.borrow_and_update().clone();
        let debug = current.node.debug.iter().any(|d| d == "all");
        let said = [&current.node.log_level, &current.cluster.log_level];
        let said = said.into_iter().find(|l| !l.is_empty());
        let level = match (debug, said.map_or("", String::as_str)) {
            (true, _) => "debug",
            (false, "") => own.as_str(),
            (false, level) => level,
        };
        telemetry::set_level(level);
        node.news().notify_one();
        tokio::select! {
            () = shutdown.triggered() => return,
            more = changes.changed() => if more.is_err() { return },
        }
    }
}
