//! `broker.json`, the bus behind it, the managers, the clock and the other servers.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use fastx_bus::{Bus, Options};
use fastx_core::names::CallerId;
use fastx_core::wire::broker::BrokerConfig;
use fastx_core::wire::fleet::FleetSnapshot;
use fastx_lifecycle::clock;
use fastx_lifecycle::private_file::{Me, admissible};
use fastx_lifecycle::telemetry::chain;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpStream;

use super::{Finding, Outcome};
use crate::arguments::Doctor;
use crate::output::{age, span};

const LIMIT: Duration = Duration::from_secs(5);
/// Clocks that differ by more refuse each other's logins and tickets.
const SKEW: SignedDuration = SignedDuration::from_secs(30);
/// A heartbeat comes every five seconds, so some server was heard of this recently.
const FRESH: SignedDuration = SignedDuration::from_secs(15);
/// Largest file that is read, bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// Reads the file as the node does.
pub(super) fn file(options: &Doctor) -> (Vec<Finding>, Option<BrokerConfig>) {
    let path = options.config_dir.join("broker.json");
    let name = path.display().to_string();
    let what = "broker.json";
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return (
                vec![Finding::skipped(
                    what,
                    format!("there is no {name}: this server stands alone"),
                )],
                None,
            );
        }
        Err(e) => {
            let action = "run the doctor as root or as the user of the service";
            return (
                vec![Finding::failed(what, format!("{name}: {e}"), action)],
                None,
            );
        }
    };
    let mut findings: Vec<Finding> = readers(&file, &name).into_iter().collect();
    let mut text = String::new();
    let read = file.by_ref().take(MAX_BYTES).read_to_string(&mut text);
    let parsed = read
        .map_err(|e| e.to_string())
        .and_then(|_| BrokerConfig::parse(&text).map_err(|e| e.to_string()));
    match parsed {
        Ok(config) => {
            findings.extend(content(&config));
            (findings, Some(config))
        }
        Err(why) => {
            findings.push(Finding::failed(
                what,
                format!("{name}: {why}"),
                "copy the file anew from the cluster manager, or create the join bundle again",
            ));
            (findings, None)
        }
    }
}

/// Who may read the file, when that is not right.
fn readers(file: &File, name: &str) -> Option<Finding> {
    let what = "broker.json";
    let about = match file.metadata() {
        Ok(about) => about,
        Err(e) => {
            return Some(Finding::failed(
                what,
                format!("{name}: {e}"),
                "look at the disk",
            ));
        }
    };
    // Root may read anything: what counts is whether the service may, so its owner is taken for it.
    let me = match Me::now() {
        root if root.uid == 0 => Me {
            uid: about.uid(),
            gids: vec![about.gid()],
        },
        me => me,
    };
    if let Err((reason, mend)) = admissible(about.mode(), about.uid(), about.gid(), &me, name) {
        return Some(Finding::failed(what, reason, mend));
    }
    (about.uid() == 0 && about.gid() == 0).then(|| {
        Finding::warning(
            what,
            format!("{name} belongs to root alone"),
            format!("the service reads it as its own user: chown fastx:fastx {name}"),
        )
    })
}

fn content(config: &BrokerConfig) -> Vec<Finding> {
    let kind = format!("{:?}", config.transporter_type).to_ascii_uppercase();
    let port = config.effective_port();
    let detail = format!(
        "{kind} at {}:{port}, namespace {}",
        config.host, config.namespace
    );
    let mut findings = vec![Finding::ok("broker.json", detail)];
    if !config.reject_unauthorized {
        findings.push(Finding::warning(
            "certificate",
            "`rejectUnauthorized` is false: any server can pass for the bus",
            "give the bus a certificate that `ca` or a public authority vouches for, and set it to true",
        ));
    }
    findings
}

