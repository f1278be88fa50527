//! The configuration as administrators see and change it here, where Kubernetes does not manage it.
//!
//! A document is read and written whole, under the generation that it was read with:
//! of two who change it at once the second one is told, and nothing is lost.

use std::collections::BTreeMap;

use fastx_core::names::ServerId;
use fastx_core::roles::Right;
use fastx_core::subject::Operation;
use fastx_core::wire::config::{
    ClusterPart, MAX_PART_BYTES, NodePart, RootDocument, hash, shortened,
};
use fastx_core::wire::history::{ConfigVersion, Whose};
use fastx_core::wire::operations::{ConfigAnswer, ConfigEdit, ConfigEdited, ConfigGet};
use fastx_core::wire::problem::Problem;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::logins::User;
use crate::scripts;
use crate::transport::Transport;

/// Whom a document concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All servers.
    Global,
    /// One server.
    Local(ServerId),
}

impl Scope {
    /// How the API calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Local(_) => "local",
        }
    }
}

/// A document with what one must know to change it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Generation of the whole configuration that it was read from.
    pub generation: u64,
    /// Revision of that configuration.
    pub revision: String,
    /// Custom resource that it comes from; empty where Kubernetes does not manage it.
    pub managed_by: String,
    /// The content; fields that this version does not know are in it, too.
    pub content: Value,
}

/// Reads the document of a scope.
pub async fn read(transport: &Transport, user: &User, scope: &Scope) -> Result<Document, Problem> {
    user.require(Right::Configuration)?;
    let (root, content) = fetch(transport, scope).await?;
    Ok(Document {
        generation: root.generation,
        revision: root.revision(),
        managed_by: managed_by(&content),
        content,
    })
}

/// The versions of a scope's document, the newest first; managers keep some dozens.
pub async fn history(
    transport: &Transport,
    user: &User,
    scope: &Scope,
) -> Result<Vec<ConfigVersion>, Problem> {
    user.require(Right::Configuration)?;
    Ok(versions(transport, scope).await?.history)
}

/// The document of a scope as it was in an earlier version.
pub async fn version(
    transport: &Transport,
    user: &User,
    scope: &Scope,
    generation: u64,
) -> Result<Document, Problem> {
    user.require(Right::Configuration)?;
    let versions = versions(transport, scope).await?.history;
    let found = versions.iter().find(|each| each.generation == generation);
    let hash = found.ok_or_else(|| no_version(generation))?.hash.clone();
    let part = ask(transport, &ConfigGet::part(&hash)).await?.part;
    let content = part.ok_or_else(|| no_version(generation))?;
    Ok(Document {
        generation,
        revision: shortened(&hash),
        managed_by: managed_by(&content),
        content,
    })
}

async fn versions(transport: &Transport, scope: &Scope) -> Result<ConfigAnswer, Problem> {
    let whose = match scope {
        Scope::Global => Whose::Cluster,
        Scope::Local(server) => Whose::Node(server.clone()),
    };
    ask(transport, &ConfigGet::history(whose)).await
}

fn no_version(generation: u64) -> Problem {
    Problem::new(404, "no-such-version", "That version is not kept")
        .detail(format!(
            "Generation {generation} is no version of these settings, or it was removed as one of the oldest."
        ))
        .action("Choose one from the history.")
}

/// Replaces the document of a scope, if the configuration is still that of this generation.
pub async fn write(
    transport: &Transport,
    user: &User,
    scope: &Scope,
    generation: u64,
    content: Value,
) -> Result<Document, Problem> {
    user.require(Right::Configuration)?;
    let (before, present) = fetch(transport, scope).await?;
    let by = managed_by(&present);
    if !by.is_empty() {
        return Err(managed(&by));
    }
    if before.generation != generation {
        return Err(changed(&before));
    }
    check(scope, &content)?;
    if *scope == Scope::Global {
        let stored = ClusterPart::deserialize(&present).unwrap_or_default();
        scripts::compile_new(&parse(&content)?, &stored.scripts).await?;
    }
    let name = hash(&content);
    let mut root = RootDocument {
        generation: generation + 1,
        ..before.clone()
    };
    match scope {
        Scope::Global => root.cluster.clone_from(&name),
        Scope::Local(server) => {
            root.nodes.insert(server.clone(), name.clone());
        }
    }
    let revision = root.revision();
    let edit = ConfigEdit {
        token: Some(user.token.clone()),
        root: Some(root),
        parts: BTreeMap::from([(name, content.clone())]),
    };
    let stored: Result<ConfigEdited, Problem> = transport.store(Operation::ConfigPut, &edit).await;
    match stored {
        Ok(_) => Ok(Document {
            generation: generation + 1,
            revision,
            managed_by: String::new(),
            content,
        }),
        Err(problem) if problem.kind == "config-generation" => Err(changed(&before)),
        Err(problem) => Err(problem),
    }
}

fn changed(before: &RootDocument) -> Problem {
    Problem::new(
        409,
        "config-changed",
        "Somebody else changed the configuration",
    )
    .detail(format!(
        "It was changed since it was read; generation {} or a later one is in force.",
        before.generation
    ))
    .action("Read it again and repeat the change.")
}

fn managed(by: &str) -> Problem {
    Problem::new(409, "managed-by-kubernetes", "Kubernetes manages this")
        .detail(format!(
            "It comes from the custom resource `{by}`; a change here would be undone."
        ))
        .action(format!("Change the custom resource `{by}` with kubectl."))
}

