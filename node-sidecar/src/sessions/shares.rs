//! Sharing: the owner lets others see a session, or work in it, for a time, by name or by link.
//!
//! Shares stand in the session's record, so every node knows whom to show it to;
//! the session's own node is the one that lets viewers in and sends them away.

use fastx_core::names::{LoginName, SessionId, hex};
use fastx_core::secret::Secret;
use fastx_core::wire::operations::ActAnswer;
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::{SessionRecord, Share};
use fastx_core::wire::ticket::Mode;
use fastx_lifecycle::clock;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::Sessions;
use crate::keys::random_hex;
use crate::logins::User;

/// Shares of a session that may be in force at once.
const SHARES: usize = 32;
/// Users that may accept one link.
const GUESTS: usize = 32;
/// Longest time, minutes: a week.
const LONGEST: u32 = 7 * 24 * 60;
/// How long a share that is over stays in the record, so that a page that was away learns of its end.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(30);

/// What a guest reads whose share the owner took back.
const TAKEN_BACK: &str = "The owner has stopped sharing the session.";
/// What a guest reads whose time is over.
pub(super) const TIME_OVER: &str = "The time for which the session was shared is over.";

/// How somebody comes to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is theirs.
    Owner,
    /// The owner lets them in.
    Guest {
        /// Id of the share.
        share: String,
        /// The most they may do.
        mode: Mode,
        /// Until when.
        until: Timestamp,
    },
}

impl Admission {
    /// How this login may come to the session now; none when it may not.
    pub fn of(record: &SessionRecord, login: &LoginName, now: Timestamp) -> Option<Self> {
        if record.login == *login {
            return Some(Self::Owner);
        }
        record.shared_with(login, now).map(|share| Self::Guest {
            share: share.id.clone(),
            mode: share.mode,
            until: share.expires,
        })
    }

    /// What is left of a wish.
    pub fn limit(&self, wanted: Mode) -> Mode {
        match self {
            Self::Guest {
                mode: Mode::View, ..
            } => Mode::View,
            Self::Owner | Self::Guest { .. } => wanted,
        }
    }
}

/// The session that the secret of a link is for. The rest of it is for the session's node alone to judge.
pub fn session_of_link(secret: &str) -> Option<SessionId> {
    let well_formed = secret.len() == 48 && secret.is_ascii();
    well_formed.then(|| secret[..16].parse().ok()).flatten()
}

fn hashed(secret: &str) -> String {
    hex(&Sha256::digest(secret))
}

impl Sessions {
    /// Lets somebody in, or makes a link.
    pub(super) fn share_here(
        &self,
        user: &User,
        id: &SessionId,
        login: Option<LoginName>,
        mode: Mode,
        minutes: u32,
    ) -> Result<ActAnswer, Problem> {
        if !(1..=LONGEST).contains(&minutes) {
            return Err(invalid(&format!(
                "`minutes` must be from 1 to {LONGEST}, which is a week."
            )));
        }
        if login.as_ref() == Some(&user.login) {
            return Err(invalid("The session is yours already."));
        }
        let now = clock::now();
        let secret = login
            .is_none()
            .then(|| format!("{id}{}", random_hex::<16>(&mut rand::rng())));
        let share = Share {
            id: random_hex::<8>(&mut rand::rng()),
            link: secret.as_deref().map(hashed).unwrap_or_default(),
            login,
            guests: Vec::new(),
            mode,
            expires: now + SignedDuration::from_mins(minutes.into()),
            over: false,
        };
        let mut full = false;
        let record = self.edit(id, |own| {
            let shares = &mut own.record.shares;
            full = shares.iter().filter(|s| s.holds(now)).count() >= SHARES;
            if !full {
                shares.push(share.clone());
            }
        });
        if full {
            return Err(
                Problem::new(409, "too-many-shares", "Too many shares").detail(format!(
                    "A session may be shared {SHARES} times at once; take one back first."
                )),
            );
        }
        tracing::info!(session = %id, owner = %user.login, guest = ?share.login, ?mode, minutes, "session shared");
        Ok(ActAnswer {
            session: record,
            share: Some(share),
            secret: secret.map(Secret::new),
            ..ActAnswer::default()
        })
    }

