//! A host that was restarted has ended all its sessions: this is told at once, before any link of their users comes back.

use std::path::Path;

use fastx_core::names::SessionId;
use fastx_core::wire::session::SessionState;

use super::Sessions;
use crate::disk;
use crate::locks::lock;

/// Name of the file that holds the boot that sessions were last seen in.
const FILE: &str = "boot.json";
/// Where the kernel says which boot this is.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Which boot this is, if the kernel says so.
pub(super) fn current() -> Option<String> {
    let text = std::fs::read_to_string(BOOT).ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}

impl Sessions {
    /// Ends the records of an earlier boot; `dir` is the folder of the node's own state.
    pub(super) fn note_boot(&self, dir: &Path, boot: &str) {
        let file = dir.join(FILE);
        let last: Option<String> = disk::load(&file);
        if last.as_deref() == Some(boot) {
            return;
        }
        if last.is_some() {
            self.end_all_of_last_boot();
        }
        // Only now: whoever is interrupted before starts over.
        if let Err(error) = disk::save(&file, &boot) {
            tracing::warn!(file = %file.display(), %error, "a restart of the host will go unnoticed");
        }
    }

    fn end_all_of_last_boot(&self) {
        let live: Vec<SessionId> = lock(&self.inner.registry)
            .iter()
            .filter(|own| own.record.state.is_live())
            .map(|own| own.record.id.clone())
            .collect();
        tracing::warn!(
            sessions = live.len(),
            "the host was restarted; its sessions are over"
        );
        for id in live {
            self.edit(&id, |own| {
                own.record.state = SessionState::Ended;
                "The host was restarted.".clone_into(&mut own.record.end_reason);
            });
            let Some(own) = lock(&self.inner.registry).get(&id).cloned() else {
                continue;
            };
            let path = self.inner.dir.join(format!("{id}.json"));
            if let Err(error) = disk::save(&path, &own) {
                tracing::warn!(session = %id, %error, "the record of a session cannot be written");
            }
        }
    }
}
