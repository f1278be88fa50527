//! State on disk: written whole or not at all, and never a reason not to start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Version of the form of all state files.
const SCHEMA: u32 = 1;

/// Numbers the temporary files of this process.
static TURN: AtomicU64 = AtomicU64::new(0);

/// What a state file looks like.
#[derive(Debug, Serialize, Deserialize)]
struct Stored<T> {
    schema: u32,
    body: T,
}

/// Writes a file that only this user can read: temporary file, fsync, rename, fsync of the folder.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Two that write one file at once must not write into one temporary file.
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    let temporary = folder.join(format!(".{name}.{process}-{turn}.new"));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    if let Err(error) = written {
        // Half a file on a full disk is of no use to anybody.
        let _gone = fs::remove_file(&temporary);
        return Err(error);
    }
    if let Err(error) = fs::rename(&temporary, path) {
        let _gone = fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

/// Writes a state file.
pub fn save<T: Serialize>(path: &Path, body: &T) -> io::Result<()> {
    let stored = Stored {
        schema: SCHEMA,
        body,
    };
    let text = serde_json::to_vec(&stored).map_err(io::Error::other)?;
    write_private(path, &text)
}

/// Reads a state file. One that is half written, foreign or of a newer version is set aside with a log line.
pub fn load<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "state file cannot be read, going on without it");
            return None;
        }
    };
    let reason = match serde_json::from_slice::<Stored<T>>(&text) {
        Ok(stored) if stored.schema == SCHEMA => return Some(stored.body),
        Ok(stored) => format!("schema {} is not known to this version", stored.schema),
        // The position is enough: the message of the parser may quote values.
        Err(error) => format!(
            "not valid at line {}, column {}",
            error.line(),
            error.column()
        ),
    };
    set_aside(path, &reason);
    None
}

fn set_aside(path: &Path, reason: &str) {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".bad");
    let aside = PathBuf::from(aside);
    let moved = fs::rename(path, &aside);
    tracing::warn!(
        file = %path.display(),
        %reason,
        kept_as = %aside.display(),
        moved = moved.is_ok(),
        "state file is damaged or foreign: set aside, going on without it"
    );
}

/// Deletes a state file; a missing one is as good.
pub fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(file = %path.display(), %error, "state file cannot be deleted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/list.json");
        save(&path, &vec![1, 2]).unwrap();
        assert_eq!(load::<Vec<u8>>(&path), Some(vec![1, 2]));
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }

    #[test]
    fn two_that_write_at_once_leave_one_of_both_texts_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.json");
        let texts = [vec![1; 100_000], vec![2; 50]];
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| {
                    for _ in 0..30 {
                        save(&path, text).unwrap();
                    }
                });
            }
        });
        assert!(texts.contains(&load::<Vec<u8>>(&path).unwrap()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn damaged_and_foreign_files_are_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.json");
        for text in ["{\"schema\":1,\"bo", "{\"schema\":2,\"body\":[]}", "[]", ""] {
            fs::write(&path, text).unwrap();
            assert_eq!(load::<Vec<u8>>(&path), None, "{text}");
            assert!(!path.exists());
            assert!(dir.path().join("list.json.bad").exists());
        }
        assert_eq!(load::<Vec<u8>>(&path), None, "a missing file is no fault");
    }
}
