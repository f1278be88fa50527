//! One host of the bench: a container with systemd as its first process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{network, people, run, store};
use crate::Failure;
use crate::eventually::eventually;
use crate::processes::{self, Process};

/// All cgroups of the bench lie below this one.
const CGROUP: &str = "fxbench";
/// How long a host may take to boot on a busy machine.
const BOOT: Duration = Duration::from_mins(1);

/// A host.
#[derive(Debug)]
pub struct Host {
    name: String,
    n: usize,
    dir: PathBuf,
    bench: PathBuf,
    /// What runs the container.
    child: Mutex<Option<Child>>,
}

/// What a command on a host came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Whether it succeeded.
    pub ok: bool,
    /// Everything that it printed.
    pub text: String,
}

impl Host {
    /// Lays its files over the tree and makes its network.
    pub(super) fn prepare(
        hosts: &[&str],
        n: usize,
        tree: &Path,
        bench: &Path,
    ) -> Result<Self, Failure> {
        let name = hosts[n];
        let dir = bench.join(name);
        for part in ["upper", "work", "root"] {
            fs::create_dir_all(dir.join(part))?;
        }
        let over = format!(
            "lowerdir={},upperdir={},workdir={}",
            tree.display(),
            dir.join("upper").display(),
            dir.join("work").display()
        );
        run(
            "mount",
            &[
                "-t",
                "overlay",
                "-o",
                &over,
                "fxbench",
                &dir.join("root").display().to_string(),
            ],
        )?;
        network::join(name, n)?;
        let host = Self {
            name: name.to_owned(),
            n,
            dir,
            bench: bench.to_owned(),
            child: Mutex::default(),
        };
        host.settle(hosts)?;
        Ok(host)
    }

    /// Name, neighbours and users.
    fn settle(&self, hosts: &[&str]) -> Result<(), Failure> {
        self.write("/etc/hostname", &format!("{}\n", self.name))?;
        let names = hosts.iter().enumerate();
        let lines = names.map(|(n, name)| format!("{} {name}\n", network::of(n)));
        let known = format!("127.0.0.1 localhost\n{}", lines.collect::<String>());
        self.write("/etc/hosts", &known)?;
        people::introduce(self)
    }

