//! The driver that all controllers share: bounded concurrency, time limits, contained panics, counters.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use fastx_lifecycle::health::Pulse;
use fastx_lifecycle::shutdown::Shutdown;
use futures::FutureExt as _;
use rand::RngExt as _;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::queue::{Key, Outcome, Queue};

/// How long the work on one object may take.
const WORK_LIMIT: Duration = Duration::from_mins(1);

/// How often the driver says that it lives while nothing happens.
const TICK: Duration = Duration::from_secs(5);

/// Why the work on an object failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable word for the metric.
    pub reason: &'static str,
    /// What happened, for the log.
    pub message: String,
    /// Whether another try without a change makes sense.
    pub again: bool,
}

impl Failure {
    /// A failure that may pass.
    pub fn passing(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            again: true,
        }
    }
}

/// What works on the objects of one kind.
pub trait Reconcile: Send + Sync + 'static {
    /// Name of the controller in logs and metrics.
    const NAME: &'static str;

    /// Brings one object to where its spec wants it. Gives when to look again, if time alone can change something.
    fn reconcile(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<Option<Duration>, Failure>> + Send;
}

/// Works off a queue until shutdown; work that has begun is finished.
pub async fn run<R: Reconcile>(
    controller: Arc<R>,
    queue: Arc<Queue>,
    concurrency: usize,
    metrics: Metrics,
    pulse: Pulse,
    shutdown: Shutdown,
) {
    let mut work = JoinSet::new();
    loop {
        pulse.beat();
        // Reap what is done, and hold new work back while too much runs.
        while work.try_join_next().is_some() {}
        if work.len() >= concurrency {
            tokio::select! {
                _ = work.join_next() => {}
                () = tokio::time::sleep(TICK) => {}
            }
            continue;
        }
        let key = tokio::select! {
            () = shutdown.triggered() => break,
            key = queue.next() => key,
            Some(_) = work.join_next() => continue,
            () = tokio::time::sleep(TICK) => continue,
        };
        let (controller, queue, metrics) = (controller.clone(), queue.clone(), metrics.clone());
        work.spawn(async move {
            let outcome = work_on(controller.as_ref(), &key, &metrics).await;
            queue.done(&key, outcome, rand::rng().random_range(0.0..1.0));
        });
    }
    while work.join_next().await.is_some() {}
}

async fn work_on<R: Reconcile>(controller: &R, key: &Key, metrics: &Metrics) -> Outcome {
    let started = Instant::now();
    let work = AssertUnwindSafe(controller.reconcile(key)).catch_unwind();
    let result = match tokio::time::timeout(WORK_LIMIT, work).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => Err(Failure::passing("Panic", "the controller panicked")),
        Err(_) => Err(Failure::passing(
            "Timeout",
            "the work took longer than 60 s",
        )),
    };
    metrics.worked(R::NAME, started.elapsed());
    match result {
        Ok(wait) => Outcome::Done(wait),
        Err(failure) => {
            metrics.failed(R::NAME, failure.reason);
            tracing::warn!(
                controller = R::NAME, object = %key, reason = failure.reason,
                error = %failure.message, "work on an object failed"
            );
            if failure.again {
                Outcome::Again
            } else {
                Outcome::OnChange
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_lifecycle::health::Liveness;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Fragile {
        calls: AtomicUsize,
    }

    impl Reconcile for Fragile {
        const NAME: &'static str = "fragile";
        async fn reconcile(&self, key: &Key) -> Result<Option<Duration>, Failure> {
            self.calls.fetch_add(1, Ordering::SeqCst);
            match key.name.as_str() {
                "panics" => panic!("on purpose"),
                "hangs" => std::future::pending().await,
                _ => Ok(None),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_and_a_hang_are_counted_and_others_go_on() {
        let (queue, metrics, shutdown) =
            (Arc::new(Queue::new()), Metrics::default(), Shutdown::new());
        let controller = Arc::new(Fragile::default());
        for name in ["panics", "hangs", "fine"] {
            queue.poke(Key::new("n", name));
        }
        let pulse = Liveness::new().register("test", Duration::from_mins(1));
        let driver = tokio::spawn(run(
            controller.clone(),
            queue,
            2,
            metrics.clone(),
            pulse,
            shutdown.clone(),
        ));
        // Virtual time: a minute for the hang, and the back-off of both.
        tokio::time::timeout(Duration::from_secs(64), std::future::pending::<()>())
            .await
            .unwrap_err();
        assert!(controller.calls.load(Ordering::SeqCst) >= 5);
        assert!(metrics.failures("fragile", "Panic") >= 2);
        assert_eq!(metrics.failures("fragile", "Timeout"), 1);
        shutdown.trigger();
        tokio::time::timeout(Duration::from_secs(61), driver)
            .await
            .unwrap()
            .unwrap();
    }
}
