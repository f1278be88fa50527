//! What every store promises: one suite for all implementations, races included.
//!
//! It panics at the first broken promise; tests call it with a store and a prefix of their own for ids.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use super::{Collection, Draft, Pace, Store, modify};

/// Writers at once in a race.
const WRITERS: u32 = 8;

/// Runs all checks; `run` keeps the ids of several runs on one database apart.
pub async fn all(store: Arc<dyn Store>, run: &str) {
    prepare_twice(&*store).await;
    documents_come_back_as_written(&*store, run).await;
    versions_are_guarded(&*store, run).await;
    lists_and_sweeps(&*store, run).await;
    one_of_many_inserts_wins(&store, run).await;
    no_acknowledged_update_is_lost(&store, run).await;
    fields_of_one_document_do_not_overwrite_each_other(&store, run).await;
}

fn now() -> Timestamp {
    // A fixed time with whole milliseconds, which is what databases keep.
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_000_000_000)
}

fn draft(id: &str, owner: &str, body: &str) -> Draft {
    Draft {
        id: id.to_owned(),
        owner: owner.to_owned(),
        expires: None,
        body: body.to_owned(),
    }
}

async fn prepare_twice(store: &dyn Store) {
    for _ in 0..2 {
        store.prepare().await.expect("prepare can be repeated");
    }
}

async fn documents_come_back_as_written(store: &dyn Store, run: &str) {
    let id = format!("{run}:a.b$c");
    let odd = r#"{"a.b":{"$set":[[1e308],"\u0000ä"]},"n":-0.5}"#;
    assert_eq!(store.get(Collection::Config, &id).await, Ok(None));
    let written = draft(&id, run, odd).expires(now() + SignedDuration::from_secs(9));
    assert_eq!(
        store.insert(Collection::Config, &written, now()).await,
        Ok(true)
    );
    let read = store
        .get(Collection::Config, &id)
        .await
        .expect("a read")
        .expect("a document");
    assert_eq!(
        (read.body.as_str(), read.owner.as_str(), read.version),
        (odd, run, 1)
    );
    assert_eq!((read.expires, read.updated), (written.expires, now()));
    assert_eq!(
        store.get(Collection::Lease, &id).await,
        Ok(None),
        "collections are apart"
    );
    for _ in 0..2 {
        store
            .delete(Collection::Config, &id)
            .await
            .expect("deleting can be repeated");
    }
    assert_eq!(store.get(Collection::Config, &id).await, Ok(None));
    let large = draft(&id, run, &format!("\"{}\"", "x".repeat(256 * 1024)));
    assert_eq!(
        store.insert(Collection::Config, &large, now()).await,
        Ok(true)
    );
    store
        .delete(Collection::Config, &id)
        .await
        .expect("a delete");
}

async fn versions_are_guarded(store: &dyn Store, run: &str) {
    let id = format!("{run}:versions");
    let write = |body: &str| draft(&id, run, body);
    let kind = Collection::Config;
    assert_eq!(
        store.replace(kind, &write("0"), 1, now()).await,
        Ok(false),
        "there is none"
    );
    assert_eq!(store.insert(kind, &write("1"), now()).await, Ok(true));
    assert_eq!(store.insert(kind, &write("2"), now()).await, Ok(false));
    assert_eq!(store.replace(kind, &write("3"), 1, now()).await, Ok(true));
    assert_eq!(
        store.replace(kind, &write("4"), 1, now()).await,
        Ok(false),
        "an old version"
    );
    assert_eq!(
        store.replace(kind, &write("4"), 3, now()).await,
        Ok(false),
        "one to come"
    );
    let read = store
        .get(kind, &id)
        .await
        .expect("a read")
        .expect("a document");
    assert_eq!((read.version, read.body.as_str()), (2, "3"));
    // The same content again is a write, too.
    assert_eq!(store.replace(kind, &write("3"), 2, now()).await, Ok(true));
    store.delete(kind, &id).await.expect("a delete");
}

