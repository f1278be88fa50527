//! Programs that run beside a session, as its user: a notice on its screen, and the administrators' event scripts.
//!
//! Each has a limit of time; none is waited for, and what goes wrong with one harms nothing.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::SessionState;
use rustix::process::Signal;

use super::calls::Done;
use super::{Link, lock};
use crate::clock::{self, Deadline};
use crate::environment::Environment;
use crate::wire::{ProcessRecord, StateFile};
use crate::{faults, journal, output, processes, surroundings};

/// How long a script may run.
const SCRIPT: Duration = Duration::from_mins(1);
/// Longest notice.
const NOTICE: Duration = Duration::from_mins(10);
/// How long a program may take to end by itself when its time is over.
const GRACE: Duration = Duration::from_secs(2);
/// Between two looks at a program that runs.
const GLANCE: Duration = Duration::from_millis(50);
/// Programs at once.
const AT_ONCE: usize = 32;

/// Room for one program; given back when dropped.
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(count: &Arc<AtomicUsize>) -> Result<Self, Problem> {
        if count.fetch_add(1, Ordering::Relaxed) >= AT_ONCE {
            count.fetch_sub(1, Ordering::Relaxed);
            return Err(faults::busy());
        }
        Ok(Self(count.clone()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Link {
    /// Shows a notice, or takes the present one away.
    pub(super) fn notice(
        &self,
        state: &StateFile,
        text: &str,
        seconds: u32,
    ) -> Result<Done, Problem> {
        let id = &state.session.start.id;
        if let Some(shown) = lock(&self.notices).remove(id) {
            shown.signal_group(Signal::TERM);
        }
        if text.is_empty() || state.session.state != SessionState::Running {
            return Ok(Done::default());
        }
        let limit = Duration::from_secs(seconds.into()).min(NOTICE);
        // Without such a program the web client alone shows it.
        let Some(command) = notice_command(&self.environment, state, text, limit) else {
            return Ok(Done::default());
        };
        let process = self.run_beside(command, state, "notice", limit)?;
        lock(&self.notices).insert(id.clone(), process);
        Ok(Done::default())
    }

    /// Runs a script at an event.
    pub(super) fn event(
        &self,
        state: &StateFile,
        event: &str,
        script: &str,
        env: &BTreeMap<String, String>,
    ) -> Result<Done, Problem> {
        let known = !event.is_empty() && event.bytes().all(|b| b.is_ascii_lowercase());
        if !known || script.contains('\0') {
            return Err(Problem::bad_request("This is no event with a script."));
        }
        let mut command = script_command(&self.environment, state, event, script)
            .map_err(|e| faults::folder("The event script", &e))?;
        let bus = surroundings::bus_address(state);
        if state.runtime.join(surroundings::RUN).exists() {
            command.env("DBUS_SESSION_BUS_ADDRESS", bus);
        } else {
            // The session has ended, and these with it.
            for gone in ["DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR"] {
                command.env_remove(gone);
            }
        }
        let told = env
            .iter()
            .filter(|(name, value)| name.starts_with("FASTX_") && !value.contains('\0'));
        command
            .envs(told)
            .env("FASTX_EVENT", event)
            .env("FASTX_LOGIN", state.session.start.login.as_str())
            .env("FASTX_APPLICATION", &state.session.start.application)
            .env("FASTX_SESSION_NAME", &state.session.start.name)
            .env("FASTX_SESSION_DIR", &state.folder);
        self.run_beside(command, state, event, SCRIPT)?;
        Ok(Done::default())
    }

    /// Starts a program and leaves it to a thread that ends it when its time is over.
    fn run_beside(
        &self,
        mut command: Command,
        state: &StateFile,
        what: &str,
        limit: Duration,
    ) -> Result<ProcessRecord, Problem> {
        let slot = Slot::take(&self.beside)?;
        let path = state.folder.join(output::EVENTS);
        let started = (|| {
            let log = output::open(&path)?;
            let _ = output::bound(&path);
            command
                .env(processes::MARK, state.session.start.id.as_str())
                .env_remove("FASTX_ROLE")
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log.try_clone()?);
            Ok((command.spawn()?, log))
        })();
        let (child, mut log) = started.map_err(|e: std::io::Error| cannot_run(what, &e))?;
        let process = ProcessRecord::of(child.id()).unwrap_or_default();
        let what = what.to_owned();
        let attended = thread::Builder::new().spawn(move || {
            let end = attend(child, process, limit);
            // A log that cannot be written is no reason to do anything else.
            let _ = writeln!(log, "{} {what}: {end}", clock::now());
            drop(slot);
        });
        if let Err(error) = attended {
            process.signal_group(Signal::KILL);
            return Err(faults::no_supervisor(&error));
        }
        Ok(process)
    }
}

fn cannot_run(what: &str, error: &std::io::Error) -> Problem {
    journal::warn(format!("{what} could not be started: {error}"));
    Problem::new(503, "no-process", "No process could be started")
        .detail(format!("The program for `{what}` did not start: {error}."))
        .action("The administrator checks the script: when it begins with `#!`, its interpreter must be there and the home must allow programs.")
}

/// Waits for the end and sees to it; how it ended, in words.
fn attend(mut child: Child, process: ProcessRecord, limit: Duration) -> String {
    let mut wait = |limit| {
        let deadline = Deadline::after(limit);
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Some(status.to_string()),
                Ok(None) if deadline.passed() => return None,
                Ok(None) => thread::sleep(GLANCE),
                Err(error) => return Some(error.to_string()),
            }
        }
    };
    if let Some(status) = wait(limit) {
        return status;
    }
    process.signal_group(Signal::TERM);
    if wait(GRACE).is_none() {
        process.signal_group(Signal::KILL);
        wait(GRACE);
    }
    format!("ended after {} s, which is the limit", limit.as_secs())
}

