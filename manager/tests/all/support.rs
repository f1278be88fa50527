//! What the tests beside this file share: members of a bus, and documents to send.

use std::future::Future;
use std::time::Duration;

use fastx_bus::{Bus, Hub, Subscription};
use fastx_core::names::BusNamespace;
use fastx_core::wire::login::TokenRecord;
use fastx_core::wire::operations::SessionPut;
use fastx_core::wire::server::Heartbeat;
use fastx_core::wire::session::{SessionRecord, SessionState};
use fastx_lifecycle::clock;
use jiff::SignedDuration;
use serde_json::json;
use tokio::time::{Instant, timeout};

/// Longest wait of a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn namespace() -> BusNamespace {
    "test".parse().unwrap()
}

pub(crate) fn member(hub: &Hub, name: &str) -> Bus {
    Bus::in_process(hub, name.parse().unwrap(), namespace())
}

pub(crate) fn session(id: u8, server: &str, version: u64) -> SessionRecord {
    serde_json::from_value(json!({
        "id": format!("{id:016x}"), "serverId": server, "login": "ada", "state": "running", "name": "n",
        "command": "xterm", "started": clock::now().to_string(), "changed": clock::now().to_string(),
        "version": version
    }))
    .unwrap()
}

pub(crate) fn put(sessions: Vec<SessionRecord>, complete: bool) -> SessionPut {
    SessionPut {
        sessions,
        complete,
        known: None,
    }
}

pub(crate) fn token(jti: &str, issuer: &str) -> TokenRecord {
    TokenRecord {
        jti: format!("{jti:0>32}"),
        login: "ada".parse().unwrap(),
        issuer: issuer.parse().unwrap(),
        method: "local".into(),
        groups: Vec::new(),
        issued: clock::now(),
        expires: clock::now() + SignedDuration::from_hours(1),
        address: String::new(),
        label: String::new(),
        made_by: None,
    }
}

pub(crate) fn heartbeat(server: &str, sequence: u64) -> Heartbeat {
    Heartbeat {
        schema: 1,
        boot: "boot".into(),
        sequence,
        server: serde_json::from_value(json!({
            "serverId": server, "sessions": sequence, "staticData": {"a.b": {"$x": 1}}
        }))
        .unwrap(),
    }
}

pub(crate) async fn beat(bus: &Bus, sequence: u64) {
    let beat = heartbeat(bus.caller().as_str(), sequence);
    bus.publish(bus.subjects().heartbeat(bus.caller()), &beat)
        .await
        .unwrap();
}

pub(crate) async fn next(subscription: &mut Subscription) -> fastx_bus::Incoming {
    timeout(PATIENCE, subscription.next())
        .await
        .expect("a message in time")
        .expect("an open subscription")
}

pub(crate) fn is_live(record: &SessionRecord) -> bool {
    record.state != SessionState::Ended
}

/// Waits until a condition holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(
    what: &str,
    mut condition: impl FnMut() -> F,
) {
    let deadline = Instant::now() + PATIENCE;
    let mut step = tokio::time::interval(Duration::from_millis(50));
    while !condition().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        step.tick().await;
    }
}
