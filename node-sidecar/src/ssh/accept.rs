//! `fastx-node accept-host-key HOST FINGERPRINT`: writes down a key that a person has compared.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::known_hosts::HostKey;
use super::{Target, Tools};

/// How long a host may take to show its keys.
const SCAN: Duration = Duration::from_secs(15);

/// A key that a host shows.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) key: HostKey,
    pub(super) fingerprint: String,
}

/// Keys that a host shows, the most usual kind first.
pub(super) async fn scan(keyscan: &Path, target: &Target) -> Result<Vec<Host>, String> {
    let running = Command::new(keyscan)
        .args(["-T", "5", "-p", &target.port.to_string()])
        .args(["-t", "ed25519,ecdsa,rsa", "--", &target.host])
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match timeout(SCAN, running).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("{} cannot be run: {error}", keyscan.display())),
        Err(_) => return Err(format!("{target} did not answer in time")),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let mut keys: Vec<HostKey> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| HostKey::parse(line.split_once(' ')?.1))
        .take(16)
        .collect();
    keys.sort_by_key(|key| match key.kind.as_str() {
        "ssh-ed25519" => 0,
        kind if kind.starts_with("ecdsa") => 1,
        _ => 2,
    });
    let keys = keys.into_iter().map(|key| Host {
        fingerprint: key.fingerprint(),
        key,
    });
    Ok(keys.collect())
}

/// Fetches the host's keys; the one of the fingerprint is known from then on. What happened, or why it did not.
pub async fn accept_host_key(
    target: &Target,
    wanted: Option<&str>,
    tools: &Tools,
) -> Result<String, String> {
    let shown = scan(&tools.keyscan, target).await?;
    let names: Vec<&str> = shown.iter().map(|host| host.fingerprint.as_str()).collect();
    let Some(first) = names.first() else {
        return Err(format!("{target} shows no key: does an sshd listen there?"));
    };
    let Some(wanted) = wanted else {
        return Err(format!(
            "{target} shows {}\n\
             Compare it with what `ssh-keygen -lf` says of its /etc/ssh/ssh_host_*_key.pub, then run\n  \
             fastx-node accept-host-key {target} {first}",
            names.join(" and ")
        ));
    };
    let Some(host) = shown.iter().find(|host| host.fingerprint == wanted) else {
        return Err(format!(
            "{target} shows {} and not {wanted}: nothing was accepted",
            names.join(" and ")
        ));
    };
    tools.hosts.accept(target, &host.key).map_err(|error| {
        let file = tools.hosts.accepted_file().display();
        format!("{file} cannot be written (is this the user of the service?): {error}")
    })?;
    Ok(format!(
        "{target} is known by its key {wanted} from now on; keys in {} still count as well\n",
        tools.hosts.configured_file().display()
    ))
}
