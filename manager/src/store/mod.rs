//! The shared database behind the managers, reduced to what MongoDB and FerretDB 2 do alike,
//! and SQLite for a server that is alone.
//!
//! A document is an id, a version, a few fields to find it by, and a body of JSON *text*:
//! as text it may hold keys with dots and dollars, and any number, which the databases refuse as fields.
//! All writes touch one document, are safe to repeat, and report truly whether they won:
//! there are no transactions, change streams, expiry indexes or collations to rely on.

pub mod conformance;
pub mod memory;
#[cfg(feature = "mongo")]
pub mod mongo;
mod pace;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use pace::Pace;

/// Kinds of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    /// Server records by serverId.
    Servers,
    /// Session records by session id, owned by the server.
    Sessions,
    /// Valid logins by token id, owned by the login.
    Tokens,
    /// Decisions by session id, owned by the server that decided.
    Decisions,
    /// Failed tries by login and by address.
    Tries,
    /// The configuration's root and its parts.
    Config,
    /// Who aggregates heartbeats.
    Lease,
    /// Requests to join by serverId, and how often each join file was used.
    Joins,
    /// What managers write to see that the store works.
    Probes,
}

impl Collection {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Servers,
        Self::Sessions,
        Self::Tokens,
        Self::Decisions,
        Self::Tries,
        Self::Config,
        Self::Lease,
        Self::Joins,
        Self::Probes,
    ];

    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Servers => "servers",
            Self::Sessions => "sessions",
            Self::Tokens => "tokens",
            Self::Decisions => "decisions",
            Self::Tries => "tries",
            Self::Config => "config",
            Self::Lease => "lease",
            Self::Joins => "joins",
            Self::Probes => "probes",
        }
    }
}

/// A document to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its id.
    pub id: String,
    /// What it is listed by; may be empty.
    pub owner: String,
    /// When the sweeper may take it.
    pub expires: Option<Timestamp>,
    /// JSON text.
    pub body: String,
}

impl Draft {
    /// A draft of a value that does not expire.
    pub fn new<T: Serialize>(id: &str, owner: &str, value: &T) -> Result<Self, StoreError> {
        Ok(Self {
            id: id.to_owned(),
            owner: owner.to_owned(),
            expires: None,
            body: serde_json::to_string(value).map_err(|_| StoreError::Body(id.to_owned()))?,
        })
    }

    /// The same, to be swept after `at`.
    #[must_use]
    pub fn expires(mut self, at: Timestamp) -> Self {
        self.expires = Some(at);
        self
    }
}

/// A stored document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// 1 when inserted, one more with each replacement.
    pub version: i64,
    /// What it is listed by.
    pub owner: String,
    /// When the sweeper may take it.
    pub expires: Option<Timestamp>,
    /// When it was last written, by the writer's clock.
    pub updated: Timestamp,
    /// JSON text.
    pub body: String,
}

impl Document {
    /// Reads the body.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        serde_json::from_str(&self.body).map_err(|_| StoreError::Body(self.id.clone()))
    }
}

/// Why the store did not do something. A lost race is no error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, also not after some tries.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// It refused.
    #[error("the store refused: {0}")]
    Refused(String),
    /// It is one that loses updates.
    #[error(
        "the store is FerretDB {0}, which loses updates under contention: use FerretDB 2 or MongoDB"
    )]
    TooOld(String),
    /// Its address, or the file that holds it, is not usable.
    #[error("the store's address cannot be used: {0}")]
    Address(String),
    /// A body is not of the expected form.
    #[error("document `{0}` in the store is not of the expected form")]
    Body(String),
    /// Others kept winning the race for one document.
    #[error("document `{0}` changes too often")]
    Contended(String),
}

/// A database. Every call ends within a few seconds.
#[async_trait]
pub trait Store: Send + Sync + Debug {
    /// Checks that the store can be used and makes what it needs; safe to call again.
    async fn prepare(&self) -> Result<(), StoreError>;

    /// One document.
    async fn get(&self, kind: Collection, id: &str) -> Result<Option<Document>, StoreError>;

    /// Writes a new document as version 1; false when there is one already.
    async fn insert(
        &self,
        kind: Collection,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Replaces the document while it has this version; false when it has another one or is gone.
    async fn replace(
        &self,
        kind: Collection,
        draft: &Draft,
        version: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Removes a document, whatever its version.
    async fn delete(&self, kind: Collection, id: &str) -> Result<(), StoreError>;

    /// All documents of an owner, or all.
    async fn list(
        &self,
        kind: Collection,
        owner: Option<&str>,
    ) -> Result<Vec<Document>, StoreError>;

    /// Removes what expired at or before `now`; says how many.
    async fn sweep(&self, kind: Collection, now: Timestamp) -> Result<u64, StoreError>;
}

/// Attempts of [`modify`] before it gives up.
const ATTEMPTS: u32 = 24;

/// Reads, changes and writes one document until nobody was faster.
///
/// `change` gets the present document and gives the new one, or none to leave it; it may run several times.
/// Gives what stands in the store afterwards.
pub async fn modify(
    store: &dyn Store,
    pace: &Pace,
    kind: Collection,
    id: &str,
    now: Timestamp,
    mut change: impl FnMut(Option<&Document>) -> Result<Option<Draft>, StoreError>,
) -> Result<Option<Draft>, StoreError> {
    for attempt in 0..ATTEMPTS {
        let present = store.get(kind, id).await?;
        let Some(draft) = change(present.as_ref())? else {
            return Ok(None);
        };
        let won = match &present {
            None => store.insert(kind, &draft, now).await?,
            Some(document) => store.replace(kind, &draft, document.version, now).await?,
        };
        if won {
            return Ok(Some(draft));
        }
        tokio::time::sleep(pace.pause(attempt)).await;
    }
    Err(StoreError::Contended(id.to_owned()))
}
