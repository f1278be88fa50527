//! Hosts without Kubernetes: the package on real systemd, sessions of the hosts' own users, and faults of all kinds.
//!
//! Needs root, systemd-nspawn, and a package, a bus and a store: `cargo xtask hosts`.
//! All scenarios share three hosts that are booted once. Those that concern one host run beside those of the others.

mod cluster;
mod faults;
mod keys;
mod linger;
mod outage;
mod pages;
mod passwordless;
mod plain;
mod service;
mod stage;
mod strangers;
mod users;

use std::process::ExitCode;
use std::time::Duration;

use fastx_core::wire::session::SessionRecord;
use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::people::password;
use fastx_tests::hosts::{Bench, Host};
use fastx_tests::person::Person;
use fastx_tests::processes::Process;
use serde_json::{Value, json};

use stage::scenarios;

/// How long something may take until it is seen at the API.
const SEEN: Duration = Duration::from_secs(40);
/// The command of all sessions here.
const COMMAND: &str = "exec xterm -e cat";

fn main() -> ExitCode {
    stage::run(stage::Plan {
        hosts: &["alpha", "beta", "gamma"],
        together: scenarios![
            cluster::a_start_elsewhere_asks_once_and_is_relayed,
            cluster::a_firewall_between_hosts_is_named_and_others_relay,
            strangers::another_user_of_the_host_gets_nothing,
            keys::own_keys_open_another_host_unasked,
            plain::a_cluster_of_the_page_outlives_bus_manager_and_store,
            plain::redis_carries_servers_that_were_alone,
        ],
        apart: [
            scenarios![
                service::the_service_may_little,
                users::a_long_home_that_root_may_not_enter_has_sessions,
                outage::a_full_disk_is_said_and_loses_nothing,
                outage::a_clock_that_jumps_ends_no_session,
                service::restart_upgrade_and_removal_of_the_service_end_no_session,
                pages::a_cluster_of_the_pages_moves_to_another_authority,
                service::without_a_cluster_the_package_makes_a_server_of_its_own,
                users::a_name_service_that_hangs_is_said_within_a_limit,
            ],
            scenarios![
                faults::a_logout_ends_no_session,
                faults::link_and_supervisor_may_be_killed,
                linger::sessions_of_a_user_who_lingers_live_in_the_user_manager,
                passwordless::sudo_starts_exactly_the_link_where_polkit_may_not,
            ],
            scenarios![
                outage::a_host_that_is_cut_off_is_unreachable_and_comes_back,
                outage::a_host_that_restarts_ends_its_sessions_and_says_so,
            ],
        ],
    })
}

/// Signs in at a host with the password that the managers know; one that has just started may need a moment.
async fn sign_in(host: &Host, login: &str) -> Result<Person, Failure> {
    eventually(SEEN, "the sign-in", async || {
        Person::sign_in(&host.url(), login, &password(login)).await
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

/// The hints of a server, as an administrator sees them.
async fn hints(admin: &Person, server: &str) -> Result<String, Failure> {
    let all: Value = admin.call(reqwest::Method::GET, "/servers", None).await?;
    let list = all["servers"].as_array().cloned().unwrap_or_default();
    let one = list.iter().find(|s| s["serverId"] == server);
    Ok(one
        .map(|s| s["server"]["hints"].to_string())
        .unwrap_or_default())
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
