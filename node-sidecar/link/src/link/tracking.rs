//! What the link knows of its sessions: found on disk, watched, taken over when their supervisor is gone, tidied away.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::wire::link::{FromLink, LinkSession, MAX_FRAME};
use fastx_core::wire::session::SessionState;
use jiff::SignedDuration;

use super::{Link, lock};
use crate::backoff::{Backoff, random};
use crate::clock::{self, Deadline};
use crate::wire::{ProcessRecord, StateFile};
use crate::{journal, output, store, supervise, xserver};

/// For how long an ended session is told at each hello.
const LATELY: SignedDuration = SignedDuration::from_hours(1);
/// How long the logs of an ended session are kept, and of how many.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
const KEPT_AT_MOST: usize = 100;
/// Ended sessions that a hello tells at most.
const TOLD_AT_MOST: usize = 50;

/// One session as the link last saw it.
#[derive(Debug)]
pub(super) struct Tracked {
    /// What the node was told last.
    pub(super) session: LinkSession,
    runtime: PathBuf,
    stamp: Option<store::Stamp>,
    /// Who the state file says watches it.
    recorded: ProcessRecord,
    /// Whom this link has sent to watch it.
    sent: ProcessRecord,
    pause: Backoff,
    not_before: Deadline,
}

/// A session as others may see it.
pub(super) fn shown(state: &StateFile) -> LinkSession {
    let mut session = state.session.clone();
    // May hold what only the session's programs are to know.
    session.start.env.clear();
    session
}

impl Tracked {
    fn new(state: &StateFile) -> Self {
        Self {
            session: shown(state),
            runtime: state.runtime.clone(),
            stamp: None,
            recorded: state.supervisor,
            sent: ProcessRecord::default(),
            pause: Backoff::new(Duration::from_millis(500), Duration::from_secs(30)),
            not_before: Deadline::after(Duration::ZERO),
        }
    }

    fn supervised(&self) -> bool {
        self.recorded.alive() || self.sent.alive()
    }
}

impl Link {
    /// Looks at the disk once; from then on every session of interest is tracked.
    pub(super) fn find_sessions(&self) {
        let mut tracked = lock(&self.tracked);
        for id in self.store.ids() {
            match self.store.load(&id) {
                Some(state) => {
                    tracked.insert(id, Tracked::new(&state));
                }
                None => journal::warn(format!(
                    "session {id}: its files are damaged and nothing of it runs"
                )),
            }
        }
        let live = tracked.values().filter(|t| t.session.state.is_live());
        journal::info(format!(
            "{} sessions found, {} of them live",
            tracked.len(),
            live.count()
        ));
    }

    /// Tracks a session that has just been noted.
    pub(super) fn track(&self, state: &StateFile) {
        lock(&self.tracked).insert(state.session.start.id.clone(), Tracked::new(state));
    }

    /// How many sessions take up room.
    pub(super) fn live(&self) -> usize {
        let tracked = lock(&self.tracked);
        tracked
            .values()
            .filter(|t| t.session.state.is_live())
            .count()
    }

    /// Everything that a hello tells, and what does not fit into its frame.
    pub(super) fn report_all(
        &self,
        tracked: &mut BTreeMap<SessionId, Tracked>,
    ) -> (Vec<LinkSession>, Vec<LinkSession>) {
        for (id, entry) in tracked.iter_mut() {
            if let Some(state) = self.store.load(id) {
                entry.session = shown(&state);
            }
        }
        let now = clock::now();
        let mut sessions: Vec<LinkSession> = tracked
            .values()
            .map(|t| t.session.clone())
            .filter(|s| s.state.is_live() || now.duration_since(s.changed) < LATELY)
            .collect();
        sessions.sort_by_key(|s| (!s.state.is_live(), std::cmp::Reverse(s.changed)));
        let live = sessions.iter().filter(|s| s.state.is_live()).count();
        sessions.truncate(live + TOLD_AT_MOST);
        let mut room = MAX_FRAME / 2;
        let fits = sessions.iter().take_while(|session| {
            let length = serde_json::to_vec(session).map_or(0, |bytes| bytes.len());
            let fits = length <= room;
            room = room.saturating_sub(length);
            fits
        });
        let rest = sessions.split_off(fits.count());
        (sessions, rest)
    }

    /// Looks at every live session; tells changes and sends a supervisor where one is missing.
    pub(super) fn look(&self) {
        lock(&self.children).retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        let live: Vec<SessionId> = lock(&self.tracked)
            .iter()
            .filter(|(_, t)| t.session.state.is_live())
            .map(|(id, _)| id.clone())
            .collect();
        for id in live {
            self.refresh(&id);
            self.ensure_supervised(&id, false);
        }
    }

