//! Linux users of this host as its name service knows them: SSSD and LDAP users have no line in `/etc/passwd`.
//!
//! Who somebody is never comes from what a process of theirs prints, such as a shell with its start files.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastx_core::names::LoginName;
use fastx_core::wire::problem::Problem;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// How long an answer counts.
const FRESH: Duration = Duration::from_mins(1);
/// Most users that are remembered.
const LIMIT: usize = 1000;
/// Longest answer of the name service that is read: a user of thousands of groups fits.
const MAX_OUTPUT: u64 = 256 * 1024;
/// Questions at once: a name service that hangs must not gather processes.
const AT_ONCE: usize = 4;

/// A Linux user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name, spelled as the name service spells it.
    pub login: LoginName,
    /// User id.
    pub uid: u32,
    /// First group.
    pub gid: u32,
    /// Names of all groups; a group without a name is left out.
    pub groups: Vec<String>,
    /// Home folder.
    pub home: PathBuf,
    /// Login shell.
    pub shell: PathBuf,
}

/// Why a user could not be looked up. That there is no such user is an answer and not an error.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The program could not be run.
    #[error("`{program}` cannot be run")]
    Run {
        /// Which one.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// No answer in time.
    #[error("`{program}` did not answer within {} s: check nsswitch.conf and the service behind it", .limit.as_secs())]
    Slow {
        /// Which program.
        program: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// An answer of another form.
    #[error("`{program}` gave an answer that cannot be read")]
    Unreadable {
        /// Which program.
        program: String,
    },
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        tracing::warn!(error = %fastx_lifecycle::telemetry::chain(&error), "a user could not be looked up");
        Self::unavailable(
            "no-name-service",
            "The name service of the server does not say who you are.",
        )
    }
}

/// The programs that ask the name service.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `getent`.
    pub getent: PathBuf,
    /// `id`.
    pub id: PathBuf,
    /// How long each may take.
    pub limit: Duration,
}

impl Default for Programs {
    fn default() -> Self {
        Self {
            getent: PathBuf::from("/usr/bin/getent"),
            id: PathBuf::from("/usr/bin/id"),
            limit: Duration::from_secs(3),
        }
    }
}

#[derive(Debug)]
struct Inner {
    programs: Programs,
    turns: Semaphore,
    known: Mutex<HashMap<LoginName, (Account, Instant)>>,
}

/// The name service; clones share what they know.
#[derive(Debug, Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

impl Default for Accounts {
    fn default() -> Self {
        Self::new(Programs::default())
    }
}

impl Accounts {
    /// Asks with these programs.
    pub fn new(programs: Programs) -> Self {
        Self {
            inner: Arc::new(Inner {
                programs,
                turns: Semaphore::new(AT_ONCE),
                known: Mutex::default(),
            }),
        }
    }

    /// The user of that name; `None` when there is none. Answers are remembered for a minute.
    pub async fn account(&self, login: &LoginName) -> Result<Option<Account>, AccountError> {
        let now = Instant::now();
        if let Some((account, asked)) = crate::locks::lock(&self.inner.known).get(login)
            && now.duration_since(*asked) < FRESH
        {
            return Ok(Some(account.clone()));
        }
        let found = self.look_up(login).await?;
        let mut known = crate::locks::lock(&self.inner.known);
        match &found {
            Some(account) => {
                if known.len() >= LIMIT {
                    known.retain(|_, (_, asked)| now.duration_since(*asked) < FRESH);
                }
                if known.len() >= LIMIT {
                    known.clear();
                }
                known.insert(login.clone(), (account.clone(), now));
            }
            // Somebody who is looked for before being added is found as soon as they are there.
            None => drop(known.remove(login)),
        }
        Ok(found)
    }

