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

/// The first process; in a container it is another one at each start, and the kernel stays.
const FIRST: &str = "/proc/1/stat";

/// Which boot this is, if the kernel says so: of the machine, and within it of the container.
pub(super) fn current() -> Option<String> {
    let read = |path| std::fs::read_to_string(path).ok();
    let id = read(BOOT)?.trim().to_owned();
    if id.is_empty() {
        return None;
    }
    let Some(first) = read(FIRST).and_then(|stat| started(&stat)) else {
        return Some(id);
    };
    Some(format!("{id} {first}"))
}

/// When a process began, clock ticks after the machine; its name in parentheses may hold anything.
fn started(stat: &str) -> Option<u64> {
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// Whether both are the same boot. One may know the machine's alone: earlier versions did, and `/proc` may hide processes.
fn same(last: &str, now: &str) -> bool {
    let parts = |boot: &str| match boot.split_once(' ') {
        Some((machine, first)) => (machine.to_owned(), Some(first.to_owned())),
        None => (boot.to_owned(), None),
    };
    let ((last, last_first), (now, now_first)) = (parts(last), parts(now));
    last == now && (last_first.is_none() || now_first.is_none() || last_first == now_first)
}

impl Sessions {
    /// Ends the records of an earlier boot; `dir` is the folder of the node's own state.
    pub(super) fn note_boot(&self, dir: &Path, boot: &str) {
        let file = dir.join(FILE);
        let last: Option<String> = disk::load(&file);
        if last.as_deref() == Some(boot) {
            return;
        }
        if last.is_some_and(|last| !same(&last, boot)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_starts_again_is_another_boot() {
        assert!(same("a 1", "a 1") && same("a", "a 1") && same("a 1", "a"));
        assert!(!same("a 1", "a 2") && !same("a 1", "b 1") && !same("b", "a 1"));
        let stat = "1 (a) b) S 0 1 1 0 -1 4 0 0 0 0 5 6 7 8 20 0 1 0 42 1 2";
        assert_eq!(started(stat), Some(42));
        assert!(current().is_some_and(|now| now.split(' ').count() == 2));
    }
}
