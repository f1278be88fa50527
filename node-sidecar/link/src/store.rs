//! Reads and writes what is known of sessions on disk; one damaged copy, or both, loses no running session.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use fastx_core::names::SessionId;
use fastx_core::wire::link::{LinkSession, LinkStart};
use fastx_core::wire::session::SessionState;
use jiff::Timestamp;

use crate::folders::{self, FolderError, Folders};
use crate::wire::{Labels, ProcessRecord, SCHEMA, StateFile};
use crate::{journal, processes};

const STATE: &str = "state.json";
const LABELS: &str = "labels.json";
/// Its existence asks for the end of the session; its text says why.
const WISH: &str = "terminate";

/// The sessions of this user on this host.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) folders: Folders,
}

impl Store {
    /// Notes a session that is about to be started; the folder appears with its content or not at all.
    pub(crate) fn create(
        &self,
        start: LinkStart,
        now: Timestamp,
    ) -> Result<StateFile, FolderError> {
        let folder = self.folders.session(&start.id);
        let runtime = self.folders.make_runtime(&start.id)?;
        let state = StateFile {
            schema: SCHEMA,
            revision: 1,
            session: LinkSession {
                start,
                state: SessionState::Starting,
                display: String::new(),
                display_pid: 0,
                display_started: 0,
                started: now,
                changed: now,
                end_reason: String::new(),
            },
            folder: folder.clone(),
            runtime: runtime.clone(),
            boot: processes::boot(),
            supervisor: ProcessRecord::default(),
            program: ProcessRecord::default(),
            bus: ProcessRecord::default(),
            program_started: None,
            problem: None,
        };
        self.place(&state, &folder).map_err(|source| {
            let _ = fs::remove_dir_all(&runtime);
            FolderError::Io {
                path: folder,
                source,
            }
        })?;
        Ok(state)
    }

    fn place(&self, state: &StateFile, folder: &Path) -> io::Result<()> {
        let id = &state.session.start.id;
        let new = self.folders.sessions.join(format!(".new-{id}"));
        let _ = fs::remove_dir_all(&new);
        DirBuilder::new().mode(0o700).create(&new)?;
        // Nothing runs yet that a crash of the machine could lose: no need to wait for the disk.
        let placed =
            write(&new.join(STATE), &encode(state)?, false).and_then(|()| fs::rename(&new, folder));
        if placed.is_err() {
            let _ = fs::remove_dir_all(&new);
        }
        placed
    }

    /// What is known of a session, with the labels of today.
    pub(crate) fn load(&self, id: &SessionId) -> Option<StateFile> {
        let mut state = self.newest(id).or_else(|| self.recover(id))?;
        if let Some(labels) = read::<Labels>(&self.home(id).join(LABELS)) {
            state.session.start.name = labels.name;
            state.session.start.params = labels.params;
        }
        Some(state)
    }

    /// The folder of metadata, wherever it was when the session started.
    fn home(&self, id: &SessionId) -> PathBuf {
        let usual = self.folders.session(id);
        let other = self.folders.runtime.join("sessions");
        let fallback = other.join(usual.file_name().unwrap_or_default());
        if !usual.exists() && fallback.exists() {
            fallback
        } else {
            usual
        }
    }

    fn newest(&self, id: &SessionId) -> Option<StateFile> {
        let home = self.home(id).join(STATE);
        let mut found: Vec<StateFile> = Vec::new();
        let mut damaged = Vec::new();
        let copies = self.folders.candidates(id).map(|folder| folder.join(STATE));
        for path in [home].into_iter().chain(copies) {
            match read::<StateFile>(&path) {
                Some(state) if state.session.start.id == *id => found.push(state),
                None if path.exists() => damaged.push(path),
                Some(_) | None => {}
            }
        }
        let newest = found.into_iter().max_by_key(|state| state.revision);
        for path in damaged {
            let remedy = if newest.is_some() {
                "the other copy is used"
            } else {
                "the running processes are asked"
            };
            journal::warn(format!("{} is damaged: {remedy}", path.display()));
        }
        newest
    }

