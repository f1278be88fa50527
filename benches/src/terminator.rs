//! The peer of our ways to a display: HAProxy from Debian in the network of the same pod, ending TLS before the socket.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::processes::Process;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Port of TLS to the socket.
pub(crate) const ONE: u16 = 13_301;
/// Port of TLS to TLS to the socket.
pub(crate) const TWO: u16 = 13_302;
const PACKAGE: &str = "haproxy";

/// A running HAProxy.
#[derive(Debug)]
pub(crate) struct Terminator {
    child: Child,
    _folder: TempDir,
}

impl Terminator {
    /// Starts it before a display's socket, which is named as this machine sees it.
    pub(crate) async fn start(inside: &Process, socket: &Path) -> Result<Self, Failure> {
        install().await?;
        let folder = tempfile::tempdir()?;
        let certificate = certificate(folder.path()).await?;
        let config = folder.path().join("haproxy.cfg");
        std::fs::write(
            &config,
            configuration(&certificate, &socket.to_string_lossy()),
        )?;
        let child = Command::new("nsenter")
            .args(["--target", &inside.pid.to_string(), "--net", "--"])
            .args([PACKAGE, "-db", "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let listening = format!("/proc/{}/net/tcp", inside.pid);
        let wanted = format!(":{TWO:04X} ");
        eventually(Duration::from_secs(10), "HAProxy listens", async || {
            let text = std::fs::read_to_string(&listening)?;
            let there = text.contains(&wanted);
            there.then_some(()).ok_or_else(|| Failure::from("not yet"))
        })
        .await?;
        Ok(Self {
            child,
            _folder: folder,
        })
    }

    /// Ends it.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }
}

fn configuration(certificate: &str, socket: &str) -> String {
    format!(
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         frontend one\n  bind :{ONE} ssl crt {certificate}\n  default_backend display\n\
         backend display\n  server display {socket}\n\
         frontend two\n  bind :{TWO} ssl crt {certificate}\n  default_backend hop\n\
         backend hop\n  server hop 127.0.0.1:{ONE} ssl verify none\n"
    )
}

/// A certificate with its key in one file, of the kind that ours is.
async fn certificate(folder: &Path) -> Result<String, Failure> {
    let (key, cert) = (folder.join("key.pem"), folder.join("cert.pem"));
    let mut openssl = Command::new("openssl");
    openssl
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "1"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", "/CN=bench", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&cert);
    succeed(&mut openssl).await?;
    let both = folder.join("both.pem");
    let text = std::fs::read_to_string(&cert)? + &std::fs::read_to_string(&key)?;
    std::fs::write(&both, text)?;
    Ok(both.to_string_lossy().into_owned())
}

async fn install() -> Result<(), Failure> {
    if Command::new(PACKAGE).arg("-v").output().await.is_ok() {
        return Ok(());
    }
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--yes", "--no-install-recommends", PACKAGE])
        .env("DEBIAN_FRONTEND", "noninteractive")
        // The package would start a service of its own.
        .env("RUNLEVEL", "1");
    succeed(&mut apt)
        .await
        .map_err(|error| format!("{error}; install it with: sudo apt-get install {PACKAGE}").into())
}

async fn succeed(command: &mut Command) -> Result<(), Failure> {
    let done = command.stdin(Stdio::null()).output().await?;
    if done.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&done.stderr).into_owned().into())
    }
}
