//! Hosts that ask to join: by the file's own rules, by name and key, and by who decides.

use fastx_bus::testing::Server;
use fastx_bus::{Bus, Hub};
use fastx_core::identity::{sign_node, user_key};
use fastx_core::names::{CallerId, ServerId};
use fastx_core::subject::Operation;
use fastx_core::wire::broker::{BrokerConfig, Credentials};
use fastx_core::wire::config::{ClusterPart, NodePart, RootDocument, hash};
use fastx_core::wire::fleet::FleetSnapshot;
use fastx_core::wire::join::{Invitation, JoinAnswer, JoinAsk, JoinDecision, JoinState};
use fastx_core::wire::operations::{ConfigAnswer, ConfigEdit, ConfigGet, Empty};
use fastx_core::wire::problem::Problem;
use fastx_lifecycle::clock;
use fastx_manager::operations::joins::{Admission, Discovery, list, settle};
use fastx_manager::store::Pace;
use fastx_manager::testing::{self, Handle};
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{PATIENCE, beat, eventually, member, namespace};

fn invitation(uses: u32, hours: i64) -> CallerId {
    let invitation = Invitation {
        id: "abc".into(),
        uses,
        expires: clock::now() + SignedDuration::from_hours(hours),
    };
    invitation.caller().unwrap()
}

pub(crate) fn ask(server: &str, key: u8, host: &str) -> JoinAsk {
    JoinAsk {
        server_id: server.parse().unwrap(),
        public_key: user_key([key; 32]).1,
        hostname: host.into(),
        version: String::new(),
    }
}

pub(crate) async fn join(bus: &Bus, ask: &JoinAsk) -> Result<JoinAnswer, Problem> {
    bus.request(bus.subjects().join(bus.caller()), ask, PATIENCE)
        .await
}

/// A host with a join file.
pub(crate) fn host(hub: &Hub) -> Bus {
    member(hub, invitation(5, 1).as_str())
}

/// A manager that signs, and a host with a join file.
async fn site(hub: &Hub, discovery: Discovery, uses: u32) -> (Handle, Bus) {
    let manager = testing::start(hub, namespace()).await;
    manager.core().set_admission(Admission {
        discovery,
        signing: Some(signing()),
    });
    let host = member(hub, invitation(uses, 1).as_str());
    (manager, host)
}

fn signing() -> fastx_core::wire::join::SigningKey {
    let seeds = fastx_core::identity::Seeds::split(&[7; fastx_core::identity::SEED_BYTES]);
    fastx_core::identity::Authority::new(&seeds).node_signer()
}

fn is_pending(answer: &Result<JoinAnswer, Problem>, word: &str) -> bool {
    matches!(answer, Ok(JoinAnswer::Pending { detail }) if detail.contains(word))
}

