//! The cluster that tests run against, and applying YAML to it.

use std::path::PathBuf;
use std::time::Duration;

use fastx_lifecycle::env::{Process, Source as _};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::discovery::{ApiResource, Scope};
use kube::discovery;
use kube::{Client, Config};

use crate::eventually::eventually;
use crate::{Failure, chart};

/// Field manager of everything that tests apply.
pub const MANAGER: &str = "fastx-tests";

/// How long the API server may take to serve a definition, and other tests to let go of the chart.
const LIMIT: Duration = Duration::from_secs(30);

/// The kubeconfig: `KUBECONFIG`, else the one that `cargo xtask cluster up` leaves.
pub fn kubeconfig() -> PathBuf {
    let env = Process;
    if let Some(path) = env.get("KUBECONFIG") {
        return path.into();
    }
    let cache = env.get("FASTX_CACHE").map_or_else(
        || PathBuf::from(env.or("HOME", "/root")).join(".cache/fastx-cluster"),
        PathBuf::from,
    );
    cache.join("kubeconfig")
}

/// A client with an administrator's rights.
pub async fn client() -> Result<Client, Failure> {
    client_as(None).await
}

/// A client that acts as `user`, or as the administrator.
pub async fn client_as(user: Option<&str>) -> Result<Client, Failure> {
    let path = kubeconfig();
    let help = |error: &dyn std::fmt::Display| {
        format!(
            "no cluster by {}: {error}; start one with: cargo xtask cluster up",
            path.display()
        )
    };
    let kubeconfig = Kubeconfig::read_from(&path).map_err(|e| help(&e))?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|e| help(&e))?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.auth_info.impersonate = user.map(str::to_owned);
    let client = Client::try_from(config)?;
    if user.is_none() {
        client.apiserver_version().await.map_err(|e| help(&e))?;
    }
    Ok(client)
}

/// Installs our custom resource definitions and waits until they are served.
pub async fn install_definitions(client: &Client) -> Result<(), Failure> {
    // Through the chart, as `cargo xtask demo` does: helm takes over only what bears its own marks.
    eventually(LIMIT, "the chart of definitions", async || {
        chart::install_definitions()
    })
    .await?;
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in fastx_crds::all() {
        let name = definition.metadata.name.unwrap_or_default();
        eventually(LIMIT, &name, async || established(&api, &name).await).await?;
    }
    Ok(())
}

async fn established(api: &Api<CustomResourceDefinition>, name: &str) -> Result<(), String> {
    let definition = api.get(name).await.map_err(|error| error.to_string())?;
    let conditions = definition.status.and_then(|s| s.conditions);
    let established = conditions
        .unwrap_or_default()
        .iter()
        .any(|c| c.type_ == "Established" && c.status == "True");
    if established {
        Ok(())
    } else {
        Err("not established".into())
    }
}

/// The objects of a YAML text with several documents.
pub fn documents(yaml: &str) -> Result<Vec<DynamicObject>, Failure> {
    use serde::Deserialize as _;
    let mut objects = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(yaml) {
        let value = serde_json::Value::deserialize(document)?;
        if !value.is_null() {
            objects.push(serde_json::from_value(value)?);
        }
    }
    Ok(objects)
}

/// Where an object lives: its API, in `namespace` unless it names another one.
pub async fn api_of(
    client: &Client,
    object: &DynamicObject,
    namespace: &str,
) -> Result<Api<DynamicObject>, Failure> {
    let (resource, scope) = resource_of(client, object).await?;
    Ok(match scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => {
            let namespace = object.metadata.namespace.as_deref().unwrap_or(namespace);
            Api::namespaced_with(client.clone(), namespace, &resource)
        }
    })
}

async fn resource_of(
    client: &Client,
    object: &DynamicObject,
) -> Result<(ApiResource, Scope), Failure> {
    let types = object.types.as_ref().ok_or("the object has no kind")?;
    let kind = GroupVersionKind::try_from(types)?;
    let (resource, capabilities) = discovery::pinned_kind(client, &kind).await?;
    Ok((resource, capabilities.scope))
}

/// Applies every object of a YAML text.
pub async fn apply(client: &Client, namespace: &str, yaml: &str) -> Result<(), Failure> {
    for object in documents(yaml)? {
        let name = object.metadata.name.clone().unwrap_or_default();
        let parameters = PatchParams::apply(MANAGER).force();
        api_of(client, &object, namespace)
            .await?
            .patch(&name, &parameters, &Patch::Apply(&object))
            .await
            .map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// Deletes every object of a YAML text; what is gone already is fine.
pub async fn delete(client: &Client, namespace: &str, yaml: &str) -> Result<(), Failure> {
    for object in documents(yaml)? {
        let name = object.metadata.name.clone().unwrap_or_default();
        let api = api_of(client, &object, namespace).await?;
        match api.delete(&name, &DeleteParams::background()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(format!("{name}: {error}").into()),
        }
    }
    Ok(())
}

/// The cluster's own kubectl where there is one, else the one in PATH.
pub fn kubectl() -> PathBuf {
    crate::tool("kubectl")
}
