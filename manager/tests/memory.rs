//! What many sign-ins leave behind in the memory of a manager: a process of its own, so that nothing else counts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use fastx_bus::{Bus, Hub};
use fastx_core::names::BusNamespace;
use fastx_core::secret::Secret;
use fastx_core::subject::Operation;
use fastx_core::wire::operations::{PasswordAnswer, PasswordCheck};
use fastx_lifecycle::env::{Process, Source as _};
use fastx_lifecycle::memory;
use fastx_manager::testing;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

/// People who sign in at the same time.
const PEOPLE: u32 = 8;

/// The default of argon2id, KiB.
const COST: u32 = 19 * 1024;

/// What may stay, KiB: less than half of the memory of one check.
const MAY_STAY: u64 = 8 * 1024;

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn sign_in(node: &Bus, person: u32, times: u32) {
    for _ in 0..times {
        let body = PasswordCheck {
            login: format!("user{person}").parse().unwrap(),
            password: Secret::new("secret"),
            address: format!("192.0.2.{person}"),
        };
        let answer: PasswordAnswer = node.store(Operation::PasswordCheck, &body).await.unwrap();
        assert_eq!(answer.groups, ["ops"]);
    }
}

/// `FASTX_SIGN_INS=500` gives the figure of `docs/measurements.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_sign_ins_leave_no_memory_behind() {
    memory::return_large_buffers();
    let each = Process.parse("FASTX_SIGN_INS", 80_u32).unwrap() / PEOPLE;
    let namespace: BusNamespace = "test".parse().unwrap();
    let hub = Hub::new();
    let manager = testing::start(&hub, namespace.clone()).await;
    let file = testing::user_file_of("secret", &["ops"], COST);
    for person in 0..PEOPLE {
        manager.add_user_file(&format!("user{person}"), file.clone());
    }
    let node = Bus::in_process(&hub, "a".parse().unwrap(), namespace);
    let before = resident_kib();
    let mut tasks = JoinSet::new();
    for person in 0..PEOPLE {
        let node = node.clone();
        tasks.spawn(async move { sign_in(&node, person, each).await });
    }
    tasks.join_all().await;
    let busy = resident_kib();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut look = interval(Duration::from_millis(100));
    let mut after = busy;
    while after > before + MAY_STAY {
        assert!(
            Instant::now() < deadline,
            "{before} KiB before, {busy} right after, {after} still"
        );
        look.tick().await;
        after = resident_kib();
    }
    println!("resident: {before} KiB before, {busy} right after, {after} when idle");
}
