//! What others can do to one's sessions: nothing; managers: see that they are there, and end them.

use axum::http::Method;
use fastx_bus::Bus;
use fastx_core::secret::Secret;
use fastx_core::subject::Operation;
use fastx_core::wire::operations::{Act, ActAnswer, SessionAct, SessionStart};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::{SessionRecord, StartRequest};
use serde_json::{Value, json};

use crate::cluster::{Cluster, TestNode};
use crate::http::{Answer, Client};

/// Every operation on a session, with its method and body.
fn everything(id: &str) -> Vec<(Method, String, Option<Value>)> {
    vec![
        (Method::GET, format!("sessions/{id}"), None),
        (Method::GET, format!("sessions/{id}/decision"), None),
        (Method::GET, format!("sessions/{id}/log"), None),
        (Method::GET, format!("sessions/{id}/screenshot"), None),
        (
            Method::PATCH,
            format!("sessions/{id}"),
            Some(json!({"name": "x"})),
        ),
        (
            Method::POST,
            format!("sessions/{id}/connect"),
            Some(json!({"mode": "view"})),
        ),
        (Method::POST, format!("sessions/{id}/disconnect"), None),
        (Method::DELETE, format!("sessions/{id}"), None),
    ]
}

async fn try_all(client: &Client, node: &TestNode, id: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    for (method, path, body) in everything(id) {
        let answer: Answer = client.call(node, method, &path, body).await;
        statuses.push(answer.status.as_u16());
    }
    statuses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_user_sees_and_ends_nothing() {
    let mut cluster = Cluster::new().await;
    let (a, b) = cluster.pair(&["ada", "bob"]).await;
    let (ada, bob) = (
        Client::program(&a, "ada").await,
        Client::program(&a, "bob").await,
    );
    for server in ["a", "b"] {
        let id = ada.start(&a, server).await;
        for node in [&a, &b] {
            assert_eq!(
                try_all(&bob, node, &id).await,
                [404; 8],
                "a session on {server} from {}",
                node.id
            );
        }
        assert_eq!(
            ada.get(&a, &format!("sessions/{id}")).await.json()["session"]["state"],
            "running"
        );
    }
    let listed = bob.get(&a, "sessions?all=true").await.json();
    assert_eq!(listed["sessions"], json!([]));
    for bad in ["0", "../me", "0000000000000000", "x".repeat(16).as_str()] {
        assert_eq!(
            ada.get(&a, &format!("sessions/{bad}/log")).await.status,
            404,
            "{bad}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_of_two_users_makes_two_sessions() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada", "bob"]).await;
    let mut ids = Vec::new();
    for login in ["ada", "bob"] {
        let client = Client {
            key: Some("same".into()),
            ..Client::program(&node, login).await
        };
        ids.push(client.start(&node, "").await);
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_oversees_but_does_not_look_into() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let (ada, max) = (
        Client::program(&node, "ada").await,
        Client::program(&node, "max").await,
    );
    let id = ada.start(&node, "").await;
    assert_eq!(
        try_all(&max, &node, &id).await,
        [200, 200, 403, 403, 403, 403, 204, 202]
    );
    let own = max.get(&node, "sessions").await.json();
    let all = max.get(&node, "sessions?all=true").await.json();
    assert_eq!(
        (
            own["sessions"].as_array().unwrap().len(),
            all["sessions"].as_array().unwrap().len()
        ),
        (0, 1)
    );

    let (few, full) = (
        ada.get(&node, "servers").await.json(),
        max.get(&node, "servers").await.json(),
    );
    assert_eq!(
        few["servers"],
        json!([{"serverId": "a", "hostname": "a.test", "online": true}])
    );
    assert_eq!(full["servers"][0]["server"]["startSessions"], true);
    assert!(full["servers"][0]["lastSeen"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_for_others_is_not_shown_and_not_started() {
    let mut cluster = Cluster::new().await;
    let (application, profile) = (
        &mut cluster.part.applications[0],
        &mut cluster.part.profiles[0],
    );
    application.users.users = vec!["ada".into(), "max".into()];
    profile.users.users = vec!["ada".into()];
    profile.users.groups = vec!["ops".into()];
    let node = cluster.node("a", &["ada", "bob", "max"]).await;
    for (login, may) in [("ada", true), ("max", true), ("bob", false)] {
        let client = Client::program(&node, login).await;
        let shown = client.get(&node, "applications").await.json();
        assert_eq!(
            shown["applications"].as_array().unwrap().len(),
            usize::from(may),
            "{login}"
        );
        for body in [
            json!({"application": "term"}),
            json!({"command": "xterm", "profile": "small"}),
        ] {
            let answer = client.post(&node, "sessions", body).await;
            if may {
                assert_eq!(answer.status, 201, "{login}: {answer:?}");
            } else {
                assert_eq!(answer.problem(), (403, "not-allowed".into()), "{login}");
            }
        }
    }
    assert_eq!(node.link.sessions().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_word_of_another_node_counts_for_nothing() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let id = ada.start(&node, "").await;
    let bus = Bus::in_process(
        &cluster.hub,
        "rogue".parse().unwrap(),
        "site".parse().unwrap(),
    );
    let limit = std::time::Duration::from_secs(10);
    let token = |text: &str| Secret::new(text);
    for bad in ["", "a.b.c"] {
        let act = SessionAct {
            token: token(bad),
            id: id.parse().unwrap(),
            act: Act::Terminate {
                reason: String::new(),
            },
        };
        let refused: Result<ActAnswer, Problem> =
            bus.node(&node.id, Operation::SessionAct, &act, limit).await;
        assert_eq!(refused.unwrap_err().status, 401);
    }
    let start = SessionStart {
        token: token(&ada.bearer.clone().unwrap()),
        key: "k".into(),
        id: "00000000000000aa".parse().unwrap(),
        start: StartRequest {
            command: "x".into(),
            ..StartRequest::default()
        },
        address: String::new(),
    };
    let refused: Result<SessionRecord, Problem> = bus
        .node(&node.id, Operation::SessionStart, &start, limit)
        .await;
    assert_eq!(
        refused.unwrap_err().status,
        400,
        "a chosen id could be another user's"
    );
    assert_eq!(node.link.sessions().len(), 1);
}
