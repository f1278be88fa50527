//! Logins: issuing, checking and ending them.

mod cache;
mod revocations;
mod tokens;
mod user;

pub use revocations::run;
pub use user::{User, Want};

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use fastx_core::names::{LoginName, ServerId};
use fastx_core::roles::Role;
use fastx_core::secret::Secret;
use fastx_core::subject::Operation;
use fastx_core::token::{self, Kind};
use fastx_core::wire::login::{Claims, TokenRecord};
use fastx_core::wire::operations::{
    Empty, PasswordAnswer, PasswordCheck, TokenAnswer, TokenCheck, TokenPut, TokenRevoke,
};
use fastx_core::wire::problem::Problem;
use fastx_lifecycle::clock;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use tokio::sync::broadcast;

use self::cache::{Cache, Known};
use crate::configuration::Configuration;
use crate::fleet::Fleet;
use crate::keys::{Keys, random_hex};
use crate::locks::lock;
use crate::transport::{Transport, is_away};

/// How long a login lives.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(12);
/// How far the clocks of two members may be apart.
const SKEW_SECONDS: i64 = 60;
/// How long a sign-in waits for the configuration of a server that has just started.
const LOADED: std::time::Duration = std::time::Duration::from_secs(5);
/// Audience of login tokens.
const AUDIENCE: &str = "api";
/// Longest token that is looked at.
const MAX_TOKEN: usize = 4096;

/// Somebody who has proved who they are.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The login, spelled as it is known.
    pub login: LoginName,
    /// Groups that the method vouches for.
    pub groups: Vec<String>,
    /// `local`, `ssh`, `oidc`.
    pub method: String,
    /// Address that it came from.
    pub address: String,
    /// What the owner calls it; empty for a browser.
    pub label: String,
    /// How long the login lives.
    pub lifetime: SignedDuration,
    /// Whether a link stands behind it.
    pub daemon: bool,
    /// The login that it is made with, when it is for a program.
    pub made_by: Option<String>,
}

#[derive(Debug)]
struct Inner {
    me: ServerId,
    keys: Keys,
    transport: Transport,
    configuration: Configuration,
    fleet: Fleet,
    cache: Mutex<Cache>,
    /// Logins issued here by token id, with their end.
    issued: Mutex<HashMap<String, (LoginName, Timestamp)>>,
    revoked: broadcast::Sender<Arc<Vec<String>>>,
}

/// The service; clones share it.
#[derive(Debug, Clone)]
pub struct Logins {
    inner: Arc<Inner>,
}

