//! One line about the cluster's node.

use std::path::Path;
use std::process::Command;

use super::process;

/// `localkube, ready, v1.36.3`, or nothing when the API server does not answer.
pub(super) fn describe(kubectl: &Path, kubeconfig: &Path) -> Option<String> {
    let columns = "NAME:.metadata.name,READY:.status.conditions[?(@.type==\"Ready\")].status,VERSION:.status.nodeInfo.kubeletVersion";
    let mut command = Command::new(kubectl);
    command.arg("--kubeconfig").arg(kubeconfig).args([
        "--request-timeout=5s",
        "get",
        "nodes",
        "--no-headers",
    ]);
    command
        .arg("--output")
        .arg(format!("custom-columns={columns}"));
    let text = process::output(&mut command).ok()?;
    Some(readable(&text))
}

fn readable(text: &str) -> String {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, ready, version) = (words.next()?, words.next()?, words.next()?);
        let state = if ready == "True" {
            "ready"
        } else {
            "not ready"
        };
        Some(format!("{name}, {state}, {version}"))
    };
    text.lines().filter_map(line).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn a_node_is_described_in_one_line() {
        assert_eq!(
            readable("localkube   True   v1.36.3\n"),
            "localkube, ready, v1.36.3"
        );
        assert_eq!(readable("a False v1.36.3\n"), "a, not ready, v1.36.3");
        assert_eq!(readable(""), "");
    }
}