    /// Reads a session anew if its file has changed, and tells the node if that makes a difference.
    pub(super) fn refresh(&self, id: &SessionId) {
        let mut tracked = lock(&self.tracked);
        let Some(entry) = tracked.get_mut(id) else {
            return;
        };
        let stamp = store::stamp(&entry.runtime);
        if stamp.is_some() && stamp == entry.stamp {
            return;
        }
        if let Some(state) = self.store.load(id) {
            entry.stamp = stamp;
            self.note(entry, &state);
        }
    }

    /// Tells the node what has changed about a session.
    pub(super) fn note_now(&self, state: &StateFile) {
        if let Some(entry) = lock(&self.tracked).get_mut(&state.session.start.id) {
            self.note(entry, state);
        }
    }

    /// Called with the tracked sessions locked, so that changes are told in their order.
    fn note(&self, entry: &mut Tracked, state: &StateFile) {
        entry.recorded = state.supervisor;
        entry.runtime.clone_from(&state.runtime);
        let session = shown(state);
        if session != entry.session {
            entry.session = session.clone();
            self.send(&FromLink::Session { session }, None);
        }
    }

    /// Sends a supervisor to a session that has none; `at_once` without the pause between two tries.
    pub(super) fn ensure_supervised(&self, id: &SessionId, at_once: bool) {
        let mut tracked = lock(&self.tracked);
        let Some(entry) = tracked.get_mut(id) else {
            return;
        };
        if !entry.session.state.is_live() || entry.supervised() {
            return;
        }
        if !(at_once || entry.not_before.passed()) || lock(&self.turns).contains(id) {
            return;
        }
        // It may have ended in the moment before: then there is nothing to watch.
        let Some(state) = self.store.load(id) else {
            return;
        };
        entry.recorded = state.supervisor;
        if state.session.state == SessionState::Ended || entry.supervised() {
            return;
        }
        journal::warn(format!("session {id} has no supervisor; one is sent"));
        entry.not_before = Deadline::after(entry.pause.next(random()));
        match self.spawn_supervisor(&state, true) {
            Ok((process, _)) => entry.sent = process,
            Err(error) => journal::error(format!("session {id}: no supervisor: {error}")),
        }
    }

    /// Starts the supervisor of a session; its output ends once the session has started or failed to.
    pub(super) fn spawn_supervisor(
        &self,
        state: &StateFile,
        adopt: bool,
    ) -> std::io::Result<(ProcessRecord, Option<ChildStdout>)> {
        let log = output::open(&state.folder.join(output::SUPERVISOR))
            .or_else(|_| output::open(&state.runtime.join(output::SUPERVISOR)))?;
        // Its own program even when the file was replaced meanwhile: both are of one version.
        let mut command = Command::new("/proc/self/exe");
        std::os::unix::process::CommandExt::arg0(&mut command, "fastx-link");
        command.arg("supervise");
        if adopt {
            command.arg("--adopt");
        }
        command
            .arg(&state.folder)
            .env(xserver::FLAGS_VARIABLE, self.xflags())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn()?;
        let process = ProcessRecord::of(child.id()).unwrap_or_default();
        let output = child.stdout.take();
        lock(&self.children).push(child);
        Ok((process, output))
    }

    /// Notes which supervisor a start has sent.
    pub(super) fn sent(&self, id: &SessionId, process: ProcessRecord) {
        if let Some(entry) = lock(&self.tracked).get_mut(id) {
            entry.sent = process;
        }
    }

    /// Removes the logs of sessions that ended long ago, and runtime folders that nobody needs.
    pub(super) fn tidy(&self) {
        let now = clock::now();
        let mut ended: Vec<StateFile> = self
            .store
            .ids()
            .iter()
            .filter_map(|id| self.store.load(id))
            .filter(|state| state.session.state == SessionState::Ended)
            .collect();
        ended.sort_by_key(|state| std::cmp::Reverse(state.session.changed));
        for (n, state) in ended.iter().enumerate() {
            let age = now.duration_since(state.session.changed);
            let id = &state.session.start.id;
            if age > LATELY && state.runtime.starts_with(&self.store.folders.runtime) {
                let left = state.runtime.join(supervise::CONTROL).exists();
                if left || store::stamp(&state.runtime).is_some() {
                    let _ = fs::remove_dir_all(&state.runtime);
                }
            }
            if age > KEPT || n >= KEPT_AT_MOST {
                self.store.forget(id);
            }
            if age > LATELY {
                lock(&self.tracked).remove(id);
            }
        }
    }
}