    /// Its name, which is the serverId, too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    pub fn address(&self) -> String {
        network::of(self.n)
    }

    /// Where its web client is.
    pub fn url(&self) -> String {
        format!("https://{}:3300", self.address())
    }

    /// A file of the host, as this machine reaches it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.join("root").join(path.trim_start_matches('/'))
    }

    /// Reads a file of the host.
    pub fn read(&self, path: &str) -> Result<String, Failure> {
        Ok(fs::read_to_string(self.path(path))?)
    }

    /// Writes a file of the host.
    pub fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        let path = self.path(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(path, text)?)
    }

    /// Boots it; returns before it is up.
    pub fn boot(&self) -> Result<(), Failure> {
        let log = fs::File::create(self.dir.join("console"))?;
        let mut enter = String::new();
        for folder in cgroups(&self.name) {
            fs::create_dir_all(&folder)?;
            enter += &[
                "echo $$ > '",
                &folder.display().to_string(),
                "/cgroup.procs'\n",
            ]
            .concat();
        }
        // The shell enters the cgroup and becomes the container's manager there.
        let script = format!("{enter}exec setsid systemd-nspawn \"$@\"");
        let child = Command::new("/bin/sh")
            .args([
                "-ec",
                &script,
                "sh",
                "--quiet",
                "--boot",
                "--register=no",
                "--keep-unit",
            ])
            .args([
                "--resolv-conf=off",
                "--timezone=off",
                "--link-journal=no",
                "--console=pipe",
            ])
            .arg(format!("--directory={}", self.dir.join("root").display()))
            .arg(format!(
                "--network-namespace-path=/run/netns/{}",
                network::namespace(&self.name)
            ))
            .arg(format!("--hostname={}", self.name))
            .arg(format!(
                "--bind={}:/home",
                self.bench.join("home").display()
            ))
            .args(store::bind(&self.bench))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        Ok(())
    }

    /// Waits until it is up.
    pub async fn booted(&self) -> Result<(), Failure> {
        let what = format!("{} has booted", self.name);
        let up = eventually(BOOT, &what, async || {
            let said = self.try_root("systemctl is-system-running; test -S /run/dbus/system_bus_socket && (exec 3<>/dev/tcp/127.0.0.1/22)")?;
            let state = said.text.lines().next().unwrap_or_default().to_owned();
            match state.as_str() {
                "running" | "degraded" if said.ok => Ok(()),
                _ => Err(Failure::from(said.text)),
            }
        });
        let console = || fs::read_to_string(self.dir.join("console")).unwrap_or_default();
        up.await
            .map_err(|e| format!("{e}; console: {}", console()).into())
    }

    /// Takes the power away.
    pub async fn power_off(&self) -> Result<(), Failure> {
        end(&self.name)?;
        let child = self
            .child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut child) = child {
            child.wait()?;
        }
        eventually(
            Duration::from_secs(20),
            "the host is gone",
            async || match processes::of_cgroup(&cgroup(&self.name), "")?.len() {
                0 => Ok(()),
                n => Err(Failure::from(format!("{n} processes are left"))),
            },
        )
        .await
    }

    /// Drops everything that it sends and gets, or no longer.
    pub fn cut(&self, cut: bool) -> Result<(), Failure> {
        network::cut(&self.name, cut)
    }

    /// Its first process, as this machine numbers it.
    fn first(&self) -> Result<u32, Failure> {
        let all = processes::of_cgroup(&cgroup(&self.name), "")?;
        let first = all.iter().find(|p| p.command.contains("systemd-nspawn"));
        let manager = first
            .ok_or_else(|| format!("{} does not run", self.name))?
            .pid;
        let children = fs::read_to_string(format!("/proc/{manager}/task/{manager}/children"))?;
        let child = children.split_whitespace().next();
        Ok(child
            .ok_or_else(|| format!("{} has not started yet", self.name))?
            .parse()?)
    }

    /// Runs a shell command as root within; the outcome, whatever it is.
    pub fn try_root(&self, command: &str) -> Result<Said, Failure> {
        let first = self.first()?.to_string();
        let done = Command::new("nsenter")
            .args([
                "-t",
                &first,
                "-m",
                "-u",
                "-i",
                "-n",
                "-p",
                "-C",
                "--",
                "/usr/bin/env",
                "-i",
            ])
            .args([
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME=/root",
                "LC_ALL=C",
                "/bin/bash",
                "-c",
                command,
            ])
            .stdin(Stdio::null())
            .output()?;
        Ok(said(&done))
    }

    /// Runs a shell command as root within.
    pub fn root(&self, command: &str) -> Result<String, Failure> {
        succeeded(&self.name, command, self.try_root(command)?)
    }

    /// Runs a shell command over SSH as a user; the outcome, whatever it is.
    pub fn try_ssh(&self, login: &str, command: &str) -> Result<Said, Failure> {
        let key = self.bench.join("key").display().to_string();
        let done = Command::new("ssh")
            .args([
                "-F",
                "none",
                "-i",
                &key,
                "-o",
                "BatchMode=yes",
                "-o",
                "StrictHostKeyChecking=no",
            ])
            .args([
                "-o",
                "UserKnownHostsFile=/dev/null",
                "-o",
                "LogLevel=ERROR",
                "-o",
                "ConnectTimeout=20",
            ])
            .arg(format!("{login}@{}", self.address()))
            .arg(command)
            .stdin(Stdio::null())
            .output()?;
        Ok(said(&done))
    }

    /// Runs a shell command over SSH as a user.
    pub fn ssh(&self, login: &str, command: &str) -> Result<String, Failure> {
        succeeded(&self.name, command, self.try_ssh(login, command)?)
    }

    /// Installs a package with dpkg.
    pub fn install(&self, package: &Path) -> Result<String, Failure> {
        fs::copy(package, self.path("/var/tmp/package.deb"))?;
        self.root("DEBIAN_FRONTEND=noninteractive dpkg -i /var/tmp/package.deb 2>&1")
    }

    /// The package that was installed last.
    pub fn package(&self) -> PathBuf {
        self.path("/var/tmp/package.deb")
    }

    /// All processes of this host.
    pub fn processes(&self) -> Result<Vec<Process>, Failure> {
        processes::of_cgroup(&format!("{}/payload", cgroup(&self.name)), "")
    }

    /// The one process of this host whose command line contains all of these.
    pub fn process(&self, patterns: &[&str]) -> Result<Process, Failure> {
        let all = processes::of_cgroup(&cgroup(&self.name), "")?;
        let fits = |p: &&Process| patterns.iter().all(|pattern| p.command.contains(pattern));
        let found: Vec<&Process> = all.iter().filter(fits).collect();
        match found[..] {
            [one] => Ok(one.clone()),
            _ => Err(format!(
                "{} processes with {patterns:?} on {}: {found:?}",
                found.len(),
                self.name
            )
            .into()),
        }
    }

    /// The systemd cgroup of a process, as the host sees it.
    pub fn cgroup_of(&self, process: &Process) -> Result<String, Failure> {
        let text = fs::read_to_string(format!("/proc/{}/cgroup", process.pid))?;
        let prefix = format!("{}/payload", cgroup(&self.name));
        let line = text
            .lines()
            .find_map(|l| l.split_once(&prefix).map(|(_, rest)| rest.to_owned()));
        line.ok_or_else(|| format!("no cgroup of {} in {text}", self.name).into())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = child.take() {
            let _ = end(&self.name);
            let _ = child.wait();
        }
    }
}

