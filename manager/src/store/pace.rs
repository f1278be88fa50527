//! Pauses between attempts, and marks that tell one write from another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Draws jitter and write marks from a seed that the composition root drew.
#[derive(Debug)]
pub struct Pace {
    seed: u64,
    drawn: AtomicU64,
}

impl Pace {
    /// From a random seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            drawn: AtomicU64::new(0),
        }
    }

    fn draw(&self) -> u64 {
        // splitmix64: evenly spread, and one counter is enough for all tasks.
        let step = self.drawn.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut z = self
            .seed
            .wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Pause after attempt number `attempt` (from 0): doubling from 5 ms to 320 ms, half of it jitter.
    pub fn pause(&self, attempt: u32) -> Duration {
        let whole = 5_000_u64 << attempt.min(6);
        Duration::from_micros(whole / 2 + self.draw() % (whole / 2))
    }

    /// A mark that no other write of any manager carries.
    pub fn mark(&self) -> String {
        format!("{:016x}{:016x}", self.seed, self.draw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let pace = Pace::new(7);
        assert!(pace.pause(0) < Duration::from_millis(5));
        assert!((0..100).all(|_| pace.pause(99) <= Duration::from_millis(320)));
        assert_ne!(pace.pause(5), pace.pause(5));
    }

    #[test]
    fn marks_differ() {
        let (a, b) = (Pace::new(1), Pace::new(2));
        assert_ne!(a.mark(), a.mark());
        assert_ne!(a.mark(), b.mark());
    }
}