/// Resolves, connects, asks the managers.
pub(super) async fn reach(config: Option<&BrokerConfig>) -> Vec<Finding> {
    let Some(config) = config else {
        return vec![Finding::skipped("bus", "there is no usable broker.json")];
    };
    let mut findings = Vec::new();
    let host = config.host.clone();
    match tokio::net::lookup_host((host.as_str(), config.effective_port())).await {
        Ok(addresses) => {
            let list: Vec<String> = addresses.map(|a| a.ip().to_string()).collect();
            findings.push(Finding::ok(
                "name",
                format!("{host} is {}", list.join(", ")),
            ));
        }
        Err(e) => {
            findings.push(Finding::failed(
                "name",
                format!("{host} cannot be resolved: {e}"),
                "correct `host` in broker.json, or the DNS of this host",
            ));
            return findings;
        }
    }
    let caller: Option<CallerId> = match &config.credentials {
        Some(credentials) => Some(credentials.caller.clone()),
        None => "doctor".parse().ok(),
    };
    let connect = Options {
        caller,
        limit: LIMIT,
    };
    let bus = match Bus::connect(config.clone(), connect).await {
        Ok(bus) => bus,
        Err(error) => {
            let action = "what the line says; `nc -vz HOST PORT` shows whether the port can be reached at all";
            findings.push(Finding::failed("bus", chain(&error), action));
            return findings;
        }
    };
    findings.push(Finding::ok("bus", format!("connected as {}", bus.caller())));
    match bus.fleet().await {
        Ok(fleet) => {
            let now = clock::now();
            let online = fleet.servers.iter().filter(|s| s.online).count();
            let detail = format!(
                "a manager answers; {online} of {} servers online",
                fleet.servers.len()
            );
            findings.push(Finding::ok("managers", detail));
            findings.extend(clock_finding(&fleet, now));
            findings.extend(own_record(&fleet, bus.caller(), now));
            findings.extend(peers(&fleet, bus.caller()).await);
        }
        Err(problem) => findings.push(Finding::failed(
            "managers",
            problem.to_string(),
            "start a cluster manager, or look at its log: fastxctl logs --service manager",
        )),
    }
    findings
}

/// The managers stamp what they hear, so the freshest stamp tells the difference of the clocks.
fn clock_finding(fleet: &FleetSnapshot, now: Timestamp) -> Option<Finding> {
    let freshest = fleet.servers.iter().map(|s| s.last_seen).max()?;
    let ahead = freshest.duration_since(now);
    if ahead > SKEW {
        let detail = format!("this host's clock is {} behind the managers'", span(ahead));
        return Some(Finding::failed(
            "clock",
            detail,
            "let chrony or systemd-timesyncd set the clock",
        ));
    }
    let behind = now.duration_since(freshest);
    if behind > SKEW + FRESH {
        let detail = format!(
            "no server was heard of for {}: either all are away, or this host's clock is ahead",
            span(behind)
        );
        return Some(Finding::warning(
            "clock",
            detail,
            "compare `date` here and on a manager",
        ));
    }
    Some(Finding::ok("clock", "agrees with the managers'"))
}

fn own_record(fleet: &FleetSnapshot, me: &CallerId, now: Timestamp) -> Vec<Finding> {
    let Some(own) = fleet
        .servers
        .iter()
        .find(|s| s.server.server_id.as_str() == me.as_str())
    else {
        let detail = format!("the managers have never heard of {me}");
        return vec![Finding::failed(
            "heartbeat",
            detail,
            "start the service: systemctl start fastx-node",
        )];
    };
    let seen = age(own.last_seen, now);
    if !own.online {
        let detail = format!("the managers heard of {me} last {seen} ago");
        let action = "look at the log: fastxctl logs --service node";
        return vec![Finding::failed("heartbeat", detail, action)];
    }
    let mut findings = vec![Finding::ok(
        "heartbeat",
        format!("the managers heard of {me} {seen} ago"),
    )];
    for fault in &own.server.faults {
        findings.push(Finding::warning("fault", fault.clone(), "as the line says"));
    }
    if !own.server.start_sessions {
        findings.push(Finding::new(
            "starts",
            Outcome::Warning,
            "starting sessions is switched off on this server",
        ));
    }
    findings
}