    /// Rebuilds what can be known from the processes themselves when every copy is damaged.
    fn recover(&self, id: &SessionId) -> Option<StateFile> {
        let display = crate::xserver::of_session(id.as_str())?;
        let words = processes::command_line(display.pid);
        let after = |flag: &str| {
            let at = words.iter().position(|word| word == flag)?;
            words.get(at + 1).cloned()
        };
        let socket = PathBuf::from(after("-rfbunixpath")?);
        let text = |name: &str| processes::variable(display.pid, name).unwrap_or_default();
        let now = crate::clock::now();
        Some(StateFile {
            schema: SCHEMA,
            revision: 0,
            session: LinkSession {
                start: LinkStart {
                    id: id.clone(),
                    login: text("FASTX_LOGIN").parse().ok()?,
                    name: after("-desktop").unwrap_or_default(),
                    application: text("FASTX_APPLICATION"),
                    command: String::new(),
                    profile: String::new(),
                    geometry: after("-geometry").unwrap_or_default(),
                    rootless: text("FASTX_ROOTLESS") == "1",
                    params: std::collections::BTreeMap::new(),
                    env: std::collections::BTreeMap::new(),
                },
                state: SessionState::Running,
                display: crate::xserver::display_of(display.pid)?,
                display_pid: display.pid,
                display_started: display.started,
                started: now,
                changed: now,
                end_reason: String::new(),
            },
            folder: self.home(id),
            runtime: socket.parent()?.to_owned(),
            boot: processes::boot(),
            supervisor: ProcessRecord::default(),
            program: ProcessRecord::default(),
            bus: ProcessRecord::default(),
            program_started: None,
            problem: None,
        })
    }

    /// Every session that left a trace.
    pub(crate) fn ids(&self) -> BTreeSet<SessionId> {
        let fallback = self.folders.runtime.join("sessions");
        let mut ids: BTreeSet<SessionId> = [&self.folders.sessions, &fallback]
            .into_iter()
            .flat_map(|folder| entries(folder))
            .filter_map(|path| folders::session_id(&path))
            .collect();
        // The folder at home may have been deleted under a running session.
        for runtime in entries(&self.folders.runtime) {
            if let Some(state) = read::<StateFile>(&runtime.join(STATE))
                && (state.folder.starts_with(&self.folders.sessions)
                    || state.folder.starts_with(&fallback))
            {
                ids.insert(state.session.start.id);
            }
        }
        ids
    }

    /// Changes name and parameters.
    pub(crate) fn relabel(&self, id: &SessionId, labels: &Labels) -> io::Result<()> {
        let bytes = serde_json::to_vec_pretty(labels)?;
        write(&self.home(id).join(LABELS), &bytes, true)
    }

    /// Asks for the end of a session; the request survives the death of its supervisor.
    pub(crate) fn wish_end(state: &StateFile, why: &str) -> io::Result<()> {
        let home = write(&state.folder.join(WISH), why.as_bytes(), false);
        home.or_else(|_| write(&state.runtime.join(WISH), why.as_bytes(), false))
    }

    /// Removes a session's folder of metadata.
    pub(crate) fn forget(&self, id: &SessionId) {
        let _ = fs::remove_dir_all(self.home(id));
    }
}

/// Whether the end of the session was asked for, and why.
pub(crate) fn wished_end(state: &StateFile) -> Option<String> {
    [&state.folder, &state.runtime]
        .into_iter()
        .find_map(|folder| fs::read_to_string(folder.join(WISH)).ok())
        .map(|why| why.trim().chars().take(200).collect())
}

/// Writes the copy beside the sockets: quick, and enough to be taken over.
pub(crate) fn save_runtime(state: &StateFile) -> io::Result<()> {
    write(&state.runtime.join(STATE), &encode(state)?, false)
}

/// Writes the copy at home, and waits until it is on the disk.
pub(crate) fn save_home(state: &StateFile) -> io::Result<()> {
    if !state.folder.exists() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&state.folder)?;
    }
    write(&state.folder.join(STATE), &encode(state)?, true)
}

/// Tells one writing of a state file from the next.
pub(crate) type Stamp = (u64, i64, i64);

/// The stamp of the copy in a folder.
pub(crate) fn stamp(folder: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::metadata(folder.join(STATE)).ok()?;
    Some((found.ino(), found.mtime(), found.mtime_nsec()))
}

fn encode(state: &StateFile) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec_pretty(state)?)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

/// Replaces a file in one step: readers see the old or the new one, never a part.
fn write(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let _ = fs::remove_file(&temporary);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file: File| {
            file.write_all(bytes)?;
            if durable { file.sync_all() } else { Ok(()) }
        })
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Closes standard output, which a link that has just started this process waits for.
pub(crate) fn release_waiting_link() {
    if let Ok(null) = OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(null);
    }
}
