//! Ends a session whole: programs first, politely and then not, the display last, and nothing is left behind.

use std::fs;
use std::time::Duration;

use fastx_core::wire::session::SessionState;
use rustix::process::Signal;

use super::Supervisor;
use crate::wire::ProcessRecord;
use crate::{journal, processes, xserver};

/// How long programs may take to end by themselves.
const GRACE: Duration = Duration::from_secs(3);
/// How long the kernel may take to remove what was killed.
const KILLED: Duration = Duration::from_secs(2);

impl Supervisor {
    /// Ends everything and notes why.
    pub(super) fn end(mut self, reason: String) {
        self.set_state(SessionState::Ending);
        self.state.session.end_reason = reason;
        self.state.revision += 1;
        let noted = self.save_durable();
        self.end_programs();
        self.end_display();
        self.sweep(noted);
        // Last of all: whoever reads this may rely on nothing being left.
        self.set_state(SessionState::Ended);
        self.state.supervisor = ProcessRecord::default();
        self.state.revision += 1;
        let noted_now = self.save_durable();
        if !noted && !noted_now {
            self.save_quick();
        }
        journal::info(format!(
            "session {} ended: {}",
            self.state.session.start.id, self.state.session.end_reason
        ));
    }

    /// Everything of the session but the display.
    fn family(&self) -> Vec<ProcessRecord> {
        let display = self.state.session.display_pid;
        let own = std::process::id();
        let mut family = processes::marked(self.state.session.start.id.as_str());
        family.extend(processes::descendants(own));
        family.extend([self.state.program, self.state.bus]);
        family.retain(|p| p.pid != display && p.pid != own && p.alive());
        family
    }

    fn end_programs(&mut self) {
        let program = self.state.program;
        program.signal_group(Signal::TERM);
        for process in self.family() {
            process.signal(Signal::TERM);
            // A stopped process ends only after it was woken.
            process.signal(Signal::CONT);
        }
        let gone = |s: &mut Self| {
            s.reap();
            s.family().is_empty()
        };
        if self.wait_until(GRACE, gone) {
            return;
        }
        self.wait_until(KILLED, |s| {
            program.signal_group(Signal::KILL);
            for process in s.family() {
                process.signal(Signal::KILL);
            }
            gone(s)
        });
    }

    fn end_display(&mut self) {
        let display = ProcessRecord {
            pid: self.state.session.display_pid,
            started: self.state.session.display_started,
        };
        let gone = |s: &mut Self| {
            s.reap();
            !display.alive()
        };
        display.signal(Signal::TERM);
        display.signal(Signal::CONT);
        if !self.wait_until(GRACE, gone) {
            display.signal(Signal::KILL);
            self.wait_until(KILLED, gone);
        }
    }

    /// Removes sockets, locks and the runtime folder.
    fn sweep(&self, noted_at_home: bool) {
        xserver::sweep_stale();
        let runtime = &self.state.runtime;
        if noted_at_home {
            if let Err(error) = fs::remove_dir_all(runtime) {
                journal::warn(format!("{} cannot be removed: {error}", runtime.display()));
            }
            return;
        }
        // Nowhere else is it written how the session ended.
        for entry in fs::read_dir(runtime).into_iter().flatten().flatten() {
            if entry.file_name() != "state.json" {
                let path = entry.path();
                let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
            }
        }
    }
}
