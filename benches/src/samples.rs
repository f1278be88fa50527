//! Durations of many rounds, and what is said of them.

use std::time::Duration;

/// Durations in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one.
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest value that so many percent do not exceed, in seconds; zero of nothing.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).map_or(0.0, Duration::as_secs_f64)
    }

    /// The same in milliseconds.
    pub(crate) fn ms(&self, percent: usize) -> f64 {
        self.percentile(percent) * 1e3
    }

    /// The same in microseconds.
    pub(crate) fn us(&self, percent: usize) -> f64 {
        self.percentile(percent) * 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut samples = Samples::default();
        for ms in (1..=100).rev() {
            samples.push(Duration::from_millis(ms));
        }
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(samples.ms(50), 50.0) && near(samples.ms(95), 95.0));
        assert!(near(samples.ms(100), 100.0) && near(samples.us(1), 1000.0));
        assert!(near(Samples::default().ms(50), 0.0));
        assert_eq!(samples.len(), 100);
    }
}
