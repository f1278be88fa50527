//! Starts a session's processes: display, D-Bus, program.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::SessionState;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::FdFlags;

use super::Supervisor;
use crate::clock::{self, Deadline};
use crate::processes::{self, Watched};
use crate::wire::ProcessRecord;
use crate::{faults, journal, output, store, surroundings, xauthority, xserver};

/// How long the X server may take; the first start on a busy machine takes seconds.
pub(super) const DISPLAY: Duration = Duration::from_secs(10);
/// How long the bus may take before the program starts without it.
const BUS: Duration = Duration::from_secs(2);

impl Supervisor {
    /// Starts everything; returns once the program runs.
    pub(super) fn start(&mut self) -> Result<(), Problem> {
        self.prepare()?;
        let (display, ready) = self.spawn_display()?;
        self.state.session.display_pid = display.pid;
        self.state.session.display_started = display.started;
        self.display = Some(Watched::new(display));
        // At once, so that this display is found again whatever happens from here on.
        self.save_quick();
        let number = self.wait_for_display(ready)?;
        self.state.session.display = format!(":{number}");
        self.display_ready()
    }

    fn prepare(&self) -> Result<(), Problem> {
        let runtime = &self.state.runtime;
        let failed = |e: std::io::Error| faults::folder(&runtime.to_string_lossy(), &e);
        let _ = fs::remove_file(runtime.join(xserver::SOCKET));
        xauthority::make(&runtime.join(xserver::XAUTHORITY)).map_err(failed)?;
        match DirBuilder::new()
            .mode(0o700)
            .create(runtime.join(surroundings::RUN))
        {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(e)),
            _ => Ok(()),
        }
    }

    fn spawn_display(&self) -> Result<(ProcessRecord, File), Problem> {
        let program = xserver::find(&self.environment)
            .ok_or_else(|| faults::no_xserver(&self.environment.path.to_string_lossy()))?;
        let flags = self
            .environment
            .variables
            .get(OsStr::new(xserver::FLAGS_VARIABLE))
            .map(|f| f.to_string_lossy().into_owned())
            .unwrap_or_default();
        let failed = |e: std::io::Error| faults::display_failed(&format!("Xvnc: {e}"), "");
        let (ready, number) = inheritable_pipe().map_err(failed)?;
        let log = output::open(&self.log(output::XSERVER)).map_err(failed)?;
        let start = &self.state.session.start;
        let mut command = Command::new(&program);
        command
            .args(xserver::arguments(&self.state, &flags, number.as_raw_fd()))
            // For a takeover without any file: see `Store::recover`.
            .env("FASTX_LOGIN", start.login.as_str())
            .env("FASTX_APPLICATION", &start.application)
            .env("FASTX_ROOTLESS", if start.rootless { "1" } else { "0" });
        // The X server has the reading end, too: it would die of writing its number when this supervisor is gone by then.
        rustix::io::fcntl_setfd(&ready, FdFlags::empty()).map_err(|e| failed(e.into()))?;
        let spawned = self.spawn(command, &log);
        rustix::io::fcntl_setfd(&ready, FdFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
        Ok((spawned.map_err(failed)?, ready))
    }

    /// Reads up to the newline: number and newline come in two writes.
    fn wait_for_display(&mut self, mut ready: File) -> Result<u32, Problem> {
        let deadline = Deadline::after(DISPLAY);
        let mut text = Vec::new();
        loop {
            let mut polled = [PollFd::new(&ready, PollFlags::IN)];
            let _ = poll(&mut polled, Some(&clock::timespec(deadline.left())));
            if polled[0].revents().is_empty() {
                return Err(self.display_failure("the X server said nothing for 10 seconds"));
            }
            let mut chunk = [0; 16];
            let n = ready.read(&mut chunk).unwrap_or(0);
            text.extend(&chunk[..n]);
            if n == 0 {
                return Err(self.display_failure("the X server ended at once"));
            }
            if text.ends_with(b"\n") {
                let number = String::from_utf8_lossy(&text).trim().parse();
                return number.map_err(|_| {
                    self.display_failure("the X server named no number of its display")
                });
            }
        }
    }

    fn display_failure(&self, why: &str) -> Problem {
        let log = output::tail(&self.log(output::XSERVER), 2048);
        faults::display_failed(why, log.trim())
    }

    /// The display takes connections: tells the link, then starts what goes onto it.
    pub(super) fn display_ready(&mut self) -> Result<(), Problem> {
        self.set_state(SessionState::Running);
        self.save_quick();
        store::release_waiting_link();
        // The bus comes after the display, since what it starts must know the display.
        let has_bus = self.spawn_bus();
        let program = self
            .spawn_program(has_bus)
            .map_err(|e| Problem::internal(format!("The program could not be started: {e}.")))?;
        self.state.program = program;
        self.state.program_started = Some(clock::now());
        self.program = Some(Watched::new(program));
        self.save();
        Ok(())
    }

    /// Starts the session's own D-Bus and waits until it takes connections; returns whether there is one.
    fn spawn_bus(&mut self) -> bool {
        let Some(program) = self.environment.find("dbus-daemon") else {
            return false;
        };
        let started = (|| -> std::io::Result<(ProcessRecord, File)> {
            let (ready, address) = inheritable_pipe()?;
            let mut command = self.session_command(&program);
            command
                .args(["--session", "--nofork", "--nopidfile"])
                .arg(format!(
                    "--address={}",
                    surroundings::bus_address(&self.state)
                ))
                .arg(format!("--print-address={}", address.as_raw_fd()));
            let log = output::open(&self.log(output::PROGRAM))?;
            Ok((self.spawn(command, &log)?, ready))
        })();
        match started {
            Ok((record, ready)) => {
                self.state.bus = record;
                self.bus = Some(Watched::new(record));
                let mut polled = [PollFd::new(&ready, PollFlags::IN)];
                let _ = poll(&mut polled, Some(&clock::timespec(BUS)));
                polled[0].revents().contains(PollFlags::IN)
            }
            Err(error) => {
                journal::warn(format!("no D-Bus in this session: {error}"));
                false
            }
        }
    }

    fn spawn_program(&self, has_bus: bool) -> std::io::Result<ProcessRecord> {
        let start = &self.state.session.start;
        let mut command = self.session_command("/bin/sh".as_ref());
        command
            .arg("-c")
            .arg(&start.command)
            .env("FASTX_ROLE", "program");
        if has_bus {
            command.env(
                "DBUS_SESSION_BUS_ADDRESS",
                surroundings::bus_address(&self.state),
            );
        }
        let own = [processes::MARK, "DISPLAY", "XAUTHORITY", "FASTX_ROLE"];
        command.envs(
            start
                .env
                .iter()
                .filter(|(name, value)| usable(name, value) && !own.contains(&name.as_str())),
        );
        let log = output::open(&self.log(output::PROGRAM))?;
        self.spawn(command, &log)
    }

    /// A command in the environment of the session.
    fn session_command(&self, program: &std::path::Path) -> Command {
        surroundings::command(&self.environment, &self.state, program)
    }

    /// Starts a process of the session: own group, output to a file, nothing to read.
    fn spawn(&self, mut command: Command, log: &File) -> std::io::Result<ProcessRecord> {
        command
            .env(processes::MARK, self.state.session.start.id.as_str())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?);
        let child = command.spawn()?;
        // Ended already at worst: then it is still there to be reaped, with its start time.
        ProcessRecord::of(child.id())
            .ok_or_else(|| std::io::Error::other("the process vanished at once"))
    }
}

/// A variable that cannot break the environment of a process.
fn usable(name: &str, value: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
}

/// A pipe whose writing end the next process inherits under the same number; dropped by the caller after that.
fn inheritable_pipe() -> std::io::Result<(File, OwnedFd)> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::fcntl_setfd(&writer, FdFlags::empty())?;
    Ok((File::from(reader), writer))
}
