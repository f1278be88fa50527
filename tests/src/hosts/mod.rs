//! A bench of hosts on this machine: each with its own systemd, sshd and network, one home for all, a real bus and a manager.
//!
//! Each host is a container of `systemd-nspawn` over one Debian tree that is made once and kept in the cache.
//! The bench needs root. It is taken down when it is dropped; what a killed run left is removed by the next one.

mod base;
mod machine;
mod network;
mod transporter;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use fastx_core::wire::config::{ClusterPart, NodePart};
use fastx_core::wire::session::SessionRecord;
use fastx_lifecycle::env::{Process as Env, Source as _};
use fastx_manager::store::memory::MemoryStore;
use fastx_manager::testing::{self, Handle};

use crate::Failure;
use crate::eventually::eventually;
pub use machine::{Host, Said};
use transporter::Transporter;

/// People of the hosts: name, uid, whether `/etc/passwd` has a line of theirs. All passwords are `pw-` and the name.
pub const PEOPLE: &[(&str, u32, bool)] = &[
    ("ada", 2001, true),
    ("bob", 2002, true),
    ("cyd", 2003, false),
];

/// How long a node may take to be known to the cluster.
const JOIN: Duration = Duration::from_secs(40);

/// The bench.
pub struct Bench {
    hosts: Vec<Host>,
    /// The cluster's manager.
    pub manager: Handle,
    transporter: Transporter,
    dir: PathBuf,
    /// One bench at a time.
    _lock: fs::File,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench")
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// Runs a program to its end; what it printed, or why not.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let done = Command::new(program).args(arguments).output();
    let done =
        done.map_err(|e| format!("{program}: {e}; `tests/tools.sh` installs what is missing"))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!(
        "{program} {}: {}: {}",
        arguments.join(" "),
        done.status,
        said.trim()
    )
    .into())
}

impl Bench {
    /// Boots hosts of these names, with the package of this tree installed and started on each.
    pub async fn up(names: &[&str]) -> Result<Self, Failure> {
        let cache = cache().join("hosts");
        fs::create_dir_all(&cache)?;
        let lock = fs::File::create(cache.join("lock"))?;
        lock.lock()?;
        let tree = base::prepare(&cache)?;
        let dir = cache.join("run");
        clear(&dir)?;
        fs::create_dir_all(&dir)?;
        network::up()?;
        let transporter = Transporter::start(&dir).await?;
        people(&dir)?;
        let hosts = names
            .iter()
            .enumerate()
            .map(|(n, name)| Host::prepare(name, n, &tree, &dir))
            .collect::<Result<Vec<Host>, Failure>>()?;
        let bus = transporter.join("manager-1").await?;
        let manager = testing::join_bus(bus, Arc::<MemoryStore>::default()).await;
        for (login, _, _) in PEOPLE {
            manager.add_user(login, &format!("pw-{login}"), &[]);
        }
        let bench = Self {
            hosts,
            manager,
            transporter,
            dir,
            _lock: lock,
        };
        for host in &bench.hosts {
            host.boot()?;
        }
        for host in &bench.hosts {
            host.booted().await?;
        }
        bench.configure().await;
        for host in &bench.hosts {
            bench.install(host)?;
        }
        for host in &bench.hosts {
            bench.joined(host).await?;
        }
        Ok(bench)
    }

    /// A host.
    pub fn host(&self, n: usize) -> &Host {
        &self.hosts[n]
    }

    /// The folder of the bench.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The steps of `docs/hosts.md`: the package, the node's identity, readable for the service alone, and a restart.
    fn install(&self, host: &Host) -> Result<(), Failure> {
        host.install(&package()?)?;
        let broker = self.transporter.broker(host.name())?;
        host.write(
            "/etc/fastx/broker.json",
            &serde_json::to_string_pretty(&broker)?,
        )?;
        host.root("chgrp fastx /etc/fastx/broker.json && chmod 0640 /etc/fastx/broker.json && systemctl restart fastx-node")?;
        Ok(())
    }

