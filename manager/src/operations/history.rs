//! Earlier versions of the configuration: a short record for each part that a change replaced.
//!
//! A version that was in force is never missing, also when a manager ends in the middle of a change:
//! the next change, and whoever reads, finds the gap and fills it as "nobody knows who".

use std::collections::{BTreeMap, BTreeSet};

use fastx_core::names::ServerId;
use fastx_core::wire::config::RootDocument;
use fastx_core::wire::history::{Author, ConfigVersion, Whose};

use crate::core::Core;
use crate::store::{Collection, Draft, StoreError};

/// What the records are listed by.
const OWNER: &str = "history";

/// How many versions stay of the settings of all servers.
const KEEP_CLUSTER: usize = 50;

/// How many stay of the settings of one server.
const KEEP_NODE: usize = 20;

/// All records by their ids; those of one part are beside each other, in their order.
type Records = BTreeMap<String, ConfigVersion>;

fn prefix(whose: &Whose) -> String {
    match whose {
        Whose::Cluster => "history:cluster:".to_owned(),
        Whose::Node(server) => format!("history:node:{server}:"),
    }
}

fn id(whose: &Whose, generation: u64) -> String {
    format!("{}{generation:020}", prefix(whose))
}

fn of_part<'a>(
    records: &'a Records,
    prefix: &'a str,
) -> impl DoubleEndedIterator<Item = (&'a String, &'a ConfigVersion)> {
    let beyond = format!("{prefix}~");
    records.range(prefix.to_owned()..beyond)
}

fn part_of<'a>(root: &'a RootDocument, whose: &Whose) -> Option<&'a String> {
    match whose {
        Whose::Cluster => Some(&root.cluster),
        Whose::Node(server) => root.nodes.get(server),
    }
}

/// Whose settings differ between two roots.
fn changed(before: Option<&RootDocument>, after: &RootDocument) -> Vec<Whose> {
    let nodes = before.into_iter().flat_map(|root| root.nodes.keys());
    let nodes: BTreeSet<&ServerId> = nodes.chain(after.nodes.keys()).collect();
    let all = nodes.into_iter().cloned().map(Whose::Node);
    all.chain([Whose::Cluster])
        .filter(|whose| before.and_then(|root| part_of(root, whose)) != part_of(after, whose))
        .collect()
}

/// A version of which nothing more is known.
fn unknown(generation: u64, hash: &str) -> ConfigVersion {
    ConfigVersion {
        generation,
        hash: hash.to_owned(),
        at: None,
        author: Author::default(),
    }
}

async fn read(core: &Core) -> Result<Records, StoreError> {
    let documents = core.store.list(Collection::Config, Some(OWNER)).await?;
    let records = documents.into_iter();
    records
        .map(|document| Ok((document.id.clone(), document.read()?)))
        .collect()
}

/// The versions of somebody's settings, the newest first.
pub(crate) async fn of(
    core: &Core,
    root: Option<&RootDocument>,
    whose: &Whose,
) -> Result<Vec<ConfigVersion>, StoreError> {
    let (records, prefix) = (read(core).await?, prefix(whose));
    let mut found: Vec<ConfigVersion> = of_part(&records, &prefix)
        .map(|(_, version)| version.clone())
        .collect();
    if let Some(root) = root
        && let Some(hash) = part_of(root, whose)
        && found.last().is_none_or(|newest| newest.hash != *hash)
    {
        found.push(unknown(root.generation, hash));
    }
    found.reverse();
    Ok(found)
}

/// Hashes of the parts that an earlier version needs.
pub(crate) async fn hashes(core: &Core) -> Result<BTreeSet<String>, StoreError> {
    let records = read(core).await?.into_values();
    Ok(records.map(|version| version.hash).collect())
}

/// Writes down that `after` came into force in place of `before`.
pub(crate) async fn record(
    core: &Core,
    before: Option<&RootDocument>,
    after: &RootDocument,
    author_of: impl Fn(&str) -> Author,
) -> Result<(), StoreError> {
    let records = read(core).await?;
    for whose in changed(before, after) {
        let prefix = prefix(&whose);
        let Some(hash) = part_of(after, &whose) else {
            for (id, _) in of_part(&records, &prefix) {
                core.store.delete(Collection::Config, id).await?;
            }
            continue;
        };
        let newest = of_part(&records, &prefix).next_back();
        let replaced = before.and_then(|root| Some((root.generation, part_of(root, &whose)?)));
        if let Some((generation, old)) = replaced
            && newest.is_none_or(|(_, version)| version.hash != *old)
        {
            // Whoever stored it writes its own record over this one, should it still come to that.
            let draft = Draft::new(&id(&whose, generation), OWNER, &unknown(generation, old))?;
            let _there = core
                .store
                .insert(Collection::Config, &draft, core.now())
                .await?;
        }
        let version = ConfigVersion {
            at: Some(core.now()),
            author: author_of(hash),
            ..unknown(after.generation, hash)
        };
        write(core, &id(&whose, after.generation), &version).await?;
        let keep = match whose {
            Whose::Cluster => KEEP_CLUSTER,
            Whose::Node(_) => KEEP_NODE,
        };
        for (id, _) in of_part(&records, &prefix).rev().skip(keep - 1) {
            core.store.delete(Collection::Config, id).await?;
        }
    }
    Ok(())
}

