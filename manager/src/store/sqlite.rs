//! The store in one SQLite file, for a server that is alone.
//!
//! Each write is one statement that is on the disk when it is acknowledged.
//! Another process may open the same file, such as one that copies the configuration.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Error, ErrorCode, OptionalExtension as _, Row, params};
use tokio::time::timeout;

use super::{Collection, Document, Draft, Store, StoreError};

/// Time for one call; below the deadline of a bus request.
const LIMIT: Duration = Duration::from_secs(4);

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(3);

/// Between two tries to change the journal; as many of them as `BUSY` holds.
const PAUSE: Duration = Duration::from_millis(20);

/// Form of the tables, kept in `user_version`.
const SCHEMA: i64 = 1;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS documents (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        version INTEGER NOT NULL,
        owner TEXT NOT NULL,
        expires INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (kind, id)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS by_owner ON documents (kind, owner);
    CREATE INDEX IF NOT EXISTS by_expires ON documents (kind, expires) WHERE expires > 0;
";

/// The store.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    /// Opened at the first use, and again after a call that was given up.
    connection: Arc<Mutex<Option<Connection>>>,
}

impl SqliteStore {
    /// A store in this file, which is made when it is first used.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            connection: Arc::default(),
        }
    }

    /// Runs `work` where it may block.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (path, shared) = (self.path.clone(), Arc::clone(&self.connection));
        let work = tokio::task::spawn_blocking(move || {
            let mut connection = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if connection.is_none() {
                *connection = Some(open(&path)?);
            }
            match connection.as_ref() {
                Some(connection) => work(connection).map_err(|e| failure(&e)),
                None => Err(StoreError::Unavailable("it is not open".to_owned())),
            }
        });
        match timeout(LIMIT, work).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(StoreError::Unavailable("its thread ended".to_owned())),
            Err(_) => Err(StoreError::Unavailable(
                "the disk does not answer in time".to_owned(),
            )),
        }
    }
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let address = |reason: String| StoreError::Address(format!("{}: {reason}", path.display()));
    // Made by us first: SQLite would let everybody read it, and its companion files take over the mode.
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|e| address(e.to_string()))?;
    let connection = Connection::open(path).map_err(|e| failure(&e))?;
    let prepared = || -> Result<i64, Error> {
        connection.busy_timeout(BUSY)?;
        write_ahead(&connection)?;
        // Also a power cut takes nothing back that was acknowledged.
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_query_value(None, "user_version", |row| row.get(0))
    };
    let schema = prepared().map_err(|e| failure(&e))?;
    if schema > SCHEMA {
        return Err(address(format!(
            "it has the form {schema} of a newer version, this one reads up to {SCHEMA}"
        )));
    }
    connection
        .execute_batch(TABLES)
        .and_then(|()| connection.pragma_update(None, "user_version", SCHEMA))
        .map_err(|e| failure(&e))?;
    Ok(connection)
}

/// The change of a new file's journal takes the whole file, and SQLite does not wait for others who are at it.
fn write_ahead(connection: &Connection) -> Result<(), Error> {
    let change = || connection.pragma_update(None, "journal_mode", "wal");
    let mut tries = BUSY.as_millis() / PAUSE.as_millis();
    loop {
        match change() {
            Err(error) if tries > 0 && is_busy(&error) => std::thread::sleep(PAUSE),
            done => return done,
        }
        tries -= 1;
    }
}

fn is_busy(error: &Error) -> bool {
    let code = error.sqlite_error_code();
    code == Some(ErrorCode::DatabaseBusy) || code == Some(ErrorCode::DatabaseLocked)
}

fn failure(error: &Error) -> StoreError {
    let passing = [
        ErrorCode::DatabaseBusy,
        ErrorCode::DatabaseLocked,
        ErrorCode::DiskFull,
        ErrorCode::SystemIoFailure,
        ErrorCode::CannotOpen,
    ];
    match error.sqlite_error_code() {
        Some(code) if passing.contains(&code) => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Refused(error.to_string()),
    }
}

fn millis(at: Option<Timestamp>) -> i64 {
    at.map_or(0, Timestamp::as_millisecond)
}

/// Columns in the order of [`read`].
const COLUMNS: &str = "id, version, owner, expires, updated, body";

fn read(row: &Row<'_>) -> Result<Document, Error> {
    let time = |column: usize| -> Result<Timestamp, Error> {
        let millis: i64 = row.get(column)?;
        Timestamp::from_millisecond(millis)
            .map_err(|_| Error::IntegralValueOutOfRange(column, millis))
    };
    let expires = time(3)?;
    Ok(Document {
        id: row.get(0)?,
        version: row.get(1)?,
        owner: row.get(2)?,
        expires: (expires != Timestamp::UNIX_EPOCH).then_some(expires),
        updated: time(4)?,
        body: row.get(5)?,
    })
}

