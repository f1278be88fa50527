//! Starts the link so that it outlives the login it was started from, and returns once it has reached the node.

mod way;

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use self::way::{Facts, Way};
use crate::clock::Deadline;
use crate::environment::Environment;
use crate::folders::Folders;
use crate::link::Place;
use crate::{journal, output};

/// How long the link may take to reach the node.
const REACH: Duration = Duration::from_secs(15);
/// How long the service manager may take to say something.
const ASK: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(20);
/// What the link prints.
pub(crate) const LOG: &str = "link.log";
/// In the environment of a detached link and of its supervisors: the folder of the node, for which they start the link anew.
pub(crate) const KEEP: &str = "FASTX_KEEP_LINK";
/// Exit code when there is no way to outlive the login.
const NO_WAY: u8 = 69;

/// Starts the link unless it runs already.
pub(crate) fn run(dir: &Path, environment: &Environment) -> ExitCode {
    let folders = match Folders::prepare(environment) {
        Ok(folders) => folders,
        Err(error) => {
            journal::error(format!("no place for sessions: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let place = Place::of(&folders.runtime, dir);
    if !place.is_free() {
        journal::info("a link of yours runs already");
        return reached(&place, None);
    }
    let facts = Facts::find(environment);
    let ways = facts.ways();
    for way in &ways {
        match begin(*way, dir, &folders, environment) {
            Ok(child) => return reached(&place, child),
            Err(why) => journal::warn(why),
        }
    }
    journal::error(
        "the link would end with this login: ask the administrator for one of `loginctl enable-linger`, the unit fastx-link@.service, or KillUserProcesses=no",
    );
    ExitCode::from(NO_WAY)
}

/// Starts it in one of the ways; gives the process to watch, if it is one of ours.
fn begin(
    way: Way,
    dir: &Path,
    folders: &Folders,
    environment: &Environment,
) -> Result<Option<Child>, String> {
    let program = program().map_err(|e| format!("the link's own program: {e}"))?;
    let mut command = match way {
        Way::Unit => return unit(environment.uid).map(|()| None),
        Way::Here => Command::new(program),
        Way::Scope => {
            let mut scope = Command::new("systemd-run");
            scope.args(["--user", "--scope", "--quiet", "--collect"]);
            scope
                .args(["--description=Desktop sessions", "--"])
                .arg(program);
            scope
        }
    };
    let log = output::open(&folders.runtime.join(LOG)).map_err(|e| format!("{LOG}: {e}"))?;
    let copy = log.try_clone().map_err(|e| format!("{LOG}: {e}"))?;
    command
        .args(["run", "--dir"])
        .arg(dir)
        .env(KEEP, dir)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(copy)
        .stderr(log);
    let child = command.spawn();
    child.map(Some).map_err(|e| format!("{way:?}: {e}"))
}

/// The program of this version, or of the one that has replaced it meanwhile.
pub(crate) fn program() -> std::io::Result<std::path::PathBuf> {
    let path = std::env::current_exe()?;
    let replaced = path
        .to_str()
        .and_then(|p| p.strip_suffix(" (deleted)"))
        .map(std::path::PathBuf::from)
        .filter(|p| p.is_file());
    Ok(replaced.unwrap_or(path))
}

fn unit(uid: u32) -> Result<(), String> {
    let mut command = Command::new("systemctl");
    command
        .args(["--no-ask-password", "start"])
        .arg(format!("fastx-link@{uid}.service"));
    let said = ask(command, ASK)?;
    match said {
        (true, _) => Ok(()),
        (false, text) => Err(format!("fastx-link@{uid}.service: {}", text.trim())),
    }
}

/// Runs a program that answers soon: whether it succeeded, and what it printed.
pub(crate) fn ask(mut command: Command, limit: Duration) -> Result<(bool, String), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |e: std::io::Error| format!("{name}: {e}");
    let (mut reader, writer) = std::io::pipe().map_err(failed)?;
    let copy = writer.try_clone().map_err(failed)?;
    command.stdin(Stdio::null()).stdout(copy).stderr(writer);
    let mut child = command.spawn().map_err(failed)?;
    // Its copies of the writing end are closed here, so that reading ends with the program.
    drop(command);
    let deadline = Deadline::after(limit);
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if deadline.passed() => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!(
                    "{name} did not answer within {} s",
                    limit.as_secs()
                ));
            }
            None => thread::sleep(STEP),
        }
    };
    let mut bytes = [0; 4096];
    let n = reader.read(&mut bytes).unwrap_or(0);
    Ok((
        status.success(),
        String::from_utf8_lossy(&bytes[..n]).into_owned(),
    ))
}

/// Waits until the link has reached the node.
fn reached(place: &Place, mut child: Option<Child>) -> ExitCode {
    let deadline = Deadline::after(REACH);
    while !place.is_connected() {
        let ended = child.as_mut().and_then(|c| c.try_wait().ok().flatten());
        if let Some(status) = ended {
            // Another one was quicker, perhaps.
            if place.is_free() {
                journal::error(format!("the link ended ({status}); see {LOG}"));
                return ExitCode::FAILURE;
            }
            child = None;
        }
        if deadline.passed() {
            journal::error("the link runs and has not reached the node yet; it goes on trying");
            return ExitCode::FAILURE;
        }
        thread::sleep(STEP);
    }
    ExitCode::SUCCESS
}
