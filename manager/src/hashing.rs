//! Slow work for passwords: on a few threads of its own, with memory that is used again and given back when idle.
//!
//! How many checks run at once is bounded, and so is how many wait: who waits too long is told so.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use argon2::Block;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Checks at once: each takes a whole processor and its memory.
const THREADS: usize = 2;

/// Checks that may wait. With the default costs both threads do far more than that in [`WAIT`].
const QUEUE: usize = 128;

/// Time for one check with all its waiting; below the deadline of the one who asks the manager.
const WAIT: Duration = Duration::from_secs(4);

/// Quiet time after which a thread gives its memory back.
const IDLE: Duration = Duration::from_secs(5);

/// Most memory of one check, in blocks of 1 KiB. A hash that asks for more is none that this program makes.
const MOST_BLOCKS: usize = 512 * 1024;

/// Why a check was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// Too many wait already, or it was not done in time.
    TooMany,
    /// It could not be done at all.
    Failed,
}

/// What one thread works with.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    blocks: Vec<Block>,
}

impl Memory {
    /// Room for a hash with these many blocks; none when that is more than allowed, or more than there is.
    pub(crate) fn blocks(&mut self, count: usize) -> Option<&mut [Block]> {
        if count > MOST_BLOCKS {
            return None;
        }
        if count > self.blocks.len() {
            // Not grown in place: the old content is of no use, and both at once would double the need.
            self.blocks = Vec::new();
            self.blocks.try_reserve_exact(count).ok()?;
            self.blocks.resize(count, Block::new());
        }
        self.blocks.get_mut(..count)
    }

    fn release(&mut self) {
        self.blocks = Vec::new();
    }
}

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    over: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job; none at the end. A thread that waits for long has its memory taken.
    fn next(&self, memory: &mut Memory) -> Option<Job> {
        let mut queue = self.lock();
        queue.idle += 1;
        loop {
            if queue.over || !queue.jobs.is_empty() {
                queue.idle -= 1;
                return queue.jobs.pop_front().filter(|_| !queue.over);
            }
            if memory.blocks.is_empty() {
                queue = self
                    .wake
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (again, waited) = self
                .wake
                .wait_timeout(queue, IDLE)
                .unwrap_or_else(PoisonError::into_inner);
            queue = again;
            if waited.timed_out() {
                memory.release();
            }
        }
    }
}

/// The threads, started when they are first needed; they end with this.
pub(crate) struct Hashing {
    shared: Arc<Shared>,
    wait: Duration,
}

impl fmt::Debug for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.shared.lock().jobs.len();
        f.debug_struct("Hashing")
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}

impl Default for Hashing {
    fn default() -> Self {
        Self::new(WAIT)
    }
}

impl Hashing {
    fn new(wait: Duration) -> Self {
        Self {
            shared: Arc::default(),
            wait,
        }
    }

    /// Does the work on one of the threads, in turn.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (sender, receiver) = oneshot::channel();
        self.push(Box::new(move |memory| {
            // Whoever gave up waiting needs no answer, and the next one gets the time.
            if !sender.is_closed() {
                let _ = sender.send(work(memory));
            }
        }))?;
        match timeout(self.wait, receiver).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Busy::Failed),
            Err(_) => Err(Busy::TooMany),
        }
    }

    fn push(&self, job: Job) -> Result<(), Busy> {
        let mut queue = self.shared.lock();
        if queue.jobs.len() >= QUEUE {
            return Err(Busy::TooMany);
        }
        if queue.idle <= queue.jobs.len() && queue.threads < THREADS {
            let shared = Arc::clone(&self.shared);
            let started = thread::Builder::new()
                .name("password".to_owned())
                .spawn(move || work(&shared));
            match started {
                Ok(_) => queue.threads += 1,
                Err(error) if queue.threads == 0 => {
                    tracing::error!(%error, "no thread for password checks");
                    return Err(Busy::Failed);
                }
                Err(error) => tracing::warn!(%error, "fewer threads for password checks"),
            }
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.wake.notify_all();
    }
}

fn work(shared: &Shared) {
    let mut memory = Memory::default();
    while let Some(job) = shared.next(&mut memory) {
        // The caller sees the dropped answer; the thread is needed further.
        if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
            tracing::error!("a password check ended in a panic");
            memory.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::task::JoinSet;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn few_run_at_once_and_all_get_their_turn() {
        let hashing = Arc::new(Hashing::default());
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for n in 0..100_usize {
            let (hashing, now, most) = (hashing.clone(), now.clone(), most.clone());
            tasks.spawn(async move {
                hashing
                    .run(move |memory| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        let room = memory.blocks(n + 1).map(|b| b.len());
                        thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                        room
                    })
                    .await
            });
        }
        let mut rooms: Vec<_> = tasks.join_all().await;
        rooms.sort_by_key(|room| room.ok().flatten());
        let wanted: Vec<_> = (1..=100).map(|n| Ok(Some(n))).collect();
        assert_eq!(rooms, wanted);
        assert!(most.load(Ordering::SeqCst) <= THREADS);
    }

    #[tokio::test]
    async fn who_waits_too_long_or_comes_too_late_is_told() {
        let hashing = Hashing::new(Duration::from_millis(50));
        let (block, blocked) = std::sync::mpsc::channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        for _ in 0..THREADS {
            let blocked = blocked.clone();
            let late = hashing.run(move |_| blocked.lock().unwrap().recv()).await;
            assert!(matches!(late, Err(Busy::TooMany)));
        }
        for _ in 0..QUEUE {
            hashing.push(Box::new(|_| ())).unwrap();
        }
        assert_eq!(hashing.push(Box::new(|_| ())), Err(Busy::TooMany));
        drop(block);
    }

    #[tokio::test]
    async fn a_panic_is_told_and_costs_no_thread() {
        let hashing = Hashing::default();
        for _ in 0..=THREADS {
            let failed = hashing.run(|_| -> () { panic!("of the test") }).await;
            assert_eq!(failed, Err(Busy::Failed));
        }
        assert_eq!(hashing.run(|_| 7).await, Ok(7));
    }

    #[test]
    fn a_hash_cannot_ask_for_all_memory() {
        assert!(Memory::default().blocks(MOST_BLOCKS + 1).is_none());
    }
}
