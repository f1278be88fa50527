//! The store on MongoDB or FerretDB 2, over the MongoDB protocol.
//!
//! A write that failed in passing is sent again. It may have been done already, so each write leaves a mark
//! of its own in the document: finding that mark, its sender knows that it has won.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::tls::roots;
use fastx_lifecycle::watch::Watched;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::bson::{Document as Bson, doc};
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::options::{ClientOptions, Tls, TlsOptions};
use mongodb::{Client, IndexModel};
use tokio::time::{Instant, timeout_at};

use super::{Collection, Document, Draft, Pace, Store, StoreError};

/// Time for one call, all its attempts together. Below the deadline of a bus request.
const LIMIT: Duration = Duration::from_secs(4);

/// Time to find a server and to connect to it.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Connections kept; a manager's calls are short.
const POOL: u32 = 8;

/// Codes of refusals that pass: FerretDB gives 1 while PostgreSQL restarts and 16908292 for a deadlock;
/// the others come from a replica set that changes its primary or shuts down, and from write conflicts.
const PASSING: [i32; 17] = [
    1, 6, 7, 50, 89, 91, 112, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 16_908_292,
];

/// A key or `_id` exists already.
const DUPLICATE: i32 = 11000;

/// The store.
#[derive(Debug)]
pub struct MongoStore {
    /// Replaced when address or authority change; calls in flight end on the client that they began with.
    client: RwLock<Client>,
    ca: Option<PathBuf>,
    database: String,
    pace: Pace,
}

impl MongoStore {
    /// A store at this address; it connects when it is first used.
    pub async fn open(
        uri: &str,
        ca: Option<PathBuf>,
        database: &str,
        pace: Pace,
    ) -> Result<Self, StoreError> {
        let client = client(uri, ca.as_deref()).await?;
        Ok(Self {
            client: RwLock::new(client),
            ca,
            database: database.to_owned(),
            pace,
        })
    }

    /// Follows the file of the address and the authority; when they cannot be used, the old ones stay.
    pub fn spawn_watch(self: &Arc<Self>, uri: PathBuf, shutdown: Shutdown) {
        let this = Arc::clone(self);
        let files = [Some(uri), self.ca.clone()].into_iter().flatten();
        let mut watched = Watched::new(files.collect());
        tokio::spawn(async move {
            while let Some(contents) = watched.changed(&shutdown).await {
                let uri = contents.first().map_or(&[][..], Vec::as_slice);
                match this.reopen(String::from_utf8_lossy(uri).trim()).await {
                    Ok(()) => tracing::info!("the store's address and authority were read anew"),
                    Err(error) => tracing::warn!(
                        %error,
                        "the new address or authority of the store is not used; the old one stays"
                    ),
                }
            }
        });
    }

    /// Uses this address from now on, with the authority as its file is now.
    pub async fn reopen(&self, uri: &str) -> Result<(), StoreError> {
        let new = client(uri, self.ca.as_deref()).await?;
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    fn client(&self) -> Client {
        self.client
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn collection(&self, kind: Collection) -> mongodb::Collection<Bson> {
        self.client()
            .database(&self.database)
            .collection(kind.name())
    }

    /// Runs `call` until it succeeds, fails for good, or the time is over.
    async fn attempt<T, F>(&self, mut call: impl FnMut(u32) -> F + Send) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        let until = Instant::now() + LIMIT;
        let mut last = "no answer in time".to_owned();
        for number in 0..u32::MAX {
            let error = match timeout_at(until, call(number)).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => error,
                Err(_) => break,
            };
            match code(&error) {
                Some(DUPLICATE) => return Err(Failed::Duplicate),
                Some(code) if !PASSING.contains(&code) => {
                    return Err(Failed::Store(StoreError::Refused(words(&error))));
                }
                _ => last = words(&error),
            }
            if matches!(*error.kind, ErrorKind::Authentication { .. }) {
                break;
            }
            if timeout_at(until, tokio::time::sleep(self.pace.pause(number)))
                .await
                .is_err()
            {
                break;
            }
        }
        Err(Failed::Store(StoreError::Unavailable(last)))
    }

    /// Whether the write with this mark is what stands in the document.
    async fn stands(&self, kind: Collection, id: &str, mark: &str) -> Result<bool, StoreError> {
        let filter = doc! {"_id": id, "mark": mark};
        let found = self
            .attempt(|_| {
                let (documents, filter) = (self.collection(kind), filter.clone());
                async move { documents.find_one(filter).await }
            })
            .await
            .map_err(Failed::into_error)?;
        Ok(found.is_some())
    }

