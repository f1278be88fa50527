//! The work queue of a controller: each object at most once, with its own back-off.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// First wait after a failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// Names an object of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// A key.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What came of working on an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more to do until something changes, or until then.
    Done(Option<Duration>),
    /// It failed; again later, each time later than before.
    Again,
    /// It failed and will until the object changes.
    OnChange,
}

/// Objects that wait for work. Its length is bounded by the number of objects.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    due: BTreeMap<Key, Instant>,
    order: BTreeSet<(Instant, Key)>,
    running: BTreeSet<Key>,
    again: BTreeSet<Key>,
    failures: HashMap<Key, u32>,
}

impl State {
    fn schedule(&mut self, key: Key, at: Instant) {
        match self.due.get(&key) {
            Some(before) if *before <= at => return,
            Some(before) => {
                self.order.remove(&(*before, key.clone()));
            }
            None => {}
        }
        self.order.insert((at, key.clone()));
        self.due.insert(key, at);
    }
}

impl Queue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Something about this object changed: work on it now, or right after the present work on it.
    pub fn poke(&self, key: Key) {
        let mut state = self.lock();
        if state.running.contains(&key) {
            state.again.insert(key);
        } else {
            state.schedule(key, Instant::now());
        }
        drop(state);
        self.wake.notify_one();
    }

    /// How many objects wait.
    pub fn len(&self) -> usize {
        self.lock().due.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next object that is due; it counts as being worked on until [`Self::done`].
    pub async fn next(&self) -> Key {
        loop {
            let wait = {
                let mut state = self.lock();
                let first = state.order.first().cloned();
                match first {
                    Some((at, key)) if at <= Instant::now() => {
                        state.order.remove(&(at, key.clone()));
                        state.due.remove(&key);
                        state.running.insert(key.clone());
                        return key;
                    }
                    Some((at, _)) => Some(at),
                    None => None,
                }
            };
            match wait {
                Some(at) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(at) => {}
                        () = self.wake.notified() => {}
                    }
                }
                None => self.wake.notified().await,
            }
        }
    }

    /// The work on an object ended. `jitter` is between 0 and 1.
    pub fn done(&self, key: &Key, outcome: Outcome, jitter: f64) {
        let mut state = self.lock();
        state.running.remove(key);
        let wait = match outcome {
            Outcome::Done(wait) => {
                state.failures.remove(key);
                // Spread over a tenth, so that objects of equal age do not come back together.
                wait.map(|w| w.mul_f64(1.0 + 0.1 * jitter))
            }
            Outcome::OnChange => {
                state.failures.remove(key);
                None
            }
            Outcome::Again => {
                let failures = state.failures.entry(key.clone()).or_default();
                *failures = failures.saturating_add(1);
                let step = FIRST_WAIT * 2_u32.saturating_pow((*failures - 1).min(16));
                Some(step.min(LONGEST_WAIT).mul_f64(0.5 + 0.5 * jitter))
            }
        };
        if state.again.remove(key) {
            // What changed in the meantime may be the remedy, but a hot object must not spin on its failures.
            let at = match outcome {
                Outcome::Again => Instant::now() + wait.unwrap_or_default().min(FIRST_WAIT),
                _ => Instant::now(),
            };
            state.schedule(key.clone(), at);
        } else if let Some(wait) = wait {
            state.schedule(key.clone(), Instant::now() + wait);
        }
        drop(state);
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("n", name)
    }

    async fn next_within(queue: &Queue, limit: Duration) -> Option<Key> {
        tokio::time::timeout(limit, queue.next()).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_is_there_once_however_often_it_is_poked() {
        let queue = Queue::new();
        for name in ["a", "b", "a", "a"] {
            queue.poke(key(name));
        }
        assert_eq!(queue.next().await, key("a"));
        assert_eq!(queue.next().await, key("b"));
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_poke_during_the_work_means_once_more() {
        let queue = Queue::new();
        queue.poke(key("a"));
        queue.next().await;
        queue.poke(key("a"));
        assert_eq!(next_within(&queue, Duration::from_mins(1)).await, None);
        queue.done(&key("a"), Outcome::Done(None), 0.0);
        assert_eq!(queue.next().await, key("a"));
        queue.done(&key("a"), Outcome::Done(None), 0.0);
        assert_eq!(next_within(&queue, Duration::from_hours(1)).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_each_time_and_a_success_forgets_them() {
        let queue = Queue::new();
        queue.poke(key("a"));
        for expected in [1, 2, 4, 8] {
            let before = Instant::now();
            assert_eq!(queue.next().await, key("a"));
            queue.done(&key("a"), Outcome::Again, 1.0);
            queue.next().await;
            assert_eq!((Instant::now() - before).as_secs(), expected);
            queue.done(&key("a"), Outcome::Again, 1.0);
            // The second failure of the pair doubled the wait; take it back for a readable table.
            queue
                .lock()
                .failures
                .insert(key("a"), u32::try_from(expected).unwrap().ilog2() + 1);
            let at = queue.lock().due.remove(&key("a")).unwrap();
            queue.lock().order.remove(&(at, key("a")));
            queue.poke(key("a"));
        }
        queue.next().await;
        queue.done(&key("a"), Outcome::Done(None), 0.0);
        assert!(queue.lock().failures.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_failure_of_one_object_does_not_hold_up_another() {
        let queue = Queue::new();
        queue.poke(key("bad"));
        queue.next().await;
        for _ in 0..9 {
            queue.done(&key("bad"), Outcome::Again, 1.0);
        }
        queue.poke(key("good"));
        assert_eq!(
            next_within(&queue, Duration::from_millis(1)).await,
            Some(key("good"))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn waits_are_bounded() {
        let queue = Queue::new();
        for _ in 0..40 {
            queue.done(&key("a"), Outcome::Again, 1.0);
        }
        let before = Instant::now();
        queue.next().await;
        assert!(Instant::now() - before <= LONGEST_WAIT);
    }
}
