//! The one place that reads clocks: wall time for documents, monotonic time for deadlines.

use std::time::Duration;

use jiff::Timestamp;
use rustix::event::Timespec;
use rustix::time::{ClockId, clock_gettime};

/// The time now, in whole milliseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the edge where the clock is read"
)]
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// A point in time until which something may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Duration);

impl Deadline {
    /// So long from now.
    pub(crate) fn after(time: Duration) -> Self {
        Self(monotonic() + time)
    }

    /// What is left; zero once it has passed.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_sub(monotonic())
    }

    /// Whether it has passed.
    pub(crate) fn passed(self) -> bool {
        self.left().is_zero()
    }
}

/// How long something has been going on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Duration);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(monotonic())
    }

    pub(crate) fn elapsed(self) -> Duration {
        monotonic().saturating_sub(self.0)
    }
}

/// The form in which the kernel takes a time limit.
pub(crate) fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}