    async fn configure(&self) {
        let cluster = ClusterPart {
            schema: 1,
            display_name: "Bench".into(),
            methods: vec!["local".into()],
            offline_grace_seconds: 3600,
            ..ClusterPart::default()
        };
        let part = |host: &Host| NodePart {
            schema: 1,
            hostname: host.name().to_owned(),
            urls: vec![host.url()],
            peer_urls: vec![host.url()],
            start_sessions: true,
            logins: true,
            direct_connections: true,
            ..NodePart::default()
        };
        let nodes = self
            .hosts
            .iter()
            .filter_map(|h| Some((h.name().parse().ok()?, part(h))));
        self.manager.put_config(&cluster, &nodes.collect()).await;
    }

    /// Waits until a host's node is ready.
    pub async fn joined(&self, host: &Host) -> Result<(), Failure> {
        let what = format!("the node of {} is ready", host.name());
        eventually(JOIN, &what, async || {
            let ready = host.root("exec 3<>/dev/tcp/127.0.0.1/9300; printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3; head -c 400 <&3")?;
            if ready.contains("200 OK") { Ok(()) } else { Err(Failure::from(ready)) }
        })
        .await
        .map_err(|e| {
            let log = host.root("journalctl -u fastx-node -n 30 --no-pager -o cat").unwrap_or_default();
            format!("{e}\n{log}").into()
        })
    }

    /// The X server of a session, if it runs.
    pub fn display(&self, session: &SessionRecord) -> Result<crate::processes::Process, Failure> {
        let host = self
            .hosts
            .iter()
            .find(|h| h.name() == session.server_id.as_str());
        let host = host.ok_or("the session is on no host of this bench")?;
        host.process(&["Xvnc", &session.id.as_str()[..8]])
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.hosts.clear();
        let _ = clear(&self.dir);
        network::down();
    }
}

/// Ends whatever of an earlier bench is left, and removes its folder.
fn clear(dir: &Path) -> Result<(), Failure> {
    machine::end_all(dir)?;
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}

/// Homes that all hosts share, and the key that opens every account.
fn people(dir: &Path) -> Result<(), Failure> {
    let key = dir.join("key");
    run(
        "ssh-keygen",
        &[
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-f",
            &key.display().to_string(),
        ],
    )?;
    let public = fs::read(key.with_extension("pub"))?;
    for (login, uid, _) in PEOPLE {
        let home = dir.join("home").join(login);
        let ssh = home.join(".ssh");
        fs::create_dir_all(&ssh)?;
        fs::write(ssh.join("authorized_keys"), &public)?;
        for path in [&home, &ssh] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
        run(
            "chown",
            &["-R", &format!("{uid}:{uid}"), &home.display().to_string()],
        )?;
    }
    Ok(())
}

fn cache() -> PathBuf {
    let env = Env;
    env.get("FASTX_CACHE").map_or_else(
        || PathBuf::from(env.or("HOME", "/root")).join(".cache/fastx-cluster"),
        PathBuf::from,
    )
}

/// The package that `cargo xtask package --debug` made last.
fn package() -> Result<PathBuf, Failure> {
    let folder = Env.get("FASTX_PACKAGES").map(PathBuf::from).or_else(|| {
        let test = std::env::current_exe().ok()?;
        Some(test.parent()?.parent()?.parent()?.join("package"))
    });
    let folder = folder.ok_or("cargo's target folder is not known")?;
    let missing = || {
        format!(
            "no package in {}: make it with `cargo xtask package --debug`",
            folder.display()
        )
    };
    let mut found: Vec<PathBuf> = fs::read_dir(&folder)
        .map_err(|_| missing())?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "deb"))
        .collect();
    found.sort_by_key(|path| fs::metadata(path).and_then(|m| m.modified()).ok());
    found.pop().ok_or_else(|| missing().into())
}
