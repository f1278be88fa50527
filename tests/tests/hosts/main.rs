//! Hosts without Kubernetes: the package on real systemd, sessions of the hosts' own users, and faults of all kinds.
//!
//! Needs root, systemd-nspawn and a package: `cargo xtask package --debug`.

mod faults;
mod service;
mod users;

use std::time::Duration;

use fastx_core::wire::session::SessionRecord;
use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::{Bench, Host};
use fastx_tests::person::Person;
use fastx_tests::processes::Process;
use serde_json::{Value, json};

/// How long something may take until it is seen at the API.
const SEEN: Duration = Duration::from_secs(40);
/// The command of all sessions here.
const COMMAND: &str = "exec xterm -e cat";

/// Signs in at a host with the password that the managers know; one that has just started may need a moment.
async fn sign_in(host: &Host, login: &str) -> Result<Person, Failure> {
    let password = format!("pw-{login}");
    eventually(SEEN, "the sign-in", async || {
        Person::sign_in(&host.url(), login, &password).await
    })
    .await
}

/// Starts the link of a user over SSH, as a sign-in with SSH does.
fn link(host: &Host, login: &str) -> Result<String, Failure> {
    host.ssh(
        login,
        "/usr/lib/fastx/fastx-link run --detach --dir /run/fastx",
    )
}

fn body(host: &Host) -> Value {
    json!({"command": COMMAND, "serverId": host.name()})
}

/// Starts a session on this host, as soon as the cluster knows it.
async fn start(person: &Person, host: &Host) -> Result<SessionRecord, Failure> {
    eventually(SEEN, "a session starts", async || {
        person.start(body(host)).await
    })
    .await
}

/// What the API says of a session.
async fn state(person: &Person, session: &SessionRecord) -> Result<SessionRecord, Failure> {
    let all = person.sessions().await?;
    let found = all.into_iter().find(|s| s.id == session.id);
    found.ok_or_else(|| format!("session {} is not listed", session.id).into())
}

/// The very X server from before runs, and the node reaches it: a picture of the screen can be taken.
async fn lives(
    bench: &Bench,
    person: &Person,
    session: &SessionRecord,
    before: &Process,
) -> Result<(), Failure> {
    eventually(SEEN, "the session is found again", async || {
        let now = bench.display(session)?;
        if now != *before {
            return Err(Failure::from(format!("{now:?} in place of {before:?}")));
        }
        let path = format!("/sessions/{}/screenshot", session.id);
        let status = person.status(reqwest::Method::GET, &path).await?;
        if status.is_success() {
            Ok(())
        } else {
            Err(Failure::from(status.to_string()))
        }
    })
    .await
}

/// The problem of a start that must not succeed.
async fn refused(person: &Person, host: &Host) -> Result<Value, Failure> {
    // What a cluster says that does not know the host yet is no refusal.
    let passing = ["no-manager", "no-server-fits", "node-unreachable"];
    eventually(SEEN, "a start is refused", async || {
        let (status, text) = person
            .raw(reqwest::Method::POST, "/sessions", Some(body(host)))
            .await?;
        let answer: Value = serde_json::from_str(&text)?;
        let early = passing.iter().any(|kind| answer["type"] == *kind);
        if status.is_success() || early {
            return Err(Failure::from(format!("{status} {text}")));
        }
        Ok(answer)
    })
    .await
}