fn said(done: &std::process::Output) -> Said {
    let text = [&done.stdout[..], &done.stderr[..]].concat();
    Said {
        ok: done.status.success(),
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}

fn succeeded(host: &str, command: &str, said: Said) -> Result<String, Failure> {
    if said.ok {
        Ok(said.text)
    } else {
        Err(format!("on {host}: {command}: {}", said.text.trim()).into())
    }
}

/// The cgroup of a host, without the hierarchy.
fn cgroup(name: &str) -> String {
    format!("/{CGROUP}/{name}")
}

/// The folders of a host's cgroup in the hierarchies that systemd uses: one, or two on machines with both versions.
fn cgroups(name: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let own = |hierarchy: &Path| hierarchy.join(CGROUP).join(name);
    let hybrid: Vec<PathBuf> = ["systemd", "unified"]
        .map(|part| root.join(part))
        .into_iter()
        .filter(|part| part.is_dir())
        .map(|part| own(&part))
        .collect();
    if hybrid.is_empty() {
        vec![own(root)]
    } else {
        hybrid
    }
}

/// Kills every process of a host.
fn end(name: &str) -> Result<(), Failure> {
    let prefix = cgroup(name);
    for process in processes::of_cgroup(&prefix, "systemd-nspawn")?
        .iter()
        .chain(&processes::of_cgroup(&prefix, "")?)
    {
        // Gone with its container already, most of the time.
        let _ = process.kill();
    }
    Ok(())
}

/// Ends all hosts of an earlier run and unmounts their trees.
pub(super) fn end_all(bench: &Path) -> Result<(), Failure> {
    for _ in 0..100 {
        let left = processes::of_cgroup(&format!("/{CGROUP}/"), "")?;
        if left.is_empty() {
            break;
        }
        for process in &left {
            let _ = process.kill();
        }
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let below = bench.display().to_string();
    for mount in mounts.lines().filter_map(|l| l.split(' ').nth(1)) {
        if mount.starts_with(&below) {
            run("umount", &["-l", mount])?;
        }
    }
    let names = cgroups("")
        .into_iter()
        .filter_map(|folder| folder.parent().map(Path::to_owned));
    for folder in names {
        remove_cgroups(&folder.join(CGROUP));
    }
    Ok(())
}

fn remove_cgroups(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_cgroups(&entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
}
