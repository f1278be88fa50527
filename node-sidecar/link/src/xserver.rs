//! The X server of a session: its command line, and what it leaves behind in `/tmp`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::environment::Environment;
use crate::processes;
use crate::wire::{ProcessRecord, StateFile};

/// Name of the RFB socket in a session's runtime folder.
pub(crate) const SOCKET: &str = "rfb.sock";
/// Name of the cookie file there.
pub(crate) const XAUTHORITY: &str = "Xauthority";
/// Tells a supervisor what the link has found out about the X server.
pub(crate) const FLAGS_VARIABLE: &str = "FASTX_XVNC_FLAGS";

/// Finds the X server.
pub(crate) fn find(environment: &Environment) -> Option<PathBuf> {
    environment
        .find("Xvnc")
        .or_else(|| environment.find("Xtigervnc"))
}

/// Asks the X server which of the flags it knows that not every version has.
pub(crate) fn probe(program: &Path) -> String {
    let output = Command::new(program)
        .arg("-help")
        .stdin(Stdio::null())
        .output()
        .map(|o| [o.stdout, o.stderr].concat())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&output).to_ascii_lowercase();
    if text.contains("rendernode") {
        "rendernode".to_owned()
    } else {
        String::new()
    }
}

/// The command line; the display number is written to descriptor `ready`.
pub(crate) fn arguments(state: &StateFile, flags: &str, ready: i32) -> Vec<String> {
    let start = &state.session.start;
    let file = |name: &str| state.runtime.join(name).to_string_lossy().into_owned();
    let mut words = vec!["-displayfd".to_owned(), ready.to_string()];
    let mut add = |more: &[&str]| words.extend(more.iter().map(|w| (*w).to_owned()));
    add(&["-geometry", &start.geometry, "-depth", "24"]);
    add(&["-rfbport", "-1", "-rfbunixpath", &file(SOCKET)]);
    // No authentication: the socket lies in a folder that only its user can enter.
    add(&["-rfbunixmode", "0600", "-SecurityTypes", "None"]);
    add(&["-nolisten", "tcp", "-noreset", "-auth", &file(XAUTHORITY)]);
    add(&["-AlwaysShared", "-AcceptSetDesktopSize"]);
    add(&["-desktop", &title(&start.name)]);
    if flags.split(' ').any(|flag| flag == "rendernode") {
        // Without a device: a GPU that others use must not decide whether a session starts.
        add(&["-rendernode", ""]);
    }
    words
}

fn title(name: &str) -> String {
    let clean: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    if clean.is_empty() {
        "desktop".to_owned()
    } else {
        clean
    }
}

/// Where X servers put their sockets.
const SOCKETS: &str = "/tmp/.X11-unix";

/// Paths of all bound Unix sockets with their inode, as the kernel lists them; abstract ones too.
fn bound_sockets() -> Vec<(u64, String)> {
    fs::read_to_string("/proc/net/unix")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (inode, path) = (fields.get(6)?, fields.get(7)?);
            Some((inode.parse().ok()?, path.trim_start_matches('@').to_owned()))
        })
        .collect()
}

fn number_of(path: &str) -> Option<u32> {
    path.strip_prefix(SOCKETS)?.strip_prefix("/X")?.parse().ok()
}

/// The X server of a session, found by its mark.
pub(crate) fn of_session(id: &str) -> Option<ProcessRecord> {
    processes::marked(id)
        .into_iter()
        .filter(|p| {
            let words = processes::command_line(p.pid);
            words.iter().any(|word| word == "-rfbunixpath")
        })
        .min_by_key(|p| p.started)
}

/// The display, such as `:1`, of a running X server. There is no lock file when the X server chose its number itself.
pub(crate) fn display_of(pid: u32) -> Option<String> {
    let open: BTreeSet<u64> = fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            let inode = target.to_str()?.strip_prefix("socket:[")?;
            inode.strip_suffix(']')?.parse().ok()
        })
        .collect();
    bound_sockets()
        .iter()
        .filter(|(inode, _)| open.contains(inode))
        .find_map(|(_, path)| number_of(path))
        .map(|number| format!(":{number}"))
}

/// Removes what is left of X servers of this user that are gone; returns how many there were.
///
/// A socket counts as left when no process has it bound, so the one of a starting X server is safe.
pub(crate) fn sweep_stale() -> usize {
    let uid = rustix::process::getuid().as_raw();
    let mine = |path: &Path| fs::symlink_metadata(path).is_ok_and(|m| m.uid() == uid);
    let left: Vec<u32> = fs::read_dir(SOCKETS)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| mine(&entry.path()))
        .filter_map(|entry| number_of(entry.path().to_str()?))
        .collect();
    // Listed second: what was bound meanwhile is in the list.
    let bound: BTreeSet<u32> = bound_sockets()
        .iter()
        .filter_map(|(_, path)| number_of(path))
        .collect();
    let stale: Vec<u32> = left.into_iter().filter(|n| !bound.contains(n)).collect();
    for number in &stale {
        let _ = fs::remove_file(format!("{SOCKETS}/X{number}"));
        let lock = PathBuf::from(format!("/tmp/.X{number}-lock"));
        if mine(&lock) {
            let _ = fs::remove_file(lock);
        }
    }
    stale.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_cannot_carry_control_characters() {
        assert_eq!(title("a\nb\u{1b}c"), "abc");
        assert_eq!(title("\n"), "desktop");
        assert_eq!(title(&"x".repeat(200)).len(), 100);
    }

    #[test]
    fn the_flag_that_old_versions_lack_is_used_only_where_known() {
        let text = include_str!("../testdata/state-v1.json");
        let state: StateFile = serde_json::from_str(text).unwrap();
        let old = arguments(&state, "", 5).join(" ");
        assert_eq!(
            old,
            "-displayfd 5 -geometry 1280x800 -depth 24 -rfbport -1 \
             -rfbunixpath /tmp/fastx-1000/00000000/rfb.sock -rfbunixmode 0600 \
             -SecurityTypes None -nolisten tcp -noreset \
             -auth /tmp/fastx-1000/00000000/Xauthority -AlwaysShared \
             -AcceptSetDesktopSize -desktop Terminal"
        );
        let new = arguments(&state, "rendernode", 5);
        assert_eq!(new[new.len() - 2..], ["-rendernode", ""]);
    }
}
