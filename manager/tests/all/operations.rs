//! What nodes ask for, and what comes of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fastx_bus::{Bus, Hub};
use fastx_core::secret::Secret;
use fastx_core::subject::Operation;
use fastx_core::wire::config::{ClusterPart, NodePart};
use fastx_core::wire::fleet::FleetSnapshot;
use fastx_core::wire::operations::{
    ConfigAnnounce, ConfigAnswer, ConfigGet, Empty, PasswordAnswer, PasswordCheck, Revoked,
    SessionPurge, TokenAnswer, TokenCheck, TokenPut, TokenRevoke,
};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::SessionState;
use fastx_manager::store::{Collection, Store as _};
use fastx_manager::testing;
use tokio::task::JoinSet;

use crate::support::{
    beat, eventually, heartbeat, is_live, member, namespace, next, put, session, token,
};

async fn report(
    node: &Bus,
    sessions: Vec<fastx_core::wire::session::SessionRecord>,
    complete: bool,
) {
    let _: Empty = node
        .store(Operation::SessionPut, &put(sessions, complete))
        .await
        .unwrap();
}

async fn snapshot(node: &Bus) -> FleetSnapshot {
    node.store(Operation::FleetGet, &Empty {}).await.unwrap()
}

#[tokio::test]
async fn a_record_is_purged_by_its_server_or_when_that_is_gone() {
    let hub = Hub::new();
    let manager = testing::start(&hub, namespace()).await;
    let (a, b) = (member(&hub, "a"), member(&hub, "b"));
    let purge = async |bus: &Bus, id: u8| {
        let body = SessionPurge {
            id: session(id, "a", 1).id,
            by: "ada".parse().unwrap(),
        };
        let done: Result<Empty, Problem> = bus.store(Operation::SessionPurge, &body).await;
        done.map_err(|problem| problem.kind)
    };
    let known = async || {
        let sessions = snapshot(&a).await.sessions;
        sessions
            .iter()
            .map(|s| s.id.as_str()[15..].to_owned())
            .collect::<String>()
    };
    report(
        &a,
        vec![session(1, "a", 1), session(2, "a", 1), session(3, "a", 1)],
        false,
    )
    .await;
    assert_eq!(
        purge(&b, 1).await,
        Ok(Empty {}),
        "nobody has ever heard of its server"
    );
    assert_eq!(known().await, "23");
    beat(&a, 1).await;
    manager
        .wait_status("the server is there", |s| s.nodes.len() == 1)
        .await;
    assert_eq!(purge(&b, 2).await, Err("session-lives".to_owned()));
    assert_eq!(purge(&a, 2).await, Ok(Empty {}), "its own server may");
    let mut over = session(3, "a", 2);
    over.state = SessionState::Ended;
    report(&a, vec![over], false).await;
    assert_eq!(purge(&b, 3).await, Ok(Empty {}));
    assert_eq!(purge(&b, 3).await, Ok(Empty {}), "again is as good");
    assert_eq!(known().await, "");
    report(&a, vec![session(2, "a", 3)], false).await;
    assert_eq!(known().await, "2", "what runs is reported anew");
}

#[tokio::test]
async fn the_newest_word_about_a_session_counts() {
    let hub = Hub::new();
    let _manager = testing::start(&hub, namespace()).await;
    let node = member(&hub, "a");
    report(&node, vec![session(1, "a", 5), session(2, "a", 1)], false).await;
    let mut late = session(1, "a", 4);
    late.state = SessionState::Ended;
    report(&node, vec![late], false).await;
    assert!(
        snapshot(&node).await.sessions.iter().all(is_live),
        "a late report is ignored"
    );

    report(&node, vec![session(1, "a", 6)], true).await;
    let sessions = snapshot(&node).await.sessions;
    let ended: Vec<&str> = sessions
        .iter()
        .filter(|s| !is_live(s))
        .map(|s| s.id.as_str())
        .collect();
    assert_eq!(
        ended,
        ["0000000000000002"],
        "a complete report ends what it does not name"
    );
    assert!(
        !sessions
            .iter()
            .find(|s| !is_live(s))
            .unwrap()
            .end_reason
            .is_empty()
    );
}

