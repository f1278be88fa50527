//! Growing pauses between tries, with jitter so that many links do not come back in step.

use std::time::Duration;

use rustix::rand::{GetRandomFlags, getrandom};

/// Pauses that double up to a limit.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    limit: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, limit: Duration) -> Self {
        Self {
            first,
            limit,
            next: first,
        }
    }

    /// The next pause, between half and all of the present step; `random` is any number.
    pub(crate) fn next(&mut self, random: u32) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.limit);
        let share = f64::from(random) / f64::from(u32::MAX);
        step.mul_f64(0.5 + share / 2.0)
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// A number that differs from process to process.
pub(crate) fn random() -> u32 {
    let mut bytes = [0_u8; 4];
    // Without randomness there is no jitter, which is no reason to fail.
    let _ = getrandom(&mut bytes, GetRandomFlags::empty());
    u32::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_limit_and_start_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(300));
        let mut pauses = || backoff.next(u32::MAX).as_millis();
        assert_eq!(
            [pauses(), pauses(), pauses(), pauses()],
            [100, 200, 300, 300]
        );
        backoff.reset();
        assert_eq!(backoff.next(0).as_millis(), 50);
    }
}
