//! Links over SSH: the link's program, started as the user over a connection that the user has opened.

use std::path::PathBuf;
use std::time::Duration;

use fastx_core::names::{LoginName, ServerId};
use fastx_core::secret::Secret;
use fastx_core::wire::link::LinkReach;
use fastx_core::wire::problem::Problem;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::conversations::{Held, Purpose};
use super::{Begin, Progress, SignIn};
use crate::logins::User;
use crate::ssh::{Finished, Target, quoted};

/// How long a link that was started may take to join.
const JOIN: Duration = Duration::from_secs(5);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// How a link is started; on all hosts of a cluster the same.
#[derive(Debug, Clone)]
pub struct LinkCommand {
    /// The program.
    pub program: PathBuf,
    /// Folder of the socket.
    pub dir: PathBuf,
}

impl LinkCommand {
    /// The command line; it leaves the SSH session by itself.
    pub fn line(&self) -> String {
        format!(
            "exec {} run --dir {} --detach",
            quoted(&self.program.to_string_lossy()),
            quoted(&self.dir.to_string_lossy())
        )
    }
}

impl SignIn {
    /// Waits until the link that was started as the user has joined.
    pub(super) async fn joined(&self, held: &Held, finished: &Finished) -> Result<(), Problem> {
        let (server, login) = (&held.server, &held.login);
        if finished.status != Some(0) {
            tracing::warn!(%login, %server, status = ?finished.status, output = %finished.output, "the link's program failed");
            return Err(no_link(server, "it could not be started there"));
        }
        self.arrived(server, login).await
    }

    /// Waits until the node there has the user's link.
    async fn arrived(&self, server: &ServerId, login: &LoginName) -> Result<(), Problem> {
        let until = Instant::now() + JOIN;
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let now = self.facts(server, login).await?;
            if now.is_some_and(|facts| facts.link) {
                tracing::info!(%login, %server, "a link was started over SSH");
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(no_link(server, "it was started, but did not join in time"));
            }
        }
    }

    /// Begins to open a link for somebody who is signed in.
    pub async fn open_link(
        &self,
        user: &User,
        server: &ServerId,
        address: &str,
    ) -> Result<Progress<()>, Problem> {
        let target = self.sshd_of(server).await?;
        match self.facts(server, &user.login).await? {
            Some(facts) if facts.link => return Ok(Progress::Done(())),
            Some(_) => {}
            None => return Err(no_link(server, "its name service does not know you")),
        }
        if self.by_own_keys(user, server, &target).await {
            return Ok(Progress::Done(()));
        }
        let begin = Begin {
            purpose: purpose(user, server),
            login: user.login.clone(),
            server: server.clone(),
            program: false,
            password: Secret::default(),
            starts_link: true,
            address: address.to_owned(),
        };
        let held = self.begin(target, begin).await?;
        self.link_on(None, held, None).await
    }

    /// Lets the user's link on this host go there as the user would from a terminal, with keys that need no answer.
    ///
    /// A process of the user does it, so its word is no proof: that the link has joined there is.
    async fn by_own_keys(&self, user: &User, server: &ServerId, target: &Target) -> bool {
        let parts = &self.inner.parts;
        let account = parts.accounts.account(&user.login).await;
        let Ok(Some(account)) = account else {
            return false;
        };
        if *server == parts.me || !self.has_client() || !parts.hub.present(account.uid) {
            return false;
        }
        let reach = LinkReach {
            host: target.host.clone(),
            port: target.port,
            login: user.login.clone(),
            known_hosts: parts.tools.hosts.text(target),
            command: parts.link.line(),
        };
        let login = &user.login;
        if let Err(problem) = parts.hub.reach(account.uid, reach).await {
            tracing::debug!(%login, %server, %problem, "no way there with the user's own keys");
            return false;
        }
        match self.arrived(server, login).await {
            Ok(()) => true,
            Err(problem) => {
                tracing::warn!(%login, %server, %problem, "the user's keys opened the way, and no link came");
                false
            }
        }
    }

    /// Answers what the server asked.
    pub async fn answer_link(
        &self,
        user: &User,
        server: &ServerId,
        id: &str,
        address: &str,
        answers: Vec<Secret>,
    ) -> Result<Progress<()>, Problem> {
        let wanted = purpose(user, server);
        let held = self.inner.conversations.take(id, address, &wanted)?;
        self.link_on(Some(id.to_owned()), held, Some(answers)).await
    }

    async fn link_on(
        &self,
        id: Option<String>,
        held: Held,
        answers: Option<Vec<Secret>>,
    ) -> Result<Progress<()>, Problem> {
        match self.advance(id, held, answers).await? {
            Progress::Asked(question) => Ok(Progress::Asked(question)),
            Progress::Done((held, finished)) => {
                self.joined(&held, &finished).await?;
                Ok(Progress::Done(()))
            }
        }
    }
}

fn purpose(user: &User, server: &ServerId) -> Purpose {
    Purpose::Link {
        jti: user.jti.clone(),
        server: server.clone(),
    }
}

fn no_link(server: &ServerId, why: &str) -> Problem {
    Problem::unavailable("no-link", format!("There is no link on {server}: {why}.")).action(
        "Tell your administrator: `fastx-link` must be installed on that host, and the log of the server says more.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_made_of_whole_words() {
        let command = LinkCommand {
            program: "/usr/lib/fastx/fastx-link".into(),
            dir: "/run/fa'stx".into(),
        };
        assert_eq!(
            command.line(),
            r"exec '/usr/lib/fastx/fastx-link' run --dir '/run/fa'\''stx' --detach"
        );
    }
}
