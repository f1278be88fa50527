//! `upload-store` and `download-store`: a configuration on its way between a server alone and a cluster.
//!
//! Nothing is half written: parts have no effect before one new root names them all.

pub mod content;
pub mod folder;
mod line;
mod original;
pub mod remote;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use fastx_core::secret::Secret;
use fastx_lifecycle::env::{EXIT_USAGE, Source};
use fastx_lifecycle::{memory, telemetry, tls};
use rand::Rng as _;
use tokio::time::timeout;

use self::content::Content;
use self::folder::FolderError;
pub use self::line::{Direction, Order};
use self::remote::{Cluster, RemoteError};

/// Longest time for everything together.
const LIMIT: Duration = Duration::from_mins(2);

/// `--dry-run` found something that would change.
pub const EXIT_DIFFERS: u8 = 3;
/// A folder or file cannot be read, or is damaged (`EX_DATAERR`).
pub const EXIT_DATA: u8 = 65;
/// The cluster does not answer (`EX_UNAVAILABLE`).
pub const EXIT_AWAY: u8 = 69;
/// Somebody else changed the configuration meanwhile: again (`EX_TEMPFAIL`).
pub const EXIT_AGAIN: u8 = 75;
/// This identity may not (`EX_NOPERM`).
pub const EXIT_NOT_ALLOWED: u8 = 77;
/// Kubernetes manages the configuration (`EX_CONFIG`).
pub const EXIT_MANAGED: u8 = 78;

/// Why nothing was moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The cluster.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The cluster has nothing to download.
    #[error("the cluster has no configuration yet")]
    Nothing,
    /// It took too long.
    #[error("it took longer than {} s", LIMIT.as_secs())]
    Late,
}

impl MoveError {
    /// The exit code that goes with it.
    pub fn code(&self) -> u8 {
        match self {
            Self::Folder(_) | Self::Nothing => EXIT_DATA,
            Self::Late => EXIT_AWAY,
            Self::Remote(error) => match error {
                RemoteError::Read { .. }
                | RemoteError::Open { .. }
                | RemoteError::Broker { .. } => EXIT_DATA,
                RemoteError::Bus(_) => EXIT_AWAY,
                RemoteError::Moved => EXIT_AGAIN,
                RemoteError::Refused(problem) => match (problem.status, problem.kind.as_str()) {
                    (_, "managed-by-kubernetes") => EXIT_MANAGED,
                    (_, "config-generation") => EXIT_AGAIN,
                    (401 | 403, _) => EXIT_NOT_ALLOWED,
                    (500.., _) => EXIT_AWAY,
                    _ => EXIT_DATA,
                },
            },
        }
    }

    /// What the reader can do, where the refusal says so.
    fn action(&self) -> &str {
        match self {
            Self::Remote(RemoteError::Refused(problem)) => &problem.action,
            _ => "",
        }
    }
}

/// What was found and done.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Lines for people.
    pub lines: Vec<String>,
    /// Whether source and target differed.
    pub differed: bool,
}

/// Whether a command line asks for one of the tools: under its name, or with that name as the first word.
/// Gives the words behind it.
pub fn called(words: &[String]) -> Option<(Direction, &[String])> {
    (0..2).find_map(|place| {
        let direction = Direction::of(words.get(place)?)?;
        Some((direction, words.get(place + 1..)?))
    })
}

/// Runs the program: `words` are its arguments behind its own name.
pub fn main(direction: Direction, words: &[String], source: &impl Source) -> ExitCode {
    let order = match Order::read(direction, words) {
        Ok(order) => order,
        Err(refusal) => return say(&refusal, EXIT_USAGE),
    };
    tls::install_provider();
    memory::return_large_buffers();
    let token = source.get("FASTX_TOKEN").map(Secret::new);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return say(&format!("{}: {error}\n", order.name()), EXIT_AWAY),
    };
    match runtime.block_on(run(&order, token)) {
        Ok(outcome) => {
            let mut text = String::new();
            for line in &outcome.lines {
                text.push_str(line);
                text.push('\n');
            }
            if std::io::stdout().write_all(text.as_bytes()).is_err() {
                return ExitCode::FAILURE;
            }
            match (order.dry_run, outcome.differed) {
                (true, true) => ExitCode::from(EXIT_DIFFERS),
                _ => ExitCode::SUCCESS,
            }
        }
        Err(error) => {
            let mut text = format!("{}: {}\n", order.name(), telemetry::chain(&error));
            if !error.action().is_empty() {
                text.push_str(error.action());
                text.push('\n');
            }
            say(&text, error.code())
        }
    }
}

fn say(text: &str, code: u8) -> ExitCode {
    let _gone = std::io::stderr().write_all(text.as_bytes());
    ExitCode::from(code)
}

async fn run(order: &Order, token: Option<Secret>) -> Result<Outcome, MoveError> {
    let work = async {
        let cluster = Cluster::connect(&order.broker, token).await?;
        carry_out(order, &cluster).await
    };
    timeout(LIMIT, work).await.unwrap_or(Err(MoveError::Late))
}

/// Moves what the order says, through a connection to the cluster.
pub async fn carry_out(order: &Order, cluster: &Cluster) -> Result<Outcome, MoveError> {
    match order.direction {
        Direction::Upload => upload(order, cluster).await,
        Direction::Download => download(order, cluster).await,
    }
}

async fn upload(order: &Order, cluster: &Cluster) -> Result<Outcome, MoveError> {
    let found = folder::read(&order.dir, rand::rng().next_u64()).await?;
    let present = cluster.read().await?;
    let wanted = present.content.clone().merged(found.content.unmanaged());
    let mut outcome = compare(&present.content, &wanted, found.remarks);
    if outcome.differed && !order.dry_run {
        let revision = cluster.write(present.generation, &wanted).await?;
        let done = format!("uploaded; revision {revision} is in force");
        outcome.lines.push(done);
    }
    Ok(outcome)
}

async fn download(order: &Order, cluster: &Cluster) -> Result<Outcome, MoveError> {
    let read = cluster.read().await?;
    if read.generation == 0 {
        return Err(MoveError::Nothing);
    }
    let (present, remarks) = match folder::read(&order.dir, rand::rng().next_u64()).await {
        Ok(found) => (found.content, found.remarks),
        Err(FolderError::Empty { .. }) => Default::default(),
        Err(FolderError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Default::default()
        }
        Err(error) => return Err(error.into()),
    };
    let wanted = present.clone().merged(read.content.unmanaged());
    let mut outcome = compare(&present, &wanted, remarks);
    if outcome.differed && !order.dry_run {
        folder::write(&order.dir, &wanted, rand::rng().next_u64()).await?;
        let done = format!("downloaded to {}", order.dir.display());
        outcome.lines.push(done);
    }
    Ok(outcome)
}

fn compare(present: &Content, wanted: &Content, remarks: Vec<String>) -> Outcome {
    let mut lines = remarks;
    let differences = present.differences(wanted);
    let differed = !differences.is_empty();
    lines.extend(differences);
    if !differed {
        lines.push("nothing differs".to_owned());
    }
    Outcome { lines, differed }
}
