//! The cluster's state as the operator reads it, put together each second.

use std::sync::Arc;
use std::time::Duration;

use fastx_bus::BusState;
use fastx_core::wire::config::RootDocument;
use fastx_core::wire::join::{JoinRecord, JoinState};
use fastx_core::wire::status::{ClusterStatus, JoinStatus, NodeStatus, PartStatus};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::core::Core;
use crate::fleet::Command;
use crate::operations::{configuration, joins};

/// Pause between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// At each of so many looks the requests to join are read: whoever waits asks again every 15 s.
const JOINS_EVERY: u32 = 3;

/// Most hosts without an identity that are told of, the oldest first.
const MOST_WAITING: usize = 256;

/// Puts the status together each second and announces it when it says something new.
pub(crate) async fn run(
    core: Arc<Core>,
    store: watch::Receiver<PartStatus>,
    status: watch::Sender<ClusterStatus>,
) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut root: Option<RootDocument> = None;
    let mut asking = Vec::new();
    let mut look = 0;
    loop {
        ticks.tick().await;
        if let Ok(Some(read)) = configuration::root(&core).await {
            root = Some(read);
        }
        // A manager that signs identities itself has no operator to tell.
        if look == 0
            && core.admission().signing.is_none()
            && let Ok(records) = joins::list(&*core.store).await
        {
            asking = told(records);
        }
        look = (look + 1) % JOINS_EVERY;
        let probed = store.borrow().clone();
        let mut new = compose(&core, &probed, root.as_ref()).await;
        new.joins.clone_from(&asking);
        status.send_if_modified(|old| {
            let news = differs(old, &new);
            *old = new;
            news
        });
    }
}

/// The status before the first look.
pub(crate) fn unknown(core: &Core) -> ClusterStatus {
    let waiting = PartStatus {
        detail: "not looked at yet".to_owned(),
        ..PartStatus::default()
    };
    ClusterStatus {
        at: core.now(),
        manager: core.name.clone(),
        leading: false,
        store: waiting.clone(),
        bus: waiting,
        managers: vec![core.name.clone()],
        revision: String::new(),
        generation: 0,
        nodes: std::collections::BTreeMap::new(),
        joins: Vec::new(),
    }
}

/// What the operator hears of requests to join: those that wait first, and no more of them than it can show.
fn told(records: Vec<JoinRecord>) -> Vec<JoinStatus> {
    let open = records
        .into_iter()
        .filter(|r| r.state != JoinState::Refused)
        .map(|r| JoinStatus {
            server_id: r.server_id,
            public_key: r.public_key,
            hostname: r.hostname,
            accepted: r.state == JoinState::Accepted,
            identified: r.state == JoinState::Accepted && r.jwt.is_some(),
        });
    let (settled, mut waiting): (Vec<_>, Vec<_>) = open.partition(|j| j.identified);
    waiting.truncate(MOST_WAITING);
    waiting.extend(settled);
    waiting
}

async fn compose(core: &Core, store: &PartStatus, root: Option<&RootDocument>) -> ClusterStatus {
    let census = core.ask(Command::Census).await.unwrap_or_default();
    let nodes = census
        .into_iter()
        .map(|(record, sessions)| {
            let server = record.server;
            let node = NodeStatus {
                online: record.online,
                last_seen: record.last_seen,
                boot: record.boot,
                version: server.version,
                config_revision: server.config_revision,
                broker_generation: server.broker_generation,
                sessions,
                faults: server.faults,
            };
            (server.server_id, node)
        })
        .collect();
    ClusterStatus {
        at: core.now(),
        manager: core.name.clone(),
        leading: core.is_leading(),
        store: store.clone(),
        bus: bus(core),
        managers: core.managers(),
        revision: root.map(RootDocument::revision).unwrap_or_default(),
        generation: root.map_or(0, |r| r.generation),
        nodes,
        joins: Vec::new(),
    }
}

fn bus(core: &Core) -> PartStatus {
    let detail = match core.bus() {
        None => core.bus_fault.borrow().clone(),
        Some(bus) => match &*bus.state().borrow() {
            BusState::Connected => String::new(),
            BusState::Disconnected { since, why } => {
                format!("lost for {} s: {why}", since.elapsed().as_secs())
            }
        },
    };
    PartStatus {
        ok: detail.is_empty(),
        detail,
        round_trip_ms: 0,
    }
}

/// Whether the operator should hear of it at once: times alone are no news.
fn differs(old: &ClusterStatus, new: &ClusterStatus) -> bool {
    let plain = |status: &ClusterStatus| {
        let mut status = status.clone();
        status.at = new.at;
        status.store.round_trip_ms = 0;
        if !status.bus.ok {
            status.bus.detail.clear();
        }
        for node in status.nodes.values_mut() {
            node.last_seen = new.at;
        }
        status
    };
    plain(old) != plain(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_alone_are_no_news() {
        let status: ClusterStatus = serde_json::from_value(json!({
            "at": "2026-01-01T00:00:00Z", "manager": "manager-1", "leading": true,
            "store": {"ok": true, "roundTripMs": 3}, "bus": {"ok": true}, "managers": ["manager-1"],
            "nodes": {"a": {"online": true, "lastSeen": "2026-01-01T00:00:00Z"}}
        }))
        .unwrap();
        let mut later = status.clone();
        later.at = "2026-01-01T00:00:05Z".parse().unwrap();
        later.store.round_trip_ms = 9;
        if let Some(node) = later.nodes.values_mut().next() {
            node.last_seen = later.at;
        }
        assert!(!differs(&status, &later));
        later.leading = false;
        assert!(differs(&status, &later));
        let mut lost = status.clone();
        for node in lost.nodes.values_mut() {
            node.online = false;
        }
        assert!(differs(&status, &lost));
    }
}
