//! Tries a script before it is used: does it compile, and do its tests pass?
//!
//! Scripts under test run in a script process too, so the one who checks is as safe as a node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use fastx_core::names::ServerId;
use fastx_core::wire::config::ScriptLimits;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::chain::{Judged, judge};
use crate::choice::seed;
use crate::host::Host;
use crate::process::WorkerCommand;
use crate::view::merged;
use crate::wire::{Call, CompileError, ScriptSource};

/// What scripts under test see as the time: 2026-01-01, noon.
const TEST_TIME: i64 = 1_767_268_800_000;
const NAME: &str = "script";

/// One test of a script.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ScriptTest {
    /// What it is about.
    pub name: String,
    /// Parts of the input object; the rest comes from a sample with the servers `a`, `b` and `c`.
    /// Servers that are given replace the sample's, their missing fields are zero.
    #[serde(default)]
    pub input: Value,
    /// The answer: a serverId, an array of serverIds, null for the next script's turn,
    /// or `{"error": "part of the message"}` (also `throws`) when it must throw.
    #[serde(default)]
    pub expect: Value,
}

/// How a test went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    /// Name of the test.
    pub name: String,
    /// Whether the answer was the expected one.
    pub passed: bool,
    /// What was expected and what came; empty when it passed.
    pub detail: String,
    /// What the script wrote to the console.
    pub console: Vec<String>,
}

/// What is known of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Whether it compiles.
    pub compiled: Result<(), CompileError>,
    /// Its tests, in order; empty when it does not compile.
    pub tests: Vec<TestOutcome>,
}

impl CheckReport {
    /// Whether it compiles and all tests pass.
    pub fn is_good(&self) -> bool {
        self.compiled.is_ok() && self.tests.iter().all(|test| test.passed)
    }
}

/// Checks a script in a process of this same binary, whose `main` must know
/// [`crate::HIDDEN_ARGUMENT`]. Blocks for as long as the script may run; needs no runtime.
pub fn check(source: &str, limits: ScriptLimits, tests: &[ScriptTest]) -> CheckReport {
    match WorkerCommand::current_exe() {
        // On a thread of its own: a runtime cannot be started where one already runs.
        Ok(command) => thread::scope(|scope| {
            let checking = scope.spawn(|| block_on_check(command, source, limits, tests));
            let lost = |_| refused("the check ended unexpectedly".to_owned());
            checking.join().unwrap_or_else(lost)
        }),
        Err(error) => refused(format!("the own binary is not found: {error}")),
    }
}

fn block_on_check(
    command: WorkerCommand,
    source: &str,
    limits: ScriptLimits,
    tests: &[ScriptTest],
) -> CheckReport {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(check_with(command, source, limits, tests)),
        Err(error) => refused(format!("the check could not start: {error}")),
    }
}

fn refused(message: String) -> CheckReport {
    CheckReport {
        compiled: Err(CompileError { message, at: None }),
        tests: Vec::new(),
    }
}

/// Checks a script in a process of the given command.
pub async fn check_with(
    command: WorkerCommand,
    source: &str,
    limits: ScriptLimits,
    tests: &[ScriptTest],
) -> CheckReport {
    let mut host = Host::new(command, Arc::default());
    let script = ScriptSource {
        name: NAME.to_owned(),
        source: source.to_owned(),
        time_ms: limits.time_ms,
        memory_bytes: limits.memory_bytes,
    };
    let compiled = host.configure(vec![script]).await.pop().unwrap_or(Ok(()));
    let mut outcomes = Vec::new();
    if compiled.is_ok() {
        for test in tests {
            outcomes.push(run(&mut host, test, limits).await);
        }
    }
    CheckReport {
        compiled,
        tests: outcomes,
    }
}

async fn run(host: &mut Host, test: &ScriptTest, limits: ScriptLimits) -> TestOutcome {
    let outcome = |detail: String, console| TestOutcome {
        name: test.name.clone(),
        passed: detail.is_empty(),
        detail,
        console,
    };
    let (expected, scene) = match (expectation(&test.expect), Scene::of(&test.input)) {
        (Ok(expected), Ok(scene)) => (expected, scene),
        (Err(why), _) | (_, Err(why)) => {
            return outcome(format!("the test is not valid: {why}"), Vec::new());
        }
    };
    host.replace_servers(&scene.servers);
    let call = Call {
        input: scene.input,
        local: scene.local,
        list: scene.list.iter().map(ToString::to_string).collect(),
        now: TEST_TIME,
        seed: seed(0, NAME),
    };
    let called = host.call(0, call).await;
    let judged = judge(called.answer, &scene.list, limits, |_| {
        "which is not among its servers".to_owned()
    });
    let got = described(&judged, limits);
    let passed = match (&expected, &judged) {
        (Expected::Throws(part), Judged::Refused(message)) => message.contains(part),
        (Expected::Throws(part), Judged::Wrong(what)) => {
            what.starts_with("failed: ") && what.contains(part)
        }
        (Expected::Answer(words), _) => *words == got,
        (Expected::Throws(_), _) => false,
    };
    let detail = if passed {
        String::new()
    } else {
        let expected = match expected {
            Expected::Answer(words) => words,
            Expected::Throws(part) => format!("it throws `{part}`"),
        };
        format!("expected: {expected}; got: {got}")
    };
    outcome(detail, called.lines)
}