#[tokio::test]
async fn a_revoked_login_is_off_the_list_and_everybody_hears_it() {
    let hub = Hub::new();
    let _manager = testing::start(&hub, namespace()).await;
    let (a, b) = (member(&hub, "a"), member(&hub, "b"));
    let mut heard = b.subscribe(b.subjects().revoke()).await.unwrap();
    let (one, two) = (token("1", "a"), token("2", "a"));
    for token in [&one, &two, &one] {
        let body = TokenPut {
            token: token.clone(),
        };
        let _: Empty = a.store(Operation::TokenPut, &body).await.unwrap();
    }
    let listed = async |jti: &str| {
        let answer: TokenAnswer = b
            .store(Operation::TokenCheck, &TokenCheck { jti: jti.into() })
            .await
            .unwrap();
        answer.token
    };
    assert_eq!(listed(&one.jti).await, Some(one.clone()));

    let mut other = one.clone();
    other.login = "bob".parse().unwrap();
    let clash = a
        .store::<_, Empty>(Operation::TokenPut, &TokenPut { token: other })
        .await;
    assert_eq!(clash.unwrap_err().kind, "token-exists");

    let revoke = TokenRevoke {
        login: one.login.clone(),
        jti: Some(one.jti.clone()),
    };
    let _: Empty = b.store(Operation::TokenRevoke, &revoke).await.unwrap();
    assert_eq!(
        next(&mut heard).await.body::<Revoked>().unwrap().jtis,
        std::slice::from_ref(&one.jti)
    );
    assert_eq!(
        (listed(&one.jti).await, listed(&two.jti).await),
        (None, Some(two.clone()))
    );

    let all = TokenRevoke {
        login: one.login.clone(),
        jti: None,
    };
    let _: Empty = b.store(Operation::TokenRevoke, &all).await.unwrap();
    assert_eq!(
        next(&mut heard).await.body::<Revoked>().unwrap().jtis,
        std::slice::from_ref(&two.jti)
    );
    assert_eq!(listed(&two.jti).await, None);
}

async fn try_password(
    bus: &Bus,
    login: &str,
    password: &str,
    address: &str,
) -> Result<PasswordAnswer, Problem> {
    let body = PasswordCheck {
        login: login.parse().unwrap(),
        password: Secret::new(password),
        address: address.into(),
    };
    bus.store(Operation::PasswordCheck, &body).await
}

#[tokio::test]
async fn passwords_are_checked_and_strangers_are_told_nothing() {
    let hub = Hub::new();
    let manager = testing::start(&hub, namespace()).await;
    manager.add_user("ada", "secret", &["ops"]);
    let node = member(&hub, "a");
    let right = try_password(&node, "ada", "secret", "::1").await.unwrap();
    assert_eq!(
        (right.login.as_str(), right.groups),
        ("ada", vec!["ops".to_owned()])
    );
    let wrong = try_password(&node, "ada", "Secret", "::1")
        .await
        .unwrap_err();
    let unknown = try_password(&node, "bob", "secret", "::1")
        .await
        .unwrap_err();
    assert_eq!(wrong.kind, "wrong-credentials");
    assert_eq!(wrong, unknown);
    assert_eq!(
        try_password(&node, "ada", "", "::1")
            .await
            .unwrap_err()
            .kind,
        "wrong-credentials"
    );
    let huge = "x".repeat(100_000);
    assert_eq!(
        try_password(&node, "ada", &huge, "::1")
            .await
            .unwrap_err()
            .kind,
        "wrong-credentials"
    );
}

#[tokio::test]
async fn a_stolen_hash_is_no_password_and_ends_with_a_new_one() {
    let hub = Hub::new();
    let manager = testing::start(&hub, namespace()).await;
    let node = member(&hub, "a");
    let file = testing::user_file("correct horse", &["ops"]);
    manager.add_user_file("ada", file.clone());
    let hash = file.lines().next().unwrap();
    assert!(
        hash.starts_with("$argon2id$") && !file.contains("horse"),
        "{file}"
    );
    let refused = async |password: &str| {
        let answer = try_password(&node, "ada", password, "::1").await;
        answer.unwrap_err().kind
    };
    let last = hash.rsplit('$').next().unwrap();
    for stolen in [hash, last, file.as_str()] {
        assert_eq!(refused(stolen).await, "wrong-credentials");
    }
    let right = try_password(&node, "ada", "correct horse", "::1").await;
    assert!(right.is_ok(), "{right:?}");
    // Whoever has guessed it by then has it no longer.
    manager.add_user("ada", "battery staple", &["ops"]);
    assert_eq!(refused("correct horse").await, "wrong-credentials");
    let new = try_password(&node, "ada", "battery staple", "::1").await;
    assert!(new.is_ok(), "{new:?}");
}