/// Other servers pass viewers on and are passed to.
async fn peers(fleet: &FleetSnapshot, me: &CallerId) -> Vec<Finding> {
    let mut findings = Vec::new();
    for record in &fleet.servers {
        let server = &record.server;
        if server.server_id.as_str() == me.as_str() || !record.online {
            continue;
        }
        let mut last = "it names no address for other members".to_owned();
        let mut reached = None;
        for url in &server.peer_urls {
            let address = url.trim_start_matches("https://").trim_end_matches('/');
            let address = if address
                .rsplit(':')
                .next()
                .is_some_and(|p| p.parse::<u16>().is_ok())
            {
                address.to_owned()
            } else {
                format!("{address}:443")
            };
            match tokio::time::timeout(LIMIT, TcpStream::connect(&address)).await {
                Ok(Ok(_)) => {
                    reached = Some(address);
                    break;
                }
                Ok(Err(e)) => last = format!("{address}: {e}"),
                Err(_) => last = format!("{address}: no answer in {} s", LIMIT.as_secs()),
            }
        }
        findings.push(match reached {
            Some(address) => Finding::ok("peer", format!("{} at {address}", server.server_id)),
            None => Finding::failed(
                "peer",
                format!("{} cannot be reached: {last}", server.server_id),
                "open its port 3300 for the members; sessions there can be seen from here by way of others only",
            ),
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_core::wire::server::ServerRecord;
    use serde_json::json;

    fn fleet(seen: i64, online: bool) -> FleetSnapshot {
        let record: ServerRecord = serde_json::from_value(json!({
            "server": {"serverId": "a", "startSessions": true, "faults": []},
            "lastSeen": Timestamp::from_second(seen).unwrap(), "online": online
        }))
        .unwrap();
        FleetSnapshot {
            servers: vec![record],
            ..FleetSnapshot::default()
        }
    }

    #[test]
    fn clocks_are_compared_by_the_freshest_heartbeat() {
        let now = Timestamp::from_second(1000).unwrap();
        let outcome = |seen| clock_finding(&fleet(seen, true), now).unwrap().outcome;
        assert_eq!(outcome(1000), Outcome::Ok);
        assert_eq!(outcome(985), Outcome::Ok);
        assert_eq!(outcome(1031), Outcome::Failed);
        assert_eq!(outcome(900), Outcome::Warning);
        assert_eq!(clock_finding(&FleetSnapshot::default(), now), None);
    }

    #[test]
    fn a_silent_server_is_told_where_to_look() {
        let now = Timestamp::from_second(1000).unwrap();
        let outcome = |fleet: &FleetSnapshot, me: &str| {
            own_record(fleet, &me.parse().unwrap(), now)[0].outcome
        };
        assert_eq!(outcome(&fleet(999, true), "a"), Outcome::Ok);
        assert_eq!(outcome(&fleet(800, false), "a"), Outcome::Failed);
        assert_eq!(outcome(&fleet(999, true), "b"), Outcome::Failed);
    }

    #[test]
    fn the_file_is_judged_as_by_the_node() {
        use clap::Parser as _;
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let parsed = crate::arguments::Arguments::parse_from([
            "fastxctl",
            "doctor",
            "--config-dir",
            dir.path().to_str().unwrap(),
        ]);
        let crate::arguments::Command::Doctor(options) = parsed.command else {
            panic!("another command");
        };
        assert_eq!(file(&options).0[0].outcome, Outcome::Skipped);
        let path = dir.path().join("broker.json");
        let put = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            file(&options)
        };
        let good =
            r#"{"transporterType":"nats","host":"h","namespace":"n","rejectUnauthorized":true}"#;
        let (findings, config) = put(good, 0o644);
        assert!(
            findings[0].action.starts_with("chmod o-rwx"),
            "{findings:?}"
        );
        assert!(config.is_some());
        let (findings, config) = put("{\"host\":", 0o600);
        assert_eq!(findings.last().unwrap().outcome, Outcome::Failed);
        assert!(config.is_none());
    }
}
