//! Who uses this place as which Linux user: in a pod configuration says so, on a host its name service.
//!
//! Who somebody is never comes from what a process of theirs prints, such as a shell with its start files.

pub mod helper;
mod name_service;
mod rules;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fastx_core::names::LoginName;
use fastx_core::wire::config::NodeUsers;
use fastx_core::wire::problem::Problem;
use tokio::sync::watch;
use tokio::time::timeout;

pub use name_service::{AccountError, Programs};

use name_service::NameService;

/// How long a pod's link may wait for the first configuration, which says whose place the pod is. The link is
/// often there before it; sent away, it would come back seconds after the configuration.
const UNCONFIGURED: Duration = Duration::from_secs(30);

/// How often it is asked whether the user behind a connected link is still welcome.
const ASK_AGAIN: Duration = Duration::from_mins(10);

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

/// Why a link is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Unwelcome {
    /// The uid has no place here.
    #[error("uid {uid} {reason}")]
    Refused {
        /// Who.
        uid: u32,
        /// Why, completing a sentence.
        reason: String,
    },
    /// Nobody could say.
    #[error("the name service does not say who uid {uid} is")]
    Unknown {
        /// Who.
        uid: u32,
        /// Why.
        source: AccountError,
    },
}

/// The users of this place; clones share what they know.
#[derive(Debug, Clone)]
pub struct Accounts {
    service: Arc<NameService>,
    /// In a pod: whom configuration names.
    pod: Option<watch::Receiver<Option<NodeUsers>>>,
}

impl Default for Accounts {
    fn default() -> Self {
        Self::new(Programs::default())
    }
}

impl Accounts {
    /// A host: asks its name service with these programs.
    pub fn new(programs: Programs) -> Self {
        Self {
            service: Arc::new(NameService::new(programs)),
            pod: None,
        }
    }

    /// A pod: all its users are one Linux user, whom configuration names.
    pub fn pod(users: watch::Receiver<Option<NodeUsers>>) -> Self {
        Self::default().of_pod(users)
    }

    /// The same for a pod.
    #[must_use]
    pub fn of_pod(self, users: watch::Receiver<Option<NodeUsers>>) -> Self {
        Self {
            pod: Some(users),
            ..self
        }
    }

    /// Whether this is a host with users of its own.
    pub fn is_host(&self) -> bool {
        self.pod.is_none()
    }

    /// The user whom the name service knows by that name; `None` when there is none. Answers are remembered for a minute.
    pub async fn account(&self, login: &LoginName) -> Result<Option<Account>, AccountError> {
        self.service.by_name(login).await
    }

    /// The Linux user that sessions of this login run as here, or why there is none.
    pub async fn uid(&self, login: &LoginName) -> Result<u32, Problem> {
        match (&self.pod, &self.service) {
            (Some(_), _) => self
                .known_uid(login)
                .ok_or_else(|| foreign(login, "it belongs to others")),
            (None, service) => {
                let account = service
                    .by_name(login)
                    .await?
                    .ok_or_else(|| foreign(login, "its name service knows no such user"))?;
                // Two spellings of one user would be two owners of the same sessions.
                if account.login != *login {
                    let called = format!("its name service calls this user `{}`", account.login);
                    return Err(foreign(login, &called).action("Sign in with that name."));
                }
                service
                    .check(&account)
                    .await
                    .map_err(|reason| foreign(login, &format!("the user {reason}")))?;
                Ok(account.uid)
            }
        }
    }

    /// The same without asking anybody: in a pod from configuration, on a host from earlier answers.
    pub fn known_uid(&self, login: &LoginName) -> Option<u32> {
        match (&self.pod, &self.service) {
            (Some(users), _) => {
                let users = users.borrow();
                let users = users.as_ref()?;
                let named = users.logins.iter().any(|l| l == login.as_str());
                named.then_some(users.uid)
            }
            (None, service) => service.remembered(login).map(|account| account.uid),
        }
    }

    /// The name of a uid, from earlier answers.
    pub fn known_login(&self, uid: u32) -> Option<LoginName> {
        match (&self.pod, &self.service) {
            (Some(_), _) => None,
            (None, service) => service.remembered_uid(uid).map(|account| account.login),
        }
    }

    /// Whether a process of this uid may be somebody's link here.
    pub async fn admit(&self, uid: u32) -> Result<(), Unwelcome> {
        let refused = |reason: String| Unwelcome::Refused { uid, reason };
        match (&self.pod, &self.service) {
            (Some(users), _) => {
                let mut users = users.clone();
                let known = timeout(UNCONFIGURED, users.wait_for(Option::is_some)).await;
                match known {
                    Ok(Ok(users)) if users.as_ref().is_some_and(|u| u.uid == uid) => Ok(()),
                    _ => Err(refused("has no place here".to_owned())),
                }
            }
            (None, service) => {
                let found = service.by_uid(uid).await;
                let account = found
                    .map_err(|source| Unwelcome::Unknown { uid, source })?
                    .ok_or_else(|| refused("is no user of the name service".to_owned()))?;
                service.check(&account).await.map_err(refused)
            }
        }
    }

    /// Returns once the user of an admitted link has no place here any more.
    pub async fn dismissed(&self, uid: u32) {
        if let Some(users) = &self.pod {
            let mut users = users.clone();
            let gone = |users: &Option<NodeUsers>| users.as_ref().is_none_or(|u| u.uid != uid);
            if users.wait_for(gone).await.is_err() {
                // Nobody changes the configuration any more: what was allowed stays so.
                std::future::pending::<()>().await;
            }
            return;
        }
        loop {
            tokio::time::sleep(ASK_AGAIN).await;
            // A name service that does not answer dismisses nobody.
            if let Err(Unwelcome::Refused { .. }) = self.admit(uid).await {
                return;
            }
        }
    }
}

fn foreign(login: &LoginName, why: &str) -> Problem {
    Problem::forbidden(&format!("The server has no place for {login}: {why}."))
}
