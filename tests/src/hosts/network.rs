//! The network of the bench: a bridge on this machine, and a network namespace for each host.

use super::run;
use crate::Failure;

/// First three bytes of all addresses.
const NET: &str = "10.246.77";
const BRIDGE: &str = "fxbench";

/// This machine's address on the bridge.
pub(super) fn own() -> String {
    format!("{NET}.1")
}

/// The address of a host.
pub(super) fn of(n: usize) -> String {
    format!("{NET}.{}", n + 11)
}

/// Name of a host's network namespace.
pub(super) fn namespace(name: &str) -> String {
    format!("fxbench-{name}")
}

fn ip(arguments: &str) -> Result<String, Failure> {
    run("ip", &arguments.split(' ').collect::<Vec<_>>())
}

/// Makes the bridge.
pub(super) fn up() -> Result<(), Failure> {
    down();
    ip(&format!("link add {BRIDGE} type bridge"))?;
    ip(&format!("addr add {}/24 dev {BRIDGE}", own()))?;
    ip(&format!("link set {BRIDGE} up"))?;
    Ok(())
}

/// Makes the namespace of a host.
pub(super) fn join(name: &str, n: usize) -> Result<(), Failure> {
    let ns = namespace(name);
    let port = format!("fxb{n}");
    ip(&format!("netns add {ns}"))?;
    ip(&format!(
        "link add {port} type veth peer name eth0 netns {ns}"
    ))?;
    ip(&format!("link set {port} master {BRIDGE} up"))?;
    ip(&format!("-n {ns} addr add {}/24 dev eth0", of(n)))?;
    ip(&format!("-n {ns} link set lo up"))?;
    ip(&format!("-n {ns} link set eth0 up"))?;
    Ok(())
}

/// Removes everything; what is not there is not missed.
pub(super) fn down() {
    let prefix = namespace("");
    let list = ip("netns list").unwrap_or_default();
    for ns in list.lines().filter_map(|l| l.split(' ').next()) {
        if ns.starts_with(&prefix) {
            let _ = ip(&format!("netns del {ns}"));
        }
    }
    let _ = ip(&format!("link del {BRIDGE}"));
}

/// Closes or opens the firewall of a host: what it sends and gets is dropped in silence.
pub(super) fn cut(name: &str, cut: bool) -> Result<(), Failure> {
    let ns = namespace(name);
    let rules = if cut {
        "add table inet bench; \
         add chain inet bench in { type filter hook input priority 0; policy accept; }; \
         add chain inet bench out { type filter hook output priority 0; policy accept; }; \
         add rule inet bench in iifname eth0 drop; \
         add rule inet bench out oifname eth0 drop"
    } else {
        "delete table inet bench"
    };
    run("ip", &["netns", "exec", &ns, "nft", rules]).map(drop)
}
