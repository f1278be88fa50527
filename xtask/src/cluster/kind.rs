//! The cluster as a Docker container, by the program `kind`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::node::describe;
use super::{ClusterError, Paths, process, say};

const NAME: &str = "fastx";

/// True when Docker answers and `kind` is installed.
pub(super) fn usable() -> bool {
    process::answers(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]))
        && process::answers(Command::new("kind").arg("version"))
}

fn kubeconfig(paths: &Paths) -> PathBuf {
    paths.cache.join("kind.kubeconfig")
}

fn exists() -> Result<bool, ClusterError> {
    let clusters = process::output(Command::new("kind").args(["get", "clusters"]))?;
    Ok(clusters.lines().any(|line| line == NAME))
}

pub(super) fn up(paths: &Paths) -> Result<PathBuf, ClusterError> {
    let config = kubeconfig(paths);
    let mut kind = Command::new("kind");
    if exists()? {
        kind.args(["export", "kubeconfig", "--name", NAME, "--kubeconfig"])
            .arg(&config);
    } else {
        say(
            "kind: creating the cluster (about 1 min; the first time it also fetches the node's image)",
        );
        kind.args([
            "create",
            "cluster",
            "--name",
            NAME,
            "--wait",
            "180s",
            "--kubeconfig",
        ])
        .arg(&config);
    }
    process::run(&mut kind)?;
    Ok(config)
}

pub(super) fn down(paths: &Paths) -> Result<(), ClusterError> {
    let config = kubeconfig(paths);
    process::run(
        Command::new("kind")
            .args(["delete", "cluster", "--name", NAME, "--kubeconfig"])
            .arg(&config),
    )?;
    super::unlink(&config)
}

pub(super) fn node(paths: &Paths) -> Option<String> {
    if !exists().unwrap_or(false) {
        return None;
    }
    describe(Path::new("kubectl"), &kubeconfig(paths))
}

pub(super) fn images() -> Result<Vec<String>, ClusterError> {
    let node = format!("{NAME}-control-plane");
    let text = process::output(
        Command::new("docker").args(["exec", &node, "ctr", "-n", "k8s.io", "images", "list", "-q"]),
    )?;
    Ok(text
        .lines()
        .filter(|line| line.starts_with("localhost/"))
        .map(str::to_owned)
        .collect())
}

pub(super) fn load(name: &str) -> Result<(), ClusterError> {
    Ok(process::run(Command::new("kind").args([
        "load",
        "docker-image",
        "--name",
        NAME,
        name,
    ]))?)
}
