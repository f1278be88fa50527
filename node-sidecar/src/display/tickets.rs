//! Tickets: issued by any node whose logins count, redeemed once, by the session's node alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use fastx_core::names::{LoginName, ServerId, SessionId};
use fastx_core::token::{self, Kind};
use fastx_core::wire::ticket::{LIFETIME_SECONDS, Mode, TicketClaims};
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::configuration::Configuration;
use crate::disk;
use crate::keys::{Keys, random_hex};
use crate::logins::Logins;

/// How far the clocks of two members may be apart.
const SKEW_SECONDS: i64 = 5;
/// Tickets that may be remembered as used; thirty seconds' worth.
const LIMIT: usize = 10_000;
/// Longest ticket that is looked at.
const MAX_TICKET: usize = 4096;

/// Ids of used tickets and of attempts that were decided, with the second when they can be forgotten.
pub(super) type Used = BTreeMap<String, i64>;

/// One attempt to connect: its tickets void each other.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Its id.
    pub id: String,
    /// Whose session it is, and who comes.
    pub login: LoginName,
    /// The session.
    pub session: SessionId,
    /// Its node.
    pub server: ServerId,
    /// What the viewer may do.
    pub mode: Mode,
    /// Id of the login that asks.
    pub login_jti: String,
    /// When that login ends.
    pub login_ends: Timestamp,
    /// Address of the client.
    pub address: String,
}

/// Issues and redeems tickets; clones share it.
#[derive(Debug, Clone)]
pub struct Tickets {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    me: ServerId,
    keys: Keys,
    logins: Logins,
    configuration: Configuration,
    path: PathBuf,
    used: Mutex<Used>,
}

impl Tickets {
    /// Knows the used tickets of the last run.
    pub fn open(
        me: ServerId,
        keys: Keys,
        logins: Logins,
        configuration: Configuration,
        local_dir: &std::path::Path,
    ) -> Self {
        let path = local_dir.join("tickets.json");
        let used = disk::load(&path).unwrap_or_default();
        Self {
            inner: Arc::new(Inner {
                me,
                keys,
                logins,
                configuration,
                path,
                used: Mutex::new(used),
            }),
        }
    }

    /// A ticket of an attempt and when it ends.
    pub fn issue(&self, attempt: &Attempt, now: Timestamp) -> (String, Timestamp) {
        let exp = now.as_second() + LIFETIME_SECONDS;
        let claims = TicketClaims {
            iss: self.inner.me.clone(),
            aud: attempt.server.clone(),
            session: attempt.session.clone(),
            sub: attempt.login.clone(),
            mode: attempt.mode,
            attempt: attempt.id.clone(),
            jti: random_hex::<16>(&mut rand::rng()),
            exp,
            login_jti: attempt.login_jti.clone(),
            login_exp: attempt.login_ends.as_second(),
            address: attempt.address.clone(),
        };
        let ticket = token::sign(Kind::Ticket, &claims, &self.inner.keys.signing);
        (ticket, Timestamp::from_second(exp).unwrap_or(now))
    }

    /// Takes a ticket for a session of this node; the reason when it is refused.
    pub async fn redeem(
        &self,
        ticket: &str,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<TicketClaims, String> {
        let inner = &self.inner;
        if ticket.len() > MAX_TICKET {
            return Err("it is malformed".to_owned());
        }
        let peeked: TicketClaims = token::peek(ticket).map_err(|e| e.to_string())?;
        // Who may speak for users is what configuration says, as with logins.
        let counts = peeked.iss == inner.me
            || inner
                .configuration
                .logins_count(&peeked.iss)
                .await
                .map_err(|p| p.detail)?;
        if !counts {
            return Err("the server that issued it may not".to_owned());
        }
        let key = inner
            .logins
            .key_of(&peeked.iss)
            .ok_or("the server that issued it is not known here")?;
        let claims: TicketClaims =
            token::verify(Kind::Ticket, ticket, &key).map_err(|e| e.to_string())?;
        check(&claims, &inner.me, session, now)?;
        let mut used = inner.used.lock().await;
        let mut next = used.clone();
        spend(&mut next, &claims, now)?;
        let (path, kept) = (inner.path.clone(), next.clone());
        let written = tokio::task::spawn_blocking(move || disk::save(&path, &kept)).await;
        match written {
            // Counted as used here even when the disk is full: at worst a restart forgets it.
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "used tickets cannot be written"),
            Err(error) => tracing::warn!(%error, "used tickets cannot be written"),
        }
        *used = next;
        Ok(claims)
    }
}

