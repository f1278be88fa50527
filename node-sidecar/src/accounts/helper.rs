//! The name service of a host, for a node that runs in a container and sees nothing of the host.
//!
//! The helper begins as root in a container of its own, goes into the host's folder tree, and gives up all rights
//! before it answers the first question. It asks the host's own programs, so SSSD and LDAP work as on the host.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use fastx_lifecycle::env::Source;
use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::telemetry;
use rustix::fs::{Gid, Uid};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::name_service::{AT_ONCE, MAX_OUTPUT, Programs, Question, answer};

/// Longest question, bytes.
const MAX_QUESTION: u64 = 512;
/// Pause after a failure to accept, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// `fastx-node names`: answers until it is told to end.
pub fn main(source: &impl Source) -> ExitCode {
    telemetry::init(source);
    let path = |name: &str, default: &str| PathBuf::from(source.or(name, default));
    let socket = path("FX_NAMES_SOCKET", "/run/fastx-names/socket");
    let root = path("FX_HOST_ROOT", "/host");
    let begun = source
        .parse("FX_NAMES_UID", 65532_u32)
        .map_err(|error| io::Error::other(error.to_string()))
        .and_then(|uid| {
            let listener = bind(&socket)?;
            enter(&root, uid)?;
            Ok(listener)
        });
    let done = begun.and_then(|listener| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let shutdown = Shutdown::new();
            shutdown.on_signals()?;
            let listener = UnixListener::from_std(listener)?;
            serve(listener, Programs::default(), shutdown).await;
            Ok(())
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, root = %root.display(), socket = %socket.display(), "the host's name service cannot be asked");
            ExitCode::FAILURE
        }
    }
}

/// The group of the folder may connect: that is the node's.
fn bind(socket: &Path) -> io::Result<StdListener> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = StdListener::bind(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o660))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Before there is another thread: rights belong to each of them.
fn enter(root: &Path, uid: u32) -> io::Result<()> {
    rustix::process::chroot(root)?;
    std::env::set_current_dir("/")?;
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_gid(Gid::from_raw(uid))?;
    rustix::thread::set_thread_uid(Uid::from_raw(uid))?;
    Ok(())
}

/// Answers everybody who can connect.
pub async fn serve(listener: UnixListener, programs: Programs, shutdown: Shutdown) {
    let programs = Arc::new(programs);
    let turns = Arc::new(Semaphore::new(AT_ONCE * 2));
    loop {
        let accepted = tokio::select! {
            () = shutdown.triggered() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(turn) = turns.clone().acquire_owned().await else {
            return;
        };
        let programs = programs.clone();
        tokio::spawn(async move {
            let _turn = turn;
            if let Ok(Err(error)) = timeout(programs.limit, reply(stream, &programs)).await {
                tracing::debug!(%error, "a question was not answered");
            }
        });
    }
}

/// One line is asked; the answer begins with `+`, or with `-` and why there is none.
async fn reply(stream: UnixStream, programs: &Programs) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(MAX_QUESTION));
    read.read_line(&mut line).await?;
    let answered = match parse(&line) {
        Some(question) => answer(programs, &question).await,
        None => Err(io::Error::other("this is no question")),
    };
    let text = match answered {
        Ok(Some(text)) => format!("+{text}"),
        Ok(None) => "+".to_owned(),
        Err(error) => format!("-{error}"),
    };
    write.write_all(text.as_bytes()).await?;
    write.shutdown().await
}

fn parse(line: &str) -> Option<Question> {
    let line = line.strip_suffix('\n')?;
    // A name of a user has no blanks and no control characters.
    if line.matches(' ').count() > 1 || line.chars().any(char::is_control) {
        return None;
    }
    match line.split_once(' ') {
        Some(("passwd", word)) if !word.is_empty() => Some(Question::Passwd(word.to_owned())),
        Some(("groups", word)) if !word.is_empty() => Some(Question::Groups(word.to_owned())),
        None if line == "login.defs" => Some(Question::LoginDefs),
        None if line == "shells" => Some(Question::Shells),
        _ => None,
    }
}

/// Asks the helper.
pub(super) async fn ask(socket: &Path, question: &Question) -> io::Result<Option<String>> {
    let line = match question {
        Question::Passwd(word) => format!("passwd {word}\n"),
        Question::Groups(word) => format!("groups {word}\n"),
        Question::LoginDefs => "login.defs\n".to_owned(),
        Question::Shells => "shells\n".to_owned(),
    };
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(line.as_bytes()).await?;
    let mut bytes = Vec::new();
    // One byte more for the sign before it.
    stream.take(MAX_OUTPUT + 1).read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match text.split_at_checked(1) {
        Some(("+", "")) => Ok(None),
        Some(("+", text)) => Ok(Some(text.to_owned())),
        Some(("-", why)) => Err(io::Error::other(why.to_owned())),
        _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_questions_are_answered() {
        assert_eq!(
            parse("passwd ada\n"),
            Some(Question::Passwd("ada".to_owned()))
        );
        assert_eq!(
            parse("groups ada\n"),
            Some(Question::Groups("ada".to_owned()))
        );
        assert_eq!(parse("shells\n"), Some(Question::Shells));
        for line in [
            "",
            "passwd\n",
            "passwd \n",
            "passwd a b\n",
            "passwd a\0b\n",
            "shadow ada\n",
            "passwd ada",
            "shells x\n",
        ] {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }
}
