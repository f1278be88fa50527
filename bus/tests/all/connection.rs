//! Connecting, losing the connection, moving to another server, and losing one's identity.

use std::time::Duration;

use fastx_bus::testing::redis::RedisServer;
use fastx_bus::testing::{PATIENCE, Server, eventually, free_port, try_join};
use fastx_bus::{Bus, BusError, BusState, Cause, Options};
use fastx_core::subject::{MANAGER_QUEUE, Operation};
use fastx_core::wire::broker::BrokerConfig;
use fastx_core::wire::operations::{Empty, TokenCheck};
use tokio::time::{Instant, timeout};

/// Either server, for what both do alike.
enum Transporter {
    Nats(Box<Server>),
    Redis(RedisServer),
}

impl Transporter {
    async fn join(&self, caller: &str) -> Bus {
        match self {
            Self::Nats(server) => server.join(caller).await,
            Self::Redis(server) => server.join(caller).await,
        }
    }

    fn broker(&self, caller: &str) -> BrokerConfig {
        match self {
            Self::Nats(server) => server.broker(caller),
            Self::Redis(server) => server.broker(),
        }
    }

    fn kill(&mut self) {
        match self {
            Self::Nats(server) => server.kill(),
            Self::Redis(server) => server.kill(),
        }
    }

    async fn up(&mut self) {
        match self {
            Self::Nats(server) => server.up().await,
            Self::Redis(server) => server.up().await,
        }
    }
}

fn check() -> TokenCheck {
    TokenCheck { jti: "x".into() }
}

