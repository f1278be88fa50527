//! Who aggregates heartbeats: one document in the store, held by one manager at a time.
//!
//! Clocks of managers differ, so nobody compares times with another: a manager takes the lease
//! when it has seen the same document, unchanged, for longer than [`DURATION`] by its own clock,
//! and the holder stops by itself a while before that.

use std::time::Duration;

use fastx_core::names::CallerId;
use tokio::time::Instant;

use crate::wire::LeaseBody;

/// How long an unchanged lease is respected.
pub const DURATION: Duration = Duration::from_secs(9);

/// How long the holder relies on a renewal, counted from before it was sent.
pub const RELIANCE: Duration = Duration::from_secs(7);

/// Pause between renewals, and between looks at another's lease.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// One manager's knowledge of the lease.
#[derive(Debug)]
pub struct Lease {
    me: CallerId,
    /// Tells this process from others of the same name; empty where there can be no other.
    process: String,
    /// A process of my name that held the lease when it was last looked at.
    namesake: Option<(String, i64)>,
    clash: bool,
    /// Whether this process has looked before.
    looked: bool,
    seen: Option<(i64, Instant)>,
    held: Option<Held>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    epoch: u64,
    version: i64,
    until: Instant,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Write a first lease.
    Create {
        /// Epoch to write.
        epoch: u64,
    },
    /// Replace the document of this version: a renewal, or a take-over with a new epoch.
    Replace {
        /// Version to replace.
        version: i64,
        /// Epoch to write.
        epoch: u64,
    },
    /// Another manager holds it.
    Wait,
}

impl Lease {
    /// The lease as this manager sees it before its first look.
    pub fn new(me: CallerId, process: String) -> Self {
        Self {
            me,
            process,
            namesake: None,
            clash: false,
            looked: false,
            seen: None,
            held: None,
        }
    }

    /// Decides on what was read: the document's version and body.
    pub fn next(&mut self, read: Option<(i64, &LeaseBody)>, now: Instant) -> Step {
        let begins = !std::mem::replace(&mut self.looked, true);
        let Some((version, body)) = read else {
            self.held = None;
            return Step::Create { epoch: 1 };
        };
        let mine = body.holder == self.me.as_str() && body.process == self.process;
        self.note_namesake(version, body);
        if let Some(held) = self.held {
            if held.version == version && mine {
                return Step::Replace {
                    version,
                    epoch: held.epoch,
                };
            }
            self.held = None;
        }
        let since = match self.seen {
            Some((seen, since)) if seen == version => since,
            _ => now,
        };
        self.seen = Some((version, since));
        // One that handed the lease back will not use it any more. An earlier process of my name will not either: a
        // process that begins is its successor, and nobody has to wait. If that one lives after all, it loses the
        // lease this once and not again. Version 1 of the document names no process.
        let before = body.holder == self.me.as_str() && (begins || body.process.is_empty());
        if body.holder.is_empty() || before || mine || now.duration_since(since) > DURATION {
            Step::Replace {
                version,
                epoch: body.epoch + 1,
            }
        } else {
            Step::Wait
        }
    }

    /// Another process of my name that goes on renewing the lease lives.
    fn note_namesake(&mut self, version: i64, body: &LeaseBody) {
        let other = body.holder == self.me.as_str()
            && !body.process.is_empty()
            && body.process != self.process;
        let now = other.then(|| (body.process.clone(), version));
        if let (Some((before, old)), Some((process, new))) = (&self.namesake, &now)
            && before == process
            && old != new
        {
            self.clash = true;
        } else if now.is_none() {
            self.clash = false;
        }
        self.namesake = now;
    }

    /// Whether another process that lives holds the lease under my name.
    pub fn clash(&self) -> bool {
        self.clash
    }

    /// The write of a step was won; `sent` is from before it was sent.
    pub fn won(&mut self, step: Step, sent: Instant) {
        let (epoch, version) = match step {
            Step::Create { epoch } => (epoch, 1),
            Step::Replace { version, epoch } => (epoch, version + 1),
            Step::Wait => return,
        };
        self.held = Some(Held {
            epoch,
            version,
            until: sent + RELIANCE,
        });
    }

    /// The write of a step was lost: somebody was faster.
    pub fn lost(&mut self) {
        self.held = None;
    }

    /// What to write to hand the lease back: version to replace, and epoch. None when it is not held.
    pub fn hand_back(&mut self) -> Option<(i64, u64)> {
        self.held.take().map(|held| (held.version, held.epoch))
    }

