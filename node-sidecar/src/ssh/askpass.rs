//! The way of a question from the SSH client to the node: the client runs this program with the question
//! as its argument, and reads the answer from its output.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use fastx_core::secret::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::keys::random_hex;

/// Variable that names the socket; with it the program is this and nothing else.
pub const SOCKET_VARIABLE: &str = "FX_ASKPASS_SOCKET";
/// Longest question.
const MAX_QUESTION: usize = 4096;
/// Longest answer.
pub(super) const MAX_ANSWER: usize = 1024;
/// How long the program may take to say what is asked.
const SAY: Duration = Duration::from_secs(5);
/// How long it waits for an answer; the conversation ends before.
const WAIT: Duration = Duration::from_mins(3);

/// The program: passes the question on and prints the answer.
pub fn main(socket: &str, question: &str) -> ExitCode {
    match answer_of(socket, question) {
        Ok(()) => ExitCode::SUCCESS,
        // Without an answer the client gives up.
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer_of(socket: &str, question: &str) -> io::Result<()> {
    let mut stream = BlockingStream::connect(socket)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.write_all(question.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    let limit = u64::try_from(MAX_ANSWER + 1).unwrap_or(u64::MAX);
    stream.take(limit).read_to_end(&mut answer)?;
    // A whole answer ends with a line end; anything else is a node that went away.
    if answer.last() != Some(&b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    io::stdout().write_all(&answer)
}

/// A folder that only this user can enter, with the socket; gone when dropped.
#[derive(Debug)]
pub(super) struct Booth {
    dir: PathBuf,
    listener: UnixListener,
}

impl Drop for Booth {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.dir);
    }
}

impl Booth {
    /// Opens one below a folder.
    pub(super) fn open(below: &Path) -> io::Result<Self> {
        let dir = below.join(format!("ask-{}", random_hex::<8>(&mut rand::rng())));
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)?;
        let listener = match UnixListener::bind(dir.join("s")) {
            Ok(listener) => listener,
            Err(error) => {
                let _gone = std::fs::remove_dir_all(&dir);
                return Err(error);
            }
        };
        Ok(Self { dir, listener })
    }

    /// Path of the socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join("s")
    }

    /// Writes a file beside it.
    pub(super) fn file(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.dir.join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// The next question.
    pub(super) async fn next(&self) -> io::Result<Asked> {
        let (mut stream, _) = self.listener.accept().await?;
        let mut question = Vec::new();
        let mut limited = (&mut stream).take(u64::try_from(MAX_QUESTION).unwrap_or(u64::MAX));
        timeout(SAY, limited.read_to_end(&mut question)).await??;
        Ok(Asked {
            question: String::from_utf8_lossy(&question).into_owned(),
            stream,
        })
    }
}

/// A question that waits.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) question: String,
    stream: UnixStream,
}

impl Asked {
    /// Answers it. That nobody listens any more shows elsewhere.
    pub(super) async fn answer(mut self, answer: &Secret) {
        let _gone = self.stream.write_all(answer.expose().as_bytes()).await;
        let _gone = self.stream.write_all(b"\n").await;
        let _gone = self.stream.shutdown().await;
    }
}
