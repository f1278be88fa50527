//! What the node says about itself every few seconds.

use std::path::Path;
use std::time::Duration;

use fastx_core::names::ServerId;
use fastx_core::wire::server::{Heartbeat, ServerObject};
use fastx_lifecycle::health::Pulse;
use fastx_lifecycle::shutdown::Shutdown;
use tokio::time::{Instant, MissedTickBehavior};

use crate::configuration::Current;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::readings::{Host, Readings};

/// Time between two heartbeats at rest.
const INTERVAL: Duration = Duration::from_secs(5);
/// Least time between two heartbeats when there is news.
const SOONEST: Duration = Duration::from_secs(1);
/// Version of the document.
const SCHEMA: u32 = 1;

/// What of the node's inner life goes into the server object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Running sessions.
    pub sessions: u32,
    /// Users with a login issued here.
    pub logged_in_users: u32,
    /// Generation of `broker.json`.
    pub broker_generation: u64,
    /// What keeps sessions from starting.
    pub faults: Vec<String>,
    /// What an administrator should know besides.
    pub hints: Vec<String>,
}

/// The server object.
pub fn server_object(
    id: &ServerId,
    keys: &Keys,
    current: &Current,
    facts: Facts,
    readings: Readings,
) -> ServerObject {
    let node = &current.node;
    let users = node
        .users
        .as_ref()
        .map(|u| u.logins.clone())
        .unwrap_or_default();
    // No users at all means nobody, but an empty list in the object means everybody.
    let nobody = node.users.as_ref().is_some_and(|u| u.logins.is_empty());
    ServerObject {
        server_id: id.clone(),
        hostname: if node.hostname.is_empty() {
            id.to_string()
        } else {
            node.hostname.clone()
        },
        urls: if node.direct_connections {
            node.urls.clone()
        } else {
            Vec::new()
        },
        peer_urls: node.peer_urls.clone(),
        cpu: readings.cpu,
        freemem: readings.freemem,
        totalmem: readings.totalmem,
        logged_in_users: facts.logged_in_users,
        sessions: facts.sessions,
        uptime: readings.uptime,
        loadavg: readings.loadavg,
        version: crate::VERSION.to_owned(),
        static_data: node.static_data.clone(),
        metrics: serde_json::Map::new(),
        start_sessions: node.start_sessions && !nobody,
        logins: node.logins,
        users,
        config_revision: current.revision.clone(),
        broker_generation: facts.broker_generation,
        signing_key: keys.signing_public(),
        peer_fingerprint: keys.fingerprint(),
        faults: facts.faults,
        hints: facts.hints,
    }
}

/// Sends heartbeats until shutdown.
pub async fn run(node: Node, metrics: Metrics, pulse: Pulse, shutdown: Shutdown) {
    let mut host = Host::new(Path::new("/proc"));
    let mut sequence = 0;
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<Instant> = None;
    loop {
        tokio::select! {
            () = shutdown.triggered() => return,
            _ = ticks.tick() => {}
            () = node.news().notified() => {
                if let Some(last) = last {
                    tokio::time::sleep_until(last + SOONEST).await;
                }
                ticks.reset();
            }
        }
        pulse.beat();
        last = Some(Instant::now());
        sequence += 1;
        let server = node.server_object(host.read());
        metrics.read(&node, &server);
        let beat = Heartbeat {
            schema: SCHEMA,
            boot: node.boot().to_owned(),
            sequence,
            server,
        };
        node.transport().heartbeat(&beat).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_core::wire::config::{NodePart, NodeUsers};

    fn object(part: NodePart, facts: Facts) -> ServerObject {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::load(dir.path(), &mut rand::rng()).unwrap();
        let current = Current {
            node: part.into(),
            ..Current::default()
        };
        server_object(
            &"a".parse().unwrap(),
            &keys,
            &current,
            facts,
            Readings::default(),
        )
    }

    #[test]
    fn a_node_of_nobody_starts_nothing() {
        let mut part = NodePart {
            start_sessions: true,
            users: Some(NodeUsers::default()),
            ..NodePart::default()
        };
        assert!(!object(part.clone(), Facts::default()).start_sessions);
        part.users = Some(NodeUsers {
            logins: vec!["ada".into()],
            ..NodeUsers::default()
        });
        let server = object(part.clone(), Facts::default());
        assert!(server.start_sessions);
        assert_eq!(server.users, ["ada"]);
        part.users = None;
        assert!(object(part, Facts::default()).start_sessions);
    }

    #[test]
    fn addresses_for_browsers_are_told_only_when_they_may_be_tried() {
        let mut part = NodePart {
            urls: vec!["https://a.example.org".into()],
            ..NodePart::default()
        };
        assert!(object(part.clone(), Facts::default()).urls.is_empty());
        part.direct_connections = true;
        let server = object(part, Facts::default());
        assert_eq!(server.urls, ["https://a.example.org"]);
        assert_eq!(
            server.hostname, "a",
            "the id stands in for a missing host name"
        );
    }
}
