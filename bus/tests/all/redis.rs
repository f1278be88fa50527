//! What is Redis's own: how it refuses, the original's `broker.json`, groups whose members vanish, death under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fastx_bus::testing::redis::{RedisServer, try_join};
use fastx_bus::testing::{PATIENCE, eventually, free_port};
use fastx_bus::{Bus, BusError, BusState, Cause, Options};
use fastx_core::secret::Secret;
use fastx_core::subject::{MANAGER_QUEUE, Operation};
use fastx_core::wire::broker::BrokerConfig;
use fastx_core::wire::operations::TokenCheck;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

fn check() -> TokenCheck {
    TokenCheck { jti: "x".into() }
}

/// Answers with the name of the manager.
async fn serve(manager: &Bus) -> JoinHandle<()> {
    let mut requests = manager
        .queue_subscribe(manager.subjects().all_store(), MANAGER_QUEUE)
        .await
        .unwrap();
    let name = manager.caller().to_string();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            request.respond(Ok(name.clone())).await;
        }
    })
}

async fn ask(bus: &Bus) -> Option<String> {
    bus.store::<_, String>(Operation::TokenCheck, &check())
        .await
        .ok()
}

fn signal(pid: u32, name: &str) {
    let sent = std::process::Command::new("kill")
        .args([name, &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

async fn cause(broker: BrokerConfig) -> Cause {
    let options = Options {
        caller: Some("a".parse().unwrap()),
        limit: Duration::from_secs(3),
    };
    let begun = Instant::now();
    let error = Bus::connect(broker, options).await.unwrap_err();
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    match error {
        BusError::Unreachable { address, cause } => {
            assert!(address.contains(':'), "{address}");
            cause
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn each_way_to_fail_has_its_own_words() {
    let server = RedisServer::start().await;
    let good = server.broker();
    for password in ["wrong", ""] {
        let stranger = BrokerConfig {
            password: Secret::new(password),
            ..good.clone()
        };
        assert_eq!(cause(stranger).await, Cause::Credentials, "`{password}`");
    }
    let refused = BrokerConfig {
        port: free_port(),
        ..good.clone()
    };
    assert_eq!(cause(refused).await, Cause::Refused);
    let nowhere = BrokerConfig {
        host: "no-such-host.invalid".into(),
        ..good.clone()
    };
    assert_eq!(cause(nowhere).await, Cause::Dns);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = BrokerConfig {
        port: silent.local_addr().unwrap().port(),
        host: "127.0.0.1".into(),
        ..good.clone()
    };
    assert_eq!(cause(silent).await, Cause::TimedOut);
    let other = RedisServer::start().await;
    let wrong_ca = BrokerConfig {
        ca: other.broker().ca,
        ..good.clone()
    };
    assert!(matches!(cause(wrong_ca).await, Cause::Tls(_)));
    let plain = BrokerConfig {
        port: server.plain_port,
        ..good
    };
    match cause(plain).await {
        Cause::Tls(why) => assert!(why.contains("without TLS"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_first_server_of_several_that_works_is_taken() {
    let server = RedisServer::start().await;
    let broker = BrokerConfig {
        host: format!("localhost:{}", free_port()),
        hosts: vec![format!("localhost:{}", server.broker().port)],
        ..server.broker()
    };
    let bus = try_join(broker, "a").await.unwrap();
    assert!(bus.state().borrow().is_connected());
}

#[tokio::test]
async fn the_six_fields_of_the_original_are_enough() {
    let server = RedisServer::start().await;
    let text = format!(
        r#"{{"transporterType": "redis", "password": "secret", "host": "localhost", "port": {},
            "rejectUnauthorized": false, "namespace": "fastx-cluster"}}"#,
        server.broker().port
    );
    let broker = BrokerConfig::parse(&text).unwrap();
    let manager = try_join(broker.clone(), "manager-1").await.unwrap();
    let node = try_join(broker.clone(), "host_1").await.unwrap();
    let serving = serve(&manager).await;
    assert_eq!(ask(&node).await.as_deref(), Some("manager-1"));
    // Another cluster on the same Redis hears nothing of it.
    let apart = BrokerConfig {
        namespace: "other".parse().unwrap(),
        ..broker
    };
    let stranger = try_join(apart, "host_1").await.unwrap();
    let problem = stranger
        .store::<_, String>(Operation::TokenCheck, &check())
        .await
        .unwrap_err();
    assert_eq!(problem.kind, "no-manager");
    serving.abort();
}

#[tokio::test]
async fn the_group_goes_on_when_members_leave_or_vanish() {
    let server = RedisServer::start().await;
    let (first, second) = (
        server.join("manager-1").await,
        server.join("manager-2").await,
    );
    let node = server.join("a").await;
    let (leaving, staying) = (serve(&first).await, serve(&second).await);
    // One ends in an orderly way, the other's connection is just gone.
    leaving.abort();
    let _ = leaving.await;
    eventually("the one that left is not asked any more", async || {
        let mut all = true;
        for _ in 0..6 {
            all &= ask(&node).await.as_deref() == Some("manager-2");
        }
        all
    })
    .await;
    let third = server.join("manager-3").await;
    let serving = serve(&third).await;
    drop(second);
    staying.abort();
    let mut unanswered = 0;
    for _ in 0..20 {
        unanswered += u32::from(ask(&node).await.is_none());
    }
    assert!(
        unanswered <= 1,
        "one may have been on its way: {unanswered}"
    );
    serving.abort();
}

#[tokio::test]
async fn death_under_load_loses_no_request_and_all_come_back() {
    let mut server = RedisServer::start().await;
    let managers = [
        server.join("manager-1").await,
        server.join("manager-2").await,
    ];
    let serving = [serve(&managers[0]).await, serve(&managers[1]).await];
    let node = server.join("a").await;
    let mut fleet = node.subscribe(node.subjects().fleet()).await.unwrap();
    let stop = CancellationToken::new();
    let done: [AtomicU32; 2] = Default::default();
    let done = Arc::new(done);
    let load: Vec<JoinHandle<()>> = (0..8)
        .map(|_| {
            let (node, stop, done) = (node.clone(), stop.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    let answered = ask(&node).await.is_some();
                    done[usize::from(answered)].fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let answered = || done[1].load(Ordering::Relaxed);
    eventually("there is load", async || answered() > 100).await;
    server.kill();
    let mut state = node.state();
    let lost = timeout(PATIENCE, state.wait_for(|s| !s.is_connected()));
    assert!(lost.await.unwrap().is_ok());
    let before = answered();
    server.up().await;
    eventually("the load goes on", async || answered() > before + 100).await;
    stop.cancel();
    for task in load {
        task.await.unwrap();
    }
    assert_eq!(done[0].load(Ordering::Relaxed), 0, "requests failed");
    let heard = async {
        let again = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(50));
            loop {
                ticks.tick().await;
                let _ = managers[0]
                    .publish(managers[0].subjects().fleet(), &1)
                    .await;
            }
        };
        tokio::select! {
            message = fleet.next() => message.is_some(),
            () = again => false,
        }
    };
    assert!(
        timeout(PATIENCE, heard).await.unwrap(),
        "a publication arrives again"
    );
    serving.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_taken_again() {
    let server = RedisServer::start().await;
    let node = server.join("a").await;
    let mut state = node.state();
    signal(server.pid(), "-STOP");
    let lost = timeout(PATIENCE, state.wait_for(|s| !s.is_connected())).await;
    signal(server.pid(), "-CONT");
    assert!(lost.unwrap().is_ok());
    let back = timeout(PATIENCE, state.wait_for(BusState::is_connected));
    assert!(back.await.unwrap().is_ok());
}
