//! All services of a node in one place, as the API and the loops need them.

use std::sync::Arc;

use fastx_core::names::ServerId;
use fastx_core::wire::server::ServerObject;
use fastx_lifecycle::clock;
use fastx_lifecycle::shutdown::Shutdown;
use tokio::sync::{Notify, watch};

use crate::configuration::Configuration;
use crate::display::Displays;
use crate::events::Events;
use crate::fleet::Fleet;
use crate::heartbeat::{self, Facts};
use crate::hints::Hints;
use crate::keys::Keys;
use crate::logins::Logins;
use crate::metrics::Metrics;
use crate::readings::Readings;
use crate::sessions::Sessions;
use crate::signin::SignIn;
use crate::transport::Transport;

/// The parts that a node is made of.
#[derive(Debug)]
pub struct Parts {
    /// Its name.
    pub me: ServerId,
    /// Drawn at each start.
    pub boot: String,
    /// Its keys.
    pub keys: Keys,
    /// Its way to the bus.
    pub transport: Transport,
    /// Its configuration.
    pub configuration: Configuration,
    /// Its view of the cluster.
    pub fleet: Fleet,
    /// Logins.
    pub logins: Logins,
    /// Signing in by SSH, and links over it.
    pub sign_in: SignIn,
    /// Sessions.
    pub sessions: Sessions,
    /// Displays.
    pub displays: Displays,
    /// What changes.
    pub events: Events,
    /// Told when the server object has news.
    pub news: Arc<Notify>,
    /// What is counted.
    pub metrics: Metrics,
    /// What an administrator should know.
    pub hints: Hints,
    /// The end of the process.
    pub shutdown: Shutdown,
    /// Generation of the `broker.json` that runs.
    pub broker_generation: watch::Receiver<u64>,
}

/// A node; clones share it.
#[derive(Debug, Clone)]
pub struct Node {
    parts: Arc<Parts>,
}

impl Node {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
        }
    }

    /// Its name.
    pub fn me(&self) -> &ServerId {
        &self.parts.me
    }

    /// Drawn at each start.
    pub fn boot(&self) -> &str {
        &self.parts.boot
    }

    /// Its way to the bus.
    pub fn transport(&self) -> &Transport {
        &self.parts.transport
    }

    /// Its configuration.
    pub fn configuration(&self) -> &Configuration {
        &self.parts.configuration
    }

    /// Its view of the cluster.
    pub fn fleet(&self) -> &Fleet {
        &self.parts.fleet
    }

    /// Logins.
    pub fn logins(&self) -> &Logins {
        &self.parts.logins
    }

    /// Signing in by SSH, and links over it.
    pub fn sign_in(&self) -> &SignIn {
        &self.parts.sign_in
    }

    /// Sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.parts.sessions
    }

    /// Displays.
    pub fn displays(&self) -> &Displays {
        &self.parts.displays
    }

    /// What changes.
    pub fn events(&self) -> &Events {
        &self.parts.events
    }

    /// Told when the server object has news.
    pub fn news(&self) -> &Notify {
        &self.parts.news
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }

    /// The end of the process.
    pub fn shutdown(&self) -> &Shutdown {
        &self.parts.shutdown
    }

    /// The node as it describes itself now.
    pub fn server_object(&self, readings: Readings) -> ServerObject {
        let parts = &self.parts;
        let current = parts.configuration.current();
        let known = |server: &ServerId| parts.fleet.server(server).is_some();
        let disk = parts.sessions.disk_hint();
        let facts = Facts {
            sessions: u32::try_from(parts.sessions.live()).unwrap_or(u32::MAX),
            logged_in_users: parts.logins.signed_in_users(clock::now()),
            broker_generation: *parts.broker_generation.borrow(),
            faults: self.faults(),
            hints: disk.into_iter().chain(parts.hints.list(known)).collect(),
        };
        heartbeat::server_object(&parts.me, &parts.keys, &current, facts, readings)
    }

    /// What keeps sessions from starting, in words.
    fn faults(&self) -> Vec<String> {
        let current = self.parts.configuration.current();
        let Some(users) = current.node.users.as_ref().filter(|u| !u.logins.is_empty()) else {
            return Vec::new();
        };
        let hub = self.parts.sessions.hub();
        if hub.present(users.uid) {
            hub.faults(users.uid)
        } else {
            vec!["the link of the desktop is not there".to_owned()]
        }
    }
}