    /// Epoch and end of what this manager may rely on now.
    pub fn leading(&self, now: Instant) -> Option<(u64, Instant)> {
        self.held
            .filter(|held| now < held.until)
            .map(|held| (held.epoch, held.until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store with one document and two managers that look at it.
    struct World {
        document: Option<(i64, LeaseBody)>,
        managers: [Lease; 2],
        now: Instant,
    }

    impl World {
        fn new() -> Self {
            Self::named("manager-a", "manager-b")
        }

        fn named(one: &str, other: &str) -> Self {
            let manager =
                |name: &str, process: &str| Lease::new(name.parse().unwrap(), process.to_owned());
            Self {
                document: None,
                managers: [manager(one, "1"), manager(other, "2")],
                now: Instant::now(),
            }
        }

        fn pass(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }

        fn turn(&mut self, who: usize) -> Step {
            let read = self.document.as_ref().map(|(v, b)| (*v, b));
            let step = self.managers[who].next(read, self.now);
            let (version, epoch) = match step {
                Step::Create { epoch } => (1, epoch),
                Step::Replace { version, epoch } => (version + 1, epoch),
                Step::Wait => return step,
            };
            let body = LeaseBody {
                holder: self.managers[who].me.to_string(),
                epoch,
                process: self.managers[who].process.clone(),
            };
            self.document = Some((version, body));
            self.managers[who].won(step, self.now);
            step
        }

        fn epoch(&self, who: usize) -> Option<u64> {
            self.managers[who].leading(self.now).map(|(epoch, _)| epoch)
        }
    }

    #[tokio::test]
    async fn the_first_to_come_holds_it_and_renews() {
        let mut world = World::new();
        assert_eq!(world.turn(0), Step::Create { epoch: 1 });
        assert_eq!(world.turn(1), Step::Wait);
        for _ in 0..20 {
            world.pass(2);
            assert_eq!(world.epoch(0), Some(1));
            world.turn(0);
            assert_eq!(world.turn(1), Step::Wait);
        }
        assert_eq!((world.epoch(0), world.epoch(1)), (Some(1), None));
    }

    #[tokio::test]
    async fn a_silent_holder_stops_before_another_starts() {
        let mut world = World::new();
        world.turn(0);
        world.turn(1);
        world.pass(RELIANCE.as_secs());
        assert_eq!(world.epoch(0), None, "it stops by itself");
        assert_eq!(world.turn(1), Step::Wait);
        world.pass(DURATION.as_secs() - RELIANCE.as_secs() + 1);
        assert_eq!(
            world.turn(1),
            Step::Replace {
                version: 1,
                epoch: 2
            }
        );
        assert_eq!(world.epoch(1), Some(2));
        assert_eq!(
            world.turn(0),
            Step::Wait,
            "the old holder sees that it was replaced"
        );
        assert_eq!(world.epoch(0), None);
    }

    #[tokio::test]
    async fn a_holder_that_comes_back_in_time_goes_on_under_its_epoch() {
        let mut world = World::new();
        world.turn(0);
        world.turn(1);
        world.pass(8);
        assert_eq!(
            world.turn(0),
            Step::Replace {
                version: 1,
                epoch: 1
            }
        );
        world.pass(2);
        assert_eq!(world.turn(1), Step::Wait, "the renewal was seen");
    }

    #[tokio::test]
    async fn what_was_handed_back_is_taken_at_once() {
        let mut world = World::new();
        world.document = Some((
            7,
            LeaseBody {
                holder: String::new(),
                epoch: 4,
                process: String::new(),
            },
        ));
        assert_eq!(
            world.turn(1),
            Step::Replace {
                version: 7,
                epoch: 5
            }
        );
    }

    #[tokio::test]
    async fn what_an_older_version_or_the_only_process_of_my_name_left_is_taken_at_once() {
        let mut world = World::named("manager-a", "manager-a");
        world.managers[0].process.clear();
        world.turn(0);
        let taken = Step::Replace {
            version: 1,
            epoch: 2,
        };
        assert_eq!(world.turn(1), taken);
        world.document.as_mut().unwrap().1.process.clear();
        world.managers[0] = Lease::new("manager-a".parse().unwrap(), String::new());
        assert!(matches!(world.turn(0), Step::Replace { epoch: 3, .. }));
    }

    #[tokio::test]
    async fn two_of_one_name_do_not_take_the_lease_from_each_other() {
        let mut world = World::named("manager-a", "manager-a");
        world.turn(0);
        let taken = Step::Replace {
            version: 1,
            epoch: 2,
        };
        assert_eq!(world.turn(1), taken, "it might be the successor");
        for _ in 0..10 {
            world.pass(2);
            world.turn(1);
            assert_eq!(world.turn(0), Step::Wait);
        }
        assert_eq!(world.epoch(1), Some(2));
        assert!(world.managers[0].clash(), "the one that waits says so");
        assert!(!world.managers[1].clash());
    }

    #[tokio::test]
    async fn a_process_that_begins_waits_for_no_earlier_one_of_its_name() {
        let mut world = World::named("manager-a", "manager-a");
        world.turn(0);
        assert!(matches!(world.turn(1), Step::Replace { epoch: 2, .. }));
        assert!(!world.managers[1].clash(), "it never renewed");
    }

    #[tokio::test]
    async fn losing_the_race_ends_it() {
        let mut world = World::new();
        world.turn(0);
        world.managers[0].lost();
        assert_eq!(world.epoch(0), None);
    }
}