/// Only what never answers is not worth a long wait.
async fn cause(broker: BrokerConfig, limit: Duration) -> Cause {
    let options = Options {
        caller: None,
        limit,
    };
    match Bus::connect(broker, options).await.unwrap_err() {
        BusError::Unreachable { address, cause } => {
            assert!(address.contains(':'), "{address}");
            cause
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn each_way_to_fail_has_its_own_words() {
    let server = Server::start(1).await;
    let good = server.broker("a");

    let refused = BrokerConfig {
        port: free_port(),
        ..good.clone()
    };
    assert_eq!(cause(refused, PATIENCE).await, Cause::Refused);

    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let silent_one = BrokerConfig {
        port,
        host: "127.0.0.1".into(),
        ..good.clone()
    };
    let begun = Instant::now();
    let gave_up = cause(silent_one, Duration::from_secs(2)).await;
    assert_eq!(gave_up, Cause::TimedOut);
    assert!(begun.elapsed() < PATIENCE);

    let other = Server::start(2).await;
    let wrong_ca = BrokerConfig {
        ca: other.broker("a").ca,
        ..good.clone()
    };
    assert!(matches!(cause(wrong_ca, PATIENCE).await, Cause::Tls(_)));

    let stranger = BrokerConfig {
        credentials: Some(other.credentials("a")),
        ..good.clone()
    };
    assert_eq!(cause(stranger, PATIENCE).await, Cause::Credentials);

    let nowhere = BrokerConfig {
        host: "no-such-host.invalid".into(),
        ..good.clone()
    };
    assert_eq!(cause(nowhere, PATIENCE).await, Cause::Dns);

    let lax = BrokerConfig {
        reject_unauthorized: false,
        ca: String::new(),
        ..good
    };
    assert!(
        try_join(lax).await.is_ok(),
        "rejectUnauthorized: false takes any certificate"
    );
}

#[tokio::test]
async fn a_request_in_flight_survives_the_death_of_nats() {
    a_request_in_flight_survives(Transporter::Nats(Box::new(Server::start(1).await))).await;
}

#[tokio::test]
async fn a_request_in_flight_survives_the_death_of_redis() {
    a_request_in_flight_survives(Transporter::Redis(RedisServer::start().await)).await;
}

async fn a_request_in_flight_survives(mut server: Transporter) {
    let (manager, node) = (server.join("manager-1").await, server.join("a").await);
    let mut requests = manager
        .queue_subscribe(manager.subjects().all_store(), MANAGER_QUEUE)
        .await
        .unwrap();
    let asking = tokio::spawn({
        let node = node.clone();
        async move {
            node.request::<_, Empty>(
                node.subjects().store(node.caller(), Operation::TokenCheck),
                &check(),
                PATIENCE,
            )
            .await
        }
    });
    let unanswered = timeout(PATIENCE, requests.next()).await.unwrap();
    server.kill();
    let mut state = node.state();
    let lost = timeout(PATIENCE, state.wait_for(|s| !s.is_connected())).await;
    assert!(matches!(
        *lost.unwrap().unwrap(),
        BusState::Disconnected { .. }
    ));
    let refused = node
        .publish(node.subjects().heartbeat(node.caller()), &1)
        .await;
    assert!(
        matches!(refused, Err(BusError::Disconnected(_))),
        "{refused:?}"
    );

    server.up().await;
    let again = timeout(PATIENCE, requests.next()).await.unwrap().unwrap();
    again.respond(Ok(Empty {})).await;
    assert_eq!(asking.await.unwrap(), Ok(Empty {}));
    drop(unanswered);
}

#[tokio::test]
async fn nats_that_stays_away_ends_requests_with_a_reason() {
    staying_away_ends_requests(Transporter::Nats(Box::new(Server::start(1).await))).await;
}

#[tokio::test]
async fn redis_that_stays_away_ends_requests_with_a_reason() {
    staying_away_ends_requests(Transporter::Redis(RedisServer::start().await)).await;
}

async fn staying_away_ends_requests(mut server: Transporter) {
    let node = server.join("a").await;
    server.kill();
    let _ = timeout(PATIENCE, node.state().wait_for(|s| !s.is_connected()))
        .await
        .unwrap();
    let begun = Instant::now();
    let problem = node
        .store::<_, Empty>(Operation::TokenCheck, &check())
        .await
        .unwrap_err();
    assert_eq!(problem.kind, "bus-timeout");
    assert!(problem.detail.contains("cut off"), "{}", problem.detail);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn revoking_cuts_only_the_revoked() {
    let mut server = Server::start(1).await;
    let (gone, stays) = (server.join("gone").await, server.join("stays").await);
    let untouched = stays.state();
    let late = server.join("late").await;
    assert!(
        late.state().borrow().is_connected(),
        "a new member needs no change of the server"
    );

    server.revoke(&server.credentials("gone"));
    let _ = timeout(PATIENCE, gone.state().wait_for(|s| !s.is_connected()))
        .await
        .unwrap();
    let refused = try_join(server.broker("gone")).await.unwrap_err();
    assert!(
        matches!(
            refused,
            BusError::Unreachable {
                cause: Cause::Credentials,
                ..
            }
        ),
        "{refused}"
    );
    stays
        .publish(stays.subjects().heartbeat(stays.caller()), &1)
        .await
        .unwrap();
    assert!(
        !untouched.has_changed().unwrap(),
        "{:?}",
        *untouched.borrow()
    );
    eventually("the reason is known", async || {
        matches!(&*gone.state().borrow(), BusState::Disconnected { why, .. } if why.contains("credentials were refused"))
    })
    .await;
}

#[tokio::test]
async fn a_member_moves_to_another_nats_with_its_subscriptions() {
    let servers = [Server::start(1).await, Server::start(2).await];
    let stranger = servers[0]
        .join("a")
        .await
        .replace(servers[1].broker("b"))
        .await
        .unwrap_err();
    assert!(
        matches!(stranger, BusError::WrongCaller { .. }),
        "{stranger}"
    );
    let [old, new] = servers.map(|server| Transporter::Nats(Box::new(server)));
    a_member_moves(old, new).await;
}

#[tokio::test]
async fn a_member_moves_to_another_redis_with_its_subscriptions() {
    let old = Transporter::Redis(RedisServer::start().await);
    a_member_moves(old, Transporter::Redis(RedisServer::start().await)).await;
}

#[tokio::test]
async fn a_member_does_not_move_to_another_kind_of_transporter() {
    let (nats, redis) = (Server::start(1).await, RedisServer::start().await);
    let node = nats.join("a").await;
    let refused = node.replace(redis.broker()).await.unwrap_err();
    assert_eq!(refused, BusError::OtherTransporter);
    assert!(node.state().borrow().is_connected());
}

async fn a_member_moves(old: Transporter, new: Transporter) {
    let node = old.join("a").await;
    let mut requests = node
        .subscribe(node.subjects().all_node(&"a".parse().unwrap()))
        .await
        .unwrap();
    let mut fleet = node.subscribe(node.subjects().fleet()).await.unwrap();

    node.replace(new.broker("a")).await.unwrap();
    drop(old);

    let (manager, other) = (new.join("manager-1").await, new.join("b").await);
    manager
        .publish(manager.subjects().fleet(), &5)
        .await
        .unwrap();
    let message = timeout(PATIENCE, fleet.next()).await.unwrap().unwrap();
    assert_eq!(message.body::<u32>(), Ok(5));
    let (target, body) = ("a".parse().unwrap(), check());
    let asking = other.node::<_, u32>(&target, Operation::SessionAct, &body, PATIENCE);
    let answering = async {
        let request = timeout(PATIENCE, requests.next()).await.unwrap().unwrap();
        request.respond(Ok(9)).await;
    };
    assert_eq!(tokio::join!(asking, answering).0, Ok(9));
    assert!(node.state().borrow().is_connected());
}

#[tokio::test]
async fn members_of_different_servers_of_a_cluster_hear_each_other_and_move_when_one_dies() {
    let [mut first, second] = Server::start_pair(1).await;
    let manager = second.join("manager-1").await;
    let mut broker = first.broker("a");
    broker.hosts = vec![format!("localhost:{}", second.broker("a").port)];
    // Alone first, so that the member surely is on the other server.
    let mut requests = manager
        .queue_subscribe(manager.subjects().all_store(), MANAGER_QUEUE)
        .await
        .unwrap();
    let answering = tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            request.respond(Ok(7)).await;
        }
    });
    let apart = first.join("b").await;
    let asks =
        async |bus: &Bus| bus.store::<_, u32>(Operation::TokenCheck, &check()).await == Ok(7);
    eventually("the servers have found each other", async || {
        asks(&apart).await
    })
    .await;
    let node = try_join(broker).await.unwrap();
    first.kill();
    eventually("it goes on with the other server", async || {
        asks(&node).await
    })
    .await;
    answering.abort();
}
