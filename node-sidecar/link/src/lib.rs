//! What the `fastx-link` program is made of: the first process of a desktop container, the link to the node, the supervisor of one session.
//!
//! **Invariant:** ending any of these processes ends no session; only the first process of a container takes everything with it.
//! What runs is told by the processes and by the files beside them, never by the memory of one of ours.

mod backoff;
mod clock;
mod detach;
mod environment;
mod faults;
mod folders;
pub mod frames;
mod geometry;
mod init;
mod journal;
mod link;
mod output;
mod processes;
mod store;
mod supervise;
mod surroundings;
mod windows;
mod wire;
mod xauthority;
mod xserver;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use environment::Environment;

const USAGE: &str =
    "usage: fastx-link init --dir DIR | run [--detach] --dir DIR | supervise SESSION_DIR | version";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    Init(PathBuf),
    Run(PathBuf),
    Detach(PathBuf),
    Supervise(PathBuf),
    Version,
}

/// Runs the program with its arguments and environment.
pub fn run(
    arguments: impl Iterator<Item = OsString>,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let Some(task) = parse(&arguments.collect::<Vec<_>>()) else {
        journal::error(USAGE);
        return ExitCode::from(64);
    };
    let environment = Environment::read(variables);
    match task {
        Task::Init(dir) => init::run(&dir, &environment),
        Task::Run(dir) => link::run(&dir, environment),
        Task::Detach(dir) => detach::run(&dir, &environment),
        Task::Supervise(folder) => supervise::run(&folder, environment),
        Task::Version => {
            journal::answer(env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
    }
}

fn parse(arguments: &[OsString]) -> Option<Task> {
    let words: Vec<&str> = arguments.iter().filter_map(|a| a.to_str()).collect();
    match words[..] {
        ["init", "--dir", dir] => Some(Task::Init(dir.into())),
        ["run", "--dir", dir] => Some(Task::Run(dir.into())),
        ["run", "--detach", "--dir", dir] | ["run", "--dir", dir, "--detach"] => {
            Some(Task::Detach(dir.into()))
        }
        // `--adopt` only tells people who look at a process list that this one came later.
        ["supervise", folder] | ["supervise", "--adopt", folder] => {
            Some(Task::Supervise(folder.into()))
        }
        ["version"] => Some(Task::Version),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_three_tasks() {
        let task = |line: &str| parse(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(task("init --dir /run/x"), Some(Task::Init("/run/x".into())));
        assert_eq!(task("run --dir /run/x"), Some(Task::Run("/run/x".into())));
        let detached = Some(Task::Detach("/run/x".into()));
        assert_eq!(task("run --dir /run/x --detach"), detached);
        assert_eq!(task("run --detach --dir /run/x"), detached);
        assert_eq!(
            task("supervise --adopt /a"),
            Some(Task::Supervise("/a".into()))
        );
        for wrong in ["", "run", "init /run/x", "supervise", "run --dir"] {
            assert_eq!(task(wrong), None, "{wrong}");
        }
    }
}
