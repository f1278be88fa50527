//! Several managers: one publishes, any answers, and another takes over without readers losing anything.

use std::collections::BTreeSet;

use fastx_bus::{Bus, Hub};
use fastx_core::fleet::{Followed, View};
use fastx_core::subject::Operation;
use fastx_core::wire::fleet::{FleetDelta, FleetSnapshot};
use fastx_core::wire::operations::Empty;
use fastx_manager::testing;

use crate::support::{beat, eventually, member, namespace, next, put, session};

async fn snapshot(bus: &Bus) -> Option<FleetSnapshot> {
    bus.store(Operation::FleetGet, &Empty {}).await.ok()
}

/// A node that follows the fleet as nodes do.
struct Reader {
    bus: Bus,
    deltas: fastx_bus::Subscription,
    view: View,
    snapshots: u32,
}

impl Reader {
    async fn new(hub: &Hub) -> Self {
        let bus = member(hub, "reader");
        let deltas = bus.subscribe(bus.subjects().fleet()).await.unwrap();
        let mut reader = Self {
            bus,
            deltas,
            view: View::default(),
            snapshots: 0,
        };
        reader.reset().await;
        reader
    }

    async fn reset(&mut self) {
        let bus = self.bus.clone();
        let read = tokio::sync::Mutex::new(None);
        eventually("a snapshot", async || {
            let found = snapshot(&bus).await;
            let there = found.is_some();
            *read.lock().await = found;
            there
        })
        .await;
        self.view.reset(read.into_inner().unwrap());
        self.snapshots += 1;
    }

    /// Follows until the view is as wanted.
    async fn until(&mut self, wanted: impl Fn(&View) -> bool) {
        while !wanted(&self.view) {
            let delta: FleetDelta = next(&mut self.deltas).await.body().unwrap();
            if self.view.follow(delta) == Followed::Gap {
                self.reset().await;
            }
        }
    }

    fn servers(&self) -> BTreeSet<String> {
        self.view.servers.keys().map(ToString::to_string).collect()
    }
}

#[tokio::test]
async fn readers_follow_through_the_loss_of_the_one_that_publishes() {
    let hub = Hub::new();
    let first = testing::start(&hub, namespace()).await;
    let second = testing::join(&hub, namespace(), "manager-2", first.store().clone()).await;
    let (a, b) = (member(&hub, "a"), member(&hub, "b"));
    let mut reader = Reader::new(&hub).await;
    beat(&a, 1).await;
    let _: Empty = a
        .store(Operation::SessionPut, &put(vec![session(1, "a", 1)], false))
        .await
        .unwrap();
    reader
        .until(|v| v.servers.len() == 1 && v.sessions.len() == 1)
        .await;
    assert_eq!(reader.view.epoch, 1);
    second
        .wait_status("both know each other", |s| s.managers.len() == 2)
        .await;

    hub.set_connected(&"manager-1".parse().unwrap(), false);
    second.wait_status("it takes over", |s| s.leading).await;
    first
        .wait_status("the other one stops", |s| !s.leading && !s.bus.ok)
        .await;
    beat(&b, 1).await;
    reader.until(|v| v.servers.len() == 2).await;
    assert_eq!(reader.view.epoch, 2);
    assert_eq!(reader.view.sessions.len(), 1);
    assert_eq!(reader.servers(), ["a", "b"].map(str::to_owned).into());

    hub.set_connected(&"manager-1".parse().unwrap(), true);
    beat(&a, 2).await;
    reader
        .until(|v| v.servers.values().any(|r| r.server.sessions == 2))
        .await;
    assert_eq!(
        reader.view.epoch, 2,
        "who comes back does not take it again"
    );
}

#[tokio::test]
async fn any_manager_gives_the_snapshot_of_the_one_that_publishes() {
    let hub = Hub::new();
    let first = testing::start(&hub, namespace()).await;
    let _second = testing::join(&hub, namespace(), "manager-2", first.store().clone()).await;
    let node = member(&hub, "a");
    beat(&node, 1).await;
    first
        .wait_status("the heartbeat is known", |s| s.nodes.len() == 1)
        .await;
    // The queue group turns, so that both managers are asked.
    for _ in 0..6 {
        let snapshot = snapshot(&node).await.unwrap();
        assert_eq!((snapshot.epoch, snapshot.servers.len()), (1, 1));
    }
}

#[tokio::test]
async fn an_orderly_end_hands_over_at_once_and_a_restart_forgets_nothing() {
    let hub = Hub::new();
    let first = testing::start(&hub, namespace()).await;
    let store = first.store().clone();
    let node = member(&hub, "a");
    beat(&node, 1).await;
    let _: Empty = node
        .store(Operation::SessionPut, &put(vec![session(1, "a", 3)], false))
        .await
        .unwrap();
    eventually("the server record is stored", async || {
        let kind = fastx_manager::store::Collection::Servers;
        fastx_manager::store::Store::get(&*store, kind, "a")
            .await
            .unwrap()
            .is_some()
    })
    .await;
    first.stop().await;

    let begun = tokio::time::Instant::now();
    let next = testing::join(&hub, namespace(), "manager-2", store).await;
    next.wait_status("it takes over", |s| s.leading).await;
    assert!(
        begun.elapsed() < fastx_manager::lease::DURATION,
        "nobody waited for the lease to end"
    );
    let snapshot = snapshot(&node).await.unwrap();
    assert_eq!(
        (
            snapshot.epoch,
            snapshot.servers.len(),
            snapshot.sessions.len()
        ),
        (2, 1, 1)
    );
    assert_eq!(
        snapshot.servers[0].server.static_data["a.b"]["$x"], 1,
        "odd keys survive the store"
    );
}
