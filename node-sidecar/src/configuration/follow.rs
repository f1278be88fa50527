//! Keeps the configuration up to date: announcements, and a look of its own now and then.

use std::time::Duration;

use fastx_bus::Bus;
use fastx_core::subject::Operation;
use fastx_core::wire::config::RootDocument;
use fastx_core::wire::operations::{ConfigAnnounce, ConfigAnswer, ConfigGet};
use fastx_lifecycle::backoff::Backoff;
use fastx_lifecycle::shutdown::Shutdown;

use super::Configuration;
use crate::retry::pause;
use crate::transport::Transport;

/// How often the managers are asked without having announced anything.
const LOOK: Duration = Duration::from_mins(1);

/// Follows until shutdown.
pub async fn run(configuration: Configuration, mut transport: Transport, shutdown: Shutdown) {
    let work = async {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
        while let Some(bus) = transport.connected().await {
            let _ended = follow(&configuration, &bus, &mut backoff).await;
            pause(&mut backoff).await;
        }
    };
    tokio::select! {
        () = shutdown.triggered() => {}
        () = work => {}
    }
}

/// Follows one subscription to its end.
async fn follow(configuration: &Configuration, bus: &Bus, backoff: &mut Backoff) -> Option<()> {
    let mut announcements = match bus.subscribe(bus.subjects().config()).await {
        Ok(subscription) => subscription,
        Err(error) => {
            tracing::warn!(%error, "announcements of configuration cannot be heard yet");
            return None;
        }
    };
    let mut state = bus.state();
    loop {
        let wait = if refresh(configuration, bus).await {
            backoff.reset();
            LOOK
        } else {
            backoff.next(&mut rand::rng())
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // After a reconnect an announcement may have been missed.
            changed = state.changed() => changed.ok()?,
            message = announcements.next() => {
                let body = message?.body::<ConfigAnnounce>();
                match body {
                    Ok(announce) => { apply(configuration, announce.root).await; }
                    Err(problem) => tracing::warn!(%problem, "an announcement of configuration cannot be read"),
                }
            }
        }
    }
}

/// Asks for the root; true when there is nothing to be mended soon.
async fn refresh(configuration: &Configuration, bus: &Bus) -> bool {
    let answer: Result<ConfigAnswer, _> = bus.store(Operation::ConfigGet, &ConfigGet::root()).await;
    match answer {
        Ok(ConfigAnswer {
            root: Some(root), ..
        }) => apply(configuration, root).await,
        Ok(_) => {
            tracing::debug!("the managers have no configuration yet");
            false
        }
        Err(problem) => {
            tracing::debug!(%problem, "the configuration cannot be asked for");
            false
        }
    }
}

async fn apply(configuration: &Configuration, root: RootDocument) -> bool {
    match configuration.apply(root).await {
        Ok(()) => true,
        Err(refused) => {
            tracing::warn!(reason = %refused, "configuration not applied, the running one stays");
            // An older root comes from a manager that lags: it will learn by itself.
            matches!(refused, super::Refused::Older { .. })
        }
    }
}
