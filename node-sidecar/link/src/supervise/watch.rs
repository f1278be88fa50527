//! Watches a running session until something ends it, and says what that was.

use std::time::Duration;

use super::Supervisor;
use crate::clock::Stopwatch;
use crate::{journal, output, processes, store, windows, xserver};

/// How often logs and requests are looked at when nothing happens.
const LOOK: Duration = Duration::from_secs(1);
/// A program that ends sooner than this was probably wrong from the start.
const HASTY: i64 = 3;
/// How much of a failed program's output goes with the reason.
const SHOWN: u64 = 2048;
/// How long a rootless session may be without a window before it counts as left.
const NO_WINDOW: Duration = Duration::from_secs(3);
/// How long after the end of its command the first window of a rootless session may come.
const FIRST_WINDOW: Duration = Duration::from_secs(10);

/// What is known of a rootless session's windows.
#[derive(Debug, Default)]
struct Windows {
    seen: bool,
    without: Option<Stopwatch>,
    command_over: Option<Stopwatch>,
}

impl Windows {
    /// Notes what was just seen; returns whether the session is over.
    fn over(&mut self, count: Option<usize>, command_runs: bool) -> bool {
        match count {
            Some(0) => {
                self.without.get_or_insert_with(Stopwatch::start);
            }
            Some(_) => {
                self.seen = true;
                self.without = None;
            }
            // Not known: a busy display is no empty one.
            None => return false,
        }
        if !command_runs {
            self.command_over.get_or_insert_with(Stopwatch::start);
        }
        let longer = |since: Option<Stopwatch>, than: Duration| {
            since.is_some_and(|watch| watch.elapsed() >= than)
        };
        if self.seen {
            longer(self.without, NO_WINDOW)
        } else {
            longer(self.command_over, FIRST_WINDOW)
        }
    }
}

impl Supervisor {
    /// Returns why the session is to end.
    pub(super) fn watch(&mut self) -> String {
        let mut windows = Windows::default();
        loop {
            self.rest(LOOK);
            self.reap();
            self.drain_control();
            if let Some(why) = store::wished_end(&self.state) {
                return why;
            }
            if self.display.as_ref().is_none_or(super::Watched::gone) {
                return self.display_gone();
            }
            let program_over = self.program.as_ref().is_none_or(super::Watched::gone);
            if let Some(reason) = self.program_reason(program_over, &mut windows) {
                return reason;
            }
            self.bound_logs();
            self.heal();
            if let Some(keeper) = &mut self.keeper {
                keeper.look();
            }
            if self.bus.as_ref().is_some_and(super::Watched::gone) {
                self.bus = None;
                journal::warn("the session's D-Bus has ended; the session goes on without it");
            }
        }
    }

    /// Why the program, or the lack of windows, ends the session.
    fn program_reason(&mut self, over: bool, windows: &mut Windows) -> Option<String> {
        if !self.state.session.start.rootless {
            return over.then(|| self.program_gone());
        }
        if over && self.status_of(self.state.program.pid).is_some_and(failed) {
            return Some(self.program_gone());
        }
        if over {
            // Nothing to poll for any more: its handle would stay readable.
            self.program = None;
        }
        let count = self.count_windows();
        windows.over(count, !over).then(|| {
            if windows.seen {
                "its last window was closed".to_owned()
            } else {
                format!(
                    "its command ended without any window; {}",
                    self.program_gone()
                )
            }
        })
    }

    fn count_windows(&self) -> Option<usize> {
        let cookie = crate::xauthority::cookie(&self.state.runtime.join(xserver::XAUTHORITY))?;
        windows::count(&self.state.session.display, &cookie).ok()
    }

    fn drain_control(&self) {
        let mut ignored = [0; 16];
        // Only wakes: what is wanted is in a file, which a lost datagram does not lose.
        while self.control.recv(&mut ignored).is_ok() {}
    }

    fn display_gone(&mut self) -> String {
        let status = self.status_of(self.state.session.display_pid);
        let log = output::tail(&self.log(output::XSERVER), SHOWN);
        let how = processes::describe(status);
        format!("its X server ended ({how}); it printed: {}", log.trim())
    }

    fn program_gone(&mut self) -> String {
        let status = self.status_of(self.state.program.pid);
        let hasty = self
            .state
            .program_started
            .is_some_and(|started| crate::clock::now().as_second() - started.as_second() < HASTY);
        let mut reason = format!("its program ended ({})", processes::describe(status));
        if hasty || status.is_none_or(failed) {
            let printed = output::tail(&self.log(output::PROGRAM), SHOWN);
            match printed.trim() {
                "" => reason.push_str("; it printed nothing"),
                printed => {
                    reason.push_str("; it printed: ");
                    reason.push_str(printed);
                }
            }
        }
        reason
    }
}

fn failed(status: rustix::process::WaitStatus) -> bool {
    status.exit_status() != Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_decide_only_when_they_are_known() {
        let mut windows = Windows::default();
        assert!(!windows.over(Some(0), true), "none yet, command runs");
        assert!(!windows.over(Some(2), true), "two");
        assert!(!windows.over(None, false), "not known");
        assert!(!windows.over(Some(0), false), "gone for a moment");
        assert!(windows.seen && windows.without.is_some());
        assert!(!windows.over(Some(1), false), "back again");
        assert!(windows.without.is_none());
    }
}
