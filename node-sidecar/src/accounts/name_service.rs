//! Asks the host's name service by `getent` and `id`: SSSD and LDAP users have no line in `/etc/passwd`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use fastx_core::names::LoginName;
use fastx_core::wire::problem::Problem;
use fastx_lifecycle::telemetry;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::rules::Rules;
use super::{Account, helper};
use crate::locks::lock;

/// How long it is not asked again about a number that it does not know.
const STRANGER: Duration = Duration::from_secs(10);
/// How long an answer stands in for a name service that does not answer any more.
const STALE: Duration = Duration::from_hours(1);
/// Most answers that are remembered.
const LIMIT: usize = 10_000;
/// Longest answer of the name service that is read: a user of thousands of groups fits.
pub(super) const MAX_OUTPUT: u64 = 256 * 1024;
/// Questions at once: a name service that hangs must not gather processes.
pub(super) const AT_ONCE: usize = 4;

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
    #[error("`{program}` did not answer within {} ms: check nsswitch.conf and the service behind it", .limit.as_millis())]
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
        tracing::warn!(error = %telemetry::chain(&error), "a user could not be looked up");
        Self::unavailable(
            "no-name-service",
            "The name service of the server does not say who you are.",
        )
    }
}

/// How the name service is asked, and where the host's rules about users are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `getent`.
    pub getent: PathBuf,
    /// `id`.
    pub id: PathBuf,
    /// How long each may take.
    pub limit: Duration,
    /// How long an answer counts.
    pub fresh: Duration,
    /// Where `UID_MIN` is.
    pub login_defs: PathBuf,
    /// List of login shells.
    pub shells: PathBuf,
    /// Where [`super::helper`] listens, for a node that sees nothing of its host; it is asked in place of all these.
    pub helper: Option<PathBuf>,
}

