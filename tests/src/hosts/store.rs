//! A store as a site has one: PostgreSQL with DocumentDB and FerretDB, as services of one host of the bench.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::machine::Host;
use super::run;
use crate::Failure;
use crate::eventually::eventually;

/// Where a host sees the store's files.
const TREE: &str = "/srv/store";
/// How long a store may take to serve, also after it was killed.
const SERVES: Duration = Duration::from_secs(30);

/// Lays an own layer over the store that `cargo xtask hosts` made, if it was made.
pub(super) fn lay(cache: &Path, bench: &Path) -> Result<(), Failure> {
    let tree = cache.join("store");
    if !tree.is_dir() {
        return Ok(());
    }
    let own = bench.join("store");
    let root = folder(bench);
    for part in ["upper", "work", "root"] {
        fs::create_dir_all(own.join(part))?;
    }
    let over = format!(
        "lowerdir={},upperdir={},workdir={}",
        tree.display(),
        own.join("upper").display(),
        own.join("work").display()
    );
    let root = root.display().to_string();
    run("mount", &["-t", "overlay", "-o", &over, "fxbench", &root]).map(drop)
}

/// Where the files are on this machine.
fn folder(bench: &Path) -> std::path::PathBuf {
    bench.join("store/root")
}

/// What a host is booted with so that it sees them.
pub(super) fn bind(bench: &Path) -> Option<String> {
    let folder = folder(bench);
    folder
        .is_dir()
        .then(|| format!("--bind={}:{TREE}", folder.display()))
}

/// The services; they are removed when this is dropped.
#[derive(Debug)]
pub struct Store<'a> {
    host: &'a Host,
    /// The authority of its certificate.
    pub authority: String,
}

fn service(name: &str, user: u32, after: &str, command: &str) -> String {
    format!(
        "[Unit]\nDescription={name} of the bench\n{after}StartLimitIntervalSec=0\n\n[Service]\n\
         Environment=LC_ALL=C.UTF-8\nExecStart=/usr/sbin/chroot --userspec={user}:10001 {TREE} {command}\n\
         Restart=always\nRestartSec=200ms\nKillSignal=SIGINT\n"
    )
}

impl<'a> Store<'a> {
    /// Starts an empty one; `ready` waits for it.
    pub fn start(host: &'a Host) -> Result<Self, Failure> {
        if !host.path(TREE).is_dir() {
            return Err("there is no store: make it with `cargo xtask hosts`".into());
        }
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names = vec![host.name().to_owned(), host.address()];
        let leaf = CertificateParams::new(names)?.signed_by(&key, &ca)?;
        host.write("/etc/store/tls.crt", &leaf.pem())?;
        host.write("/etc/store/tls.key", &key.serialize_pem())?;
        let postgres = "/usr/lib/postgresql/18/bin/postgres -D /data/now -c config_file=/etc/store/postgresql.conf";
        host.write(
            "/etc/systemd/system/store-postgres.service",
            &service("PostgreSQL", 10001, "", postgres),
        )?;
        let ferretdb = "/usr/local/bin/ferretdb --postgresql-url=postgres://ferret@/postgres?host=/run/store \
             --listen-addr=127.0.0.1:27018 --listen-tls=:27017 --listen-tls-cert-file=/tls/tls.crt \
             --listen-tls-key-file=/tls/tls.key --debug-addr=127.0.0.1:8088 --state-dir=/tmp --telemetry=disable --log-level=ERROR";
        host.write(
            "/etc/systemd/system/store-ferretdb.service",
            &service(
                "FerretDB",
                10002,
                "After=store-postgres.service\n",
                ferretdb,
            ),
        )?;
        host.root(&format!(
            "set -e; rm -rf {TREE}/data/now; cp -a {TREE}/data/pg18 {TREE}/data/now; \
             install -o 10002 -m 0400 -t {TREE}/tls /etc/store/tls.crt /etc/store/tls.key; \
             systemctl daemon-reload; systemctl start store-postgres store-ferretdb"
        ))?;
        Ok(Self {
            host,
            authority: ca.pem(),
        })
    }

    /// Its address, with the password.
    pub fn uri(&self) -> String {
        let name = self.host.name();
        format!("mongodb://fastx:store@{name}:27017/?tls=true&authMechanism=SCRAM-SHA-256\n")
    }

    /// Waits until it serves.
    pub async fn ready(&self) -> Result<(), Failure> {
        let ask = "exec 3<>/dev/tcp/127.0.0.1/8088; printf 'GET /debug/readyz HTTP/1.0\\r\\n\\r\\n' >&3; head -c 200 <&3";
        eventually(SERVES, "the store serves", async || {
            let said = self.host.try_root(ask)?.text;
            if said.contains("200 OK") {
                Ok(())
            } else {
                let log = "journalctl -u store-postgres -u store-ferretdb -n 10 --no-pager -o cat";
                Err(Failure::from(format!("{said}\n{}", self.host.root(log)?)))
            }
        })
        .await
    }

    /// Kills every process of it; the service manager starts them anew.
    pub fn kill(&self) -> Result<(), Failure> {
        let all = "systemctl kill --signal=KILL store-postgres store-ferretdb";
        self.host.root(all).map(drop)
    }
}

impl Drop for Store<'_> {
    fn drop(&mut self) {
        // The host may be gone already, and the store with it.
        let _ = self.host.root(
            "systemctl stop store-ferretdb store-postgres; rm -rf /etc/systemd/system/store-*.service /etc/store; systemctl daemon-reload",
        );
    }
}
