//! Waiting times of retries: doubling up to a limit, with jitter so that many do not come back at once.

use std::time::Duration;

use rand::{Rng, RngExt as _};

/// State of one row of retries.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts at `first`, never waits longer than `max`.
    pub fn new(first: Duration, max: Duration) -> Self {
        Self {
            first,
            max,
            next: first,
        }
    }

    /// The next wait: between half of the present step and all of it. The step doubles.
    pub fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let step = self.next.min(self.max);
        self.next = (step * 2).min(self.max);
        step.mul_f64(rng.random_range(0.5..=1.0))
    }

    /// Begins anew after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn doubles_up_to_the_limit() {
        let mut rng = rand::rngs::SmallRng::seed_from_u64(1);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        for limit in [100, 200, 350, 350] {
            let wait = backoff.next(&mut rng).as_millis();
            assert!((limit / 2..=limit).contains(&wait), "{wait} of {limit}");
        }
        backoff.reset();
        assert!(backoff.next(&mut rng).as_millis() <= 100);
    }
}
