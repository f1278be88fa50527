//! The one place that reads the wall clock; everything else gets the time as an argument.

use jiff::Timestamp;

/// The time now.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the edge where the clock is read"
)]
pub fn now() -> Timestamp {
    // Milliseconds are enough for every document, and shorter to read.
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millisecond(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
        .unwrap_or(Timestamp::MAX)
}
