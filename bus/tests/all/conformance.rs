//! What every transport promises: one suite, run over NATS, over Redis and within a process.

use std::time::Duration;

use fastx_bus::testing::redis::RedisServer;
use fastx_bus::testing::{PATIENCE, Server, namespace};
use fastx_bus::{Bus, BusError, Hub, Subscription};
use fastx_core::identity::MAX_PAYLOAD;
use fastx_core::subject::{MANAGER_QUEUE, Operation, Subjects};
use fastx_core::wire::operations::{Empty, TokenCheck};
use fastx_core::wire::problem::Problem;
use tokio::time::{Instant, timeout};

/// One manager or two, and two nodes on the same bus.
struct Members {
    manager: Bus,
    second: Bus,
    a: Bus,
    b: Bus,
}

fn check() -> TokenCheck {
    TokenCheck { jti: "x".into() }
}

async fn next(subscription: &mut Subscription) -> fastx_bus::Incoming {
    timeout(PATIENCE, subscription.next())
        .await
        .expect("a message in time")
        .expect("an open subscription")
}

/// Answers every store request with its own name.
async fn serve(manager: &Bus) -> tokio::task::JoinHandle<()> {
    let mut requests = manager
        .queue_subscribe(manager.subjects().all_store(), MANAGER_QUEUE)
        .await
        .unwrap();
    let name = manager.caller().to_string();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let answer = match request.body::<TokenCheck>() {
                Ok(body) if body.jti == "refuse" => Err(Problem::forbidden("as told")),
                Ok(_) => Ok(name.clone()),
                Err(problem) => Err(problem),
            };
            request.respond(answer).await;
        }
    })
}

async fn requests_are_answered(members: &Members) {
    let server = serve(&members.manager).await;
    let answer: String = members
        .a
        .store(Operation::TokenCheck, &check())
        .await
        .unwrap();
    assert_eq!(answer, "manager-1");
    let refused = TokenCheck {
        jti: "refuse".into(),
    };
    let problem = members
        .a
        .store::<_, String>(Operation::TokenCheck, &refused)
        .await
        .unwrap_err();
    assert_eq!(
        (problem.kind.as_str(), problem.detail.as_str()),
        ("not-allowed", "as told")
    );
    let problem = members
        .a
        .store::<_, String>(Operation::TokenCheck, &7)
        .await
        .unwrap_err();
    assert_eq!(problem.kind, "bad-request");
    server.abort();
    let _ = server.await;
}