#[tokio::test]
async fn the_store_holds_no_password_no_signed_token_and_no_key() {
    let hub = Hub::new();
    let manager = testing::start(&hub, namespace()).await;
    let node = member(&hub, "a");
    let file = testing::user_file("correct horse", &[]);
    manager.add_user_file("ada", file.clone());
    beat(&node, 1).await;
    report(&node, vec![session(1, "a", 1)], false).await;
    for password in ["wrong horse", "correct horse"] {
        let _answer = try_password(&node, "ada", password, "::1").await;
    }
    let put = TokenPut {
        token: token("1", "a"),
    };
    let _: Empty = node.store(Operation::TokenPut, &put).await.unwrap();
    let (host, ask) = (
        crate::joins::host(&hub),
        crate::joins::ask("b", 7, "host-b"),
    );
    crate::joins::join(&host, &ask).await.unwrap();
    manager
        .wait_status("all of it is there", |s| {
            s.nodes.len() == 1 && s.joins.len() == 1
        })
        .await;
    let store = &**manager.store();
    let mut text = String::new();
    for kind in Collection::ALL {
        for document in store.list(kind, None).await.unwrap() {
            let _ = writeln!(text, "{kind:?} {} {}", document.id, document.body);
        }
    }
    for kept in [
        &ask.public_key,
        &session(1, "a", 1).id.to_string(),
        &put.token.jti,
    ] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
    let hash = file.lines().next().unwrap();
    let (seed, _) = fastx_core::identity::user_key([7; 32]);
    for (what, secret) in [
        ("a password", "horse"),
        ("its hash", hash),
        ("a key of the bus", seed.expose()),
        // Every JWT begins so.
        ("a signed token", "eyJ"),
    ] {
        assert!(!text.contains(secret), "{what} is in the store: {text}");
    }
}

#[tokio::test]
async fn tries_are_counted_over_all_managers_also_when_many_come_at_once() {
    let hub = Hub::new();
    let first = testing::start(&hub, namespace()).await;
    let second = testing::join(&hub, namespace(), "manager-2", first.store().clone()).await;
    for manager in [&first, &second] {
        manager.add_user("ada", "secret", &[]);
    }
    let node = member(&hub, "a");
    let mut tries = JoinSet::new();
    for n in 0..24 {
        let node = node.clone();
        tries.spawn(async move {
            try_password(&node, "ada", "wrong", &format!("::{n}"))
                .await
                .unwrap_err()
                .kind
        });
    }
    let kinds = tries.join_all().await;
    let looked_at = kinds.iter().filter(|k| *k == "wrong-credentials").count();
    assert!((1..=6).contains(&looked_at), "{kinds:?}");
    let blocked = try_password(&node, "ada", "secret", "::99")
        .await
        .unwrap_err();
    assert_eq!(
        (blocked.kind.as_str(), blocked.status),
        ("too-many-tries", 429)
    );
    assert!(blocked.detail.contains(" s "), "{}", blocked.detail);
    assert!(
        try_password(&node, "bob", "x", "::98")
            .await
            .unwrap_err()
            .kind
            == "wrong-credentials"
    );
}

#[tokio::test]
async fn one_address_cannot_try_many_logins() {
    let hub = Hub::new();
    let manager = testing::start(&hub, namespace()).await;
    // Strangers cost as much as the first user, whose hash is a cheap one.
    manager.add_user("ada", "secret", &[]);
    let node = member(&hub, "a");
    let mut last = String::new();
    for n in 0..40 {
        last = try_password(&node, &format!("user{n}"), "x", "192.0.2.1")
            .await
            .unwrap_err()
            .kind;
        if last != "wrong-credentials" {
            break;
        }
    }
    assert_eq!(last, "too-many-tries");
    let elsewhere = try_password(&node, "user50", "x", "192.0.2.2")
        .await
        .unwrap_err();
    assert_eq!(elsewhere.kind, "wrong-credentials");
}