impl Logins {
    /// A service without any login.
    pub fn new(
        me: ServerId,
        keys: Keys,
        transport: Transport,
        configuration: Configuration,
        fleet: Fleet,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                me,
                keys,
                transport,
                configuration,
                fleet,
                cache: Mutex::default(),
                issued: Mutex::default(),
                revoked: broadcast::Sender::new(64),
            }),
        }
    }

    /// Whether anybody may sign in at this server; one that has just started waits for its configuration first.
    pub async fn open(&self) -> Result<(), Problem> {
        let mut current = self.inner.configuration.watch();
        let loaded = current.wait_for(|current| current.root.generation > 0);
        if !matches!(tokio::time::timeout(LOADED, loaded).await, Ok(Ok(_))) {
            return Err(Problem::unavailable(
                "no-manager",
                "No cluster manager has told this server its configuration yet.",
            ));
        }
        if self.inner.configuration.current().node.logins {
            return Ok(());
        }
        Err(Problem::new(403, "logins-off", "No sign-in here")
            .detail("Signing in at this server is switched off.")
            .action("Use the address of the cluster instead."))
    }

    /// Checks a password with a manager and issues a login.
    pub async fn sign_in(
        &self,
        login: LoginName,
        password: Secret,
        address: &str,
        label: &str,
    ) -> Result<User, Problem> {
        self.open().await?;
        let inner = &self.inner;
        let check = PasswordCheck {
            login,
            password,
            address: address.to_owned(),
        };
        let answer: PasswordAnswer = inner
            .transport
            .store(Operation::PasswordCheck, &check)
            .await?;
        self.issue(Proof {
            login: answer.login,
            groups: answer.groups,
            method: "local".to_owned(),
            address: address.to_owned(),
            label: label.to_owned(),
            lifetime: LIFETIME,
            daemon: false,
            made_by: None,
        })
        .await
    }

    /// Issues a login to somebody who has proved who they are.
    pub async fn issue(&self, proof: Proof) -> Result<User, Problem> {
        let inner = &self.inner;
        let now = clock::now();
        let jti = random_hex::<16>(&mut rand::rng());
        let record = TokenRecord {
            jti: jti.clone(),
            login: proof.login,
            issuer: inner.me.clone(),
            method: proof.method,
            groups: proof.groups,
            issued: now,
            expires: now + proof.lifetime,
            address: proof.address,
            label: proof.label,
            made_by: proof.made_by,
        };
        let put = TokenPut {
            token: record.clone(),
        };
        let _listed: Empty = inner.transport.store(Operation::TokenPut, &put).await?;
        let claims = Claims {
            sub: record.login.clone(),
            iss: inner.me.clone(),
            iat: now.as_second(),
            exp: record.expires.as_second(),
            jti: jti.clone(),
            aud: AUDIENCE.to_owned(),
            daemon: proof.daemon,
        };
        let token = token::sign(Kind::Login, &claims, &inner.keys.signing);
        lock(&inner.issued).insert(jti, (record.login.clone(), record.expires));
        lock(&inner.cache).put(record.clone(), now);
        tracing::info!(login = %record.login, method = %record.method, address = %record.address, "signed in");
        Ok(self.user(record, token))
    }

    /// Checks a token from anybody; the order of the checks is that of their cost to an attacker.
    pub async fn verify(&self, token: &str) -> Result<User, Problem> {
        let refuse =
            |why: &str| Problem::unauthenticated(&format!("The login is not accepted: {why}."));
        if token.len() > MAX_TOKEN {
            return Err(refuse("it is malformed"));
        }
        let peeked: Claims = token::peek(token).map_err(|e| refuse(&e.to_string()))?;
        let now = clock::now();
        check_times(&peeked, now).map_err(refuse)?;
        if !self.inner.configuration.logins_count(&peeked.iss).await? {
            return Err(refuse("logins issued by that server do not count"));
        }
        let key = self
            .key_of(&peeked.iss)
            .ok_or_else(|| refuse("the server that issued it is not known here"))?;
        let claims: Claims =
            token::verify(Kind::Login, token, &key).map_err(|e| refuse(&e.to_string()))?;
        let record = self.listed(&claims.jti, now).await?;
        if record.login != claims.sub || record.issuer != claims.iss {
            return Err(refuse("it is listed for somebody else"));
        }
        Ok(self.user(record, token.to_owned()))
    }

    /// Ends the login of a user everywhere.
    pub async fn sign_out(&self, user: &User) -> Result<(), Problem> {
        let request = TokenRevoke {
            login: user.login.clone(),
            jti: Some(user.jti.clone()),
        };
        let _done: Empty = self
            .inner
            .transport
            .store(Operation::TokenRevoke, &request)
            .await?;
        self.revoked(vec![user.jti.clone()]);
        Ok(())
    }

    /// Tokens that are no longer valid, as they become known.
    pub fn revocations(&self) -> broadcast::Receiver<Arc<Vec<String>>> {
        self.inner.revoked.subscribe()
    }

    /// Users with a login that was issued here.
    pub fn signed_in_users(&self, now: Timestamp) -> u32 {
        let mut issued = lock(&self.inner.issued);
        issued.retain(|_, (_, expires)| *expires > now);
        let mut logins: Vec<&LoginName> = issued.values().map(|(login, _)| login).collect();
        logins.sort_unstable();
        logins.dedup();
        u32::try_from(logins.len()).unwrap_or(u32::MAX)
    }

    /// The registered public key of a member; the node's own needs no registry.
    pub fn key_of(&self, server: &ServerId) -> Option<String> {
        if *server == self.inner.me {
            return Some(self.inner.keys.signing_public());
        }
        let key = self.inner.fleet.server(server)?.server.signing_key;
        (!key.is_empty()).then_some(key)
    }

    /// Somebody has ended these: an answer of before that is still on its way counts for nothing.
    fn revoked(&self, jtis: Vec<String>) {
        lock(&self.inner.cache).revoke(&jtis, clock::now());
        self.ended(jtis);
    }

    fn ended(&self, jtis: Vec<String>) {
        {
            let mut issued = lock(&self.inner.issued);
            for jti in &jtis {
                issued.remove(jti);
            }
        }
        let _nobody = self.inner.revoked.send(Arc::new(jtis));
    }

    /// Whether a token is on the list: as known a moment ago, as a manager says, or for the grace time as seen before.
    async fn listed(&self, jti: &str, now: Timestamp) -> Result<TokenRecord, Problem> {
        let known = lock(&self.inner.cache).get(jti, now);
        if let Known::Fresh(record) = known {
            return Ok(record);
        }
        let request = TokenCheck {
            jti: jti.to_owned(),
        };
        let answer: Result<TokenAnswer, Problem> = self
            .inner
            .transport
            .store(Operation::TokenCheck, &request)
            .await;
        let over = || Err(Problem::unauthenticated("The login has ended."));
        if lock(&self.inner.cache).is_revoked(jti, clock::now()) {
            return over();
        }
        match (answer, known) {
            (Ok(TokenAnswer { token: Some(record) }), _) => {
                if lock(&self.inner.cache).put(record.clone(), now) {
                    Ok(record)
                } else {
                    over()
                }
            }
            (Ok(TokenAnswer { token: None }), _) => {
                lock(&self.inner.cache).forget(jti);
                self.ended(vec![jti.to_owned()]);
                over()
            }
            (Err(problem), Known::Before(record, age)) if is_away(&problem) => {
                let grace = self.inner.configuration.current().cluster.offline_grace_seconds;
                if age.as_secs() <= i64::try_from(grace).unwrap_or(i64::MAX) {
                    Ok(record)
                } else {
                    Err(problem.detail("The cluster managers cannot be reached, and the time for which this server accepts logins without them is over."))
                }
            }
            (Err(problem), _) if is_away(&problem) => Err(problem.detail(
                "The cluster managers cannot be reached, and this server has not seen this login before.",
            )),
            (Err(problem), _) => Err(problem),
        }
    }

    fn user(&self, record: TokenRecord, token: String) -> User {
        let cluster = self.inner.configuration.current().cluster.clone();
        User {
            role: Role::of(&cluster.roles, record.login.as_str(), &record.groups),
            login: record.login,
            groups: record.groups,
            jti: record.jti,
            expires: record.expires,
            token: Secret::new(token),
        }
    }
}

