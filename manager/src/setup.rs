//! `fastx-manager setup`: a cluster without Kubernetes, on any Linux machine.
//!
//! Everything that is decided once (keys, certificates, names) stands in one file that only root reads; all other
//! files follow from it. So running it again changes nothing, brings back what was damaged, and renews what is due.
//! Nothing is put in its place before all of it is written beside its place.

mod files;
mod options;
mod render;
mod state;

use std::io::Write;
use std::path::{Path, PathBuf};

use fastx_core::names::NameError;
use fastx_core::wire::broker::BrokerError;
use fastx_lifecycle::pki::PkiError;
use jiff::Timestamp;
use rand::CryptoRng;

pub use options::{JoinPolicy, Options, Rotate, Transporter};

use crate::wire::SetupState;
use files::Applied;

/// Where the file stands that everything follows from.
const STATE: &str = "etc/fastx/setup/state.json";

/// Why nothing was set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file cannot be read or written.
    #[error("cannot {what} {path}")]
    File {
        /// Read, write or another word.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file that everything follows from is damaged.
    #[error("{0} is damaged: bring it back from a copy, or move it away to make another cluster")]
    State(PathBuf),
    /// The store is not known.
    #[error("where is the store? name a file that holds its address with --store-uri-file")]
    NoStore,
    /// Something was decided at the first run and stays.
    #[error("{what} is `{is}` and stays so; to make another cluster, move /etc/fastx/setup away")]
    Fixed {
        /// What.
        what: &'static str,
        /// As it is.
        is: String,
    },
    /// A user of the system is missing.
    #[error(
        "the user `{0}` is missing; make it with `useradd --system --no-create-home --shell /usr/sbin/nologin {0}`"
    )]
    NoUser(String),
    /// The program of the bus is missing.
    #[error("{0} is not installed: install it, or name it with --bus-program")]
    NoProgram(&'static str),
    /// The given `broker.json` is of no use.
    #[error("the given broker.json cannot be used")]
    Given(#[source] BrokerError),
    /// A key that is to be revoked is none.
    #[error("`{0}` is not the public key of a member; `fastx-manager join list` shows them")]
    NotAKey(String),
    /// Revoking, or join files, where the transporter knows no members.
    #[error(
        "{0} is not possible with this transporter: whoever holds its password is trusted with everything"
    )]
    NoMembers(&'static str),
    /// A certificate.
    #[error("cannot make a certificate")]
    Certificate(#[from] PkiError),
    /// A name.
    #[error(transparent)]
    Name(#[from] NameError),
}

fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> SetupError {
    let path = path.to_owned();
    move |source| SetupError::File { what, path, source }
}

/// Sets the cluster up, or says what it would do.
pub fn run(
    options: &Options,
    now: Timestamp,
    rng: &mut impl CryptoRng,
    out: &mut impl Write,
) -> Result<(), SetupError> {
    let state_path = options.root.join(STATE);
    let before = read(&state_path)?;
    let inputs = state::Inputs::read(options)?;
    let state = state::advance(before.clone(), options, &inputs, now, rng)?;
    let files = render::files(&state, options)?;
    let applied = files::apply(&options.root, &files, options.dry_run)?;
    report(&state, options, &applied, before.is_none(), out)
        .map_err(file("write", Path::new("standard output")))
}

fn read(path: &Path) -> Result<Option<SetupState>, SetupError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| SetupError::State(path.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file("read", path)(error)),
    }
}

fn report(
    state: &SetupState,
    options: &Options,
    applied: &Applied,
    first: bool,
    out: &mut impl Write,
) -> std::io::Result<()> {
    if applied.changed.is_empty() {
        return writeln!(
            out,
            "nothing to change: the cluster `{}` is set up",
            state.namespace
        );
    }
    let verb = if options.dry_run {
        "would write"
    } else {
        "wrote"
    };
    for path in &applied.changed {
        writeln!(out, "{verb} /{}", path.display())?;
    }
    let bus = if state.given.is_none() {
        "fastx-bus "
    } else {
        ""
    };
    writeln!(out)?;
    if first {
        writeln!(
            out,
            "Next:\n  systemctl daemon-reload\n  systemctl enable --now {bus}fastx-manager"
        )?;
    } else {
        writeln!(
            out,
            "Next:\n  systemctl daemon-reload\n  systemctl reload-or-restart {bus}fastx-manager"
        )?;
    }
    if state.given.is_none() {
        let port = state.port;
        writeln!(
            out,
            "Let members in through the firewall:\n  firewall-cmd --permanent --zone=public --add-port={port}/tcp && firewall-cmd --reload\n  (or: ufw allow {port}/tcp)"
        )?;
    }
    let member_file = render::member_file(state).display().to_string();
    writeln!(
        out,
        "For each host that is to join: copy /{member_file} into its /etc/fastx, readable by the user `{}` alone.",
        options.user
    )?;
    if state.host.is_empty() && state.given.is_none() {
        writeln!(
            out,
            "Its `host` is empty: write the name of this machine there, or run this again with --host."
        )?;
    }
    Ok(())
}
