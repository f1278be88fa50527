//! A small cluster and a balancer with the scripts of a test, shared by the test files.

use fastx_balancer::{Balancer, Choice, WorkerCommand};
use fastx_core::names::ServerId;
use fastx_core::wire::config::{Script, ScriptLimits};
use fastx_core::wire::decision::Decision;
use fastx_core::wire::problem::Problem;
use fastx_core::wire::server::ServerRecord;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Generous, so that a busy machine does not fail a test about something else.
pub(crate) const LIMITS: ScriptLimits = ScriptLimits {
    time_ms: 5000,
    memory_bytes: 32 * 1024 * 1024,
};

pub(crate) fn command() -> WorkerCommand {
    WorkerCommand::new(env!("CARGO_BIN_EXE_fastx-script-worker"))
}

pub(crate) fn script(name: &str, order: i32, source: &str) -> Script {
    Script {
        name: name.to_owned(),
        actions: vec!["session/start".to_owned()],
        order,
        source: source.to_owned(),
        ..Script::default()
    }
}

pub(crate) fn builtin(name: &str, order: i32) -> Script {
    Script {
        name: format!("my-{name}"),
        actions: vec!["session/start".to_owned()],
        order,
        builtin: name.to_owned(),
        ..Script::default()
    }
}

/// A server that fits, with some of its fields.
pub(crate) fn server(fields: &Value) -> ServerRecord {
    let mut object = json!({"startSessions": true, "logins": true});
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    ServerRecord {
        server: serde_json::from_value(object).unwrap(),
        last_seen: Timestamp::UNIX_EPOCH,
        online: true,
        boot: "b".to_owned(),
        sequence: 1,
    }
}

/// Three servers that fit (`a`, `b`, `c`) and two that do not (`closed`, `off`).
pub(crate) fn cluster() -> Vec<ServerRecord> {
    let mut servers = vec![
        server(&json!({"serverId": "a", "sessions": 2, "freemem": 100, "loadavg": [3, 2, 1]})),
        server(&json!({"serverId": "b", "sessions": 1, "freemem": 300,
                      "staticData": {"gpu": true, "sessions": 77, "tags": ["x"]}})),
        server(&json!({"serverId": "c", "sessions": 5, "freemem": 200,
                      "metrics": {"temperature": "40"}})),
        server(&json!({"serverId": "closed", "startSessions": false})),
        server(&json!({"serverId": "off"})),
    ];
    servers[4].online = false;
    servers
}

pub(crate) fn choice(servers: &[ServerRecord]) -> Choice<'_> {
    Choice {
        action: "session/start",
        user: json!({"serverId": "", "sessions": [], "fastx/daemon": true}),
        groups: vec!["staff".to_owned()],
        is_manager: false,
        is_admin: true,
        local: "b".parse().unwrap(),
        servers,
        left_out: Vec::new(),
        data: json!({"geometry": "800x600"}),
        login: "ada".parse().unwrap(),
        now: "2026-02-03T04:05:06Z".parse().unwrap(),
        seed: 7,
        previous: None,
    }
}

pub(crate) async fn balancer(scripts: &[Script]) -> Balancer {
    let balancer = Balancer::spawn(command());
    for (name, result) in balancer.configure(scripts, LIMITS).await {
        assert!(result.is_ok(), "{name}: {result:?}");
    }
    balancer
}

/// One choice with new scripts in the small cluster.
pub(crate) async fn decide(scripts: &[Script]) -> (Decision, Result<ServerId, Problem>) {
    let servers = cluster();
    balancer(scripts).await.choose(choice(&servers)).await
}

/// The choice in one line: the server, or kind and detail of the problem.
pub(crate) fn summary(result: &Result<ServerId, Problem>) -> String {
    match result {
        Ok(id) => id.to_string(),
        Err(problem) => format!("{}: {}", problem.kind, problem.detail),
    }
}