    /// Refuses FerretDB 1, which acknowledges updates and loses them.
    async fn check_version(&self) -> Result<(), StoreError> {
        let info = self
            .attempt(|_| {
                let admin = self.client().database("admin");
                async move { admin.run_command(doc! {"buildInfo": 1}).await }
            })
            .await
            .map_err(Failed::into_error)?;
        match too_old(&info) {
            Some(version) => Err(StoreError::TooOld(version)),
            None => Ok(()),
        }
    }
}

async fn client(uri: &str, ca: Option<&Path>) -> Result<Client, StoreError> {
    // The driver's own words may quote the address, which holds a password.
    let wrong = |what: &str| StoreError::Address(what.to_owned());
    let mut options = ClientOptions::parse(uri)
        .await
        .map_err(|_| wrong("it is not a valid `mongodb://` address"))?;
    options.app_name = Some("fastx-manager".to_owned());
    options.max_pool_size = Some(POOL);
    options.min_pool_size = Some(0);
    options.server_selection_timeout = Some(CONNECT_LIMIT);
    options.connect_timeout = Some(CONNECT_LIMIT);
    // Attempts are counted here, where it is known which of them won.
    options.retry_writes = Some(false);
    if let Some(ca) = ca {
        // The driver takes a file without a certificate as well, and then trusts nobody.
        std::fs::read_to_string(ca)
            .is_ok_and(|pem| roots(&pem).is_ok())
            .then_some(())
            .ok_or_else(|| wrong("its CA file is not readable, or has no certificate"))?;
        let tls = TlsOptions::builder().ca_file_path(ca.to_owned()).build();
        options.tls = Some(Tls::Enabled(tls));
    }
    Client::with_options(options).map_err(|_| wrong("its options contradict each other"))
}

/// The version of a FerretDB before 2. Version 1 names itself in `ferretdbVersion`, version 2 in `ferretdb.version`.
fn too_old(build_info: &Bson) -> Option<String> {
    let version = build_info
        .get_str("ferretdbVersion")
        .or_else(|_| {
            build_info
                .get_document("ferretdb")
                .and_then(|d| d.get_str("version"))
        })
        .ok()?;
    let number = version.trim_start_matches('v');
    (number.starts_with("0.") || number.starts_with("1.")).then(|| version.to_owned())
}

/// Why an attempt ended.
enum Failed {
    Duplicate,
    Store(StoreError),
}

impl Failed {
    fn into_error(self) -> StoreError {
        match self {
            Self::Duplicate => StoreError::Refused("a key exists already".to_owned()),
            Self::Store(error) => error,
        }
    }
}

fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(command) => Some(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => Some(concern.code),
        ErrorKind::InvalidArgument { .. } => Some(2),
        _ => None,
    }
}

/// One line for people.
fn words(error: &Error) -> String {
    match &*error.kind {
        ErrorKind::Authentication { .. } => "it refuses user name or password".to_owned(),
        ErrorKind::ServerSelection { message, .. } => {
            // The whole message lists every server with its state; the first sentence says what matters.
            let first = message.split(". ").next().unwrap_or_default();
            let reason = message
                .split("Error: ")
                .nth(1)
                .and_then(|rest| rest.split('}').next());
            match reason {
                Some(reason) => format!("cannot connect ({})", reason.trim()),
                None => first.chars().take(200).collect(),
            }
        }
        other => other.to_string().chars().take(300).collect(),
    }
}

fn millis(at: Option<Timestamp>) -> i64 {
    at.map_or(0, Timestamp::as_millisecond)
}

fn from_bson(bson: &Bson) -> Result<Document, StoreError> {
    let id = bson.get_str("_id").unwrap_or_default();
    let broken = || StoreError::Body(id.to_owned());
    let time = |name: &str| {
        let millis = bson.get_i64(name).map_err(|_| broken())?;
        Timestamp::from_millisecond(millis).map_err(|_| broken())
    };
    let text = |name: &str| bson.get_str(name).map(str::to_owned).map_err(|_| broken());
    let expires = time("expires")?;
    Ok(Document {
        id: id.to_owned(),
        version: bson.get_i64("version").map_err(|_| broken())?,
        owner: text("owner")?,
        expires: (expires != Timestamp::UNIX_EPOCH).then_some(expires),
        updated: time("updated")?,
        body: text("body")?,
    })
}

#[async_trait]
impl Store for MongoStore {
    async fn prepare(&self) -> Result<(), StoreError> {
        self.check_version().await?;
        for kind in Collection::ALL {
            for field in ["owner", "expires"] {
                let index = IndexModel::builder().keys(doc! {field: 1}).build();
                self.attempt(|_| {
                    let (documents, index) = (self.collection(kind), index.clone());
                    async move { documents.create_index(index).await }
                })
                .await
                .map_err(Failed::into_error)?;
            }
        }
        Ok(())
    }

