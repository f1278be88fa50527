//! A bench of hosts on this machine: each with its own systemd, sshd and network, one home for all, a real bus and a manager.
//!
//! Each host is a container of `systemd-nspawn` over one Debian tree that is made once and kept in the cache.
//! The bench needs root. It is taken down when it is dropped; what a killed run left is removed by the next one.

mod base;
mod machine;
mod network;
pub mod people;
mod store;
mod transporter;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use fastx_core::wire::config::{ClusterPart, NodePart, RoleRules};
use fastx_core::wire::session::SessionRecord;
use fastx_lifecycle::env::{Process as Env, Source as _};
use fastx_manager::store::memory::MemoryStore;
use fastx_manager::testing::{self, Handle};

use crate::Failure;
use crate::eventually::eventually;
pub use machine::{Host, Said};
use people::{Account, PEOPLE};
pub use store::Store;
use transporter::Transporter;

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
        people::homes(&dir)?;
        store::lay(&cache, &dir)?;
        let hosts = (0..names.len())
            .map(|n| Host::prepare(names, n, &tree, &dir))
            .collect::<Result<Vec<Host>, Failure>>()?;
        let bus = transporter.join("manager-1").await?;
        let manager = testing::join_bus(bus, Arc::<MemoryStore>::default()).await;
        for Account { login, .. } in &PEOPLE {
            manager.add_user(login, &people::password(login), &[]);
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
        bench.configure(|_, _| {}).await;
        let package = package()?;
        std::thread::scope(|scope| {
            let installing: Vec<_> = bench
                .hosts
                .iter()
                .map(|host| {
                    let (bench, package) = (&bench, &package);
                    scope.spawn(move || host.install(package).and_then(|_| bench.join(host)))
                })
                .collect();
            installing
                .into_iter()
                .try_for_each(|one| one.join().map_err(|_| Failure::from("it panicked"))?)
        })?;
        for host in &bench.hosts {
            bench.joined(host).await?;
        }
        Ok(bench)
    }

    /// All hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A host.
    pub fn host(&self, n: usize) -> &Host {
        &self.hosts[n]
    }

    /// The folder of the bench.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The steps of `docs/hosts.md` after the package: the node's identity, readable for the service alone, and a restart.
    pub fn join(&self, host: &Host) -> Result<(), Failure> {
        let broker = self.transporter.broker(host.name())?;
        host.write(
            "/etc/fastx/broker.json",
            &serde_json::to_string_pretty(&broker)?,
        )?;
        host.root("chgrp fastx /etc/fastx/broker.json && chmod 0640 /etc/fastx/broker.json && systemctl restart fastx-node")?;
        Ok(())
    }

    /// Puts the configuration in force, changed by `edit`, which is called with the cluster's part and for each host with its own.
    pub async fn configure(&self, edit: impl Fn(&mut ClusterPart, &mut [NodePart])) {
        let mut cluster = ClusterPart {
            schema: 1,
            display_name: "Bench".into(),
            methods: vec!["local".into(), "ssh".into()],
            roles: RoleRules {
                admin_users: vec![people::ADMIN.into()],
                ..RoleRules::default()
            },
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
        let mut parts: Vec<NodePart> = self.hosts.iter().map(part).collect();
        edit(&mut cluster, &mut parts);
        let names = self.hosts.iter().filter_map(|h| h.name().parse().ok());
        self.manager
            .put_config(&cluster, &names.zip(parts).collect())
            .await;
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

fn cache() -> PathBuf {
    let env = Env;
    env.get("FASTX_CACHE").map_or_else(
        || PathBuf::from(env.or("HOME", "/root")).join(".cache/fastx-cluster"),
        PathBuf::from,
    )
}

/// The package that `cargo xtask hosts` made last.
fn package() -> Result<PathBuf, Failure> {
    let folder = Env.get("FASTX_PACKAGES").map(PathBuf::from).or_else(|| {
        // Of a test or of another program below cargo's target folder.
        let program = std::env::current_exe().ok()?;
        let mut folders = program.ancestors().map(|folder| folder.join("package"));
        folders.find(|folder| folder.is_dir())
    });
    let folder = folder.ok_or("there is no package: make it with `cargo xtask hosts`")?;
    let missing = || {
        format!(
            "no package in {}: make it with `cargo xtask hosts`",
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
