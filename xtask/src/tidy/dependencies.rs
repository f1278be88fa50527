//! Dependencies go one way, and every crate shares the workspace's lints and versions.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use super::Finding;

/// What each crate may depend on among ours, and which foreign crates only some may know.
const ALLOWED: &[(&str, &[&str])] = &[
    ("fastx-core", &[]),
    ("fastx-crds", &["fastx-core"]),
    ("fastx-bus", &["fastx-core", "fastx-lifecycle"]),
    ("fastx-balancer", &["fastx-core"]),
    ("fastx-lifecycle", &[]),
    (
        "fastx-operator",
        &[
            "fastx-core",
            "fastx-crds",
            "fastx-balancer",
            "fastx-lifecycle",
        ],
    ),
    (
        "fastx-manager",
        &["fastx-core", "fastx-bus", "fastx-lifecycle"],
    ),
    (
        "fastx-node",
        &[
            "fastx-core",
            "fastx-bus",
            "fastx-balancer",
            "fastx-lifecycle",
            "fastx-manager",
        ],
    ),
    ("fastx-link", &["fastx-core"]),
    (
        "fastx-cli",
        &["fastx-core", "fastx-crds", "fastx-bus", "fastx-lifecycle"],
    ),
    (
        "fastx-benches",
        &["fastx-core", "fastx-lifecycle", "fastx-tests"],
    ),
];

/// Crates that may know Kubernetes.
const KUBERNETES: &[&str] = &[
    "fastx-crds",
    "fastx-operator",
    "fastx-cli",
    "fastx-tests",
    "fastx-benches",
    "xtask",
];

/// Foreign crates that the pure domain does without.
const NOT_IN_CORE: &[&str] = &[
    "tokio", "rand", "reqwest", "hyper", "axum", "kube", "rustix",
];

pub(super) fn check() -> Result<Vec<Finding>, cargo_metadata::Error> {
    let metadata = MetadataCommand::new().no_deps().exec()?;
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut findings = Vec::new();
    for package in metadata.workspace_packages() {
        let manifest = relative(&metadata, package.manifest_path.as_str());
        for dependency in &package.dependencies {
            if dependency.kind == DependencyKind::Development {
                continue;
            }
            if let Some(reason) = refusal(&package.name, &dependency.name, &allowed) {
                findings.push(Finding::new(&manifest, 0, reason));
            }
        }
        findings.extend(shares_the_workspace(
            &manifest,
            package.manifest_path.as_str(),
        ));
    }
    Ok(findings)
}

fn refusal(package: &str, dependency: &str, allowed: &BTreeMap<&str, &[&str]>) -> Option<String> {
    let ours = dependency.starts_with("fastx-");
    let wrong_way = ours
        && allowed
            .get(package)
            .is_some_and(|list| !list.contains(&dependency));
    let kubernetes = matches!(dependency, "kube" | "k8s-openapi") && !KUBERNETES.contains(&package);
    let impure = package == "fastx-core" && NOT_IN_CORE.contains(&dependency);
    (wrong_way || kubernetes || impure)
        .then(|| format!("{package} must not depend on {dependency}: see ARCHITECTURE.md"))
}

fn shares_the_workspace(manifest: &str, path: &str) -> Vec<Finding> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut findings = Vec::new();
    if !text.contains("[lints]\nworkspace = true") {
        findings.push(Finding::new(
            manifest,
            0,
            "must have `[lints] workspace = true`",
        ));
    }
    let mut section = "";
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            section = line;
        } else if section.contains("dependencies")
            && line.contains('=')
            && !line.contains("workspace = true")
        {
            findings.push(Finding::new(
                manifest,
                index + 1,
                "takes its version from [workspace.dependencies]",
            ));
        }
    }
    findings
}

fn relative(metadata: &Metadata, path: &str) -> String {
    path.strip_prefix(metadata.workspace_root.as_str())
        .unwrap_or(path)
        .trim_start_matches('/')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_wrong_way() {
        let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
        assert!(refusal("fastx-node", "kube", &allowed).is_some());
        assert!(refusal("fastx-core", "tokio", &allowed).is_some());
        assert!(refusal("fastx-operator", "fastx-bus", &allowed).is_some());
        assert!(refusal("fastx-operator", "fastx-core", &allowed).is_none());
        assert!(refusal("fastx-node", "tokio", &allowed).is_none());
    }
}
