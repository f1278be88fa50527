//! Where nobody else does it, supervisors start the link anew: as long as a session lives, its user's link comes back.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::backoff::{Backoff, random};
use crate::clock::Deadline;
use crate::detach::{self, KEEP};
use crate::environment::Environment;
use crate::folders::Folders;
use crate::journal;
use crate::link::Place;

/// Looks after the link of one node.
#[derive(Debug)]
pub(super) struct Keeper {
    dir: PathBuf,
    place: Place,
    pause: Backoff,
    not_before: Deadline,
}

impl Keeper {
    /// One for the node that the link was detached for, if it was.
    pub(super) fn of(environment: &Environment, folders: &Folders) -> Option<Self> {
        let dir = PathBuf::from(environment.variables.get(std::ffi::OsStr::new(KEEP))?);
        let place = Place::of(&folders.runtime, &dir);
        let mut pause = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        // Supervisors of one user do not all try at the same moment.
        let not_before = Deadline::after(pause.next(random()));
        Some(Self {
            dir,
            place,
            pause,
            not_before,
        })
    }

    /// Starts the link when it is gone.
    pub(super) fn look(&mut self) {
        if !self.not_before.passed() {
            return;
        }
        if !self.place.is_free() {
            self.pause.reset();
            return;
        }
        self.not_before = Deadline::after(self.pause.next(random()));
        journal::warn("the link is gone; it is started anew");
        let started = detach::program().and_then(|program| {
            let mut command = Command::new(program);
            command
                .args(["run", "--detach", "--dir"])
                .arg(&self.dir)
                .current_dir("/")
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            // Reaped with everything else that ends here.
            command.spawn()
        });
        if let Err(error) = started {
            journal::error(format!("the link cannot be started: {error}"));
        }
    }
}
