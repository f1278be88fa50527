//! The script process as its parent has it: start, one exchange at a time with a deadline, end.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::wire::{MAX_RESPONSE_BYTES, Request, Response};

/// The argument with which a binary is asked to be a script process: it calls [`crate::worker::main`].
pub const HIDDEN_ARGUMENT: &str = "script-worker";

/// How long the end of a killed process is waited for.
const END_LIMIT: Duration = Duration::from_secs(2);

/// How to start a script process.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl WorkerCommand {
    /// This same binary with the hidden argument.
    pub fn current_exe() -> io::Result<Self> {
        std::env::current_exe().map(Self::new)
    }

    /// Another binary with the hidden argument.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: vec![HIDDEN_ARGUMENT.into()],
        }
    }
}

/// Why an exchange gave nothing; the process must not be used again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// It did not answer in time.
    #[error("no answer in time")]
    Late,
    /// It ended, or talks nonsense.
    #[error("the script process is gone")]
    Gone(#[source] io::Error),
}

/// A running script process.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Worker {
    /// Starts one: without an environment, and with nothing open but the two pipes.
    pub(crate) fn spawn(command: &WorkerCommand) -> io::Result<Self> {
        let mut child = Command::new(&command.program)
            .args(&command.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Signals to the group of its parent are not meant for it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| io::Error::other("no pipes"))?;
        Ok(Self {
            child,
            input,
            output,
        })
    }

    /// Its process id; none once it has ended.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends a request and waits for the answer.
    pub(crate) async fn exchange(
        &mut self,
        request: &Request,
        limit: Duration,
    ) -> Result<Response, ExchangeError> {
        match timeout(limit, self.exchange_unbounded(request)).await {
            Ok(done) => done.map_err(ExchangeError::Gone),
            Err(_) => Err(ExchangeError::Late),
        }
    }

    async fn exchange_unbounded(&mut self, request: &Request) -> io::Result<Response> {
        let body = serde_json::to_vec(request)?;
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        self.input.write_all(&length.to_le_bytes()).await?;
        self.input.write_all(&body).await?;
        self.input.flush().await?;
        let mut length = [0; 4];
        self.output.read_exact(&mut length).await?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_RESPONSE_BYTES {
            return Err(io::Error::other("its answer is too long"));
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    /// Kills it and waits for its end.
    pub(crate) async fn end(mut self) {
        // Killing one that is already gone is fine, and so is one that the runtime reaps later.
        let _ = timeout(END_LIMIT, self.child.kill()).await;
    }
}
