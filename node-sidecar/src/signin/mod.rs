//! Proving to a host who one is: to sign in, or so that a link can be started there.
//!
//! The node that talks to the browser talks to the sshd; nothing that was typed goes anywhere else or is kept.

mod conversations;
mod link;

use std::sync::Arc;

use fastx_core::names::{LoginName, ServerId};
use fastx_core::secret::Secret;
use fastx_core::subject::Operation;
use fastx_core::wire::operations::{AccountAnswer, AccountFacts, AccountGet, Empty, SignInTry};
use fastx_core::wire::problem::Problem;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use self::conversations::{Conversations, Held, Place, Purpose};
pub use self::link::LinkCommand;
use crate::accounts::Accounts;
use crate::configuration::Configuration;
use crate::fleet::Fleet;
use crate::links::Hub;
use crate::logins::{LIFETIME, Logins, Proof, User};
use crate::ssh::{Dialogue, Finished, Next, Order, Round, Target, Tools};
use crate::transport::Transport;

/// A command line that does nothing, in every shell.
const NOTHING: &str = "exit 0";

/// What the service needs.
#[derive(Debug)]
pub struct Parts {
    /// Name of this node.
    pub me: ServerId,
    /// Logins.
    pub logins: Logins,
    /// Way to the bus.
    pub transport: Transport,
    /// Configuration.
    pub configuration: Configuration,
    /// View of the cluster.
    pub fleet: Fleet,
    /// Links of this node.
    pub hub: Hub,
    /// Users of this host.
    pub accounts: Accounts,
    /// The SSH client.
    pub tools: Tools,
    /// The sshd of this node's own host.
    pub sshd: Target,
    /// How a link is started over SSH.
    pub link: LinkCommand,
}

#[derive(Debug)]
struct Inner {
    parts: Parts,
    conversations: Conversations,
}

/// The service; clones share it.
#[derive(Debug, Clone)]
pub struct SignIn {
    inner: Arc<Inner>,
}

impl SignIn {
    /// Whether there is an SSH client. Beside a desktop in a pod there is none, nor an sshd to sign in at.
    pub fn has_client(&self) -> bool {
        self.inner.parts.tools.ssh.is_file()
    }
}

/// A wish to sign in by SSH.
#[derive(Debug)]
pub struct SshRequest {
    /// The login as typed.
    pub login: LoginName,
    /// A password, if one was typed already.
    pub password: Secret,
    /// Whose sshd; this node's own when none is named.
    pub server: Option<ServerId>,
    /// Whether a program gets the token.
    pub program: bool,
    /// Address of the client.
    pub address: String,
}

/// How far a conversation has come.
#[derive(Debug)]
pub enum Progress<T> {
    /// The host asks.
    Asked(Question),
    /// It is done.
    Done(T),
}

/// What a host asks.
#[derive(Debug)]
pub struct Question {
    /// Name of the conversation.
    pub id: String,
    /// The questions.
    pub round: Round,
    /// When the conversation is over.
    pub expires: Timestamp,
}

/// A new login.
#[derive(Debug)]
pub struct Entered {
    /// Who signed in.
    pub user: User,
    /// Whether a program gets the token.
    pub program: bool,
}

impl SignIn {
    /// A service without any conversation.
    pub fn new(parts: Parts) -> Self {
        Self {
            inner: Arc::new(Inner {
                parts,
                conversations: Conversations::default(),
            }),
        }
    }

    /// Begins to sign somebody in.
    pub async fn by_ssh(&self, request: SshRequest) -> Result<Progress<Entered>, Problem> {
        let parts = &self.inner.parts;
        parts.logins.open().await?;
        let server = request.server.unwrap_or_else(|| parts.me.clone());
        let target = self.sshd_of(&server).await?;
        // Asked before it is known who it is, so that strangers wait as long as users.
        let facts = self.facts(&server, &request.login).await?;
        let host = parts.configuration.current().node.users.is_none();
        let starts_link = server == parts.me && host && facts.is_none_or(|facts| !facts.link);
        let begin = Begin {
            purpose: Purpose::SignIn,
            login: request.login,
            server,
            program: request.program,
            password: request.password,
            starts_link,
            address: request.address,
        };
        let held = self.begin(target, begin).await?;
        self.go_on(None, held, None).await
    }

    /// Answers what was asked.
    pub async fn answer(
        &self,
        id: &str,
        address: &str,
        answers: Vec<Secret>,
    ) -> Result<Progress<Entered>, Problem> {
        let held = self
            .inner
            .conversations
            .take(id, address, &Purpose::SignIn)?;
        self.go_on(Some(id.to_owned()), held, Some(answers)).await
    }

    async fn go_on(
        &self,
        id: Option<String>,
        held: Held,
        answers: Option<Vec<Secret>>,
    ) -> Result<Progress<Entered>, Problem> {
        match self.advance(id, held, answers).await? {
            Progress::Asked(question) => Ok(Progress::Asked(question)),
            Progress::Done((held, finished)) => self.enter(held, finished).await,
        }
    }

