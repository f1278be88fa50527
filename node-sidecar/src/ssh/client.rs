//! Runs OpenSSH's client for one conversation.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastx_core::wire::problem::Problem;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout_at};

use super::accept::{Host, scan};
use super::askpass::{Asked, Booth, MAX_ANSWER, SOCKET_VARIABLE};
use super::dialogue::{Asker, Order, Prompt, Round};
use super::{KnownHosts, Target};
use crate::locks::lock;

/// How long the client may be busy between two questions: the host's delay after a wrong password fits.
const BUSY: Duration = Duration::from_secs(30);
/// Questions of one conversation.
const QUESTIONS: usize = 20;
/// Of what the client, the host and the program print.
const MAX_OUTPUT: usize = 8 * 1024;
const MAX_TEXT: usize = 1000;
/// How the client ends its question for the method `password`.
const PASSWORD_METHOD: &str = "'s password: ";
/// Exit status of the client when there was no connection, or the host refused.
const NO_CONNECTION: i32 = 255;

/// The programs of OpenSSH, and where this node keeps what they need.
#[derive(Debug, Clone)]
pub struct Tools {
    /// `ssh`.
    pub ssh: PathBuf,
    /// `ssh-keyscan`.
    pub keyscan: PathBuf,
    /// This program, which passes questions on.
    pub askpass: PathBuf,
    /// Folder for the sockets of conversations.
    pub dir: PathBuf,
    /// Keys of hosts.
    pub hosts: KnownHosts,
}

/// How the command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its exit status; none when a signal ended it.
    pub status: Option<i32>,
    /// What it printed, cut. Start files of the user's shell print here too: it is for logs, never for decisions.
    pub output: String,
}

/// Text that another process prints, as far as it is kept.
#[derive(Debug, Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn follow(&self, pipe: Option<impl AsyncRead + Unpin + Send + 'static>) {
        let (text, Some(mut pipe)) = (self.0.clone(), pipe) else {
            return;
        };
        tokio::spawn(async move {
            let mut piece = [0; 1024];
            // Read to the end, whatever is kept: a full pipe would stop the client.
            while let Ok(length @ 1..) = pipe.read(&mut piece).await {
                let mut text = lock(&text);
                let room = MAX_OUTPUT.saturating_sub(text.len());
                text.extend_from_slice(&piece[..length.min(room)]);
            }
        });
    }

    fn text(&self) -> String {
        printable(&String::from_utf8_lossy(&lock(&self.0)), MAX_OUTPUT)
    }

    fn take(&self) -> String {
        let taken = self.text();
        lock(&self.0).clear();
        taken
    }
}

/// Comes back when the host knew who it is and the command has ended.
pub(super) async fn run(
    tools: &Tools,
    order: Order,
    asker: &mut Asker,
) -> Result<Finished, Problem> {
    let failed = |error: std::io::Error| {
        tracing::error!(%error, ssh = %tools.ssh.display(), dir = %tools.dir.display(), "the SSH client cannot be run");
        Problem::internal("The SSH client of the server cannot be run; its log says why.")
    };
    let booth = Booth::open(&tools.dir).map_err(failed)?;
    let mut child = start(tools, &order, &booth).map_err(failed)?;
    let (said, output) = (Printed::default(), Printed::default());
    said.follow(child.stderr.take());
    output.follow(child.stdout.take());
    let mut talk = Talk {
        order,
        asker,
        said,
        asked: 0,
    };
    let status = talk.listen(&booth, &mut child).await?;
    // What was printed last is read by another task.
    tokio::task::yield_now().await;
    if status.code() == Some(NO_CONNECTION) {
        return Err(talk.refusal(tools).await);
    }
    if talk.asked == 0 {
        tracing::error!(target = %talk.order.target, "the sshd lets people in who prove nothing");
        return Err(no_method(
            "The SSH service lets people in without any proof of who they are.",
        ));
    }
    Ok(Finished {
        status: status.code(),
        output: format!("{}{}", output.text(), talk.said.text()),
    })
}

