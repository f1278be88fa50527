//! Running other programs: with their output on the terminal, captured, or only to see whether they answer.

use std::io::{self, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use thiserror::Error;

/// A program that did not do what was wanted.
#[derive(Debug, Error)]
pub(crate) enum ProcessError {
    /// It could not be started at all.
    #[error("could not start {program}")]
    Start {
        /// Its name.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with an error.
    #[error("{program} ended with {status}{}{output}", if output.is_empty() { "" } else { ": " })]
    Failed {
        /// Its name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed as errors, when that was not on the terminal already.
        output: String,
    },
}

/// Prints a line for the person who called; a closed terminal is not an error.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// Runs a program whose output people see.
pub(crate) fn run(command: &mut Command) -> Result<(), ProcessError> {
    let program = name(command);
    let status = command.status().map_err(|source| ProcessError::Start {
        program: program.clone(),
        source,
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(ProcessError::Failed {
            program,
            status,
            output: String::new(),
        })
    }
}

/// Runs a program and gives what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, ProcessError> {
    let program = name(command);
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| ProcessError::Start {
            program: program.clone(),
            source,
        })?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let output = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(ProcessError::Failed {
        program,
        status: done.status,
        output,
    })
}

/// Runs a program that reads `input`.
pub(crate) fn with_input(command: &mut Command, input: &str) -> Result<(), ProcessError> {
    let program = name(command);
    let failed = |source| ProcessError::Start {
        program: program.clone(),
        source,
    };
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    Err(ProcessError::Failed {
        program,
        status,
        output: String::new(),
    })
}

/// Waits between two looks at something that changes by itself.
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// True when the program is there and ends well within about five seconds.
pub(crate) fn answers(command: &mut Command) -> bool {
    const STEP: Duration = Duration::from_millis(20);
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let Ok(mut child) = quiet.spawn() else {
        return false;
    };
    for _ in 0..250 {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => thread::sleep(STEP),
            Err(_) => return false,
        }
    }
    let _ = child.kill().and_then(|()| child.wait());
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named() {
        let error = output(&mut Command::new("no-such-program-here")).unwrap_err();
        assert_eq!(error.to_string(), "could not start no-such-program-here");
    }

    #[test]
    fn a_failure_says_what_the_program_said() {
        let error = output(Command::new("sh").args(["-c", "echo reason >&2; exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "sh ended with exit status: 3: reason");
    }

    #[test]
    fn answers_only_when_the_program_ends_well() {
        assert!(answers(&mut Command::new("true")));
        assert!(!answers(&mut Command::new("false")));
        assert!(!answers(&mut Command::new("no-such-program-here")));
    }
}