    /// Takes a share back; its viewers leave.
    pub(super) fn unshare_here(&self, id: &SessionId, share: &str) -> Result<ActAnswer, Problem> {
        let now = clock::now();
        let mut found = false;
        let changed = self.edit(id, |own| {
            let mut shares = own.record.shares.iter_mut();
            if let Some(share) = shares.find(|s| s.id == share && !s.over) {
                found = true;
                (share.over, share.expires) = (true, now);
            }
        });
        if !found {
            return Err(Problem::not_found("such share"));
        }
        let sent = self.inner.viewers.leave_share(id, share, TAKEN_BACK);
        tracing::info!(session = %id, %share, viewers = sent, "share taken back");
        Ok(ActAnswer {
            session: changed,
            ..ActAnswer::default()
        })
    }

    /// Makes whoever has the link a guest. A wrong secret and a session without links look alike.
    pub(super) fn accept_here(
        &self,
        user: &User,
        id: &SessionId,
        secret: &str,
    ) -> Result<ActAnswer, Problem> {
        let now = clock::now();
        let hash = hashed(secret);
        let mut outcome = Err(no_share());
        let changed = self.edit(id, |own| {
            if own.record.login == user.login {
                outcome = Ok(());
                return;
            }
            let live = own.record.state.is_live();
            let mut shares = own.record.shares.iter_mut();
            let Some(share) = shares.find(|s| live && s.link == hash && s.holds(now)) else {
                return;
            };
            outcome = if share.names(&user.login) {
                Ok(())
            } else if share.guests.len() >= GUESTS {
                Err(Problem::new(409, "too-many-guests", "Too many guests")
                    .detail(format!("The link was accepted by {GUESTS} users already.")))
            } else {
                share.guests.push(user.login.clone());
                Ok(())
            };
        });
        outcome?;
        if changed.is_some() {
            tracing::info!(session = %id, guest = %user.login, "the link of a share was accepted");
        }
        Ok(ActAnswer {
            session: changed.or_else(|| self.own(id)),
            ..ActAnswer::default()
        })
    }

    /// Marks shares whose time has come, and forgets those that have been over for long.
    pub(super) fn sweep_shares(&self, now: Timestamp) {
        let due = |share: &Share| {
            let ended = now.duration_since(share.expires);
            if share.over {
                ended > REMEMBERED
            } else {
                share.expires <= now
            }
        };
        let ids: Vec<SessionId> = {
            let registry = crate::locks::lock(&self.inner.registry);
            let affected = registry.iter().filter(|s| s.record.shares.iter().any(due));
            affected.map(|s| s.record.id.clone()).collect()
        };
        for id in ids {
            self.edit(&id, |own| {
                let shares = &mut own.record.shares;
                shares.retain(|s| !(s.over && due(s)));
                for share in shares.iter_mut().filter(|s| due(s)) {
                    share.over = true;
                }
            });
        }
    }
}

fn invalid(detail: &str) -> Problem {
    Problem::new(422, "bad-request", "The request is not valid").detail(detail)
}

/// Alike for whatever is wrong with a link: it tells nothing about sessions.
pub(super) fn no_share() -> Problem {
    Problem::new(404, "no-share", "The link is not valid")
        .detail("It has expired, was taken back, or never was one.")
        .action("Ask whoever sent it for a new one.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_its_session_and_nothing_else_is_looked_at() {
        let secret = format!("00000000000000aa{}", "f".repeat(32));
        assert_eq!(
            session_of_link(&secret),
            Some("00000000000000aa".parse().unwrap())
        );
        for bad in [
            "",
            "00000000000000aa",
            &"g".repeat(48),
            &"ä".repeat(24),
            &format!("{secret}0"),
        ] {
            assert_eq!(session_of_link(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_guest_gets_at_most_what_was_shared() {
        let guest = |mode| Admission::Guest {
            share: "s".into(),
            mode,
            until: Timestamp::MAX,
        };
        assert_eq!(Admission::Owner.limit(Mode::Control), Mode::Control);
        assert_eq!(guest(Mode::Control).limit(Mode::Control), Mode::Control);
        assert_eq!(guest(Mode::Control).limit(Mode::View), Mode::View);
        assert_eq!(guest(Mode::View).limit(Mode::Control), Mode::View);
    }
}