fn start(tools: &Tools, order: &Order, booth: &Booth) -> std::io::Result<Child> {
    let own = booth.file("known_hosts", &tools.hosts.own_lines(&order.target))?;
    let files = [
        tools.hosts.configured_file(),
        tools.hosts.accepted_file(),
        &own,
    ];
    let files: Vec<String> = files.iter().map(|path| option_path(path)).collect();
    let known_hosts = format!("UserKnownHostsFile={}", files.join(" "));
    let mut command = Command::new(&tools.ssh);
    // No settings of the service's user, no keys or tickets of it, nothing that is forwarded.
    command.args(["-F", "none", "-T", "-n", "-a", "-x"]);
    for option in [
        known_hosts.as_str(),
        "GlobalKnownHostsFile=none",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "PreferredAuthentications=keyboard-interactive,password",
        "PubkeyAuthentication=no",
        "HostbasedAuthentication=no",
        "GSSAPIAuthentication=no",
        "NumberOfPasswordPrompts=1",
        "ConnectTimeout=10",
        "ServerAliveInterval=15",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "ControlPath=none",
        // It tells of a method that was right and not enough.
        "LogLevel=VERBOSE",
    ] {
        command.args(["-o", option]);
    }
    command
        .args(["-p", &order.target.port.to_string()])
        .args(["-l", order.login.as_str()])
        .args(["--", &order.target.host, &order.command])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        // Clients before 8.4 ask this way only where there is a display.
        .env("DISPLAY", "none:0")
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env("SSH_ASKPASS", &tools.askpass)
        .env(SOCKET_VARIABLE, booth.socket())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command.spawn()
}

/// A path as one word of an option.
fn option_path(path: &Path) -> String {
    let text = path.to_string_lossy().replace('%', "%%");
    format!("\"{text}\"")
}

struct Talk<'a> {
    order: Order,
    asker: &'a mut Asker,
    /// What the client prints about the connection.
    said: Printed,
    asked: usize,
}

impl Talk<'_> {
    /// Passes questions on until the client has ended.
    async fn listen(&mut self, booth: &Booth, child: &mut Child) -> Result<ExitStatus, Problem> {
        let mut until = Instant::now() + BUSY;
        loop {
            let asked = tokio::select! {
                status = child.wait() => {
                    return status.map_err(|_| Problem::internal("The SSH client is lost."));
                }
                asked = timeout_at(until, booth.next()) => asked,
            };
            let Ok(asked) = asked else {
                tracing::warn!(target = %self.order.target, said = %self.said.text(), "the SSH client came to no end");
                return Err(no_sshd(&self.order.target, "timed out"));
            };
            // A program that asks nothing is none of the client's.
            if let Ok(asked) = asked {
                self.pass_on(asked).await?;
                until = Instant::now() + BUSY;
            }
        }
    }

    async fn pass_on(&mut self, asked: Asked) -> Result<(), Problem> {
        self.asked += 1;
        if self.asked > QUESTIONS {
            return Err(no_method("The SSH service asks too many questions."));
        }
        let said = self.said.take();
        // The next method, after the first one was refused: the same question would only be asked again.
        let again = asked.question.ends_with(PASSWORD_METHOD) && self.asked > 1;
        if again && !said.contains("with partial success") {
            return Err(wrong_credentials());
        }
        let text = question(&asked.question);
        let answer = if !self.order.password.is_empty() && asks_for_password(&text) {
            std::mem::take(&mut self.order.password)
        } else {
            let round = Round {
                title: format!("{} at {}", self.order.login, self.order.target),
                instruction: instruction(&said),
                prompts: vec![Prompt { text, echo: false }],
            };
            let answers = self.asker.ask(round).await?;
            answers.into_iter().next().unwrap_or_default()
        };
        let whole =
            answer.expose().len() < MAX_ANSWER && !answer.expose().contains(['\n', '\r', '\0']);
        if !whole {
            return Err(Problem::bad_request(format!(
                "An answer is one line of less than {MAX_ANSWER} bytes."
            )));
        }
        asked.answer(&answer).await;
        Ok(())
    }

    /// Why the client gave up.
    async fn refusal(&self, tools: &Tools) -> Problem {
        let said = self.said.text();
        let target = &self.order.target;
        if said.contains("Host key verification failed") {
            let changed = said.contains("IDENTIFICATION HAS CHANGED");
            return host_refused(tools, target, changed).await;
        }
        let denied = said.contains("Permission denied")
            || said.contains("Too many authentication failures")
            || said.contains("invalid characters");
        match (denied, self.asked) {
            (true, 0) if !said.contains("invalid characters") => no_method(
                "The SSH service takes neither passwords nor answers to questions from you.",
            ),
            (true, _) => wrong_credentials(),
            (false, _) => {
                tracing::warn!(%target, %said, "no connection to the sshd");
                no_sshd(target, &said)
            }
        }
    }
}

