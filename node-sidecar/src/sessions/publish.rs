//! Writes changed sessions to disk and reports them to the managers.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::parts::parts;
use fastx_core::subject::Operation;
use fastx_core::wire::operations::{Empty, SessionPut};
use fastx_core::wire::problem::Problem;
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

/// The messages of a report, each of a size that every bus takes.
fn bodies(sessions: Vec<SessionRecord>, complete: bool) -> Vec<SessionPut> {
    let known: BTreeSet<SessionId> = sessions.iter().map(|s| s.id.clone()).collect();
    let mut bodies: Vec<SessionPut> = parts(sessions)
        .into_iter()
        .map(|sessions| SessionPut {
            sessions,
            complete: false,
            known: None,
        })
        .collect();
    match bodies.as_mut_slice() {
        [] => bodies.push(SessionPut {
            sessions: Vec::new(),
            complete,
            known: None,
        }),
        [only] => only.complete = complete,
        // A manager of an older version must not take one part for everything.
        [.., last] => last.known = complete.then_some(known),
    }
    bodies
}

/// Works until shutdown; the last changes are still written.
pub(super) async fn run(sessions: Sessions, shutdown: Shutdown) {
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
    let mut unsent: BTreeSet<SessionId> = BTreeSet::new();
    let mut transport = sessions.inner.parts.transport.clone();
    let mut first = true;
    let mut failing = false;
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
        let wait = if sessions.report(&mut unsent, &mut failing).await {
            backoff.reset();
            SWEEP
        } else {
            backoff.next(&mut rand::rng())
        };
        // Also while there is always something to report: ended sessions are bounded.
        sessions.sweep().await;
        let wait = if again { wait.min(AGAIN) } else { wait };
        tokio::select! {
            () = shutdown.triggered() => {
                let dirty = std::mem::take(&mut *lock(&sessions.inner.dirty));
                sessions.keep(dirty).await;
                return;
            }
            () = tokio::time::sleep(wait) => {}
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
    async fn report(&self, unsent: &mut BTreeSet<SessionId>, failing: &mut bool) -> bool {
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
        for body in bodies(sessions, complete) {
            let transport = &self.inner.parts.transport;
            let done: Result<Empty, _> = transport.store(Operation::SessionPut, &body).await;
            if let Err(problem) = done {
                self.not_reported(&problem, std::mem::replace(failing, true));
                if complete {
                    self.inner.complete.store(true, Ordering::Relaxed);
                }
                return false;
            }
            for record in &body.sessions {
                unsent.remove(&record.id);
            }
        }
        // What is left has no record any more.
        unsent.clear();
        if std::mem::take(failing) {
            tracing::info!("the managers have all records of sessions again");
        }
        true
    }

    fn not_reported(&self, problem: &Problem, before: bool) {
        if before || !self.inner.parts.transport.is_up() {
            tracing::debug!(%problem, "sessions not reported yet");
            return;
        }
        tracing::warn!(%problem, "the managers do not take the records of this server's sessions; they are sent again until they do, and other servers show old ones. If this goes on, look at the managers' logs and at the bus's limit of a message (1 MiB is enough)");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: usize, bytes: usize) -> SessionRecord {
        serde_json::from_value(serde_json::json!({
            "id": format!("{number:016x}"), "serverId": "a", "login": "ada", "state": "running", "name": "n",
            "command": "x".repeat(bytes), "started": "1970-01-01T00:00:00Z",
            "changed": "1970-01-01T00:00:00Z", "version": 1
        }))
        .unwrap()
    }

    #[test]
    fn a_large_report_goes_in_parts_and_only_the_last_says_what_is_known() {
        let few = bodies(vec![record(1, 1)], true);
        assert!(few.len() == 1 && few[0].complete && few[0].known.is_none());
        assert!(bodies(vec![], true)[0].complete);
        let many = bodies((0..500).map(|n| record(n, 4000)).collect(), true);
        assert!(many.len() > 1);
        for body in &many {
            assert!(
                !body.complete,
                "an older manager would end the other parts'"
            );
            assert!(serde_json::to_vec(body).unwrap().len() < 1024 * 1024);
        }
        let (last, others) = many.split_last().unwrap();
        assert_eq!(last.known.as_ref().unwrap().len(), 500);
        assert!(others.iter().all(|body| body.known.is_none()));
        let changes = bodies((0..500).map(|n| record(n, 4000)).collect(), false);
        assert!(changes.iter().all(|body| body.known.is_none()));
    }
}