fn managed_by(content: &Value) -> String {
    let by = content.get("managedBy").and_then(Value::as_str);
    by.unwrap_or_default().to_owned()
}

/// The root in force and the content of a scope; a server that has none yet has an empty one.
async fn fetch(transport: &Transport, scope: &Scope) -> Result<(RootDocument, Value), Problem> {
    let root = ask(transport, &ConfigGet::root())
        .await?
        .root
        .ok_or_else(|| {
            Problem::unavailable(
                "no-configuration",
                "The cluster has no configuration yet: its managers were not given one.",
            )
        })?;
    let wanted = match scope {
        Scope::Global => Some(&root.cluster),
        Scope::Local(server) => root.nodes.get(server),
    };
    let content = match wanted.cloned() {
        None => serde_json::json!({}),
        Some(wanted) => ask(transport, &ConfigGet::part(wanted))
            .await?
            .part
            .ok_or_else(|| {
                Problem::unavailable(
                    "busy",
                    "The configuration is being replaced at this moment.",
                )
            })?,
    };
    Ok((root, content))
}

async fn ask(transport: &Transport, request: &ConfigGet) -> Result<ConfigAnswer, Problem> {
    transport.store(Operation::ConfigGet, request).await
}

/// What no node could apply is refused with the field that is wrong.
fn check(scope: &Scope, content: &Value) -> Result<(), Problem> {
    let bytes = serde_json::to_vec(content).map_or(usize::MAX, |b| b.len());
    if bytes > MAX_PART_BYTES {
        return Err(invalid(&format!(
            "it has {bytes} bytes, more than {MAX_PART_BYTES}"
        )));
    }
    if !managed_by(content).is_empty() {
        return Err(invalid("`managedBy` is set by Kubernetes alone"));
    }
    match scope {
        Scope::Global => {
            let part: ClusterPart = parse(content)?;
            check_cluster(&part).map_err(|reason| invalid(&reason))
        }
        Scope::Local(_) => parse::<NodePart>(content).map(drop),
    }
}

fn parse<T: DeserializeOwned>(content: &Value) -> Result<T, Problem> {
    T::deserialize(content).map_err(|e| invalid(&e.to_string()))
}

fn check_cluster(part: &ClusterPart) -> Result<(), String> {
    const METHODS: [&str; 3] = ["local", "ssh", "oidc"];
    if let Some(method) = part.methods.iter().find(|m| !METHODS.contains(&m.as_str())) {
        return Err(format!(
            "`methods` has `{method}`; allowed are {}",
            METHODS.join(", ")
        ));
    }
    let unique = |field: &str, names: Vec<&String>| {
        let mut seen = std::collections::BTreeSet::new();
        match names.into_iter().find(|name| !seen.insert(*name)) {
            Some(name) => Err(format!("`{field}` names `{name}` twice")),
            None => Ok(()),
        }
    };
    unique("scripts", part.scripts.iter().map(|s| &s.name).collect())?;
    unique("profiles", part.profiles.iter().map(|p| &p.name).collect())?;
    for profile in &part.profiles {
        if let Some(fault) = profile.event_scripts.fault() {
            return Err(format!("profile `{}`: {fault}", profile.name));
        }
    }
    unique(
        "applications",
        part.applications.iter().map(|a| &a.name).collect(),
    )?;
    if let Some(script) = part
        .scripts
        .iter()
        .find(|s| s.source.is_empty() == s.builtin.is_empty())
    {
        return Err(format!(
            "script `{}` must have exactly one of `source` and `builtin`",
            script.name
        ));
    }
    if let Some(application) = part.applications.iter().find(|a| {
        !a.profile.is_empty()
            && a.profile != "default"
            && part.profiles.iter().all(|p| p.name != a.profile)
    }) {
        return Err(format!(
            "application `{}` names the profile `{}`, which does not exist",
            application.name, application.profile
        ));
    }
    Ok(())
}

fn invalid(reason: &str) -> Problem {
    Problem::new(422, "config-part-invalid", "A part is not valid")
        .detail(format!("The document is not valid: {reason}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_cannot_work_is_refused_with_its_reason() {
        let refusal = |content: Value| check(&Scope::Global, &content).unwrap_err().detail;
        for (content, reason) in [
            (
                json!({"methods": ["telnet"]}),
                "allowed are local, ssh, oidc",
            ),
            (json!({"methods": "local"}), "invalid type"),
            (json!({"managedBy": "a/b"}), "Kubernetes alone"),
            (json!({"profiles": [{"name": "x"}, {"name": "x"}]}), "twice"),
            (json!({"scripts": [{"name": "x"}]}), "exactly one of"),
            (
                json!({"applications": [{"name": "x", "profile": "y"}]}),
                "does not exist",
            ),
            (json!({"message": "x".repeat(MAX_PART_BYTES)}), "bytes"),
        ] {
            let detail = refusal(content);
            assert!(detail.contains(reason), "{detail}");
        }
        let odd = json!({"methods": ["ssh", "local"], "unknownField": 1});
        assert_eq!(check(&Scope::Global, &odd), Ok(()));
        let local = Scope::Local("a".parse().unwrap());
        assert!(check(&local, &json!({"urls": 1})).is_err());
    }
}
