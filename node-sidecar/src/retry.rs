//! Waiting between two tries.

use fastx_lifecycle::backoff::Backoff;

/// Waits as long as the back-off says.
pub async fn pause(backoff: &mut Backoff) {
    let wait = backoff.next(&mut rand::rng());
    tokio::time::sleep(wait).await;
}