#[tokio::test]
async fn a_file_admits_so_many_servers_and_asking_again_is_harmless() {
    let hub = Hub::new();
    let (manager, host) = site(&hub, Discovery::Any { most: 10 }, 2).await;
    for _ in 0..3 {
        let answer = join(&host, &ask("a", 1, "host-a")).await;
        assert!(
            matches!(answer, Ok(JoinAnswer::Accepted { .. })),
            "{answer:?}"
        );
    }
    assert!(join(&host, &ask("b", 2, "host-b")).await.is_ok());
    let third = join(&host, &ask("c", 3, "host-c")).await.unwrap_err();
    assert_eq!(third.kind, "join-used-up");
    let ended = member(&hub, invitation(2, -1).as_str());
    let late = join(&ended, &ask("a", 1, "host-a")).await.unwrap_err();
    assert_eq!(late.kind, "join-expired");
    for (server, key) in [("manager-9", 4), ("join-9", 4)] {
        let wrong = join(&host, &ask(server, key, "h")).await.unwrap_err();
        assert_eq!(wrong.kind, "bad-request", "{server}");
    }
    let wrong = JoinAsk {
        public_key: "SUAX".into(),
        ..ask("a", 1, "host-a")
    };
    assert_eq!(join(&host, &wrong).await.unwrap_err().kind, "bad-request");
    assert_eq!(list(&**manager.store()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn whoever_asks_to_join_may_do_nothing_else() {
    let hub = Hub::new();
    let (_manager, host) = site(&hub, Discovery::Any { most: 10 }, 2).await;
    for operation in Operation::ALL {
        let refused = match operation {
            Operation::JoinAsk => continue,
            other => host.store::<_, Empty>(other, &Empty {}).await.unwrap_err(),
        };
        assert_eq!(refused.kind, "bus-denied", "{operation:?}");
    }
    let heard = host.subscribe(host.subjects().fleet()).await;
    assert!(heard.is_err());
}

#[tokio::test]
async fn a_live_name_is_refused_naming_both_hosts() {
    let hub = Hub::new();
    let (manager, host) = site(&hub, Discovery::Any { most: 10 }, 5).await;
    join(&host, &ask("a", 1, "host-a")).await.unwrap();
    let node = member(&hub, "a");
    beat(&node, 1).await;
    eventually("the server is known", async || {
        let snapshot = node
            .store::<_, FleetSnapshot>(Operation::FleetGet, &Empty {})
            .await;
        snapshot.is_ok_and(|s| !s.servers.is_empty())
    })
    .await;
    let thief = join(&host, &ask("a", 2, "host-b")).await.unwrap_err();
    assert_eq!(thief.kind, "server-exists");
    assert!(
        thief.detail.contains("host-a") && thief.detail.contains("host-b"),
        "{}",
        thief.detail
    );
    // A name whose server is not alive goes to another key only by an administrator.
    join(&host, &ask("c", 3, "host-c")).await.unwrap();
    let again = join(&host, &ask("c", 4, "host-d")).await;
    assert!(is_pending(&again, "host-c"), "{again:?}");
    let records = list(&**manager.store()).await.unwrap();
    let record = records
        .iter()
        .find(|r| r.server_id.as_str() == "c")
        .unwrap();
    assert_eq!(record.previous_keys, [user_key([3; 32]).1]);
}

#[tokio::test]
async fn declared_waits_for_an_administrator() {
    let hub = Hub::new();
    let (manager, host) = site(&hub, Discovery::Declared, 5).await;
    let first = join(&host, &ask("a", 1, "host-a")).await;
    assert!(is_pending(&first, "administrator"), "{first:?}");
    let (store, pace) = (&**manager.store(), Pace::new(1));
    let decide = async |state, key: u8| {
        let decision = JoinDecision {
            state,
            jwt: None,
            public_key: user_key([key; 32]).1,
        };
        let server = "a".parse().unwrap();
        settle(store, &pace, &server, &decision, clock::now())
            .await
            .unwrap()
    };
    assert!(
        decide(JoinState::Accepted, 9).await.is_none(),
        "another key is not meant"
    );
    assert!(decide(JoinState::Accepted, 1).await.is_some());
    assert!(matches!(
        join(&host, &ask("a", 1, "host-a")).await,
        Ok(JoinAnswer::Accepted { .. })
    ));
    decide(JoinState::Refused, 1).await;
    let refused = join(&host, &ask("a", 1, "host-a")).await.unwrap_err();
    assert_eq!(refused.kind, "join-refused");
}

/// The configuration in force: its generation, the cluster's part, and the part of a server.
async fn settings(hub: &Hub, server: &str) -> (u64, ClusterPart, Option<NodePart>) {
    let node = member(hub, server);
    let get = async |hash: Option<String>| {
        let answer: ConfigAnswer = node
            .store(
                Operation::ConfigGet,
                &ConfigGet {
                    hash,
                    ..ConfigGet::root()
                },
            )
            .await
            .unwrap();
        answer
    };
    let root = get(None).await.root.unwrap();
    let read = async |hash: String| get(Some(hash)).await.part.unwrap();
    let cluster = serde_json::from_value(read(root.cluster).await).unwrap();
    let own = match root.nodes.get(&server.parse::<ServerId>().unwrap()) {
        Some(hash) => Some(serde_json::from_value(read(hash.clone()).await).unwrap()),
        None => None,
    };
    (root.generation, cluster, own)
}

#[tokio::test]
async fn a_host_that_joins_can_be_used_without_further_settings() {
    let hub = Hub::new();
    let (_manager, host) = site(&hub, Discovery::Any { most: 10 }, 5).await;
    join(&host, &ask("a", 1, "a.example")).await.unwrap();
    let (generation, cluster, own) = settings(&hub, "a").await;
    assert_eq!((generation, cluster.methods), (1, vec!["ssh".to_owned()]));
    assert!(cluster.roles.admin_groups.contains(&"sudo".to_owned()));
    let own = own.unwrap();
    assert!(own.start_sessions && own.logins && own.direct_connections);
    assert_eq!(own.peer_urls, ["https://a.example:3300"]);

    join(&host, &ask("b", 2, "b.example")).await.unwrap();
    assert!(settings(&hub, "b").await.2.is_some());
    join(&host, &ask("b", 2, "b.example")).await.unwrap();
    assert_eq!(
        settings(&hub, "b").await.0,
        2,
        "asking again changes nothing"
    );
}

#[tokio::test]
async fn settings_that_are_there_stay() {
    let hub = Hub::new();
    let (manager, host) = site(&hub, Discovery::Any { most: 10 }, 5).await;
    let ours = ClusterPart {
        display_name: "Ours".to_owned(),
        ..ClusterPart::default()
    };
    let a: ServerId = "a".parse().unwrap();
    manager
        .put_config(&ours, &[(a, NodePart::default())].into())
        .await;
    join(&host, &ask("a", 1, "host-a")).await.unwrap();
    let (generation, cluster, own) = settings(&hub, "a").await;
    assert_eq!(
        (generation, &cluster, own),
        (1, &ours, Some(NodePart::default()))
    );

    // Where Kubernetes writes the settings, nobody else does.
    let kubernetes = ClusterPart {
        managed_by: "site/demo".to_owned(),
        ..ours
    };
    manager.put_config(&kubernetes, &[].into()).await;
    join(&host, &ask("c", 3, "host-c")).await.unwrap();
    assert_eq!(settings(&hub, "c").await, (2, kubernetes, None));
}

#[tokio::test]
async fn managers_without_a_key_wait_for_the_operator() {
    let hub = Hub::new();
    let (manager, host) = site(&hub, Discovery::Any { most: 1 }, 5).await;
    manager.core().set_admission(Admission {
        discovery: Discovery::Any { most: 1 },
        signing: None,
    });
    let first = join(&host, &ask("a", 1, "host-a")).await;
    assert!(is_pending(&first, "operator"), "{first:?}");
    let more = join(&host, &ask("b", 2, "host-b")).await;
    assert!(is_pending(&more, "1 servers"), "{more:?}");
    let public_key = user_key([1; 32]).1;
    let caller = "a".parse().unwrap();
    let jwt = sign_node(&signing(), &caller, &public_key, clock::now()).unwrap();
    let decision = JoinDecision {
        state: JoinState::Accepted,
        jwt: Some(jwt.clone()),
        public_key,
    };
    let server = "a".parse().unwrap();
    settle(
        &**manager.store(),
        &Pace::new(1),
        &server,
        &decision,
        clock::now(),
    )
    .await
    .unwrap();
    let answer = join(&host, &ask("a", 1, "host-a")).await;
    assert_eq!(answer, Ok(JoinAnswer::Accepted { jwt }));
}

/// Whoever has the key that gives nodes their names names one as managers are named.
#[tokio::test]
async fn the_key_of_nodes_makes_no_manager() {
    let server = Server::start(3).await;
    let manager =
        testing::join_bus(server.join("manager-1").await, std::sync::Arc::default()).await;
    let root = manager
        .put_config(&ClusterPart::default(), &[].into())
        .await;
    let broker = server.join_file(&invitation(1, 1));
    let (seed, public_key) = user_key([42; 32]);
    let caller: CallerId = "manager-9".parse().unwrap();
    let jwt = sign_node(&server.signing(), &caller, &public_key, clock::now()).unwrap();
    let forged = BrokerConfig {
        credentials: Some(Credentials {
            caller: caller.clone(),
            jwt,
            seed,
        }),
        ..broker
    };
    let thief = fastx_bus::testing::try_join(forged).await.unwrap();
    let part = json!({"roles": {"adminUsers": ["mallory"]}});
    let edit = ConfigEdit {
        token: None,
        root: Some(RootDocument {
            generation: root.generation + 1,
            cluster: hash(&part),
            ..root.clone()
        }),
        parts: [(hash(&part), part)].into(),
    };
    let stored: Result<Empty, Problem> = thief.store(Operation::ConfigPut, &edit).await;
    assert_eq!(stored.unwrap_err().kind, "bus-denied");
    let as_node = format!(
        "{}.store.{caller}.config.put",
        fastx_bus::testing::namespace()
    );
    let stored: Result<Empty, Problem> = thief.request(as_node, &edit, PATIENCE).await;
    assert_eq!(stored.unwrap_err().kind, "not-found");
    let after = server.join("a").await;
    let after: ConfigAnswer = after
        .store(Operation::ConfigGet, &ConfigGet::root())
        .await
        .unwrap();
    assert_eq!(after.root, Some(root));
}

/// The whole way over a real server: the file's identity, the key that stays, the identity for it.
#[tokio::test]
async fn a_host_joins_over_nats_and_speaks_as_a_node() {
    let server = Server::start(3).await;
    let manager =
        testing::join_bus(server.join("manager-1").await, std::sync::Arc::default()).await;
    manager.core().set_admission(Admission {
        discovery: Discovery::Any { most: 1 },
        signing: Some(server.signing()),
    });
    let broker = server.join_file(&invitation(1, 1));
    let host = fastx_bus::testing::try_join(broker.clone()).await.unwrap();
    let (seed, public_key) = user_key([42; 32]);
    let asked = JoinAsk {
        public_key,
        ..ask("a", 0, "host-a")
    };
    let answer = join(&host, &asked).await.unwrap();
    let JoinAnswer::Accepted { jwt } = answer else {
        panic!("{answer:?}");
    };
    let denied = host
        .request::<_, Empty>(
            host.subjects()
                .store(&"a".parse().unwrap(), Operation::FleetGet),
            &Empty {},
            PATIENCE,
        )
        .await
        .unwrap_err();
    assert_eq!(denied.kind, "bus-denied");
    let own = BrokerConfig {
        credentials: Some(Credentials {
            caller: "a".parse().unwrap(),
            jwt,
            seed,
        }),
        ..broker
    };
    let node = fastx_bus::testing::try_join(own).await.unwrap();
    beat(&node, 1).await;
    eventually("the node is heard", async || {
        let snapshot = node
            .store::<_, FleetSnapshot>(Operation::FleetGet, &Empty {})
            .await;
        snapshot.is_ok_and(|s| s.servers.len() == 1)
    })
    .await;
    let ended = server.join_file(&invitation(1, -1));
    let refused = fastx_bus::testing::try_join(ended).await.unwrap_err();
    assert!(refused.to_string().contains("credentials"), "{refused}");
}
