//! The environment that programs of a session run in: its display, its D-Bus, its user's home.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::environment::Environment;
use crate::wire::StateFile;
use crate::{detach, xserver};

/// Name of `XDG_RUNTIME_DIR` in the runtime folder.
pub(crate) const RUN: &str = "run";
/// Name of the bus socket there.
const BUS_SOCKET: &str = "bus";

/// Where the session's own D-Bus listens.
pub(crate) fn bus_address(state: &StateFile) -> String {
    format!("unix:path={}", state.runtime.join(BUS_SOCKET).display())
}

/// A command in the environment of the session; without its D-Bus, which need not be there.
pub(crate) fn command(environment: &Environment, state: &StateFile, program: &Path) -> Command {
    let runtime = &state.runtime;
    let mut command = Command::new(program);
    // What belongs to a desktop around the link would lead programs out of this one.
    for foreign in [
        "DBUS_SESSION_BUS_ADDRESS",
        "WAYLAND_DISPLAY",
        "SESSION_MANAGER",
        xserver::FLAGS_VARIABLE,
        detach::KEEP,
    ] {
        command.env_remove(foreign);
    }
    command
        .env("DISPLAY", &state.session.display)
        .env("XAUTHORITY", runtime.join(xserver::XAUTHORITY))
        .env("XDG_RUNTIME_DIR", runtime.join(RUN))
        .env("XDG_SESSION_TYPE", "x11")
        .env("HOME", &environment.home)
        .env("USER", &environment.user)
        .env("LOGNAME", &environment.user);
    // A user without an entry in passwd has no shell for terminals to start.
    let unset = |name: &str| !environment.variables.contains_key(OsStr::new(name));
    if unset("SHELL") {
        let shell = environment.find("bash");
        command.env("SHELL", shell.unwrap_or_else(|| "/bin/sh".into()));
    }
    if environment.home.is_dir() {
        command.current_dir(&environment.home);
    } else {
        command.current_dir("/");
    }
    command
}