    async fn get(&self, kind: Collection, id: &str) -> Result<Option<Document>, StoreError> {
        let found = self
            .attempt(|_| {
                let (documents, filter) = (self.collection(kind), doc! {"_id": id});
                async move { documents.find_one(filter).await }
            })
            .await
            .map_err(Failed::into_error)?;
        found.as_ref().map(from_bson).transpose()
    }

    async fn insert(
        &self,
        kind: Collection,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mark = self.pace.mark();
        let document = doc! {
            "_id": &draft.id,
            "version": 1_i64,
            "owner": &draft.owner,
            "expires": millis(draft.expires),
            "updated": now.as_millisecond(),
            "mark": &mark,
            "body": &draft.body,
        };
        match self
            .attempt(|_| {
                let (documents, document) = (self.collection(kind), document.clone());
                async move { documents.insert_one(document).await }
            })
            .await
        {
            Ok(_) => Ok(true),
            Err(Failed::Duplicate) => self.stands(kind, &draft.id, &mark).await,
            Err(Failed::Store(error)) => Err(error),
        }
    }

    async fn replace(
        &self,
        kind: Collection,
        draft: &Draft,
        version: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mark = self.pace.mark();
        let filter = doc! {"_id": &draft.id, "version": version};
        let update = doc! {"$set": {
            "version": version + 1,
            "owner": &draft.owner,
            "expires": millis(draft.expires),
            "updated": now.as_millisecond(),
            "mark": &mark,
            "body": &draft.body,
        }};
        let mut sent = 0;
        let result = self
            .attempt(|number| {
                sent = number;
                let (documents, filter, update) =
                    (self.collection(kind), filter.clone(), update.clone());
                async move { documents.update_one(filter, update).await }
            })
            .await
            .map_err(Failed::into_error)?;
        if result.modified_count == 1 {
            return Ok(true);
        }
        // Only a repeated write can find that its first sending was done.
        if sent > 0 {
            self.stands(kind, &draft.id, &mark).await
        } else {
            Ok(false)
        }
    }

    async fn delete(&self, kind: Collection, id: &str) -> Result<(), StoreError> {
        self.attempt(|_| {
            let (documents, filter) = (self.collection(kind), doc! {"_id": id});
            async move { documents.delete_one(filter).await }
        })
        .await
        .map(drop)
        .map_err(Failed::into_error)
    }

    async fn list(
        &self,
        kind: Collection,
        owner: Option<&str>,
    ) -> Result<Vec<Document>, StoreError> {
        let filter = owner.map_or_else(Bson::new, |owner| doc! {"owner": owner});
        let found: Vec<Bson> = self
            .attempt(|_| {
                let (documents, filter) = (self.collection(kind), filter.clone());
                async move { documents.find(filter).await?.try_collect().await }
            })
            .await
            .map_err(Failed::into_error)?;
        let mut documents: Vec<Document> = found.iter().map(from_bson).collect::<Result<_, _>>()?;
        documents.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(documents)
    }

    async fn sweep(&self, kind: Collection, now: Timestamp) -> Result<u64, StoreError> {
        let filter = doc! {"expires": {"$gt": 0_i64, "$lte": now.as_millisecond()}};
        let deleted = self
            .attempt(|_| {
                let (documents, filter) = (self.collection(kind), filter.clone());
                async move { documents.delete_many(filter).await }
            })
            .await
            .map_err(Failed::into_error)?;
        Ok(deleted.deleted_count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_ferretdb_is_too_old() {
        assert_eq!(too_old(&doc! {"version": "7.0.42"}), None);
        assert_eq!(too_old(&doc! {"ferretdb": {"version": "v2.7.0"}}), None);
        assert_eq!(
            too_old(&doc! {"ferretdbVersion": "v1.24.2"}).as_deref(),
            Some("v1.24.2")
        );
        assert_eq!(
            too_old(&doc! {"ferretdb": {"version": "1.24.2"}}).as_deref(),
            Some("1.24.2")
        );
    }

    #[tokio::test]
    async fn a_wrong_address_is_refused_without_its_password() {
        for uri in ["postgres://u:hunter2@h/", "mongodb://u:hun:ter2@h:x/"] {
            let error = MongoStore::open(uri, None, "fastx", Pace::new(1))
                .await
                .unwrap_err();
            assert!(!error.to_string().contains("ter2"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_told_within_its_limit() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let uri = format!("mongodb://u:hunter2@127.0.0.1:{port}/");
        let store = MongoStore::open(&uri, None, "fastx", Pace::new(1))
            .await
            .unwrap();
        let begun = Instant::now();
        let error = store.get(Collection::Config, "root").await.unwrap_err();
        assert!(begun.elapsed() < LIMIT + Duration::from_secs(1));
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