async fn host_refused(tools: &Tools, target: &Target, changed: bool) -> Problem {
    let keys = scan(&tools.keyscan, target).await.unwrap_or_default();
    let Some(Host { fingerprint, .. }) = keys.first() else {
        return no_sshd(target, "");
    };
    let (kind, title, detail) = if changed {
        (
            "host-key-changed",
            "The host shows another key",
            format!(
                "{target} shows a key ({fingerprint}) that is not the one that this server knows: it was installed anew, or somebody stands in between."
            ),
        )
    } else {
        (
            "host-key-unknown",
            "The host is not known here",
            format!("The key {fingerprint} of {target} is not among those that this server knows."),
        )
    };
    tracing::warn!(%target, %fingerprint, kind, "a host was refused");
    Problem::new(403, kind, title).detail(detail).action(format!(
        "An administrator compares the fingerprint with the host's own and runs `fastx-node accept-host-key {target} {fingerprint}` as the user of the service."
    ))
}

/// What the host says before it asks, without what the client says of itself.
fn instruction(said: &str) -> String {
    let lines = said
        .lines()
        .filter(|line| !line.starts_with("Authenticated "));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// A question without the words that the client puts before it.
fn question(text: &str) -> String {
    let text = match text.strip_prefix('(').and_then(|t| t.split_once(") ")) {
        Some((who, rest)) if who.contains('@') => rest,
        _ => text,
    };
    let text = printable(text, MAX_TEXT);
    if text.ends_with(PASSWORD_METHOD) {
        return "Password: ".to_owned();
    }
    text
}

/// Whether a question is one for the password that was typed already: not for a code, and not for a new one.
fn asks_for_password(text: &str) -> bool {
    let text = text.to_lowercase();
    let other = ["new", "retype", "one-time", "one time", "code", "token"];
    text.contains("password") && !other.iter().any(|word| text.contains(word))
}

/// Text of another side, cut and without what could confuse a terminal or a page.
fn printable(text: &str, longest: usize) -> String {
    text.chars()
        .filter(|c| *c == '\n' || !c.is_control())
        .take(longest)
        .collect()
}

/// A word of a command line for any shell of the Bourne and C families.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

pub(crate) fn wrong_credentials() -> Problem {
    Problem::new(401, "wrong-credentials", "Login or password is wrong")
        .action("Check both and try again.")
}

fn no_method(detail: &str) -> Problem {
    Problem::new(403, "no-ssh-method", "No way to sign in by SSH")
        .detail(detail)
        .action("Tell your administrator: the configuration of sshd has to allow a method.")
}

/// What the client's words about a failed connection mean.
const REASONS: [(&str, &str); 6] = [
    ("Connection refused", "nothing listens there"),
    (
        "timed out",
        "it did not answer in time; a firewall may be in between",
    ),
    ("Could not resolve", "its name leads nowhere (DNS)"),
    ("unreachable", "no way leads there"),
    ("No route to host", "no way leads there"),
    (
        "kex_exchange_identification",
        "it closed the connection at once; `MaxStartups` may be too low",
    ),
];

fn no_sshd(target: &Target, said: &str) -> Problem {
    let known = REASONS.iter().find(|(word, _)| said.contains(word));
    let why = known.map_or("it does not answer as it should", |(_, why)| *why);
    Problem::unavailable(
        "no-sshd",
        format!("The SSH service of {target} cannot be used: {why}."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_password_answers_only_a_question_for_it() {
        for text in ["Password: ", "(ada@a) Password: ", "ada@a's password: "] {
            assert!(asks_for_password(&question(text)), "{text}");
            assert_eq!(question(text), "Password: ");
        }
        for other in [
            "Verification code: ",
            "New password: ",
            "Retype new password: ",
            "One-time password (OATH) for `ada': ",
            "Password token: ",
        ] {
            assert!(!asks_for_password(&question(other)), "{other}");
            assert_eq!(question(other), other);
        }
    }

    #[test]
    fn a_failed_connection_is_explained() {
        let target = Target {
            host: "127.0.0.1".to_owned(),
            port: 22,
        };
        let told = |said: &str| no_sshd(&target, said).detail;
        let refused = told("ssh: connect to host 127.0.0.1 port 22: Connection refused\n");
        assert!(
            refused.contains("127.0.0.1") && refused.contains("nothing listens"),
            "{refused}"
        );
        let full = told("kex_exchange_identification: Connection closed by remote host\n");
        assert!(full.contains("MaxStartups"), "{full}");
        assert!(told("").contains("does not answer as it should"));
    }

    #[test]
    fn words_stay_words() {
        assert_eq!(quoted("/run/a b"), "'/run/a b'");
        assert_eq!(quoted("a'; rm -rf b"), r"'a'\''; rm -rf b'");
        assert_eq!(option_path(Path::new("/a b/%h")), "\"/a b/%%h\"");
    }
}
