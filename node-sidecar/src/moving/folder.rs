//! A folder of an installation that is alone: our own store, files of the original, or both.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastx_manager::archive::Archive;
use fastx_manager::operations::PutError;
use fastx_manager::store::StoreError;
use fastx_manager::store::sqlite::SqliteStore;

use super::content::Content;
use super::original;
use crate::disk;
use crate::standalone::STORE;

/// All files of the original together; more is no configuration.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// How our own store begins, which may be named like a file of the original.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// Why a folder cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Of the system.
    #[error("{path} cannot be {what}")]
    File {
        /// Which file.
        path: PathBuf,
        /// `read` or `written`.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file of the original is damaged.
    #[error("{path} cannot be read")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where.
        source: original::LineError,
    },
    /// Too much.
    #[error("{path} has more than {MOST_BYTES} bytes in `.db` files: this is no configuration")]
    TooLarge {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing there.
    #[error("{path} has neither {STORE} nor any other `.db` file")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A name that is none of a file.
    #[error("the cluster carries a file named `{0}`, which is not written")]
    Name(String),
    /// Our own store.
    #[error("{STORE} cannot be read")]
    Store(#[from] StoreError),
    /// Our own store.
    #[error("{STORE} cannot be written")]
    Put(#[from] PutError),
}

/// What a folder holds, and what is to be said about it.
#[derive(Debug, Default)]
pub struct Found {
    /// The content.
    pub content: Content,
    /// Remarks for people.
    pub remarks: Vec<String>,
}

/// Reads a folder. Files of the original that lie there count more than what the store carries of them.
pub async fn read(dir: &Path, seed: u64) -> Result<Found, FolderError> {
    let mut found = Found::default();
    let store = dir.join(STORE);
    if store.exists() {
        let archive = Archive::open(Arc::new(SqliteStore::new(&store)), seed).await?;
        if let Some((root, parts)) = archive.read().await? {
            found.content = Content::of(&root, &parts);
        }
    }
    let mut total = 0;
    for path in files(dir)? {
        let bytes = fs::read(&path).map_err(|e| failed(&path, "read", e))?;
        total += bytes.len() as u64;
        if total > MOST_BYTES {
            return Err(FolderError::TooLarge {
                path: dir.to_owned(),
            });
        }
        let text = String::from_utf8_lossy(&bytes);
        let (lines, torn) = original::read(&text).map_err(|source| FolderError::Damaged {
            path: path.clone(),
            source,
        })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if torn {
            found
                .remarks
                .push(format!("{name}: the last line is torn and was left out"));
        }
        let mut text = lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        found.content.files.insert(name.into_owned(), text);
    }
    if found.content == Content::default() {
        return Err(FolderError::Empty {
            path: dir.to_owned(),
        });
    }
    Ok(found)
}

/// Writes a folder: first the files of the original, each whole, then our own store by one new root.
pub async fn write(dir: &Path, content: &Content, seed: u64) -> Result<(), FolderError> {
    for (name, text) in &content.files {
        let plain = Path::new(name)
            .file_name()
            .is_some_and(|n| n == name.as_str());
        if !plain || name.starts_with('.') || name == STORE {
            return Err(FolderError::Name(name.clone()));
        }
        let path = dir.join(name);
        disk::write_private(&path, text.as_bytes()).map_err(|e| failed(&path, "written", e))?;
    }
    fs::create_dir_all(dir).map_err(|e| failed(dir, "written", e))?;
    let archive = Archive::open(Arc::new(SqliteStore::new(&dir.join(STORE))), seed).await?;
    let before = archive.read().await?;
    let generation = before.map_or(0, |(root, _)| root.generation) + 1;
    archive.write(&content.put(generation)).await?;
    Ok(())
}

/// Files of the original, in order.
fn files(dir: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let mut files = Vec::new();
    let entries = fs::read_dir(dir).map_err(|e| failed(dir, "read", e))?;
    for entry in entries {
        let path = entry.map_err(|e| failed(dir, "read", e))?.path();
        let named = path.extension().is_some_and(|e| e == "db");
        if named && path.is_file() && !is_sqlite(&path)? {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_sqlite(path: &Path) -> Result<bool, FolderError> {
    let mut head = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(SQLITE.len() as u64).read_to_end(&mut head))
        .map_err(|e| failed(path, "read", e))?;
    Ok(head == SQLITE)
}

fn failed(path: &Path, what: &'static str, source: io::Error) -> FolderError {
    FolderError::File {
        path: path.to_owned(),
        what,
        source,
    }
}
