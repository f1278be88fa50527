//! The configuration: parts by hash, and the root that names those in force.

use std::collections::{BTreeMap, BTreeSet};

use fastx_core::wire::config::{ClusterPart, MAX_PART_BYTES, RootDocument, hash};
use fastx_core::wire::history::{Author, Via};
use fastx_core::wire::management::ConfigPut;
use fastx_core::wire::operations::{ConfigAnnounce, ConfigAnswer, ConfigGet};
use fastx_core::wire::problem::Problem;
use jiff::SignedDuration;
use serde_json::Value;

use super::history;
use crate::core::{Core, store_problem};
use crate::store::{Collection, Document, Draft, StoreError};

/// Id of the root.
const ROOT: &str = "root";

/// How long a part stays that no root names: another manager may be storing the root that does.
const KEEP_PART: SignedDuration = SignedDuration::from_hours(1);

/// Why a configuration was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// A newer root is in force.
    #[error("generation {offered} is older than {stored}, which is in force")]
    Older {
        /// What was offered.
        offered: u64,
        /// What is in force.
        stored: u64,
    },
    /// The same generation with another content.
    #[error("generation {0} is in force with another content")]
    ChangedInPlace(u64),
    /// Parts that the root names are neither here nor sent along.
    #[error("parts are missing: {0}")]
    Missing(String),
    /// A part's content does not have the hash that it was sent under.
    #[error("the part sent as {0} has another hash")]
    WrongHash(String),
    /// A part is too large.
    #[error("part {hash} has {bytes} bytes, more than {MAX_PART_BYTES}")]
    TooLarge {
        /// Which one.
        hash: String,
        /// Its size.
        bytes: usize,
    },
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl PutError {
    /// What it is to the one who sent the configuration.
    pub fn problem(&self) -> Problem {
        let (status, kind, title) = match self {
            Self::Older { .. } | Self::ChangedInPlace(_) => (
                409,
                "config-generation",
                "Another configuration is in force",
            ),
            Self::Missing(_) => (422, "config-parts-missing", "Parts are missing"),
            Self::WrongHash(_) | Self::TooLarge { .. } => {
                (422, "config-part-invalid", "A part is not valid")
            }
            Self::Store(error) => return store_problem(error),
        };
        Problem::new(status, kind, title).detail(format!("{self}."))
    }
}

fn part_id(hash: &str) -> String {
    format!("part:{hash}")
}

/// The root in force.
pub(crate) async fn root(core: &Core) -> Result<Option<RootDocument>, StoreError> {
    let document = core.store.get(Collection::Config, ROOT).await?;
    document.as_ref().map(Document::read).transpose()
}

/// `config.get`.
pub(crate) async fn get(core: &Core, body: &ConfigGet) -> Result<ConfigAnswer, Problem> {
    let root = root(core).await.map_err(|e| store_problem(&e))?;
    let part = match &body.hash {
        None => None,
        Some(hash) => part(core, hash).await.map_err(|e| store_problem(&e))?,
    };
    let history = match &body.history_of {
        None => Vec::new(),
        Some(whose) => history::of(core, root.as_ref(), whose)
            .await
            .map_err(|e| store_problem(&e))?,
    };
    Ok(ConfigAnswer {
        root,
        part,
        history,
    })
}

/// The cluster's part of the configuration in force.
pub(crate) async fn cluster(core: &Core) -> Result<Option<ClusterPart>, StoreError> {
    match root(core).await? {
        Some(root) => cluster_of(core, &root).await,
        None => Ok(None),
    }
}

/// The cluster's part of a configuration.
pub(crate) async fn cluster_of(
    core: &Core,
    root: &RootDocument,
) -> Result<Option<ClusterPart>, StoreError> {
    let value = part(core, &root.cluster).await?;
    value
        .map(serde_json::from_value)
        .transpose()
        .map_err(|_| StoreError::Body(part_id(&root.cluster)))
}

pub(crate) async fn part(core: &Core, hash: &str) -> Result<Option<Value>, StoreError> {
    let document = core.store.get(Collection::Config, &part_id(hash)).await?;
    document.as_ref().map(Document::read).transpose()
}

/// Stores parts, then the root; everything in it can be repeated.
pub(crate) async fn put(
    core: &Core,
    body: &ConfigPut,
    author: &Author,
) -> Result<RootDocument, PutError> {
    let stored = root(core).await?;
    check_generation(stored.as_ref(), &body.root)?;
    keep_parts(core, &body.parts).await?;
    let mut missing = Vec::new();
    let named: BTreeSet<&String> = body.root.hashes().collect();
    for hash in named {
        let here = body.parts.contains_key(hash)
            || core
                .store
                .get(Collection::Config, &part_id(hash))
                .await?
                .is_some();
        if !here {
            missing.push(hash.clone());
        }
    }
    if !missing.is_empty() {
        return Err(PutError::Missing(missing.join(", ")));
    }
    if let Replaced::Root(before) = replace_root(core, &body.root).await? {
        tracing::info!(
            revision = body.root.revision(),
            generation = body.root.generation,
            "a configuration is in force"
        );
        announce(core, &body.root).await;
        let author_of = |hash: &str| author_of(author, body.parts.get(hash));
        let written = history::record(core, before.as_ref(), &body.root, author_of).await;
        if let Err(error) = written {
            tracing::warn!(%error, "who changed the configuration was not written down");
        }
    }
    Ok(body.root.clone())
}

