//! Starts a user's link on a host without a password, where the administrator lets it: by the template unit, or by sudo.
//!
//! Logins without a process of the user (OIDC, local, tokens) have no other way than this or one SSH login.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::locks::lock;

/// How long one way may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a way that failed is not tried again for the same user.
const PAUSE: Duration = Duration::from_secs(5);
/// Starts at once; the service manager takes them one after the other anyhow.
const AT_ONCE: usize = 8;
/// Users whose last failure is remembered.
const REMEMBERED: usize = 1000;

/// Who may get a link without a password, `FX_PASSWORDLESS_LINKS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Passwordless {
    /// Nobody: the first start of each user asks for an SSH login to this host.
    Disable,
    /// Whoever is signed in at this server.
    #[default]
    Enable,
    /// Whoever is signed in at any server of the cluster.
    Advertise,
}

impl std::str::FromStr for Passwordless {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "Disable" => Ok(Self::Disable),
            "Enable" => Ok(Self::Enable),
            "Advertise" => Ok(Self::Advertise),
            _ => Err(format!(
                "must be `Disable`, `Enable` or `Advertise`, not `{text}`"
            )),
        }
    }
}

/// The programs that start a link.
#[derive(Debug, Clone)]
pub struct Ways {
    /// `systemctl`.
    pub systemctl: PathBuf,
    /// `sudo`.
    pub sudo: PathBuf,
    /// Exists where systemd runs the host.
    pub systemd: PathBuf,
    /// How long each way may take.
    pub limit: Duration,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            systemctl: PathBuf::from("/usr/bin/systemctl"),
            sudo: PathBuf::from("/usr/bin/sudo"),
            systemd: PathBuf::from("/run/systemd/system"),
            limit: LIMIT,
        }
    }
}

/// Why a link was not started, one line for each way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct NoWay(pub Vec<String>);

#[derive(Debug)]
struct Inner {
    mode: Passwordless,
    ways: Ways,
    turns: Semaphore,
    failed: Mutex<HashMap<u32, (NoWay, Instant)>>,
}

/// Starts links; clones share it.
#[derive(Debug, Clone)]
pub struct Launcher {
    inner: Arc<Inner>,
}

impl Launcher {
    /// Starts links in these ways, for these users.
    pub fn new(mode: Passwordless, ways: Ways) -> Self {
        Self {
            inner: Arc::new(Inner {
                mode,
                ways,
                turns: Semaphore::new(AT_ONCE),
                failed: Mutex::default(),
            }),
        }
    }

    /// Starts the link of a user who was admitted; `here` says whether the login was issued by this server.
    ///
    /// Success means that it was started, not that it has joined.
    pub async fn start(&self, uid: u32, here: bool) -> Result<(), NoWay> {
        let inner = &self.inner;
        match inner.mode {
            Passwordless::Disable => {
                return Err(no("links without a password are switched off here"));
            }
            Passwordless::Enable if !here => {
                return Err(no(
                    "links without a password are only for logins of this server",
                ));
            }
            Passwordless::Enable | Passwordless::Advertise => {}
        }
        let now = Instant::now();
        if let Some((why, at)) = lock(&inner.failed).get(&uid)
            && now.duration_since(*at) < PAUSE
        {
            return Err(why.clone());
        }
        let done = self.try_all(uid).await;
        let mut failed = lock(&inner.failed);
        if failed.len() >= REMEMBERED {
            failed.retain(|_, (_, at)| now.duration_since(*at) < PAUSE);
        }
        match &done {
            Ok(()) => drop(failed.remove(&uid)),
            Err(why) => drop(failed.insert(uid, (why.clone(), now))),
        }
        done
    }

    async fn try_all(&self, uid: u32) -> Result<(), NoWay> {
        let ways = &self.inner.ways;
        if !ways.systemd.is_dir() {
            return Err(no("systemd does not run this host"));
        }
        let Ok(_turn) = timeout(ways.limit, self.inner.turns.acquire()).await else {
            return Err(no("too many links are being started"));
        };
        let unit = format!("fastx-link@{uid}.service");
        let mut asked = Command::new(&ways.systemctl);
        asked.args(["--no-ask-password", "start", &unit]);
        let mut sudo = Command::new(&ways.sudo);
        sudo.arg("-n")
            .arg(&ways.systemctl)
            .args(["--no-ask-password", "start", &unit]);
        let mut reasons = Vec::new();
        for (name, command) in [("polkit", asked), ("sudo", sudo)] {
            match self.run(command).await {
                Ok(()) => {
                    tracing::info!(uid, way = name, "a link was started without a password");
                    return Ok(());
                }
                Err(why) => reasons.push(format!("{name}: {why}")),
            }
        }
        let why = NoWay(reasons);
        tracing::info!(uid, %why, "no link without a password");
        Err(why)
    }

    async fn run(&self, mut command: Command) -> Result<(), String> {
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let answer = async {
            let mut child = command.spawn()?;
            let mut said = Vec::new();
            if let Some(stderr) = child.stderr.take() {
                stderr.take(2048).read_to_end(&mut said).await?;
            }
            Ok::<_, std::io::Error>((child.wait().await?.success(), said))
        };
        match timeout(self.inner.ways.limit, answer).await {
            Ok(Ok((true, _))) => Ok(()),
            Ok(Ok((false, said))) => Err(first_line(&said)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!(
                "no answer within {} s",
                self.inner.ways.limit.as_secs()
            )),
        }
    }
}

/// The command line that starts the link from within an SSH login of the user; it returns once the node is reached.
pub fn over_ssh(program: &Path, dir: &Path) -> String {
    let quoted = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"));
    format!("{} run --detach --dir {}", quoted(program), quoted(dir))
}

fn no(why: &str) -> NoWay {
    NoWay(vec![why.to_owned()])
}

fn first_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let line = text.lines().map(str::trim).find(|l| !l.is_empty());
    line.unwrap_or("it failed and said nothing").to_owned()
}