impl Default for Programs {
    fn default() -> Self {
        Self {
            getent: PathBuf::from("/usr/bin/getent"),
            id: PathBuf::from("/usr/bin/id"),
            limit: Duration::from_secs(3),
            fresh: Duration::from_mins(1),
            login_defs: PathBuf::from("/etc/login.defs"),
            shells: PathBuf::from("/etc/shells"),
            helper: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Login(LoginName),
    Uid(u32),
}

type Answer = (Option<Account>, Instant);

#[derive(Debug)]
pub(super) struct NameService {
    programs: Programs,
    turns: Semaphore,
    known: Mutex<HashMap<Key, Answer>>,
}

impl NameService {
    pub(super) fn new(programs: Programs) -> Self {
        Self {
            programs,
            turns: Semaphore::new(AT_ONCE),
            known: Mutex::default(),
        }
    }

    pub(super) async fn by_name(&self, login: &LoginName) -> Result<Option<Account>, AccountError> {
        self.ask(Key::Login(login.clone())).await
    }

    pub(super) async fn by_uid(&self, uid: u32) -> Result<Option<Account>, AccountError> {
        self.ask(Key::Uid(uid)).await
    }

    /// An earlier answer, however old.
    pub(super) fn remembered(&self, login: &LoginName) -> Option<Account> {
        self.last(&Key::Login(login.clone()))?.0
    }

    pub(super) fn remembered_uid(&self, uid: u32) -> Option<Account> {
        self.last(&Key::Uid(uid))?.0
    }

    /// Whether the host's own rules let this user have sessions.
    pub(super) async fn check(&self, account: &Account) -> Result<(), String> {
        let defs = self.ask_for(&Question::LoginDefs).await;
        let shells = self.ask_for(&Question::Shells).await.ok().flatten();
        let defs = defs.ok().flatten().unwrap_or_default();
        Rules::parse(&defs, shells.as_deref()).check(account)
    }

    fn last(&self, key: &Key) -> Option<Answer> {
        lock(&self.known).get(key).cloned()
    }

    async fn ask(&self, key: Key) -> Result<Option<Account>, AccountError> {
        let now = Instant::now();
        let last = self.last(&key);
        if let Some((answer, asked)) = &last {
            let counts = if answer.is_some() {
                self.programs.fresh
            } else {
                STRANGER
            };
            if now.duration_since(*asked) < counts {
                return Ok(answer.clone());
            }
        }
        let error = match self.look_up(&key).await {
            Ok(found) => {
                self.remember(key, found.clone(), now);
                return Ok(found);
            }
            Err(error) => error,
        };
        match last {
            // Who was known an hour ago is not sent away because a directory is being restarted.
            Some((Some(account), asked)) if now.duration_since(asked) < STALE => {
                tracing::warn!(error = %telemetry::chain(&error), login = %account.login, "the name service does not answer; an earlier answer counts");
                Ok(Some(account))
            }
            _ => Err(error),
        }
    }

    fn remember(&self, key: Key, found: Option<Account>, now: Instant) {
        let mut known = lock(&self.known);
        if known.len() >= LIMIT {
            known.retain(|_, (_, asked)| now.duration_since(*asked) < self.programs.fresh);
        }
        if known.len() >= LIMIT {
            known.clear();
        }
        match (key, found) {
            // Somebody who is looked for before being added is found as soon as they are there.
            (key @ Key::Login(_), None) => drop(known.remove(&key)),
            (key, None) => drop(known.insert(key, (None, now))),
            (key, Some(account)) => {
                let own = Key::Login(account.login.clone());
                if key != own {
                    known.insert(own, (Some(account.clone()), now));
                }
                known.insert(key, (Some(account), now));
            }
        }
    }

    async fn look_up(&self, key: &Key) -> Result<Option<Account>, AccountError> {
        let word = match key {
            // The programs would take it for a number.
            Key::Login(login) if is_number(login.as_str()) => return Ok(None),
            Key::Login(login) => login.to_string(),
            Key::Uid(uid) => uid.to_string(),
        };
        let programs = &self.programs;
        let line = self.ask_for(&Question::Passwd(word)).await?;
        let Some(line) = line else {
            return Ok(None);
        };
        let unreadable = |program: &Path| AccountError::Unreadable {
            program: program.display().to_string(),
        };
        let mut account = parse(&line).ok_or_else(|| unreadable(&programs.getent))?;
        if let Key::Uid(uid) = key
            && account.uid != *uid
        {
            return Err(unreadable(&programs.getent));
        }
        let groups = self
            .ask_for(&Question::Groups(account.login.to_string()))
            .await?
            .ok_or_else(|| unreadable(&programs.id))?;
        account.groups = groups
            .split('\0')
            .filter(|name| !name.is_empty() && !is_number(name))
            .map(str::to_owned)
            .collect();
        Ok(Some(account))
    }

    async fn ask_for(&self, question: &Question) -> Result<Option<String>, AccountError> {
        let programs = &self.programs;
        let answer = async {
            let _turn = self.turns.acquire().await;
            match &programs.helper {
                Some(socket) => helper::ask(socket, question).await,
                None => answer(programs, question).await,
            }
        };
        let name = || match &programs.helper {
            Some(_) => "fastx-node names".to_owned(),
            None => question.program(programs).display().to_string(),
        };
        let limit = programs.limit;
        match timeout(limit, answer).await {
            Ok(Ok(text)) => Ok(text),
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

/// What the name service, or the host's rules about users, is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// The line of a user, by name or uid.
    Passwd(String),
    /// The names of a user's groups.
    Groups(String),
    /// `/etc/login.defs`.
    LoginDefs,
    /// `/etc/shells`.
    Shells,
}

impl Question {
    fn program<'a>(&self, programs: &'a Programs) -> &'a Path {
        match self {
            Self::Passwd(_) => &programs.getent,
            Self::Groups(_) => &programs.id,
            Self::LoginDefs => &programs.login_defs,
            Self::Shells => &programs.shells,
        }
    }
}

/// The answer of this machine; none when there is nothing, which is how the programs say that there is no such user.
pub(super) async fn answer(
    programs: &Programs,
    question: &Question,
) -> std::io::Result<Option<String>> {
    let program = question.program(programs);
    let text = match question {
        Question::Passwd(word) => run(program, &["passwd", "--", word]).await?,
        // The NUL form, since names of a directory's groups have spaces.
        Question::Groups(login) => run(program, &["-Gnz", "--", login]).await?,
        Question::LoginDefs | Question::Shells => match tokio::fs::read_to_string(program).await {
            Ok(text) => return Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        },
    };
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// What a program prints.
async fn run(program: &Path, words: &[&str]) -> std::io::Result<String> {
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
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_OUTPUT).read_to_end(&mut bytes).await?;
    }
    // Not whether it succeeds: `id` complains of groups without a name.
    child.wait().await?;
    // Full names of people may be in any encoding; nothing that counts is.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
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
