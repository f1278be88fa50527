//! Follows `broker.json` and keeps the node on the bus.

use std::time::Duration;

use fastx_bus::{Bus, BusError, Options};
use fastx_core::names::{CallerId, ServerId};
use fastx_core::wire::broker::BrokerConfig;
use fastx_lifecycle::backoff::Backoff;
use fastx_lifecycle::private_file::Me;
use fastx_lifecycle::readiness::Readiness;
use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::telemetry;
use rand::Rng;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::app::{BusSource, StartError};
use crate::broker_file::BrokerFile;
use crate::config::Config;
use crate::join::{self, Joined};
use crate::node::Node;

/// How often the file is looked at. A mounted Secret is swapped as a link, which few watchers notice.
const LOOK: Duration = Duration::from_secs(2);

/// Longest pause before content that the transporter did not take is offered again: while it knows other keys than the
/// file has, this member is cut off.
const SELDOM: Duration = Duration::from_secs(10);

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
    next: Option<Instant>,
    told: String,
}

impl Asking {
    async fn ask(&mut self, config: &Config) {
        let path = config.config_dir.join(join::FILE);
        let now = Instant::now();
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

/// Content of the file that the transporter has not taken yet: offered again until it does, or until newer comes.
struct Offer {
    config: BrokerConfig,
    next: Instant,
    backoff: Backoff,
    told: String,
}

impl Offer {
    fn new(config: BrokerConfig, now: Instant) -> Self {
        Self {
            config,
            next: now,
            backoff: Backoff::new(2 * LOOK, SELDOM),
            told: String::new(),
        }
    }

    /// Waits before the next offer; whether the reason is another one than before.
    fn put_off(&mut self, why: &str, now: Instant, rng: &mut impl Rng) -> bool {
        self.next = now + self.backoff.next(rng);
        let news = self.told != why;
        why.clone_into(&mut self.told);
        news
    }
}

/// Whether the same content would be refused again for ever.
fn is_final(error: &BusError) -> bool {
    matches!(
        error,
        BusError::OtherTransporter
            | BusError::WrongCaller { .. }
            | BusError::NoCaller
            | BusError::BadCa
    )
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
        let mut waiting: Option<Offer> = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let now = Instant::now();
            if let Some(newer) = self.file.look() {
                waiting = Some(Offer::new(newer, now));
            }
            let Some(offer) = waiting.as_mut().filter(|offer| now >= offer.next) else {
                continue;
            };
            if let Err(error) = self.file.same_member(&running, &offer.config) {
                tracing::warn!(%error, "broker.json is not applied");
                waiting = None;
                continue;
            }
            match bus.replace(offer.config.clone()).await {
                Ok(()) => {
                    tracing::info!(generation = offer.config.generation, "broker.json applied");
                    self.generation.send_replace(offer.config.generation);
                    running = offer.config.clone();
                    waiting = None;
                }
                Err(error) if is_final(&error) => {
                    tracing::warn!(error = %telemetry::chain(&error), "the new broker.json is not applied; it is read again when it changes");
                    waiting = None;
                }
                Err(error) => {
                    let error = telemetry::chain(&error);
                    if offer.put_off(&error, Instant::now(), &mut rand::rng()) {
                        tracing::warn!(%error, "the new broker.json is good, but the transporter does not take it yet; it is offered again");
                    }
                }
            }
        }
    }

    /// Waits, but not longer than until the file has something newer.
    async fn newer_within(&mut self, wait: Duration) -> Option<BrokerConfig> {
        let until = Instant::now() + wait;
        while Instant::now() < until {
            let next = Instant::now() + LOOK;
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

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn what_the_transporter_does_not_take_is_offered_less_and_less_often() {
        let text = r#"{"schema": 1, "namespace": "site", "generation": 2, "transporterType": "redis", "host": "bus"}"#;
        let mut rng = rand::rngs::SmallRng::seed_from_u64(1);
        let now = Instant::now();
        let mut offer = Offer::new(BrokerConfig::parse(text).unwrap(), now);
        assert_eq!(offer.next, now, "at once at first");
        assert!(offer.put_off("refused", now, &mut rng), "the first reason");
        let first = offer.next - now;
        assert!(first >= LOOK && first <= 2 * LOOK, "{first:?}");
        for _ in 0..6 {
            assert!(!offer.put_off("refused", now, &mut rng), "no news");
        }
        let later = offer.next - now;
        assert!(later >= SELDOM / 2 && later <= SELDOM, "{later:?}");
        assert!(offer.put_off("silent", now, &mut rng), "another reason");
    }

    #[test]
    fn content_that_no_try_makes_good_is_offered_once() {
        assert!(is_final(&BusError::OtherTransporter) && is_final(&BusError::BadCa));
        assert!(!is_final(&BusError::Disconnected("gone".to_owned())));
    }
}
