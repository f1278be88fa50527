//! YAML for `kubectl apply` and for the chart of definitions.

use std::path::PathBuf;
use std::process::Command;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::GenerateError;
use crate::cluster::{self, Paths, process};

const HEADER: &str = "# Made from crds/src by `cargo xtask generate`; change it there.\n";
const NAMESPACE: &str = "fastx-system";

/// Everything that an installation needs; the namespace first, since the rest lies in it.
const INSTALL_HEADER: &str = "\
# FastX: namespace, custom resource definitions, operator. Made by `cargo xtask generate` from the charts.
#   kubectl apply --server-side -f manifests/install.yaml
# `--server-side`, because the definitions are too large for the annotation of a client-side apply.
apiVersion: v1
kind: Namespace
metadata:
  name: fastx-system
  labels:
    # All that the operator starts here obeys the strictest profile.
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/enforce-version: latest
";

/// One definition for `kubectl apply`.
pub(super) fn plain(definition: &CustomResourceDefinition) -> Result<String, GenerateError> {
    Ok(format!("{HEADER}{}", yaml(definition)?))
}

/// One definition as a template: uninstalling the chart must not delete every cluster with it.
pub(super) fn templated(definition: &CustomResourceDefinition) -> Result<String, GenerateError> {
    let mut kept = definition.clone();
    kept.metadata
        .annotations
        .get_or_insert_default()
        .insert("helm.sh/resource-policy".into(), "keep".into());
    // A description may show a template; helm must not run it.
    let text = yaml(&kept)?.replace("{{", "{{ \"{{\" }}");
    Ok(format!("{HEADER}{text}"))
}

fn yaml(definition: &CustomResourceDefinition) -> Result<String, GenerateError> {
    serde_yaml_ng::to_string(definition).map_err(|source| GenerateError::Yaml {
        name: definition.metadata.name.clone().unwrap_or_default(),
        source,
    })
}

/// Namespace, definitions and operator in one file.
pub(super) fn install(definitions: &[CustomResourceDefinition]) -> Result<String, GenerateError> {
    let mut text = INSTALL_HEADER.to_owned();
    for definition in definitions {
        text.push_str("---\n");
        text.push_str(&yaml(definition)?);
    }
    text.push_str(&without_helm(&render("fastx-operator")?));
    Ok(text)
}

fn render(chart: &'static str) -> Result<String, GenerateError> {
    let folder = cluster::root().join("charts").join(chart);
    let arguments = ["template", chart, "--namespace", NAMESPACE, "--skip-tests"];
    process::output(Command::new(helm()?).args(arguments).arg(folder))
        .map_err(|source| GenerateError::Helm { chart, source })
}

/// The helm of the local cluster, whose version is fixed, else the one in PATH.
fn helm() -> Result<PathBuf, GenerateError> {
    let built = Paths::load()?.bin("helm");
    let candidates = [built, PathBuf::from("helm")];
    candidates
        .into_iter()
        .find(|program| process::answers(Command::new(program).arg("version")))
        .ok_or(GenerateError::NoHelm)
}

/// Drops what is true only of objects that helm itself installs.
fn without_helm(rendered: &str) -> String {
    const ONLY_HELM: [&str; 3] = [
        "app.kubernetes.io/managed-by: Helm",
        "helm.sh/chart:",
        "# Source:",
    ];
    let kept = rendered.lines().filter(|line| {
        !ONLY_HELM
            .iter()
            .any(|mark| line.trim_start().starts_with(mark))
    });
    kept.flat_map(|line| [line.trim_end(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_helm_are_dropped() {
        let rendered = "---\n# Source: a\nkind: A\n    app.kubernetes.io/managed-by: Helm\n    helm.sh/chart: x-1\n    a: b\n";
        assert_eq!(without_helm(rendered), "---\nkind: A\n    a: b\n");
    }
}