/// What Kubernetes manages says of itself from which resource it comes.
fn author_of(author: &Author, part: Option<&Value>) -> Author {
    let resource = part.and_then(|part| part.get("managedBy")?.as_str());
    match (author.via, resource) {
        (Via::Kubernetes, Some(resource)) => Author::new(Via::Kubernetes, resource),
        _ => author.clone(),
    }
}

/// What became of a root that was offered.
enum Replaced {
    /// It is in force in place of this one.
    Root(Option<RootDocument>),
    /// It was in force before.
    Nothing,
}

/// Stores parts; none of them has an effect before a root names it.
pub(crate) async fn keep_parts(
    core: &Core,
    parts: &BTreeMap<String, Value>,
) -> Result<(), PutError> {
    check_parts(parts)?;
    for (hash, value) in parts {
        keep_part(core, hash, value).await?;
    }
    Ok(())
}

/// Stores a part; one that lies there for long already is touched, so that the sweeper leaves it.
async fn keep_part(core: &Core, hash: &str, value: &Value) -> Result<(), StoreError> {
    let (id, now) = (part_id(hash), core.now());
    crate::store::modify(
        &*core.store,
        &core.pace,
        Collection::Config,
        &id,
        now,
        |present| {
            let fresh = present.is_some_and(|d| now.duration_since(d.updated) < KEEP_PART / 2);
            (!fresh).then(|| Draft::new(&id, "part", value)).transpose()
        },
    )
    .await
    .map(drop)
}

async fn replace_root(core: &Core, root: &RootDocument) -> Result<Replaced, PutError> {
    let (mut refused, mut before) = (None, None);
    let written = crate::store::modify(
        &*core.store,
        &core.pace,
        Collection::Config,
        ROOT,
        core.now(),
        |present| {
            let known: Option<RootDocument> = present.map(Document::read).transpose()?;
            refused = check_generation(known.as_ref(), root).err();
            if refused.is_some() || known.as_ref() == Some(root) {
                return Ok(None);
            }
            before = known;
            Draft::new(ROOT, "root", root).map(Some)
        },
    )
    .await?;
    match (refused, written) {
        (Some(refused), _) => Err(refused),
        (None, Some(_)) => Ok(Replaced::Root(before)),
        (None, None) => Ok(Replaced::Nothing),
    }
}

fn check_generation(stored: Option<&RootDocument>, offered: &RootDocument) -> Result<(), PutError> {
    match stored {
        Some(stored) if stored.generation > offered.generation => Err(PutError::Older {
            offered: offered.generation,
            stored: stored.generation,
        }),
        Some(stored) if stored.generation == offered.generation && stored != offered => {
            Err(PutError::ChangedInPlace(stored.generation))
        }
        _ => Ok(()),
    }
}

fn check_parts(parts: &BTreeMap<String, Value>) -> Result<(), PutError> {
    for (name, value) in parts {
        if hash(value) != *name {
            return Err(PutError::WrongHash(name.clone()));
        }
        let bytes = serde_json::to_vec(value).map_or(usize::MAX, |b| b.len());
        if bytes > MAX_PART_BYTES {
            return Err(PutError::TooLarge {
                hash: name.clone(),
                bytes,
            });
        }
    }
    Ok(())
}

/// Tells the nodes which root is in force. Repeated now and then, since an announcement may be missed.
pub(crate) async fn announce(core: &Core, root: &RootDocument) {
    let Some(bus) = core.bus() else { return };
    let announce = ConfigAnnounce { root: root.clone() };
    if let Err(error) = bus.publish(bus.subjects().config(), &announce).await {
        tracing::warn!(%error, "the configuration was not announced");
    }
}

/// Removes parts that neither the root nor an earlier version names any more.
pub(crate) async fn sweep_parts(core: &Core) -> Result<(), StoreError> {
    let Some(root) = root(core).await? else {
        return Ok(());
    };
    let earlier = history::hashes(core).await?;
    let named = root.hashes().chain(&earlier).map(|hash| part_id(hash));
    let named: BTreeSet<String> = named.collect();
    for document in core.store.list(Collection::Config, Some("part")).await? {
        let old = core.now().duration_since(document.updated) > KEEP_PART;
        if old && !named.contains(&document.id) {
            core.store.delete(Collection::Config, &document.id).await?;
        }
    }
    Ok(())
}
