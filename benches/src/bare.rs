//! The peer of a session: a plain Xvnc with the same options in the same container, started without any of ours.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use fastx_tests::Failure;
use fastx_tests::processes::Process;
use fastx_tests::rfb::{Display, Plain, STEP_LIMIT};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// Screen of every measured session.
pub(crate) const GEOMETRY: &str = "1280x800";

/// Opens a display's own socket, through the file system of a process beside it.
pub(crate) async fn open(
    inside: &Process,
    socket: &Path,
) -> Result<Display<Plain<UnixStream>>, Failure> {
    Display::open(Plain(UnixStream::connect(inside.path(socket)).await?)).await
}

/// A running Xvnc with a terminal; both end with it.
#[derive(Debug)]
pub(crate) struct BareDisplay {
    socket: PathBuf,
    server: Child,
    program: Child,
}

impl BareDisplay {
    /// Starts it and waits until it takes connections, as our supervisor does.
    pub(crate) async fn start(inside: &Process, turn: usize) -> Result<Self, Failure> {
        let socket = PathBuf::from(format!("/tmp/bare-{}-{turn}.sock", std::process::id()));
        let path = socket.to_string_lossy().into_owned();
        let mut server = enter(inside, "Xvnc")
            .args(["-displayfd", "1", "-geometry", GEOMETRY, "-depth", "24"])
            .args(["-rfbport", "-1", "-rfbunixpath", &path])
            .args(["-rfbunixmode", "0600", "-SecurityTypes", "None"])
            .args(["-nolisten", "tcp", "-noreset"])
            .args(["-AlwaysShared", "-AcceptSetDesktopSize"])
            .args(["-desktop", "bare", "-rendernode", ""])
            .stdout(Stdio::piped())
            .spawn()?;
        let output = server.stdout.take().ok_or("Xvnc has no output")?;
        let mut number = String::new();
        let mut lines = BufReader::new(output);
        tokio::time::timeout(STEP_LIMIT, lines.read_line(&mut number)).await??;
        let program = enter(inside, "xterm")
            .args(["-display", &format!(":{}", number.trim())])
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self {
            socket,
            server,
            program,
        })
    }

    /// Where it takes connections, in its own file system.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ends it.
    pub(crate) async fn end(mut self, inside: &Process) -> Result<(), Failure> {
        self.program.kill().await?;
        self.server.kill().await?;
        let _gone_already = std::fs::remove_file(inside.path(&self.socket));
        Ok(())
    }
}

/// A command in the container of a process, as the user of desktops.
fn enter(inside: &Process, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command
        .args(["--target", &inside.pid.to_string(), "--mount", "--net"])
        .args(["--setuid", "1000", "--setgid", "1000", "--", program])
        .env("HOME", "/home/user")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}
