//! `kubectl explain` describes every field: what people read before they read any manual.

use std::process::Command;

use fastx_tests::Failure;
use fastx_tests::kube::{client, install_definitions, kubeconfig, kubectl};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

fn explain(what: &str) -> Result<String, Failure> {
    let done = Command::new(kubectl())
        .arg("--kubeconfig")
        .arg(kubeconfig())
        .args(["explain", what])
        .output()
        .map_err(|error| {
            format!("kubectl: {error}; build it with: tests/localkube/build.sh kubectl")
        })?;
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&done.stderr).into_owned().into())
    }
}

#[tokio::test]
async fn kubectl_explain_answers() -> Result<(), Failure> {
    install_definitions(&client().await?).await?;
    for (what, words) in [
        ("fastxcluster.spec.store.engine", "FerretDB"),
        (
            "fastxcluster.spec.authentication.local.usersSecretRef",
            "argon2id",
        ),
        ("computenode.spec.pod.users", "nobody else may start"),
        ("computenode.spec.pod.home.reclaim", "Delete"),
        ("balancerscript.spec.tests", "before it becomes active"),
        ("balancerscript.status.conditions", "observation"),
    ] {
        let said = explain(what)?;
        assert!(said.contains(words), "{what}: {said}");
    }
    Ok(())
}

#[test]
fn every_field_is_described_and_bounded() {
    let mut wrong = Vec::new();
    for definition in fastx_crds::all() {
        for version in &definition.spec.versions {
            let schema = version
                .schema
                .as_ref()
                .and_then(|s| s.open_api_v3_schema.as_ref())
                .expect("a definition has a schema");
            let kind = &definition.spec.names.kind;
            for (name, field) in schema.properties.iter().flatten() {
                if name == "spec" || name == "status" {
                    walk(&format!("{kind}.{name}"), field, &mut wrong);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn walk(path: &str, schema: &JSONSchemaProps, wrong: &mut Vec<String>) {
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        if field.description.as_deref().unwrap_or_default().is_empty() {
            wrong.push(format!("{path} has no description"));
        }
        bounded(&path, field, wrong);
        walk(&path, field, wrong);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        bounded(&format!("{path}[]"), item, wrong);
        walk(&format!("{path}[]"), item, wrong);
    }
}

/// Without bounds the API server must assume the worst for what a rule costs, and an object may grow for ever.
fn bounded(path: &str, field: &JSONSchemaProps, wrong: &mut Vec<String>) {
    let map = matches!(
        field.additional_properties,
        Some(JSONSchemaPropsOrBool::Schema(_))
    );
    let open = match field.type_.as_deref() {
        Some("string") => field.max_length.is_none() && field.enum_.is_none(),
        Some("array") => field.max_items.is_none(),
        Some("object") => map && field.max_properties.is_none(),
        _ => false,
    };
    if open {
        wrong.push(format!("{path} has no upper bound"));
    }
    if field.type_.as_deref() == Some("array") && field.x_kubernetes_list_type.is_none() {
        wrong.push(format!("{path} has no list type"));
    }
}
