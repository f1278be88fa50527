//! The API fuzzed from its own OpenAPI document: a server alone, a real process, must answer as the document says.
//!
//! Sessions come from a link that plays them: what is made up as a command line is run by nobody.

#![expect(clippy::panic, reason = "what the fuzzer says has many lines")]

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use fastx_lifecycle::env::{Process, Source as _};
use fastx_manager::testing::user_file;
use fastx_node::links::testing::FakeLink;
use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::person::Person;
use fastx_tests::program::NodeProcess;
use reqwest::Method;
use serde_json::{Value, json};

/// How long one run may take; usually well under a minute.
const LIMIT: Duration = Duration::from_mins(10);
/// How long the server may take to be there.
const START: Duration = Duration::from_secs(30);
/// What ends the login that asks, and what may take its rights away: fuzzed last, each with a login of its own.
const LAST: [[&str; 2]; 2] = [
    ["endToken", "signOut"],
    ["putGlobalSettings", "putLocalSettings"],
];
/// Goes on for ever: its answers are what another test looks at.
const ENDLESS: &str = "streamEvents";

/// The fuzzer, where `cargo xtask test` installs it.
fn fuzzer() -> Result<PathBuf, Failure> {
    let env = Process;
    let cache = env.get("FASTX_CACHE").map_or_else(
        || PathBuf::from(env.or("HOME", "/root")).join(".cache/fastx-cluster"),
        PathBuf::from,
    );
    let venv = cache.join("api/venv");
    let program = venv.join("bin/schemathesis");
    if program.exists() {
        return Ok(program);
    }
    let venv = venv.display();
    Err(format!(
        "schemathesis is missing: python3 -m venv {venv} && {venv}/bin/pip install -r tests/api/requirements.txt"
    )
    .into())
}

/// A server alone, with its first user.
fn start() -> Result<NodeProcess, Failure> {
    NodeProcess::start("alpha", "none", |etc| {
        std::fs::create_dir_all(etc.join("users"))?;
        Ok(std::fs::write(
            etc.join("users/root"),
            user_file("pw-root", &[]),
        )?)
    })
}

/// Makes the user of this process the one whom the server's sessions run as, and joins as their link.
async fn set_up(address: &str, dir: &Path) -> Result<FakeLink, Failure> {
    let admin = eventually(START, "the server lets its admin in", async || {
        Person::sign_in(address, "root", "pw-root").await
    })
    .await?;
    eventually(START, "the server's users are set", async || {
        let mut settings: Value = admin.call(Method::GET, "/system/local", None).await?;
        settings["document"]["users"] = json!({
            "logins": ["root"], "linuxUser": "user", "uid": own_uid()?
        });
        let change =
            json!({"generation": settings["generation"], "document": settings["document"]});
        let put: Result<Value, Failure> =
            admin.call(Method::PUT, "/system/local", Some(change)).await;
        put.map(drop)
    })
    .await?;
    eventually(START, "a session starts", async || {
        let link = FakeLink::connect(&dir.join("run")).await?;
        admin.start(json!({"command": "xterm"})).await.map(|_| link)
    })
    .await
}

fn own_uid() -> Result<u32, Failure> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(std::fs::metadata("/proc/self")?.uid())
}

/// Runs the fuzzer; its words when it found something.
async fn fuzz(address: &str, dir: &Path, which: &[&str]) -> Result<(), Failure> {
    let login = Person::sign_in(address, "root", "pw-root").await?;
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("api/schemathesis.toml");
    let mut command = tokio::process::Command::new(fuzzer()?);
    command
        .arg("--config-file")
        .arg(config)
        .args(["--no-color", "run"])
        .arg(format!("{address}/api/v1/openapi.json"))
        .args(["--tls-verify", "false", "--seed", "1"])
        .args(["-H", &format!("Authorization: Bearer {}", login.token())])
        .args(which)
        // It keeps what it found beside itself.
        .current_dir(dir)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let done: Output = tokio::time::timeout(LIMIT, command.output())
        .await
        .map_err(|_| format!("the fuzzer did not end within {} s", LIMIT.as_secs()))??;
    if done.status.success() {
        return Ok(());
    }
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // Some of what was made up is as long as a body may be.
    let lines = said
        .lines()
        .map(|line| line.chars().take(400).collect::<String>());
    panic!("{}", lines.collect::<Vec<_>>().join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_answers_as_its_document_says() -> Result<(), Failure> {
    let server = start()?;
    let _link = set_up(&server.address, &server.dir).await?;
    let others: Vec<&str> = LAST
        .iter()
        .flatten()
        .chain([&ENDLESS])
        .flat_map(|id| ["--exclude-operation-id", id])
        .collect();
    fuzz(&server.address, &server.dir, &others).await?;
    for operations in LAST {
        // No link leads from these to others, so there is no sequence of calls to try.
        let mut which = vec!["--phases", "examples,coverage,fuzzing"];
        which.extend(
            operations
                .iter()
                .flat_map(|id| ["--include-operation-id", id]),
        );
        fuzz(&server.address, &server.dir, &which).await?;
    }
    Ok(())
}

/// A script is compiled by another process of the server's program, hence here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_does_not_compile_is_not_stored() -> Result<(), Failure> {
    let server = start()?;
    let admin = eventually(START, "the server lets its admin in", async || {
        Person::sign_in(&server.address, "root", "pw-root").await
    })
    .await?;
    let good = "function choose(input) {\n  return null;\n}";
    let bad = "function choose(input) {\n  return ??!;\n}";
    let check = async |source: &str| -> Result<Value, Failure> {
        let body = json!({ "source": source });
        let path = "/system/scripts/check";
        admin.call(Method::POST, path, Some(body)).await
    };
    assert_eq!(check(good).await?, json!({"ok": true, "message": ""}));
    let found = check(bad).await?;
    assert_eq!((&found["ok"], &found["line"]), (&json!(false), &json!(2)));

    let put = async |source: &str| -> Result<(u16, String), Failure> {
        let mut settings: Value = admin.call(Method::GET, "/system/global", None).await?;
        settings["document"]["scripts"] =
            json!([{"name": "mine", "actions": ["session/start"], "source": source}]);
        let change =
            json!({"generation": settings["generation"], "document": settings["document"]});
        let (status, text) = admin
            .raw(Method::PUT, "/system/global", Some(change))
            .await?;
        Ok((status.as_u16(), text))
    };
    let (status, text) = put(bad).await?;
    assert!(
        status == 422 && text.contains("script-invalid") && text.contains("line 2"),
        "{status} {text}"
    );
    let (status, text) = put(good).await?;
    assert_eq!(status, 200, "{text}");
    Ok(())
}