async fn lists_and_sweeps(store: &dyn Store, run: &str) {
    let kind = Collection::Decisions;
    let (mine, other) = (format!("{run}-mine"), format!("{run}-other"));
    for n in 0..5_i64 {
        let owner = if n < 3 { &mine } else { &other };
        let mut written = draft(&format!("{run}:list{n}"), owner, &n.to_string());
        if n != 0 {
            written = written.expires(now() + SignedDuration::from_secs(n));
        }
        assert_eq!(store.insert(kind, &written, now()).await, Ok(true));
    }
    let count = async |owner: &str| store.list(kind, Some(owner)).await.expect("a list").len();
    assert_eq!((count(&mine).await, count(&other).await), (3, 2));
    assert!(store.list(kind, None).await.expect("a list").len() >= 5);
    let swept = store
        .sweep(kind, now() + SignedDuration::from_secs(3))
        .await
        .expect("a sweep");
    assert!(swept >= 3, "{swept}");
    let left: Vec<String> = store
        .list(kind, Some(&mine))
        .await
        .expect("a list")
        .into_iter()
        .map(|d| d.body)
        .collect();
    assert_eq!(left, ["0"], "what has no end stays");
    assert_eq!(count(&other).await, 1);
    for n in 0..5 {
        store
            .delete(kind, &format!("{run}:list{n}"))
            .await
            .expect("a delete");
    }
}

async fn one_of_many_inserts_wins(store: &Arc<dyn Store>, run: &str) {
    for round in 0..10 {
        let id = format!("{run}:race{round}");
        let mut racers = JoinSet::new();
        for writer in 0..WRITERS {
            let (store, write) = (Arc::clone(store), draft(&id, run, &writer.to_string()));
            racers.spawn(async move {
                let won = store.insert(Collection::Lease, &write, now()).await;
                (writer, won.expect("an insert"))
            });
        }
        let results = racers.join_all().await;
        let winners: Vec<u32> = results
            .iter()
            .filter(|(_, won)| *won)
            .map(|(w, _)| *w)
            .collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        let read = store
            .get(Collection::Lease, &id)
            .await
            .expect("a read")
            .expect("a document");
        assert_eq!(
            read.body,
            winners[0].to_string(),
            "the winner's content stands"
        );
        store
            .delete(Collection::Lease, &id)
            .await
            .expect("a delete");
    }
}

async fn no_acknowledged_update_is_lost(store: &Arc<dyn Store>, run: &str) {
    const EACH: u32 = 25;
    let id = format!("{run}:counter");
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, id, run) = (Arc::clone(store), id.clone(), run.to_owned());
        writers.spawn(async move {
            let pace = Pace::new(u64::from(writer));
            let mut acknowledged = 0;
            for _ in 0..EACH {
                let written = modify(&*store, &pace, Collection::Tries, &id, now(), |present| {
                    let count: u32 = present.map_or(Ok(0), super::Document::read)?;
                    Draft::new(&id, &run, &(count + 1)).map(Some)
                })
                .await;
                acknowledged += u32::from(written.is_ok());
            }
            acknowledged
        });
    }
    let acknowledged: u32 = writers.join_all().await.into_iter().sum();
    let read = store
        .get(Collection::Tries, &id)
        .await
        .expect("a read")
        .expect("a document");
    assert_eq!(
        read.body,
        acknowledged.to_string(),
        "each acknowledged update counts"
    );
    assert_eq!(read.version, i64::from(acknowledged));
    assert!(
        acknowledged >= WRITERS * EACH / 2,
        "too many gave up: {acknowledged}"
    );
    store
        .delete(Collection::Tries, &id)
        .await
        .expect("a delete");
}

async fn fields_of_one_document_do_not_overwrite_each_other(store: &Arc<dyn Store>, run: &str) {
    let id = format!("{run}:fields");
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, id, run) = (Arc::clone(store), id.clone(), run.to_owned());
        writers.spawn(async move {
            let pace = Pace::new(u64::from(writer) + 100);
            modify(&*store, &pace, Collection::Tries, &id, now(), |present| {
                let mut names: Vec<u32> = present.map_or(Ok(Vec::new()), super::Document::read)?;
                names.push(writer);
                Draft::new(&id, &run, &names).map(Some)
            })
            .await
            .expect("one update each is possible");
        });
    }
    writers.join_all().await;
    let read = store
        .get(Collection::Tries, &id)
        .await
        .expect("a read")
        .expect("a document");
    let mut names: Vec<u32> = read.read().expect("a list");
    names.sort_unstable();
    assert_eq!(names, (0..WRITERS).collect::<Vec<_>>());
    store
        .delete(Collection::Tries, &id)
        .await
        .expect("a delete");
}
