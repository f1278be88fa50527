//! `config.put`: administrators change the configuration where Kubernetes does not manage it.

use fastx_core::names::CallerId;
use fastx_core::subject::{Member, member_of};
use fastx_core::wire::config::{ClusterPart, NodePart, RootDocument};
use fastx_core::wire::history::{Author, Via};
use fastx_core::wire::management::ConfigPut;
use fastx_core::wire::operations::{ConfigEdit, ConfigEdited};
use fastx_core::wire::problem::Problem;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::configuration;
use crate::core::{Core, store_problem};
use crate::identity;

/// Newest version of root and parts that this build understands.
const SCHEMA: u32 = 1;

/// Answers `config.put`.
pub(crate) async fn put(
    core: &Core,
    caller: &CallerId,
    body: ConfigEdit,
) -> Result<ConfigEdited, Problem> {
    let before = configuration::root(core)
        .await
        .map_err(|e| store_problem(&e))?;
    let cluster = match &before {
        Some(root) => read::<ClusterPart>(core, "cluster", &root.cluster).await?,
        None => ClusterPart::default(),
    };
    if !cluster.managed_by.is_empty() {
        return Err(managed(&cluster.managed_by));
    }
    let author = authorise(core, caller, &body, before.as_ref(), &cluster).await?;
    configuration::keep_parts(core, &body.parts)
        .await
        .map_err(|e| e.problem())?;
    let Some(root) = body.root else {
        return Ok(ConfigEdited {
            revision: before.map(|root| root.revision()).unwrap_or_default(),
        });
    };
    check(core, before.as_ref(), &root).await?;
    let put = ConfigPut {
        root,
        parts: body.parts,
    };
    let stored = configuration::put(core, &put, &author)
        .await
        .map_err(|e| e.problem())?;
    tracing::info!(%caller, via = ?author.via, by = author.by, revision = stored.revision(), "the configuration was changed");
    Ok(ConfigEdited {
        revision: stored.revision(),
    })
}

/// The refusal of a change to what Kubernetes manages.
pub(crate) fn managed(by: &str) -> Problem {
    Problem::new(409, "managed-by-kubernetes", "Kubernetes manages this")
        .detail(format!(
            "The configuration comes from the custom resource `{by}`; a change here would be undone."
        ))
        .action(format!("Change the custom resource `{by}` with kubectl."))
}

/// Who asks. A manager's identity is the cluster's own; a node brings an admin's token.
async fn authorise(
    core: &Core,
    caller: &CallerId,
    body: &ConfigEdit,
    root: Option<&RootDocument>,
    cluster: &ClusterPart,
) -> Result<Author, Problem> {
    match (&body.token, root) {
        (Some(token), Some(root)) => {
            let login = identity::admin(core, token, root, cluster).await?;
            Ok(Author::new(Via::Administrator, login.as_str()))
        }
        _ if member_of(caller) == Member::Manager => Ok(Author::new(Via::Manager, "")),
        _ => Err(Problem::forbidden(&format!(
            "`{caller}` is a node: it may change the configuration only in the name of an administrator."
        ))
        .action("Use the broker.json of a manager, or give the token of an administrator.")),
    }
}

/// Reads what the new root names and the old one did not: what nodes could not apply is refused here.
async fn check(
    core: &Core,
    before: Option<&RootDocument>,
    root: &RootDocument,
) -> Result<(), Problem> {
    if root.schema > SCHEMA {
        return Err(invalid(
            "root",
            &format!(
                "it has schema {}, this version reads up to {SCHEMA}",
                root.schema
            ),
        ));
    }
    if before.is_none_or(|before| before.cluster != root.cluster) {
        let part: ClusterPart = read(core, "cluster", &root.cluster).await?;
        check_part("cluster", part.schema, &part.managed_by)?;
    }
    for (server, hash) in &root.nodes {
        if before.and_then(|before| before.nodes.get(server)) != Some(hash) {
            let what = format!("part of server {server}");
            let part: NodePart = read(core, &what, hash).await?;
            check_part(&what, part.schema, &part.managed_by)?;
        }
    }
    Ok(())
}

fn check_part(what: &str, schema: u32, managed_by: &str) -> Result<(), Problem> {
    if schema > SCHEMA {
        let reason = format!("it has schema {schema}, this version reads up to {SCHEMA}");
        return Err(invalid(what, &reason));
    }
    if !managed_by.is_empty() {
        return Err(invalid(what, "`managedBy` is set by Kubernetes alone"));
    }
    Ok(())
}

async fn read<T: DeserializeOwned>(core: &Core, what: &str, hash: &str) -> Result<T, Problem> {
    let part: Option<Value> = configuration::part(core, hash)
        .await
        .map_err(|e| store_problem(&e))?;
    let Some(part) = part else {
        return Err(
            Problem::new(422, "config-parts-missing", "Parts are missing")
                .detail(format!("The store has no {what} under the hash {hash}.")),
        );
    };
    serde_json::from_value(part).map_err(|e| invalid(what, &e.to_string()))
}

fn invalid(what: &str, reason: &str) -> Problem {
    Problem::new(422, "config-part-invalid", "A part is not valid").detail(format!(
        "The {what} of the configuration is not valid: {reason}."
    ))
}
