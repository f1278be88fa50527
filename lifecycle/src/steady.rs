//! Notices that the wall clock was set, or that the machine slept: what is due by the clock then need not be due.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The clock was set, or the machine slept, when it goes wrong by more than this between two looks.
const JUMP: SignedDuration = SignedDuration::from_secs(30);

/// What lies between two looks at the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// Time by the clock that nobody can set.
    pub passed: SignedDuration,
    /// By how much the wall clock has jumped, if it has.
    pub jump: Option<SignedDuration>,
}

/// Compares the wall clock with the one that nobody can set.
#[derive(Debug)]
pub struct Steady {
    last: (Instant, Timestamp),
}

impl Steady {
    /// From now on.
    pub fn new(at: Instant, now: Timestamp) -> Self {
        Self { last: (at, now) }
    }

    /// What lies between the last call and this one.
    pub fn look(&mut self, at: Instant, now: Timestamp) -> Since {
        let passed = at.saturating_duration_since(self.last.0);
        let passed = SignedDuration::try_from(passed).unwrap_or_default();
        let jump = now.duration_since(self.last.1) - passed;
        self.last = (at, now);
        Since {
            passed,
            jump: (jump.abs() > JUMP).then_some(jump),
        }
    }
}

/// Puts off what must not be done by a clock that was just set wrong.
#[derive(Debug)]
pub struct PutOff {
    steady: Steady,
    pause: Duration,
    until: Option<Instant>,
}

impl PutOff {
    /// For this long after a jump.
    pub fn new(pause: Duration, at: Instant, now: Timestamp) -> Self {
        Self {
            steady: Steady::new(at, now),
            pause,
            until: None,
        }
    }

    /// The jump that was noticed just now, and whether the work may be done.
    pub fn look(&mut self, at: Instant, now: Timestamp) -> (Option<SignedDuration>, bool) {
        let jump = self.steady.look(at, now).jump;
        if jump.is_some() {
            self.until = Some(at + self.pause);
        }
        (jump, self.until.is_none_or(|until| at >= until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_put_off_after_a_jump_in_either_direction() {
        let (begun, zero) = (Instant::now(), Timestamp::UNIX_EPOCH);
        let after = |seconds| begun + Duration::from_secs(seconds);
        let wall = |seconds| zero + SignedDuration::from_secs(seconds);
        let mut put_off = PutOff::new(Duration::from_secs(100), begun, zero);
        assert_eq!(put_off.look(after(60), wall(61)), (None, true));
        let ahead = SignedDuration::from_secs(3600);
        assert_eq!(put_off.look(after(70), wall(3671)), (Some(ahead), false));
        assert_eq!(put_off.look(after(169), wall(3770)), (None, false));
        assert_eq!(put_off.look(after(170), wall(3771)), (None, true));
        let back = SignedDuration::from_secs(-3600);
        assert_eq!(put_off.look(after(180), wall(181)), (Some(back), false));
    }
}