#[async_trait]
impl Store for SqliteStore {
    async fn prepare(&self) -> Result<(), StoreError> {
        self.call(|_| Ok(())).await
    }

    async fn get(&self, kind: Collection, id: &str) -> Result<Option<Document>, StoreError> {
        let id = id.to_owned();
        self.call(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM documents WHERE kind = ?1 AND id = ?2");
            connection
                .prepare_cached(&sql)?
                .query_row(params![kind.name(), id], read)
                .optional()
        })
        .await
    }

    async fn insert(
        &self,
        kind: Collection,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let draft = draft.clone();
        self.call(move |connection| {
            let inserted = connection
                .prepare_cached(
                    "INSERT INTO documents (kind, id, version, owner, expires, updated, body)
                     VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    kind.name(),
                    draft.id,
                    draft.owner,
                    millis(draft.expires),
                    now.as_millisecond(),
                    draft.body
                ])?;
            Ok(inserted == 1)
        })
        .await
    }

    async fn replace(
        &self,
        kind: Collection,
        draft: &Draft,
        version: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let draft = draft.clone();
        self.call(move |connection| {
            let replaced = connection
                .prepare_cached(
                    "UPDATE documents SET version = version + 1, owner = ?4, expires = ?5, updated = ?6, body = ?7
                     WHERE kind = ?1 AND id = ?2 AND version = ?3",
                )?
                .execute(params![
                    kind.name(),
                    draft.id,
                    version,
                    draft.owner,
                    millis(draft.expires),
                    now.as_millisecond(),
                    draft.body
                ])?;
            Ok(replaced == 1)
        })
        .await
    }

    async fn delete(&self, kind: Collection, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.call(move |connection| {
            connection
                .prepare_cached("DELETE FROM documents WHERE kind = ?1 AND id = ?2")?
                .execute(params![kind.name(), id])
                .map(drop)
        })
        .await
    }

    async fn list(
        &self,
        kind: Collection,
        owner: Option<&str>,
    ) -> Result<Vec<Document>, StoreError> {
        let owner = owner.map(str::to_owned);
        self.call(move |connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM documents
                 WHERE kind = ?1 AND (?2 IS NULL OR owner = ?2) ORDER BY id"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![kind.name(), owner], read)?;
            rows.collect()
        })
        .await
    }

    async fn sweep(&self, kind: Collection, now: Timestamp) -> Result<u64, StoreError> {
        self.call(move |connection| {
            let swept = connection
                .prepare_cached(
                    "DELETE FROM documents WHERE kind = ?1 AND expires > 0 AND expires <= ?2",
                )?
                .execute(params![kind.name(), now.as_millisecond()])?;
            Ok(u64::try_from(swept).unwrap_or(u64::MAX))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;
    use std::os::unix::fs::PermissionsExt as _;
    use tokio::task::JoinSet;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn keeps_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fastx.db");
        conformance::all(Arc::new(SqliteStore::new(&path)), "run").await;
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", file.file_name());
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn also_when_several_processes_would_share_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fastx.db");
        let now = Timestamp::UNIX_EPOCH;
        let mut racers = JoinSet::new();
        for racer in 0..4_i64 {
            let store = SqliteStore::new(&path);
            racers.spawn(async move {
                let mut won = 0;
                for n in 0..10 {
                    let draft = Draft::new(&format!("race{n}"), "", &racer).unwrap();
                    let insert = store.insert(Collection::Lease, &draft, now).await;
                    won += i64::from(insert.unwrap());
                }
                won
            });
        }
        assert_eq!(racers.join_all().await.into_iter().sum::<i64>(), 10);
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fastx.db");
        let draft = Draft::new("root", "", &7).unwrap();
        let store = SqliteStore::new(&path);
        let now = Timestamp::UNIX_EPOCH;
        let kind = Collection::Config;
        assert_eq!(store.insert(kind, &draft, now).await, Ok(true));
        drop(store);
        let read = SqliteStore::new(&path).get(kind, "root").await.unwrap();
        assert_eq!(read.unwrap().body, "7");
    }

    #[tokio::test]
    async fn a_file_that_is_none_or_newer_is_refused_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let missing = SqliteStore::new(&dir.path().join("no/fastx.db"));
        let error = missing.prepare().await.unwrap_err();
        assert!(error.to_string().contains("no/fastx.db"), "{error}");

        let path = dir.path().join("fastx.db");
        std::fs::write(&path, "this is a text of more than sixteen bytes").unwrap();
        let error = SqliteStore::new(&path).prepare().await.unwrap_err();
        assert!(matches!(error, StoreError::Refused(_)), "{error}");

        let newer = dir.path().join("newer.db");
        let connection = Connection::open(&newer).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = SqliteStore::new(&newer).prepare().await.unwrap_err();
        assert!(error.to_string().contains("newer version"), "{error}");
    }
}
