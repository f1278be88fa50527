//! Processes as the kernel shows them: who lives, who belongs to a session, and signals that never hit a stranger.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};

use crate::wire::ProcessRecord;

/// In the environment of every process of a session; how strays are found.
pub(crate) const MARK: &str = "FASTX_SESSION_ID";

/// One line of `/proc/PID/stat`, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: char,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) started: u64,
}

/// Reads a process's line.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(line: &str) -> Option<Stat> {
    // The name may hold anything, so count from behind its last parenthesis.
    let fields: Vec<&str> = line[line.rfind(')')? + 1..].split_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// The id of this boot.
pub(crate) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

fn kernel_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

impl ProcessRecord {
    /// The process that has this number now.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let started = stat(pid)?.started;
        Some(Self { pid, started })
    }

    /// This process itself.
    pub(crate) fn own() -> Self {
        Self::of(std::process::id()).unwrap_or_default()
    }

    /// Whether it runs: the same process, and not only waiting to be reaped.
    pub(crate) fn alive(self) -> bool {
        self.pid != 0
            && stat(self.pid)
                .is_some_and(|s| s.started == self.started && !matches!(s.state, 'Z' | 'X'))
    }

    /// Sends a signal to it and to no other.
    pub(crate) fn signal(self, signal: Signal) {
        let Some(pid) = kernel_pid(self.pid) else {
            return;
        };
        // Opened first and checked after that: from then on the number cannot be taken by another.
        let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty());
        if !self.alive() {
            return;
        }
        // An error means that it is gone, which is what was wanted.
        let _ = match handle {
            Ok(handle) => rustix::process::pidfd_send_signal(handle, signal),
            Err(_) => rustix::process::kill_process(pid, signal),
        };
    }

    /// Sends a signal to the process group that it leads.
    pub(crate) fn signal_group(self, signal: Signal) {
        let leads = stat(self.pid).is_some_and(|s| s.group == self.pid);
        if let Some(pid) = kernel_pid(self.pid)
            && self.alive()
            && leads
        {
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }
}

/// A process that is waited for, child or not.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) process: ProcessRecord,
    handle: Option<OwnedFd>,
}

impl Watched {
    /// Starts to watch; without kernel support for handles [`Watched::gone`] must be asked now and then.
    pub(crate) fn new(process: ProcessRecord) -> Self {
        let handle = kernel_pid(process.pid)
            .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
        Self { process, handle }
    }

    /// What to poll; readable once the process has ended.
    pub(crate) fn handle(&self) -> Option<BorrowedFd<'_>> {
        self.handle.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn gone(&self) -> bool {
        !self.process.alive()
    }
}

/// Every process number there is.
fn pids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The value of a variable in a process's environment.
pub(crate) fn variable(pid: u32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|b| *b == 0).find_map(|entry| {
        let entry = std::str::from_utf8(entry).ok()?;
        let (key, value) = entry.split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

/// The command line of a process.
pub(crate) fn command_line(pid: u32) -> Vec<String> {
    fs::read(format!("/proc/{pid}/cmdline"))
        .unwrap_or_default()
        .split(|b| *b == 0)
        .filter(|a| !a.is_empty())
        .map(|a| String::from_utf8_lossy(a).into_owned())
        .collect()
}

/// All living processes of this user that carry the session's mark.
pub(crate) fn marked(session: &str) -> Vec<ProcessRecord> {
    let uid = rustix::process::getuid().as_raw();
    pids()
        .filter(|pid| fs::metadata(format!("/proc/{pid}")).is_ok_and(|m| m.uid() == uid))
        .filter(|pid| variable(*pid, MARK).as_deref() == Some(session))
        .filter_map(ProcessRecord::of)
        .filter(|p| p.alive())
        .collect()
}

/// All living descendants of a process.
pub(crate) fn descendants(of: u32) -> Vec<ProcessRecord> {
    let all: Vec<(u32, Stat)> = pids().filter_map(|p| Some((p, stat(p)?))).collect();
    let mut family = BTreeSet::from([of]);
    loop {
        let before = family.len();
        for (pid, stat) in &all {
            if family.contains(&stat.parent) {
                family.insert(*pid);
            }
        }
        if family.len() == before {
            break;
        }
    }
    all.iter()
        .filter(|(pid, stat)| *pid != of && family.contains(pid) && stat.state != 'Z')
        .map(|(pid, stat)| ProcessRecord {
            pid: *pid,
            started: stat.started,
        })
        .collect()
}

/// Takes note of children that have ended, orphans too.
pub(crate) fn reap() -> Vec<(u32, WaitStatus)> {
    let mut ended = Vec::new();
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        ended.push((pid.as_raw_pid().unsigned_abs(), status));
    }
    ended
}

/// How a process ended, in words.
pub(crate) fn describe(status: Option<WaitStatus>) -> String {
    let Some(status) = status else {
        return "exit status unknown, since it was watched by a later supervisor".to_owned();
    };
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "exit status unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let line = format!("7 (a) b (c) S 1 5 5 0{} 987 0", " 0".repeat(14));
        let stat = parse_stat(&line).unwrap();
        assert_eq!((stat.state, stat.parent, stat.group), ('S', 1, 5));
        assert_eq!(stat.started, 987);
        assert!(parse_stat("7 (a").is_none());
    }

    #[test]
    fn a_process_is_known_by_number_and_start() {
        let own = ProcessRecord::own();
        assert!(own.alive());
        let later = ProcessRecord {
            started: own.started + 1,
            ..own
        };
        assert!(!later.alive());
        assert!(!ProcessRecord::default().alive());
    }

    #[test]
    fn children_are_descendants_and_marked() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .env(MARK, "ffffffffffff0001")
            .spawn()
            .unwrap();
        let record = ProcessRecord::of(child.id()).unwrap();
        assert!(descendants(std::process::id()).contains(&record));
        // Between fork and exec the environment is still this process's own.
        while !marked("ffffffffffff0001").contains(&record) {
            std::thread::yield_now();
        }
        record.signal(Signal::KILL);
        child.wait().unwrap();
        assert!(!record.alive());
    }
}
