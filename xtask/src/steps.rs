//! Steps of a long chore: what each does, how long it usually takes, and how long it took.

use std::error::Error;
use std::time::{Duration, Instant};

use crate::cluster::say;

/// Why a chore ended early.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Runs steps and remembers their times.
pub(crate) struct Steps {
    begun: Instant,
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Starts the clock.
    pub(crate) fn begin() -> Self {
        Self {
            begun: now(),
            done: Vec::new(),
        }
    }

    /// Runs one step; `usual` says how long it takes.
    pub(crate) fn run<T, E>(
        &mut self,
        what: &str,
        usual: &str,
        step: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, Failure>
    where
        E: Into<Failure>,
    {
        say(&format!("==> {what} ({usual})"));
        let started = now();
        let result = step();
        let took = started.elapsed();
        self.done.push((what.to_owned(), took));
        if result.is_err() {
            say(&format!("==> {what}: failed after {}", seconds(took)));
        }
        result.map_err(Into::into)
    }

    /// Says how long everything took.
    pub(crate) fn summary(&self) {
        for (what, took) in &self.done {
            say(&format!("    {:>8}  {what}", seconds(*took)));
        }
        say(&format!("    {:>8}  in all", seconds(self.begun.elapsed())));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a chore tells how long its steps really took"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
