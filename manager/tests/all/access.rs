//! Every operation by every kind of member, with own and with another's documents.

use fastx_bus::{Bus, Hub};
use fastx_core::names::ServerId;
use fastx_core::secret::Secret;
use fastx_core::subject::{Operation, Side};
use fastx_core::wire::decision::Decision;
use fastx_core::wire::operations::{
    ConfigGet, DecisionGet, DecisionPut, Empty, OidcBegin, OidcExchange, PasswordCheck,
    SessionPurge, SignInTry, TokenCheck, TokenLabel, TokenList, TokenPut, TokenRevoke,
};
use fastx_lifecycle::clock;
use fastx_manager::testing;
use serde_json::Value;

use crate::support::{member, namespace, put, session, token};

/// A body for the operation whose documents belong to `server`.
fn body(operation: Operation, server: &ServerId) -> Value {
    let name = server.as_str();
    let login = "ada".parse().unwrap();
    let body = match operation {
        Operation::SessionPut => serde_json::to_value(put(vec![session(1, name, 1)], false)),
        Operation::SessionPurge => serde_json::to_value(SessionPurge {
            id: "00000000000000bb".parse().unwrap(),
            by: login,
        }),
        Operation::TokenPut => serde_json::to_value(TokenPut {
            token: token(name, name),
        }),
        Operation::TokenCheck => serde_json::to_value(TokenCheck { jti: "x".into() }),
        Operation::TokenRevoke => serde_json::to_value(TokenRevoke { login, jti: None }),
        Operation::TokenList => serde_json::to_value(TokenList { login: None }),
        Operation::TokenLabel => serde_json::to_value(TokenLabel {
            login,
            jti: token("a", "a").jti,
            label: "x".into(),
        }),
        Operation::PasswordCheck => serde_json::to_value(PasswordCheck {
            login,
            password: Secret::new("secret"),
            address: name.to_owned(),
        }),
        Operation::TryCount | Operation::TryForgive => serde_json::to_value(SignInTry {
            login,
            address: name.to_owned(),
        }),
        Operation::OidcBegin => serde_json::to_value(OidcBegin {
            redirect_uri: String::new(),
            state: String::new(),
            nonce: String::new(),
            code_challenge: String::new(),
        }),
        Operation::OidcExchange => serde_json::to_value(OidcExchange {
            code: Secret::new("code"),
            redirect_uri: String::new(),
            code_verifier: Secret::new("verifier"),
            nonce: String::new(),
        }),
        Operation::DecisionPut => serde_json::to_value(DecisionPut {
            session: None,
            decision: Decision {
                action: "session/start".into(),
                login,
                local: server.clone(),
                at: clock::now(),
                chosen: None,
                servers: Vec::new(),
                steps: Vec::new(),
                config_revision: String::new(),
            },
        }),
        Operation::DecisionGet => serde_json::to_value(DecisionGet {
            session: "00000000000000aa".parse().unwrap(),
        }),
        Operation::ConfigGet => serde_json::to_value(ConfigGet::root()),
        _ => serde_json::to_value(Empty {}),
    };
    body.unwrap()
}

/// Kind of the refusal, or `ok`.
async fn outcome(bus: &Bus, operation: Operation, server: &str) -> String {
    let body = body(operation, &server.parse().unwrap());
    match bus.store::<_, Value>(operation, &body).await {
        Ok(_) => "ok".to_owned(),
        Err(problem) => problem.kind,
    }
}

#[tokio::test]
async fn all_operations_by_all_members() {
    let hub = Hub::new();
    let manager = testing::start(&hub, namespace()).await;
    manager.add_user("ada", "secret", &[]);
    let (node, other) = (member(&hub, "a"), member(&hub, "manager-2"));
    for operation in Operation::ALL
        .into_iter()
        .filter(|op| op.side() == Side::Store)
    {
        let owned = matches!(
            operation,
            Operation::SessionPut | Operation::TokenPut | Operation::DecisionPut
        );
        let (own, foreign, by_manager) = (
            outcome(&node, operation, "a").await,
            outcome(&node, operation, "b").await,
            outcome(&other, operation, "b").await,
        );
        let expected = if owned {
            ["ok", "not-allowed", "not-allowed"]
        } else if matches!(
            operation,
            Operation::SessionPurge | Operation::TryCount | Operation::TryForgive
        ) {
            ["ok", "ok", "not-allowed"]
        } else if operation == Operation::ConfigPut {
            // A node gets further only with the token of an administrator.
            ["not-allowed", "not-allowed", "ok"]
        } else if matches!(operation, Operation::OidcBegin | Operation::OidcExchange) {
            // Let in, and there is no provider.
            ["bad-request", "bad-request", "not-allowed"]
        } else {
            ["ok", "ok", "ok"]
        };
        assert_eq!([own, foreign, by_manager], expected, "{operation:?}");
    }
    for operation in [
        Operation::SessionStart,
        Operation::SessionAct,
        Operation::AccountGet,
    ] {
        let refused = outcome(&node, operation, "a").await;
        assert_eq!(
            refused, "not-found",
            "{operation:?} is no manager's business"
        );
    }
}

#[tokio::test]
async fn a_heartbeat_that_names_another_server_changes_nothing() {
    let hub = Hub::new();
    let manager = testing::start(&hub, namespace()).await;
    let node = member(&hub, "a");
    let forged = crate::support::heartbeat("b", 1);
    node.publish(node.subjects().heartbeat(node.caller()), &forged)
        .await
        .unwrap();
    crate::support::beat(&node, 1).await;
    let status = manager
        .wait_status("a is there", |s| !s.nodes.is_empty())
        .await;
    assert_eq!(
        status
            .nodes
            .keys()
            .map(ServerId::as_str)
            .collect::<Vec<_>>(),
        ["a"]
    );
}

#[tokio::test]
async fn the_id_of_a_session_belongs_to_the_server_that_brought_it() {
    let hub = Hub::new();
    let manager = testing::start(&hub, namespace()).await;
    let (a, b) = (member(&hub, "a"), member(&hub, "b"));
    for (node, version) in [(&a, 1), (&b, 9)] {
        let record = session(1, node.caller().as_str(), version);
        let _: Empty = node
            .store(Operation::SessionPut, &put(vec![record], false))
            .await
            .unwrap();
    }
    let snapshot: fastx_core::wire::fleet::FleetSnapshot =
        a.store(Operation::FleetGet, &Empty {}).await.unwrap();
    assert_eq!(snapshot.sessions[0].server_id.as_str(), "a");
    manager.stop().await;
}