fn script_command(
    environment: &Environment,
    state: &StateFile,
    event: &str,
    script: &str,
) -> std::io::Result<Command> {
    if !script.starts_with("#!") {
        let mut command = surroundings::command(environment, state, "/bin/sh".as_ref());
        command.arg("-c").arg(script);
        return Ok(command);
    }
    let path = state.folder.join(format!("event-{event}"));
    // Anew each time, and not while it may run: another may have put something else there.
    let _ = fs::remove_file(&path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(&path)?;
    file.write_all(script.as_bytes())?;
    Ok(surroundings::command(environment, state, &path))
}

/// The first program that is there; each waits for a press of its button or the end of its time.
fn notice_command(
    environment: &Environment,
    state: &StateFile,
    text: &str,
    limit: Duration,
) -> Option<Command> {
    let title = "--title=FastX";
    let seconds = limit.as_secs().max(1).to_string();
    let found = |program: &str| {
        let path = environment.find(program)?;
        Some(surroundings::command(environment, state, &path))
    };
    if let Some(mut command) = found("xmessage") {
        command.args(["-title", "FastX", "-center", "-timeout", &seconds]);
        command.args(["-buttons", "Stay:0", "-default", "Stay"]);
        command
            .args(["-xrm", "*international: true"])
            .arg(folded(text));
        return Some(command);
    }
    if let Some(mut command) = found("zenity") {
        command.args(["--info", title, "--no-markup", "--ok-label=Stay"]);
        command.arg(format!("--timeout={seconds}"));
        command.arg(format!("--text={text}"));
        return Some(command);
    }
    let mut command = found("notify-send")?;
    command.env("DBUS_SESSION_BUS_ADDRESS", surroundings::bus_address(state));
    command.args(["--urgency=critical", "--app-name=FastX"]);
    command.arg(format!("--expire-time={seconds}000"));
    command.args(["--", "FastX", text]);
    Some(command)
}

/// In lines of a readable length; what is read is never taken for an option.
fn folded(text: &str) -> String {
    const WIDTH: usize = 60;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].chars().count() + word.chars().count() >= WIDTH {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    format!("\n{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_folded_and_no_option() {
        assert_eq!(folded("-timeout 0"), "\n-timeout 0\n");
        let long = folded(&"word ".repeat(40));
        assert!(long.lines().all(|line| line.len() <= 60), "{long}");
        assert_eq!(long.split_whitespace().count(), 40);
    }

    #[test]
    fn a_program_ends_when_its_time_is_over() {
        let mut command = Command::new("sleep");
        let child = command.arg("600").process_group(0).spawn().unwrap();
        let process = ProcessRecord::of(child.id()).unwrap();
        let end = attend(child, process, Duration::from_millis(50));
        assert!(end.contains("limit") && !process.alive(), "{end}");
        let child = Command::new("false").spawn().unwrap();
        let process = ProcessRecord::default();
        assert!(attend(child, process, SCRIPT).contains("exit status: 1"));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let count = Arc::default();
        let mut slots: Vec<Slot> = (0..AT_ONCE).map(|_| Slot::take(&count).unwrap()).collect();
        assert!(Slot::take(&count).is_err());
        slots.pop();
        assert!(Slot::take(&count).is_ok());
    }
}