async fn write(core: &Core, id: &str, version: &ConfigVersion) -> Result<(), StoreError> {
    crate::store::modify(
        &*core.store,
        &core.pace,
        Collection::Config,
        id,
        core.now(),
        |_| Draft::new(id, OWNER, version).map(Some),
    )
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use fastx_core::wire::config::hash;
    use fastx_core::wire::history::Via;
    use fastx_core::wire::management::ConfigPut;
    use jiff::Timestamp;
    use serde_json::json;

    use super::super::configuration;
    use super::*;
    use crate::store::Pace;
    use crate::store::memory::MemoryStore;
    use crate::users::Users;

    /// An hour later with each look.
    fn clock() -> Timestamp {
        static HOURS: AtomicI64 = AtomicI64::new(0);
        Timestamp::from_second(HOURS.fetch_add(1, Ordering::Relaxed) * 3600).unwrap()
    }

    fn core() -> Arc<Core> {
        let (name, store) = (
            "manager-1".parse().unwrap(),
            Arc::new(MemoryStore::default()),
        );
        let users = Users::Folder(std::path::PathBuf::new());
        Core::new(name, String::new(), store, Pace::new(1), clock, users).0
    }

    /// Puts a configuration in force with this message, and a server `a` unless it is to go.
    async fn put(core: &Core, message: &str, with_server: bool) -> RootDocument {
        let before = configuration::root(core).await.unwrap().unwrap_or_default();
        let (cluster, node) = (json!({ "message": message }), json!({"hostname": "h"}));
        let mut root = RootDocument {
            generation: before.generation + 1,
            cluster: hash(&cluster),
            ..RootDocument::default()
        };
        if with_server {
            root.nodes.insert("a".parse().unwrap(), hash(&node));
        }
        let parts = [(hash(&cluster), cluster), (hash(&node), node)].into();
        let author = Author::new(Via::Administrator, "ada");
        let put = ConfigPut { root, parts };
        configuration::put(core, &put, &author).await.unwrap()
    }

    async fn versions(core: &Core, whose: &Whose) -> Vec<(u64, Via)> {
        let root = configuration::root(core).await.unwrap();
        let found = of(core, root.as_ref(), whose).await.unwrap();
        found.iter().map(|v| (v.generation, v.author.via)).collect()
    }

    #[tokio::test]
    async fn so_many_versions_stay_with_what_they_need() {
        let core = core();
        for n in 0..60 {
            put(&core, &n.to_string(), true).await;
        }
        let found = versions(&core, &Whose::Cluster).await;
        let expected: Vec<_> = (11..=60).rev().map(|n| (n, Via::Administrator)).collect();
        assert_eq!(found, expected);
        configuration::sweep_parts(&core).await.unwrap();
        let all = core
            .store
            .list(Collection::Config, Some("part"))
            .await
            .unwrap();
        assert_eq!(
            all.len(),
            50 + 1,
            "the server's part, and those that are listed"
        );
        let a = Whose::Node("a".parse().unwrap());
        let own = versions(&core, &a).await;
        assert_eq!(own, [(1, Via::Administrator)], "it did not change since");
        put(&core, "59", false).await;
        assert_eq!(versions(&core, &a).await, [], "of a server that is gone");
    }

    #[tokio::test]
    async fn none_that_was_in_force_is_missing() {
        let core = core();
        put(&core, "one", true).await;
        put(&core, "two", true).await;
        // As when a manager ended before it wrote them down, or was of a version that did not.
        for id in read(&core).await.unwrap().into_keys() {
            core.store.delete(Collection::Config, &id).await.unwrap();
        }
        let a = Whose::Node("a".parse().unwrap());
        assert_eq!(versions(&core, &a).await, [(2, Via::Unknown)]);
        put(&core, "three", true).await;
        let found = versions(&core, &Whose::Cluster).await;
        assert_eq!(found, [(3, Via::Administrator), (2, Via::Unknown)]);
    }

    fn root(cluster: &str, nodes: &[(&str, &str)]) -> RootDocument {
        let nodes = nodes
            .iter()
            .map(|(server, hash)| (server.parse().unwrap(), (*hash).to_owned()));
        RootDocument {
            cluster: cluster.to_owned(),
            nodes: nodes.collect(),
            ..RootDocument::default()
        }
    }

    #[test]
    fn a_change_concerns_whose_part_it_is() {
        let node = |name: &str| Whose::Node(name.parse().unwrap());
        let before = root("c", &[("a", "1"), ("b", "2"), ("gone", "3")]);
        let after = root("d", &[("a", "1"), ("b", "9"), ("new", "4")]);
        assert_eq!(
            changed(Some(&before), &after),
            [node("b"), node("gone"), node("new"), Whose::Cluster]
        );
        assert_eq!(changed(Some(&after), &after), []);
        assert_eq!(changed(None, &root("c", &[])), [Whose::Cluster]);
    }

    #[test]
    fn servers_with_similar_names_have_each_their_own() {
        let versions = [("a", 2), ("a", 10), ("a-b", 3), ("ab", 4)];
        let records: Records = versions
            .into_iter()
            .map(|(server, generation)| {
                let whose = Whose::Node(server.parse().unwrap());
                (id(&whose, generation), unknown(generation, "x"))
            })
            .collect();
        let prefix = prefix(&Whose::Node("a".parse().unwrap()));
        let found: Vec<u64> = of_part(&records, &prefix)
            .map(|(_, v)| v.generation)
            .collect();
        assert_eq!(found, [2, 10]);
    }
}
