//! How many wrong passwords are borne: after some free tries each further one has to wait twice as long.
//!
//! A try is counted before the password is looked at, so that many at once gain nothing;
//! a success takes the count back.

use jiff::{SignedDuration, Timestamp};

use crate::wire::TriesBody;

/// Rules of one kind of count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Tries before the first pause.
    pub free: u32,
    /// Longest pause.
    pub longest: SignedDuration,
}

/// For each login: short enough that a stranger cannot lock its owner out for long.
pub(crate) const BY_LOGIN: Rules = Rules {
    free: 5,
    longest: SignedDuration::from_mins(2),
};

/// For each address: many users may share one.
pub(crate) const BY_ADDRESS: Rules = Rules {
    free: 30,
    longest: SignedDuration::from_mins(15),
};

/// Quiet time after which everything is forgotten.
pub(crate) const MEMORY: SignedDuration = SignedDuration::from_mins(30);

impl Rules {
    /// Counts a try at `now`, or says how many seconds it must wait.
    pub(crate) fn count(
        self,
        before: Option<&TriesBody>,
        now: Timestamp,
    ) -> Result<TriesBody, u64> {
        let known = before
            .filter(|tries| now.duration_since(tries.last) < MEMORY)
            .cloned()
            .unwrap_or_default();
        let wait = known.blocked.duration_since(now);
        if wait > SignedDuration::ZERO {
            // Rounded up: after so many seconds a try is looked at.
            let seconds = (wait.as_millis() + 999).div_euclid(1000);
            return Err(u64::try_from(seconds).unwrap_or(1));
        }
        let count = known.count.saturating_add(1);
        Ok(TriesBody {
            count,
            last: now,
            blocked: now + self.pause(count),
        })
    }

    fn pause(self, count: u32) -> SignedDuration {
        match count.checked_sub(self.free) {
            None => SignedDuration::ZERO,
            Some(over) => SignedDuration::from_secs(1 << over.min(20)).min(self.longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn pauses_double_after_the_free_tries() {
        let mut tries = None;
        for _ in 0..5 {
            tries = Some(BY_LOGIN.count(tries.as_ref(), at(0)).unwrap());
        }
        assert_eq!(BY_LOGIN.count(tries.as_ref(), at(0)), Err(1));
        let mut now = 2;
        for expected in [2, 4, 8, 16, 32, 64, 120, 120] {
            let next = BY_LOGIN.count(tries.as_ref(), at(now)).unwrap();
            assert_eq!(next.blocked.duration_since(at(now)).as_secs(), expected);
            now += expected + 1;
            tries = Some(next);
        }
    }

    #[test]
    fn a_refused_try_does_not_lengthen_the_pause() {
        let tries = TriesBody {
            count: 9,
            last: at(0),
            blocked: at(16),
        };
        assert_eq!(BY_LOGIN.count(Some(&tries), at(15)), Err(1));
        assert!(BY_LOGIN.count(Some(&tries), at(16)).is_ok());
    }

    #[test]
    fn a_quiet_half_hour_is_a_new_start() {
        let tries = TriesBody {
            count: 40,
            last: at(0),
            blocked: at(900),
        };
        let later = at(0) + MEMORY;
        assert_eq!(BY_ADDRESS.count(Some(&tries), later).unwrap().count, 1);
    }
}