fn check(
    claims: &TicketClaims,
    me: &ServerId,
    session: &SessionId,
    now: Timestamp,
) -> Result<(), String> {
    let now = now.as_second();
    if claims.aud != *me {
        Err("it is for another server".to_owned())
    } else if claims.session != *session {
        Err("it is for another session".to_owned())
    } else if claims.exp + SKEW_SECONDS <= now {
        Err("it has expired".to_owned())
    } else if claims.exp > now + LIFETIME_SECONDS + SKEW_SECONDS {
        Err("it lives longer than tickets may".to_owned())
    } else {
        Ok(())
    }
}

/// Marks ticket and attempt as used.
fn spend(used: &mut Used, claims: &TicketClaims, now: Timestamp) -> Result<(), String> {
    used.retain(|_, until| *until > now.as_second());
    let (ticket, attempt) = (format!("t:{}", claims.jti), format!("a:{}", claims.attempt));
    if used.contains_key(&ticket) {
        return Err("it was used before".to_owned());
    }
    if used.contains_key(&attempt) {
        return Err("another way of the same attempt was first".to_owned());
    }
    if used.len() >= LIMIT {
        return Err("too many tickets are being used; try again".to_owned());
    }
    let until = claims.exp + 2 * SKEW_SECONDS;
    used.insert(ticket, until);
    used.insert(attempt, until);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn claims(jti: &str, attempt: &str, exp: i64) -> TicketClaims {
        TicketClaims {
            iss: "a".parse().unwrap(),
            aud: "b".parse().unwrap(),
            session: "0000000000000001".parse().unwrap(),
            sub: "ada".parse().unwrap(),
            mode: Mode::Control,
            attempt: attempt.into(),
            jti: jti.into(),
            exp,
            login_jti: String::new(),
            login_exp: 0,
            address: String::new(),
        }
    }

    #[test]
    fn a_ticket_is_for_one_session_on_one_server_for_a_short_time() {
        let session: SessionId = "0000000000000001".parse().unwrap();
        let other: SessionId = "0000000000000002".parse().unwrap();
        let (a, b): (ServerId, ServerId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let good = claims("j", "x", 130);
        assert_eq!(check(&good, &b, &session, at(100)), Ok(()));
        assert!(check(&good, &a, &session, at(100)).is_err());
        assert!(check(&good, &b, &other, at(100)).is_err());
        assert_eq!(
            check(&good, &b, &session, at(134)),
            Ok(()),
            "clocks differ a little"
        );
        assert!(check(&good, &b, &session, at(135)).is_err());
        assert!(check(&claims("j", "x", 136), &b, &session, at(100)).is_err());
    }

    #[test]
    fn once_and_only_one_of_an_attempt() {
        let mut used = Used::new();
        assert_eq!(spend(&mut used, &claims("1", "x", 130), at(100)), Ok(()));
        assert!(
            spend(&mut used, &claims("1", "y", 130), at(100))
                .unwrap_err()
                .contains("used before")
        );
        assert!(
            spend(&mut used, &claims("2", "x", 130), at(100))
                .unwrap_err()
                .contains("same attempt")
        );
        assert_eq!(spend(&mut used, &claims("3", "z", 130), at(100)), Ok(()));
        assert_eq!(used.len(), 4);
        assert_eq!(spend(&mut used, &claims("4", "w", 170), at(140)), Ok(()));
        assert_eq!(used.len(), 2, "expired ones are forgotten");
    }
}
