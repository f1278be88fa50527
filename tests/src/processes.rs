//! Processes of pods as this machine sees them: found by their cgroup, named by pid and start time.
//!
//! A kill comes from the Kubernetes node's side: PID 1 of a container ignores one from inside.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::Failure;

/// Memory of a process, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// All that is in memory of it.
    pub resident: u64,
    /// What it shares with others counted in part.
    pub own: u64,
}

/// A process that cannot be mistaken for a later one with the same pid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Process id on this machine.
    pub pid: u32,
    /// Start time, clock ticks since boot.
    pub started: u64,
    /// Command line, parts joined by spaces.
    pub command: String,
}

impl Process {
    /// Whether it still runs.
    pub fn lives(&self) -> bool {
        read(self.pid).is_some_and(|now| now.started == self.started)
    }

    /// Ends it the hard way.
    pub fn kill(&self) -> Result<(), Failure> {
        self.signal("KILL")
    }

    /// Keeps it from doing anything until it is ended.
    pub fn stop(&self) -> Result<(), Failure> {
        self.signal("STOP")
    }

    /// A path of its own file system, as this machine reaches it.
    pub fn path(&self, path: &Path) -> PathBuf {
        let root = Path::new("/proc").join(self.pid.to_string()).join("root");
        root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Pid of the process that started it, or that looks after it since then.
    pub fn parent(&self) -> Result<u32, Failure> {
        let file = format!("/proc/{}/stat", self.pid);
        let stat = std::fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
        let field = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1));
        Ok(field
            .ok_or_else(|| format!("{file} has no parent"))?
            .parse()?)
    }

    /// How much memory it takes.
    pub fn memory(&self) -> Result<Memory, Failure> {
        let file = format!("/proc/{}/smaps_rollup", self.pid);
        let text = std::fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
        let field = |name: &str| -> Result<u64, Failure> {
            let line = text.lines().find_map(|l| l.strip_prefix(name));
            let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
            Ok(kib.ok_or_else(|| format!("{file} has no {name}"))? * 1024)
        };
        Ok(Memory {
            resident: field("Rss:")?,
            own: field("Pss:")?,
        })
    }

    fn signal(&self, name: &str) -> Result<(), Failure> {
        if !self.lives() {
            return Err(format!("{} is gone already", self.command).into());
        }
        let status = std::process::Command::new("kill")
            .args([&format!("-{name}"), &self.pid.to_string()])
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("kill ended with {status}").into())
        }
    }
}

/// The processes of a pod whose command line contains `pattern`.
pub fn of_pod(pod_uid: &str, pattern: &str) -> Result<Vec<Process>, Failure> {
    // With the systemd driver the uid is written with underscores.
    let other = pod_uid.replace('-', "_");
    matching(
        |folder| {
            let cgroup = cgroups(folder);
            cgroup.contains(pod_uid) || cgroup.contains(&other)
        },
        pattern,
    )
}

/// The processes in a cgroup or below it whose command line contains `pattern`.
pub fn of_cgroup(cgroup: &str, pattern: &str) -> Result<Vec<Process>, Failure> {
    let below = format!("{}/", cgroup.trim_end_matches('/'));
    matching(|folder| cgroups(folder).contains(&below), pattern)
}

/// The processes that run with this uid and whose command line contains `pattern`.
pub fn of_user(uid: u32, pattern: &str) -> Result<Vec<Process>, Failure> {
    matching(
        |folder| folder.metadata().is_ok_and(|about| about.uid() == uid),
        pattern,
    )
}

/// The cgroups of a process by its folder in `/proc`; nothing of one that is gone.
fn cgroups(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("cgroup")).unwrap_or_default()
}

fn matching(fits: impl Fn(&Path) -> bool, pattern: &str) -> Result<Vec<Process>, Failure> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|n| n.parse::<u32>().ok())
        else {
            continue;
        };
        if !fits(&Path::new("/proc").join(pid.to_string())) {
            continue;
        }
        if let Some(process) = read(pid)
            && process.command.contains(pattern)
        {
            found.push(process);
        }
    }
    found.sort_by_key(|p| (p.started, p.pid));
    Ok(found)
}

/// The first process of a pod whose command line contains all of `patterns`.
pub fn one_of_pod(pod_uid: &str, patterns: &[&str]) -> Result<Process, Failure> {
    let all = of_pod(pod_uid, "")?;
    let fits = |p: &&Process| patterns.iter().all(|pattern| p.command.contains(pattern));
    all.iter().find(fits).cloned().ok_or_else(|| {
        let seen: Vec<&str> = all.iter().map(|p| p.command.as_str()).collect();
        format!("no process with {patterns:?} in pod {pod_uid}; there are {seen:?}").into()
    })
}

fn read(pid: u32) -> Option<Process> {
    let folder = Path::new("/proc").join(pid.to_string());
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    // The name in parentheses may hold anything; fields are counted after the last one.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    let command = std::fs::read(folder.join("cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command)
        .replace('\0', " ")
        .trim()
        .to_owned();
    Some(Process {
        pid,
        started: fields.get(19)?.parse().ok()?,
        command,
    })
}
