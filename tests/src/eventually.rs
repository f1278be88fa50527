//! Waiting for a condition with a deadline; on failure the last thing seen is told.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::Failure;

const STEP: Duration = Duration::from_millis(200);

/// Tries until `attempt` succeeds, and fails after `limit` with what it said last.
pub async fn eventually<T, E: Display>(
    limit: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, Failure> {
    let deadline = Instant::now() + limit;
    let mut tick = interval(STEP);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = "nothing".to_owned();
    loop {
        tick.tick().await;
        // One attempt may hang; it has no more time than the whole wait.
        match tokio::time::timeout_at(deadline, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = format!("{last} (the last attempt did not end)"),
        }
        if Instant::now() >= deadline {
            return Err(format!("{what}: not within {limit:?}; last: {last}").into());
        }
    }
}

/// Looks again and again until `time` is over, and fails with the first error.
pub async fn always<E: Display>(
    time: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<(), E>,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut tick = interval(STEP * 5);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while begun.elapsed() < time {
        tick.tick().await;
        look()
            .await
            .map_err(|error| format!("{what}: after {:.1?}: {error}", begun.elapsed()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tells_what_it_saw_last() {
        let mut tries = 0;
        let error = eventually(Duration::from_secs(1), "ready", async || {
            tries += 1;
            Err::<(), _>(format!("try {tries}"))
        })
        .await
        .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("ready: not within 1s; last: try ")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_holds_holds_to_the_end() {
        let mut looks = 0;
        always(Duration::from_secs(3), "quiet", async || {
            looks += 1;
            Ok::<(), String>(())
        })
        .await
        .unwrap();
        assert!(looks >= 3, "{looks} looks");
        let error = always(Duration::from_secs(3), "quiet", async || Err("noise"))
            .await
            .unwrap_err();
        assert!(error.to_string().ends_with("noise"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn ends_with_the_first_success() {
        let mut tries = 0;
        let value = eventually(Duration::from_secs(5), "ready", async || {
            tries += 1;
            if tries == 3 {
                Ok(tries)
            } else {
                Err("not yet")
            }
        })
        .await;
        assert_eq!(value.unwrap(), 3);
    }
}