enum Expected {
    /// The words of [`described`].
    Answer(String),
    Throws(String),
}

fn expectation(expect: &Value) -> Result<Expected, String> {
    let id = |value: &Value| -> Result<ServerId, String> {
        let id = value.as_str().ok_or_else(|| format!("{value} is no id"))?;
        id.parse().map_err(|error| format!("{error}"))
    };
    let judged = match expect {
        Value::Null => Judged::Passed,
        Value::String(_) => Judged::Chose(id(expect)?),
        Value::Array(ids) => Judged::Kept(ids.iter().map(id).collect::<Result<_, _>>()?),
        Value::Object(fields) => {
            return match fields.get("throws").or_else(|| fields.get("error")) {
                Some(Value::String(text)) => Ok(Expected::Throws(text.clone())),
                _ => Err("an expected object must have `error` with a text".to_owned()),
            };
        }
        other => return Err(format!("{other} cannot be expected")),
    };
    Ok(Expected::Answer(described(
        &judged,
        ScriptLimits::default(),
    )))
}

fn described(judged: &Judged, limits: ScriptLimits) -> String {
    match judged {
        Judged::Chose(id) => format!("it chooses `{id}`"),
        Judged::Kept(ids) => {
            let ids: Vec<&str> = ids.iter().map(ServerId::as_str).collect();
            format!("it keeps [{}]", ids.join(", "))
        }
        Judged::Passed => "it passes".to_owned(),
        Judged::Refused(message) => format!("it throws `{message}`"),
        Judged::Wrong(what) => format!("it {what}"),
        Judged::TimedOut => format!("it did not answer within {} ms", limits.time_ms),
    }
}

/// The input of a test, taken apart as the script process wants it.
struct Scene {
    input: Value,
    local: String,
    list: Vec<ServerId>,
    servers: BTreeMap<String, Map<String, Value>>,
}

impl Scene {
    fn of(given: &Value) -> Result<Self, String> {
        let empty = Map::new();
        let given = match given {
            Value::Object(fields) => fields,
            Value::Null => &empty,
            _ => return Err("the input must be an object".to_owned()),
        };
        let mut input = json!({
            "action": "session/start",
            "user": {"login": "ada", "serverId": "", "sessions": []},
            "userGroups": [],
            "isManager": false,
            "isAdmin": false,
            "data": {},
        });
        for (name, value) in given {
            if name != "servers" && name != "local" {
                lay_over(&mut input[name], value);
            }
        }
        let sample = json!([{"serverId": "a"}, {"serverId": "b"}, {"serverId": "c"}]);
        let rows = given.get("servers").unwrap_or(&sample);
        let rows = rows.as_array().ok_or("`servers` must be an array")?;
        let mut list = Vec::new();
        let mut servers = BTreeMap::new();
        for row in rows {
            let (id, server) = server(row)?;
            servers.insert(id.to_string(), server);
            list.push(id);
        }
        let local = match given.get("local") {
            Some(row) => {
                let (id, local) = server(row)?;
                servers.entry(id.to_string()).or_insert(local);
                id.to_string()
            }
            None => list
                .first()
                .map_or_else(|| "a".to_owned(), ToString::to_string),
        };
        Ok(Self {
            input,
            local,
            list,
            servers,
        })
    }
}

/// A server of a test: an id, or an object with at least `serverId`.
fn server(row: &Value) -> Result<(ServerId, Map<String, Value>), String> {
    let given = match row {
        Value::String(id) => json!({ "serverId": id }),
        other => other.clone(),
    };
    let id = given["serverId"]
        .as_str()
        .ok_or("a server needs a `serverId`")?;
    let id: ServerId = id.parse().map_err(|error| format!("{error}"))?;
    let mut server = json!({
        "hostname": id, "urls": [], "peerUrls": [], "cpu": 0, "freemem": 0, "totalmem": 0,
        "loggedInUsers": 0, "sessions": 0, "uptime": 0, "loadavg": [0, 0, 0], "version": "",
        "staticData": {}, "metrics": {},
    });
    lay_over(&mut server, &given);
    match server {
        Value::Object(fields) => Ok((id, merged(fields))),
        _ => Err("a server must be an object".to_owned()),
    }
}

/// Fields of objects replace those of the same name; everything else replaces the whole.
fn lay_over(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (name, value) in over {
                base.insert(name.clone(), value.clone());
            }
        }
        (base, over) => base.clone_from(over),
    }
}
