//! The cluster from `tests/localkube`: Kubernetes' own programs on this machine, without Docker.

use std::path::PathBuf;
use std::process::Command;

use super::{ClusterError, Paths, localkube, process};

/// Builds what is missing, then starts; both scripts skip what is done.
pub(super) fn up(paths: &Paths) -> Result<PathBuf, ClusterError> {
    process::run(&mut Command::new(localkube("build.sh")))?;
    process::run(&mut Command::new(localkube("up.sh")))?;
    Ok(paths.local_kubeconfig.clone())
}

pub(super) fn down(purge: bool) -> Result<(), ClusterError> {
    let mut script = Command::new(localkube("down.sh"));
    if purge {
        script.arg("--purge");
    }
    Ok(process::run(&mut script)?)
}

/// The node's version and state, or nothing when there is none.
pub(super) fn node(paths: &Paths) -> Option<String> {
    if !paths.local_is_up() {
        return None;
    }
    super::node::describe(&paths.bin("kubectl"), &paths.local_kubeconfig)
}

fn ctr(paths: &Paths) -> Command {
    let mut command = Command::new(paths.bin("ctr"));
    command.env("CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS", "1");
    command
        .arg("--address")
        .arg(&paths.containerd)
        .args(["--namespace", "k8s.io", "images"]);
    command
}

pub(super) fn images(paths: &Paths) -> Result<Vec<String>, ClusterError> {
    let text = process::output(ctr(paths).args(["list", "--quiet"]))?;
    Ok(text
        .lines()
        .filter(|line| !line.starts_with("sha256:") && *line != "localhost/pause:1")
        .map(str::to_owned)
        .collect())
}

pub(super) fn tag(paths: &Paths, from: &str, to: &str) -> Result<(), ClusterError> {
    process::output(ctr(paths).args(["tag", "--force", from, to]))?;
    Ok(())
}
