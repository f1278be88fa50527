//! Files that are looked at now and then, and told of when their content changes.
//!
//! Content is compared and not times: a Secret volume swaps a link, which changes neither name nor watch.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::shutdown::Shutdown;

/// How often files are looked at. Secret volumes lag by more than this anyway.
const INTERVAL: Duration = Duration::from_secs(5);

/// Some files that belong together.
#[derive(Debug)]
pub struct Watched {
    files: Vec<PathBuf>,
    seen: Option<Vec<Vec<u8>>>,
    ticks: Interval,
}

impl Watched {
    /// Starts from what the files hold now.
    pub fn new(files: Vec<PathBuf>) -> Self {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let seen = read(&files);
        Self { files, seen, ticks }
    }

    /// Waits until the content differs from the last one and gives it, each file in its place; none at shutdown.
    /// While a file is missing nothing is told.
    pub async fn changed(&mut self, shutdown: &Shutdown) -> Option<Vec<Vec<u8>>> {
        loop {
            tokio::select! {
                () = shutdown.triggered() => return None,
                _ = self.ticks.tick() => {}
            }
            let Some(now) = read(&self.files) else {
                continue;
            };
            if self.seen.as_ref() != Some(&now) {
                self.seen = Some(now.clone());
                return Some(now);
            }
        }
    }
}

fn read(files: &[PathBuf]) -> Option<Vec<Vec<u8>>> {
    files.iter().map(|file| std::fs::read(file).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tells_of_new_content_once_and_of_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::write(&a, "1").unwrap();
        std::fs::write(&b, "x").unwrap();
        let shutdown = Shutdown::new();
        let mut watched = Watched::new(vec![a.clone(), b.clone()]);
        std::fs::write(&b, "y").unwrap();
        let told = watched.changed(&shutdown).await.unwrap();
        assert_eq!(told, [b"1".to_vec(), b"y".to_vec()]);

        std::fs::write(&a, "1").unwrap();
        std::fs::remove_file(&b).unwrap();
        let quiet = tokio::time::timeout(INTERVAL * 3, watched.changed(&shutdown)).await;
        assert!(quiet.is_err(), "the same content, or a missing file");
        shutdown.trigger();
        assert_eq!(watched.changed(&shutdown).await, None);
    }
}
