//! One link for each user and node: a lock says whether it runs, and the file under it how far it has come.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::FlockOperation;

use crate::clock::Deadline;

/// How long another may hold the lock: whoever only looks whether it is free holds it for a moment.
const GLANCE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(20);
/// What the file says once the node has been reached.
const CONNECTED: &str = "connected";
/// Enough for what is written.
const LENGTH: u64 = 64;

/// The place of the user's link with one node.
#[derive(Debug, Clone)]
pub(crate) struct Place(PathBuf);

/// The lock, held as long as this lives.
#[derive(Debug)]
pub(crate) struct Held(File);

impl Place {
    /// In the user's private folder; `dir` is the node's.
    pub(crate) fn of(private: &Path, dir: &Path) -> Self {
        let name = dir.to_string_lossy().replace('/', "-");
        // File names end at 255 bytes; what differs is at the end.
        let from = name.len().saturating_sub(200);
        let from = (from..=name.len()).find(|i| name.is_char_boundary(*i));
        Self(private.join(format!("link{}.lock", &name[from.unwrap_or(0)..])))
    }

    /// Takes it, or gives nothing when another link has it.
    pub(crate) fn take(&self) -> io::Result<Option<Held>> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.0)?;
        let deadline = Deadline::after(GLANCE);
        while rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            if deadline.passed() {
                return Ok(None);
            }
            thread::sleep(STEP);
        }
        file.set_len(0)?;
        file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0)?;
        Ok(Some(Held(file)))
    }

    /// Whether no link has it.
    pub(crate) fn is_free(&self) -> bool {
        match File::open(&self.0) {
            Ok(file) => rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Whether a link has it that has reached the node.
    pub(crate) fn is_connected(&self) -> bool {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().any(|line| line == CONNECTED) && !self.is_free()
    }
}

impl Held {
    /// Says whether the node is reached just now.
    pub(crate) fn connected(&self, now: bool) {
        let text = format!(
            "{}\n{}\n",
            std::process::id(),
            if now { CONNECTED } else { "" }
        );
        // Only for whoever waits for it.
        let _ = self
            .0
            .write_all_at(text.as_bytes(), 0)
            .and_then(|()| self.0.set_len((text.len() as u64).min(LENGTH)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_for_each_node() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::of(dir.path(), Path::new("/run/fastx"));
        assert!(place.is_free() && !place.is_connected());
        let held = place.take().unwrap().unwrap();
        assert!(!place.is_free());
        assert!(place.take().unwrap().is_none());
        let other = Place::of(dir.path(), Path::new("/run/other"));
        assert!(other.take().unwrap().is_some());
        held.connected(true);
        assert!(place.is_connected());
        held.connected(false);
        assert!(!place.is_connected());
        held.connected(true);
        drop(held);
        assert!(place.is_free() && !place.is_connected());
        let long = Path::new("/").join("ä".repeat(200));
        assert!(Place::of(dir.path(), &long).take().unwrap().is_some());
    }
}