fn check_times(claims: &Claims, now: Timestamp) -> Result<(), &'static str> {
    let now = now.as_second();
    if claims.aud != AUDIENCE {
        Err("it is for another purpose")
    } else if claims.exp <= now {
        Err("it has expired")
    } else if claims.iat > now + SKEW_SECONDS {
        Err("it comes from the future; check the clocks of the servers")
    } else {
        Ok(())
    }
}

/// What a page must repeat in a header when it changes something: derived from the token, so that every node knows it.
pub fn csrf_value(token: &str) -> String {
    let digest = Sha256::new()
        .chain_update(b"fastx csrf ")
        .chain_update(token)
        .finalize();
    BASE64.encode(&digest[..18])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_audience_are_checked() {
        let claims = |iat, exp, aud: &str| Claims {
            sub: "ada".parse().unwrap(),
            iss: "a".parse().unwrap(),
            iat,
            exp,
            jti: String::new(),
            aud: aud.into(),
            daemon: false,
        };
        let now = Timestamp::from_second(1000).unwrap();
        assert_eq!(check_times(&claims(900, 1100, "api"), now), Ok(()));
        assert_eq!(
            check_times(&claims(1060, 1100, "api"), now),
            Ok(()),
            "clocks differ a little"
        );
        assert!(check_times(&claims(1061, 1100, "api"), now).is_err());
        assert!(check_times(&claims(900, 1000, "api"), now).is_err());
        assert!(check_times(&claims(900, 1100, "x"), now).is_err());
    }

    #[test]
    fn every_token_has_its_own_csrf_value() {
        assert_ne!(csrf_value("a"), csrf_value("b"));
        assert_eq!(csrf_value("a").len(), 24);
    }
}