async fn nobody_there_is_said_at_once(members: &Members) {
    // Just after a connection "nobody" is asked again for two seconds; within a process never.
    let begun = Instant::now();
    let problem = members
        .a
        .store::<_, Empty>(Operation::TokenCheck, &check())
        .await
        .unwrap_err();
    assert_eq!(problem.kind, "no-manager");
    let problem = members
        .a
        .node::<_, Empty>(
            &"b".parse().unwrap(),
            Operation::SessionAct,
            &check(),
            PATIENCE,
        )
        .await
        .unwrap_err();
    assert_eq!(problem.kind, "node-unreachable");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

async fn silence_ends_at_the_deadline(members: &Members) {
    let mut requests = members
        .b
        .subscribe(members.b.subjects().all_node(&"b".parse().unwrap()))
        .await
        .unwrap();
    let begun = Instant::now();
    let (target, body) = ("b".parse().unwrap(), check());
    let request = members.a.node::<_, Empty>(
        &target,
        Operation::SessionAct,
        &body,
        Duration::from_millis(300),
    );
    let (problem, request) = tokio::join!(request, next(&mut requests));
    assert_eq!(problem.unwrap_err().kind, "bus-timeout");
    assert!(begun.elapsed() >= Duration::from_millis(300));
    request.respond(Ok(Empty {})).await;
}

async fn a_group_shares_the_work(members: &Members) {
    let servers = [serve(&members.manager).await, serve(&members.second).await];
    let mut counts = [0, 0];
    for _ in 0..40 {
        let answer: String = members
            .a
            .store(Operation::TokenCheck, &check())
            .await
            .unwrap();
        counts[usize::from(answer == "manager-2")] += 1;
    }
    assert!(counts.iter().all(|&n| n > 0), "{counts:?}");
    for server in servers {
        server.abort();
        let _ = server.await;
    }
}

async fn publications_reach_everybody_in_order(members: &Members) {
    let mut readers = [
        members
            .a
            .subscribe(members.a.subjects().revoke())
            .await
            .unwrap(),
        members
            .b
            .subscribe(members.b.subjects().revoke())
            .await
            .unwrap(),
    ];
    let traced = members
        .manager
        .with_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    for number in 0..50_u32 {
        traced
            .publish(traced.subjects().revoke(), &number)
            .await
            .unwrap();
    }
    for reader in &mut readers {
        for number in 0..50_u32 {
            let message = next(reader).await;
            assert_eq!(message.body::<u32>(), Ok(number));
            assert!(!message.wants_answer());
            assert!(message.traceparent.unwrap().starts_with("00-0af7"));
        }
    }
}

async fn the_forbidden_is_refused_at_once(members: &Members) {
    let begun = Instant::now();
    let subjects = Subjects::new(namespace());
    let foreign = subjects.store(members.b.caller(), Operation::TokenCheck);
    let problem = members
        .a
        .request::<_, Empty>(foreign, &check(), PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(problem.kind, "bus-denied");
    for subject in [
        format!("{}.>", Subjects::inbox(members.b.caller())),
        subjects.all_node(&"b".parse().unwrap()),
    ] {
        let denied = members.a.subscribe(subject.clone()).await.unwrap_err();
        assert_eq!(denied, BusError::Denied(subject));
    }
    let start = subjects.node(
        &"a".parse().unwrap(),
        members.manager.caller(),
        Operation::SessionStart,
    );
    let problem = members
        .manager
        .request::<_, Empty>(start, &check(), PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(problem.kind, "bus-denied", "managers start nothing");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

async fn patterns_take_what_they_match_and_nothing_else(members: &Members) {
    let subjects = Subjects::new(namespace());
    let mut beats = members
        .manager
        .subscribe(subjects.all_heartbeats())
        .await
        .unwrap();
    let mut requests = members
        .b
        .subscribe(subjects.all_node(&"b".parse().unwrap()))
        .await
        .unwrap();
    for (member, number) in [(&members.a, 1_u32), (&members.b, 2)] {
        let subject = subjects.heartbeat(member.caller());
        member.publish(subject.clone(), &number).await.unwrap();
        let beat = next(&mut beats).await;
        assert_eq!((beat.subject.clone(), beat.body()), (subject, Ok(number)));
    }
    let b = "b".parse().unwrap();
    for operation in [Operation::SessionStart, Operation::SessionAct] {
        let body = check();
        let asking = members.a.node::<_, String>(&b, operation, &body, PATIENCE);
        let answering = async {
            let request = next(&mut requests).await;
            let subject = request.subject.clone();
            request.respond(Ok(subject)).await;
        };
        let expected = subjects.node(&b, members.a.caller(), operation);
        assert_eq!(tokio::join!(asking, answering).0, Ok(expected));
    }
    // The pattern of one node does not take what is for another.
    let other = subjects.node(
        &"a".parse().unwrap(),
        members.b.caller(),
        Operation::SessionAct,
    );
    let problem = members
        .b
        .request::<_, Empty>(other, &check(), PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(problem.kind, "node-unreachable");
}

async fn the_too_large_is_refused_and_the_connection_stays(members: &Members) {
    let large = "x".repeat(usize::try_from(MAX_PAYLOAD).unwrap() + 1);
    let refused = members
        .manager
        .publish(members.manager.subjects().revoke(), &large)
        .await;
    assert!(
        matches!(refused, Err(BusError::TooLarge { .. })),
        "{refused:?}"
    );
    let problem = members
        .a
        .store::<_, Empty>(Operation::TokenCheck, &large)
        .await
        .unwrap_err();
    assert_eq!(problem.kind, "too-large");
    let mut requests = members
        .b
        .subscribe(members.b.subjects().all_node(&"b".parse().unwrap()))
        .await
        .unwrap();
    let (target, body) = ("b".parse().unwrap(), check());
    let asking = members
        .a
        .node::<_, String>(&target, Operation::SessionAct, &body, PATIENCE);
    let answering = async {
        next(&mut requests)
            .await
            .respond(Ok(&large[..7_000_000]))
            .await;
    };
    let answer = tokio::join!(asking, answering).0.unwrap();
    assert_eq!(answer.len(), 7_000_000, "what fits is carried");
}

/// On NATS a refusal may come after the publication returned, but nothing may arrive, and the next one is refused.
async fn forbidden_publications_reach_nobody(members: &Members) {
    let subjects = Subjects::new(namespace());
    let mut readers = [
        members.b.subscribe(subjects.fleet()).await.unwrap(),
        members
            .manager
            .subscribe(subjects.all_heartbeats())
            .await
            .unwrap(),
    ];
    for subject in [subjects.fleet(), subjects.heartbeat(members.b.caller())] {
        fastx_bus::testing::eventually("the refusal is known", async || {
            members.a.publish(subject.clone(), &0).await == Err(BusError::Denied(subject.clone()))
        })
        .await;
    }
    members.manager.publish(subjects.fleet(), &1).await.unwrap();
    members
        .b
        .publish(subjects.heartbeat(members.b.caller()), &1)
        .await
        .unwrap();
    for reader in &mut readers {
        assert_eq!(next(reader).await.body::<u32>(), Ok(1));
    }
}

async fn a_dropped_subscription_answers_no_more(members: &Members) {
    let requests = members
        .b
        .subscribe(members.b.subjects().all_node(&"b".parse().unwrap()))
        .await
        .unwrap();
    drop(requests);
    fastx_bus::testing::eventually("the server knows", async || {
        members
            .a
            .node::<_, Empty>(
                &"b".parse().unwrap(),
                Operation::SessionAct,
                &check(),
                Duration::from_secs(3),
            )
            .await
            .is_err_and(|problem| problem.kind == "node-unreachable")
    })
    .await;
}

async fn all(members: &Members) {
    nobody_there_is_said_at_once(members).await;
    requests_are_answered(members).await;
    silence_ends_at_the_deadline(members).await;
    a_group_shares_the_work(members).await;
    publications_reach_everybody_in_order(members).await;
    the_forbidden_is_refused_at_once(members).await;
    forbidden_publications_reach_nobody(members).await;
    patterns_take_what_they_match_and_nothing_else(members).await;
    the_too_large_is_refused_and_the_connection_stays(members).await;
    a_dropped_subscription_answers_no_more(members).await;
}

#[tokio::test]
async fn within_a_process() {
    let hub = Hub::new();
    let join = |name: &str| Bus::in_process(&hub, name.parse().unwrap(), namespace());
    all(&Members {
        manager: join("manager-1"),
        second: join("manager-2"),
        a: join("a"),
        b: join("b"),
    })
    .await;
}

#[tokio::test]
async fn over_nats() {
    let server = Server::start(1).await;
    let members = Members {
        manager: server.join("manager-1").await,
        second: server.join("manager-2").await,
        a: server.join("a").await,
        b: server.join("b").await,
    };
    all(&members).await;
}

#[tokio::test]
async fn over_redis() {
    let server = RedisServer::start().await;
    let members = Members {
        manager: server.join("manager-1").await,
        second: server.join("manager-2").await,
        a: server.join("a").await,
        b: server.join("b").await,
    };
    all(&members).await;
}