    /// Counts the try and begins the conversation with the sshd.
    async fn begin(&self, target: Target, begin: Begin) -> Result<Held, Problem> {
        let parts = &self.inner.parts;
        let place = self.inner.conversations.place(&begin.address)?;
        let attempt = SignInTry {
            login: begin.login.clone(),
            address: begin.address,
        };
        let _counted: Empty = parts.transport.store(Operation::TryCount, &attempt).await?;
        let command = if begin.starts_link {
            parts.link.line()
        } else {
            NOTHING.to_owned()
        };
        let order = Order {
            target,
            login: begin.login.clone(),
            password: begin.password,
            command,
        };
        let dialogue = Dialogue::begin(parts.tools.clone(), order);
        Ok(Held {
            purpose: begin.purpose,
            login: begin.login,
            server: begin.server,
            program: begin.program,
            starts_link: begin.starts_link,
            dialogue,
            place,
        })
    }

    /// One step of a conversation: to the next question, or to its good end.
    async fn advance(
        &self,
        id: Option<String>,
        mut held: Held,
        answers: Option<Vec<Secret>>,
    ) -> Result<Progress<(Held, Finished)>, Problem> {
        let next = match answers {
            Some(answers) => held.dialogue.answer(answers).await,
            None => held.dialogue.next().await,
        };
        match next {
            Ok(Next::Ask(round)) => {
                let left = held.dialogue.until().duration_since(Instant::now());
                let expires = fastx_lifecycle::clock::now()
                    + SignedDuration::try_from(left).unwrap_or_default();
                let id = self.inner.conversations.keep(id, held);
                Ok(Progress::Asked(Question { id, round, expires }))
            }
            Ok(Next::Done(finished)) => {
                self.forgive(&held.login, &held.place).await;
                Ok(Progress::Done((held, finished)))
            }
            Err(problem) => {
                tracing::info!(login = %held.login, server = %held.server, address = held.place.address(), kind = %problem.kind, "not signed in by SSH");
                Err(problem)
            }
        }
    }

    async fn forgive(&self, login: &LoginName, place: &Place) {
        let attempt = SignInTry {
            login: login.clone(),
            address: place.address().to_owned(),
        };
        let transport = &self.inner.parts.transport;
        let done: Result<Empty, Problem> = transport.store(Operation::TryForgive, &attempt).await;
        if let Err(problem) = done {
            tracing::debug!(%problem, "a try was not taken back");
        }
    }

    /// The sshd knows the user: who is that, and what stands behind the login?
    async fn enter(&self, held: Held, finished: Finished) -> Result<Progress<Entered>, Problem> {
        let parts = &self.inner.parts;
        let facts = self.facts(&held.server, &held.login).await?.ok_or_else(|| {
            tracing::error!(login = %held.login, server = %held.server, "the sshd knows a user whom the name service does not");
            Problem::new(403, "no-account", "The server does not know you")
                .detail(format!("The SSH service of {} lets {} in, but the name service of the host knows no such user.", held.server, held.login))
                .action("Tell your administrator: `getent passwd` must find you on that host.")
        })?;
        let daemon = if held.starts_link {
            let joined = self.joined(&held, &finished).await;
            if let Err(problem) = &joined {
                // The login is good without: the first start asks again, or finds another way.
                tracing::warn!(login = %facts.login, %problem, "no link was started at the sign-in");
            }
            joined.is_ok()
        } else {
            facts.link && held.server == parts.me
        };
        let user = parts
            .logins
            .issue(Proof {
                login: facts.login,
                groups: facts.groups,
                method: "ssh".to_owned(),
                address: held.place.address().to_owned(),
                label: if held.program { "program" } else { "" }.to_owned(),
                lifetime: LIFETIME,
                daemon,
                made_by: None,
            })
            .await?;
        Ok(Progress::Done(Entered {
            user,
            program: held.program,
        }))
    }

    /// What the host's own name service says of a user; never what the user's shell prints.
    async fn facts(
        &self,
        server: &ServerId,
        login: &LoginName,
    ) -> Result<Option<AccountFacts>, Problem> {
        let parts = &self.inner.parts;
        if *server == parts.me {
            let account = parts.accounts.account(login).await?;
            return Ok(account.map(|account| AccountFacts {
                link: parts.hub.present(account.uid),
                login: account.login,
                groups: account.groups,
            }));
        }
        let request = AccountGet {
            login: login.clone(),
        };
        let answer: AccountAnswer = parts
            .transport
            .node(server, Operation::AccountGet, &request)
            .await?;
        Ok(answer.account)
    }

    /// Where a server's sshd is. Only a server whose logins count may say who somebody is.
    async fn sshd_of(&self, server: &ServerId) -> Result<Target, Problem> {
        let parts = &self.inner.parts;
        if *server == parts.me {
            return Ok(parts.sshd.clone());
        }
        let unknown = || Problem::not_found("such server");
        let record = parts.fleet.server(server).ok_or_else(unknown)?;
        if !parts.configuration.logins_count(server).await? {
            return Err(Problem::new(403, "logins-off", "No sign-in there")
                .detail(format!("Logins by the server {server} do not count."))
                .action("Choose another server."));
        }
        let hostname = &record.server.hostname;
        let target: Target = hostname.parse().map_err(|_| {
            Problem::unavailable(
                "no-sshd",
                format!("The server {server} does not say under which name its SSH service is."),
            )
        })?;
        Ok(target)
    }
}

/// What a conversation begins with.
struct Begin {
    purpose: Purpose,
    login: LoginName,
    server: ServerId,
    program: bool,
    password: Secret,
    starts_link: bool,
    address: String,
}
