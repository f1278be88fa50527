//! Writes changed sessions to disk and reports them to the managers.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::subject::Operation;
use fastx_core::wire::operations::{Empty, SessionPut};
use fastx_core::wire::session::SessionRecord;
use fastx_lifecycle::backoff::Backoff;
use fastx_lifecycle::clock;
use fastx_lifecycle::shutdown::Shutdown;

use super::Sessions;
use super::registry::OwnSession;
use crate::disk;
use crate::locks::lock;

/// Old records are looked for this often.
const SWEEP: Duration = Duration::from_mins(1);
/// What the disk did not take is written again after so long.
const AGAIN: Duration = Duration::from_secs(5);

/// Records that are in memory alone, because the disk does not take them.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    ids: BTreeSet<SessionId>,
    why: String,
}

/// Works until shutdown; the last changes are still written.
pub(super) async fn run(sessions: Sessions, shutdown: Shutdown) {
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
    let mut unsent: BTreeSet<SessionId> = BTreeSet::new();
    let mut transport = sessions.inner.parts.transport.clone();
    let mut first = true;
    loop {
        let dirty = std::mem::take(&mut *lock(&sessions.inner.dirty));
        sessions.keep(dirty.clone()).await;
        unsent.extend(dirty);
        let again = sessions.keep_again().await;
        if first && transport.bus().is_some() {
            // A manager may have missed what changed while this process was away.
            unsent.extend(
                lock(&sessions.inner.registry)
                    .iter()
                    .map(|s| s.record.id.clone()),
            );
            first = false;
        }
        let wait = if sessions.report(&mut unsent).await {
            backoff.reset();
            SWEEP
        } else {
            backoff.next(&mut rand::rng())
        };
        let wait = if again { wait.min(AGAIN) } else { wait };
        tokio::select! {
            () = shutdown.triggered() => {
                let dirty = std::mem::take(&mut *lock(&sessions.inner.dirty));
                sessions.keep(dirty).await;
                return;
            }
            () = tokio::time::sleep(wait) => sessions.sweep().await,
            () = sessions.inner.wake.notified() => {}
            _bus = transport.connected(), if first => {}
        }
    }
}

impl Sessions {
    /// Writes these to disk.
    pub(super) async fn keep(&self, ids: BTreeSet<SessionId>) {
        // One after the other: what is written last must not be what was read first.
        let _turn = self.inner.writing.lock().await;
        let kept: Vec<OwnSession> = {
            let registry = lock(&self.inner.registry);
            ids.iter()
                .filter_map(|id| registry.get(id).cloned())
                .collect()
        };
        if kept.is_empty() {
            return;
        }
        let dir = self.inner.dir.clone();
        let writing = tokio::task::spawn_blocking(move || {
            let written = kept.iter().map(|own| {
                let path = dir.join(format!("{}.json", own.record.id));
                (own.record.id.clone(), disk::save(&path, own))
            });
            written.collect::<Vec<_>>()
        });
        self.note_written(writing.await.unwrap_or_default());
    }

    /// Tries once more what the disk did not take; true when some is left.
    async fn keep_again(&self) -> bool {
        let left = lock(&self.inner.unwritten).ids.clone();
        if left.is_empty() {
            return false;
        }
        self.keep(left).await;
        !lock(&self.inner.unwritten).ids.is_empty()
    }

    fn note_written(&self, written: Vec<(SessionId, std::io::Result<()>)>) {
        let mut unwritten = lock(&self.inner.unwritten);
        let before = unwritten.ids.len();
        for (id, result) in written {
            match result {
                Ok(()) => drop(unwritten.ids.remove(&id)),
                Err(error) => {
                    unwritten.why = error.to_string();
                    unwritten.ids.insert(id);
                }
            }
        }
        let now = unwritten.ids.len();
        match (before, now) {
            (0, 0) => return,
            (0, _) => {
                tracing::warn!(dir = %self.inner.dir.display(), error = %unwritten.why, "records of sessions cannot be written; they are kept in memory, and tried again");
            }
            (_, 0) => tracing::info!("all records of sessions are written again"),
            _ => {}
        }
        if before != now {
            self.inner.parts.news.notify_one();
        }
    }

    /// What an administrator should know about the disk, if there is something.
    pub(crate) fn disk_hint(&self) -> Option<String> {
        let unwritten = lock(&self.inner.unwritten);
        let count = unwritten.ids.len();
        (count > 0).then(|| {
            format!(
                "Records of {count} sessions cannot be written to {} ({}) and are in memory alone. Make room there; they are written within seconds then.",
                self.inner.dir.display(),
                unwritten.why
            )
        })
    }

    /// Sends these to the managers; true when nothing is left to send.
    async fn report(&self, unsent: &mut BTreeSet<SessionId>) -> bool {
        let complete = self.inner.complete.swap(false, Ordering::Relaxed);
        if unsent.is_empty() && !complete {
            return true;
        }
        let sessions: Vec<SessionRecord> = {
            let registry = lock(&self.inner.registry);
            let wanted = |id: &SessionId| complete || unsent.contains(id);
            registry
                .iter()
                .map(|s| &s.record)
                .filter(|r| wanted(&r.id))
                .cloned()
                .collect()
        };
        let body = SessionPut { sessions, complete };
        let done: Result<Empty, _> = self
            .inner
            .parts
            .transport
            .store(Operation::SessionPut, &body)
            .await;
        match done {
            Ok(_) => {
                unsent.clear();
                true
            }
            Err(problem) => {
                tracing::debug!(%problem, "sessions not reported yet");
                if complete {
                    self.inner.complete.store(true, Ordering::Relaxed);
                }
                false
            }
        }
    }

    async fn sweep(&self) {
        let old = lock(&self.inner.registry).forget_old(clock::now());
        if old.is_empty() {
            return;
        }
        self.forget_files(old).await;
    }

    /// Removes the records of these on disk.
    pub(super) async fn forget_files(&self, ids: Vec<SessionId>) {
        lock(&self.inner.dirty).retain(|id| !ids.contains(id));
        lock(&self.inner.unwritten)
            .ids
            .retain(|id| !ids.contains(id));
        let dir = self.inner.dir.clone();
        let removing = tokio::task::spawn_blocking(move || {
            for id in ids {
                disk::remove(&dir.join(format!("{id}.json")));
            }
        });
        let _ended = removing.await;
    }
}