    async fn look_up(&self, login: &LoginName) -> Result<Option<Account>, AccountError> {
        if is_number(login.as_str()) {
            return Ok(None);
        }
        let programs = &self.inner.programs;
        let Some(line) = self
            .ask(&programs.getent, &["passwd", login.as_str()])
            .await?
        else {
            return Ok(None);
        };
        let unreadable = |program: &PathBuf| AccountError::Unreadable {
            program: program.display().to_string(),
        };
        let mut account = parse(&line).ok_or_else(|| unreadable(&programs.getent))?;
        let groups = self
            .ask(&programs.id, &["-Gnz", account.login.as_str()])
            .await?
            .ok_or_else(|| unreadable(&programs.id))?;
        account.groups = groups
            .split('\0')
            .filter(|name| !name.is_empty() && !is_number(name))
            .map(str::to_owned)
            .collect();
        Ok(Some(account))
    }

    /// What a program prints; none when it prints nothing, which is how both say that there is no such user.
    async fn ask(&self, program: &PathBuf, words: &[&str]) -> Result<Option<String>, AccountError> {
        let name = || program.display().to_string();
        let limit = self.inner.programs.limit;
        let answer = async {
            let _turn = self.inner.turns.acquire().await;
            let mut child = Command::new(program)
                .args(words)
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .env("LC_ALL", "C")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()?;
            let mut text = String::new();
            if let Some(stdout) = child.stdout.take() {
                stdout.take(MAX_OUTPUT).read_to_string(&mut text).await?;
            }
            // Not whether it succeeds: `id` complains of groups without a name.
            child.wait().await?;
            Ok::<_, std::io::Error>(text)
        };
        match timeout(limit, answer).await {
            Ok(Ok(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Ok(Err(source)) if source.kind() == std::io::ErrorKind::InvalidData => {
                Err(AccountError::Unreadable { program: name() })
            }
            Ok(Err(source)) => Err(AccountError::Run {
                program: name(),
                source,
            }),
            Err(_) => Err(AccountError::Slow {
                program: name(),
                limit,
            }),
        }
    }
}

/// Whether the programs would take the name for a uid: `0` and `+0` are not root's names.
fn is_number(name: &str) -> bool {
    let digits = name.strip_prefix('+').unwrap_or(name);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn parse(line: &str) -> Option<Account> {
    let mut fields = line.lines().next()?.split(':');
    let login = fields.next()?.parse().ok()?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    let home = fields.nth(1)?.into();
    let shell = fields.next()?.into();
    Some(Account {
        login,
        uid,
        gid,
        groups: Vec::new(),
        home,
        shell,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn login(name: &str) -> LoginName {
        name.parse().unwrap()
    }

    fn script(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[tokio::test]
    async fn users_come_from_the_name_service() {
        let accounts = Accounts::default();
        let root = accounts.account(&login("root")).await.unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&"root".to_owned()), "{root:?}");
        assert!(root.home.is_absolute() && root.shell.is_absolute());
        for nobody in ["no-such-user-here", "0", "+0"] {
            assert_eq!(accounts.account(&login(nobody)).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn names_with_spaces_stay_and_numbers_are_no_names() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::new(Programs {
            getent: script(
                &dir,
                "getent",
                "echo 'ada:x:5001:5001:Ada:/home/ada:/bin/bash'",
            ),
            id: script(
                &dir,
                "id",
                r"printf 'domain users\0005002\000ops\000'; exit 1",
            ),
            ..Programs::default()
        });
        let ada = accounts.account(&login("ADA")).await.unwrap().unwrap();
        assert_eq!(ada.login, login("ada"));
        assert_eq!(ada.groups, ["domain users", "ops"]);
    }

    #[tokio::test]
    async fn a_name_service_that_hangs_is_an_error_and_not_an_answer() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::new(Programs {
            getent: script(&dir, "getent", "exec sleep 60"),
            limit: Duration::from_millis(50),
            ..Programs::default()
        });
        let error = accounts.account(&login("ada")).await.unwrap_err();
        assert!(matches!(error, AccountError::Slow { .. }), "{error}");
        assert_eq!(Problem::from(error).status, 503);
    }
}