#[tokio::test]
async fn a_configuration_is_announced_and_read_by_hash() {
    let hub = Hub::new();
    let manager = testing::start(&hub, namespace()).await;
    let node = member(&hub, "a");
    let ask = async |hash: Option<String>| -> ConfigAnswer {
        node.store(
            Operation::ConfigGet,
            &ConfigGet {
                hash,
                ..ConfigGet::root()
            },
        )
        .await
        .unwrap()
    };
    assert_eq!(ask(None).await.root, None);
    let mut announced = node.subscribe(node.subjects().config()).await.unwrap();
    let cluster = ClusterPart {
        display_name: "site".into(),
        ..ClusterPart::default()
    };
    let nodes = BTreeMap::from([(
        "a".parse().unwrap(),
        NodePart {
            hostname: "h".into(),
            ..NodePart::default()
        },
    )]);
    let root = manager.put_config(&cluster, &nodes).await;
    assert_eq!(
        next(&mut announced)
            .await
            .body::<ConfigAnnounce>()
            .unwrap()
            .root,
        root
    );
    let answer = ask(Some(root.cluster.clone())).await;
    assert_eq!(answer.root.as_ref(), Some(&root));
    assert_eq!(
        serde_json::from_value::<ClusterPart>(answer.part.unwrap()).unwrap(),
        cluster
    );
    assert_eq!(ask(Some("0".repeat(64))).await.part, None);
    let status = manager
        .wait_status("the revision", |s| !s.revision.is_empty())
        .await;
    assert_eq!(status.revision, root.revision());
}

#[tokio::test]
async fn without_a_store_requests_are_refused_with_a_reason_and_work_again_later() {
    let hub = Hub::new();
    let manager = testing::start(&hub, namespace()).await;
    let node = member(&hub, "a");
    manager.store().set_away(true);
    let refused = node
        .store::<_, TokenAnswer>(Operation::TokenCheck, &TokenCheck { jti: "x".into() })
        .await
        .unwrap_err();
    assert_eq!(refused.kind, "no-store");
    let status = manager
        .wait_status("the store is away", |s| !s.store.ok)
        .await;
    assert!(!status.store.detail.is_empty());
    manager.store().set_away(false);
    manager
        .wait_status("the store is back", |s| s.store.ok && s.leading)
        .await;
    let answer: TokenAnswer = node
        .store(Operation::TokenCheck, &TokenCheck { jti: "x".into() })
        .await
        .unwrap();
    assert_eq!(answer.token, None);
}

#[tokio::test]
async fn a_cluster_larger_than_a_part_is_reported_and_told_in_parts() {
    let hub = Hub::new();
    let _manager = testing::start(&hub, namespace()).await;
    let a = member(&hub, "a");
    let records: Vec<_> = (0..400_u32)
        .map(|number| {
            let mut record = session(1, "a", 1);
            record.id = format!("{number:016x}").parse().unwrap();
            record.command = "x".repeat(4000);
            record
        })
        .collect();
    let known = records.iter().skip(1).map(|r| r.id.clone()).collect();
    for part in records.chunks(100) {
        report(&a, part.to_vec(), false).await;
    }
    let told = a.fleet().await.unwrap();
    assert_eq!(told.sessions.len(), records.len());
    let whole = snapshot(&a).await;
    assert_eq!(whole.sessions.len(), records.len(), "for an older node");
    let mut last = put(vec![], false);
    last.known = Some(known);
    let _: Empty = a.store(Operation::SessionPut, &last).await.unwrap();
    let told = a.fleet().await.unwrap();
    let over: Vec<_> = told
        .sessions
        .iter()
        .filter(|s| !s.state.is_live())
        .collect();
    assert_eq!(over.len(), 1);
    assert_eq!(over[0].id, records[0].id);
}

#[tokio::test]
async fn what_one_of_two_hosts_with_one_identity_does_not_know_is_not_over() {
    let hub = Hub::new();
    let _manager = testing::start(&hub, namespace()).await;
    let a = member(&hub, "a");
    report(&a, vec![session(1, "a", 1)], false).await;
    for sequence in 1..4 {
        for boot in ["one", "two"] {
            let mut beat = heartbeat("a", sequence);
            boot.clone_into(&mut beat.boot);
            let subject = a.subjects().heartbeat(a.caller());
            a.publish(subject, &beat).await.unwrap();
        }
    }
    eventually("both are noticed", async || {
        let servers = snapshot(&a).await.servers;
        servers.iter().any(|r| !r.server.faults.is_empty())
    })
    .await;
    let done: Result<Empty, Problem> = a.store(Operation::SessionPut, &put(vec![], true)).await;
    assert_eq!(done.unwrap_err().kind, "server-twice");
    assert!(is_live(&snapshot(&a).await.sessions[0]));
}
