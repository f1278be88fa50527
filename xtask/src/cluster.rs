//! `cargo xtask cluster`: the Kubernetes cluster that tests and trials run in.
//!
//! Two providers give the same thing, a kubeconfig: `kind` where a Docker daemon answers, and the
//! scripts of `tests/localkube` on a machine without Docker.

mod kind;
mod local;
mod node;
pub(crate) mod process;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Subcommand, ValueEnum};
use thiserror::Error;

pub(crate) use self::process::{ProcessError, say};

/// Starts, ends or describes the cluster.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
    /// Where the cluster runs [default: the one that is up, else kind where Docker answers, else local]
    #[arg(long, value_enum, global = true)]
    provider: Option<Provider>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start the cluster; builds what is missing, and is quick when it runs already
    Up,
    /// End the cluster and remove everything that it put on this machine
    Down {
        /// Also drop the images in it (their archives and layers stay in the cache)
        #[arg(long)]
        purge: bool,
    },
    /// Say what runs
    Status,
    /// Print shell lines that set KUBECONFIG and PATH: eval "$(cargo xtask cluster env)"
    Env,
}

/// What runs the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Provider {
    /// Kubernetes in a Docker container
    Kind,
    /// Kubernetes from the scripts in tests/localkube, without Docker; needs root on Linux
    Local,
}

impl Provider {
    fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Local => "local",
        }
    }
}

/// Why a cluster command failed.
#[derive(Debug, Error)]
pub(crate) enum ClusterError {
    /// A program could not do its part.
    #[error("the cluster command failed")]
    Process(#[from] ProcessError),
    /// The scripts did not say where things are.
    #[error("tests/localkube/env.sh printed {0:?}, not its five paths")]
    Paths(String),
    /// The link to the kubeconfig could not be written.
    #[error("could not write {path}")]
    Link {
        /// The link.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Where the cluster's files are; `tests/localkube/env.sh` alone decides that.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    /// Everything that is kept between runs.
    pub(crate) cache: PathBuf,
    /// The local cluster's part of it.
    pub(crate) localkube: PathBuf,
    /// Exists while a local cluster is up.
    state: PathBuf,
    /// Administrator's access to the local cluster.
    local_kubeconfig: PathBuf,
    /// containerd's socket while a local cluster is up.
    containerd: PathBuf,
}

impl Paths {
    /// Asks the scripts.
    pub(crate) fn load() -> Result<Self, ClusterError> {
        let script = ". \"$0\"; printf '%s\\n' \"$FASTX_CACHE\" \"$LOCALKUBE_CACHE\" \"$LOCALKUBE_STATE\" \
                      \"$KUBECONFIG_ADMIN\" \"$CONTAINERD_SOCK\"";
        let text = process::output(
            Command::new("bash")
                .arg("-c")
                .arg(script)
                .arg(localkube("env.sh")),
        )?;
        let lines: Vec<PathBuf> = text.lines().map(PathBuf::from).collect();
        let [cache, localkube, state, local_kubeconfig, containerd] =
            <[PathBuf; 5]>::try_from(lines).map_err(|_| ClusterError::Paths(text))?;
        Ok(Self {
            cache,
            localkube,
            state,
            local_kubeconfig,
            containerd,
        })
    }

    /// The programs that `build.sh` made: kubectl, helm, ctr, nats-server and others.
    pub(crate) fn bin(&self, program: &str) -> PathBuf {
        self.localkube.join("bin").join(program)
    }

    /// The same path whichever provider runs; a link to the real file.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.cache.join("kubeconfig")
    }

    fn local_is_up(&self) -> bool {
        self.state.join("pid/holder").exists()
    }
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    // Cargo says it anew at each run: checkouts that share a target folder may run a program that another one built.
    let told = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let xtask = told.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    xtask.parent().unwrap_or(&xtask).to_path_buf()
}

/// A script of the local cluster.
pub(crate) fn localkube(script: &str) -> PathBuf {
    root().join("tests/localkube").join(script)
}

/// Chooses the provider: the one asked for, the one that runs, the one that can run.
pub(crate) fn provider(asked: Option<Provider>, paths: &Paths) -> Provider {
    if let Some(provider) = asked {
        return provider;
    }
    if paths.local_is_up() || !kind::usable() {
        Provider::Local
    } else {
        Provider::Kind
    }
}

/// Puts images into the running cluster or lists them.
pub(crate) mod store {
    use super::{ClusterError, Paths, Provider, kind, local};

    /// Names of the project's images that the cluster has.
    pub(crate) fn list(provider: Provider, paths: &Paths) -> Result<Vec<String>, ClusterError> {
        match provider {
            Provider::Kind => kind::images(),
            Provider::Local => local::images(paths),
        }
    }

    /// Gives an image of the local cluster a second name.
    pub(crate) fn tag(paths: &Paths, from: &str, to: &str) -> Result<(), ClusterError> {
        local::tag(paths, from, to)
    }

    /// True while the local cluster can take images.
    pub(crate) fn local_is_up(paths: &Paths) -> bool {
        paths.local_is_up()
    }

    /// Loads an image of the Docker daemon into the kind cluster.
    pub(crate) fn load_into_kind(name: &str) -> Result<(), ClusterError> {
        kind::load(name)
    }
}

/// Runs `cargo xtask cluster`.
pub(crate) fn run(args: &Args) -> Result<(), ClusterError> {
    let paths = Paths::load()?;
    let provider = provider(args.provider, &paths);
    match args.action {
        Action::Up => up(provider, &paths),
        Action::Down { purge } => down(provider, purge, &paths),
        Action::Status => status(provider, &paths),
        Action::Env => {
            say(&format!(
                "export KUBECONFIG={}",
                paths.kubeconfig().display()
            ));
            say(&format!(
                "export PATH={}:$PATH",
                paths.localkube.join("bin").display()
            ));
            Ok(())
        }
    }
}

/// Starts the cluster with the provider that fits this machine.
pub(crate) fn up_default() -> Result<(), ClusterError> {
    let paths = Paths::load()?;
    up(provider(None, &paths), &paths)
}

/// Ends the cluster that runs, if one does.
pub(crate) fn down_default() -> Result<(), ClusterError> {
    let paths = Paths::load()?;
    down(provider(None, &paths), false, &paths)
}

fn up(provider: Provider, paths: &Paths) -> Result<(), ClusterError> {
    let real = match provider {
        Provider::Kind => kind::up(paths)?,
        Provider::Local => local::up(paths)?,
    };
    link(&real, &paths.kubeconfig())?;
    say(&format!(
        "cluster is up ({}); KUBECONFIG={}",
        provider.name(),
        paths.kubeconfig().display()
    ));
    Ok(())
}

fn down(provider: Provider, purge: bool, paths: &Paths) -> Result<(), ClusterError> {
    match provider {
        Provider::Kind => kind::down(paths)?,
        Provider::Local => local::down(purge)?,
    }
    unlink(&paths.kubeconfig())?;
    say(&format!("cluster is down ({})", provider.name()));
    Ok(())
}

fn status(provider: Provider, paths: &Paths) -> Result<(), ClusterError> {
    let node = match provider {
        Provider::Kind => kind::node(paths),
        Provider::Local => local::node(paths),
    };
    say(&format!("provider    {}", provider.name()));
    let Some(node) = node else {
        say("node        not running; start it with: cargo xtask cluster up");
        return Ok(());
    };
    say(&format!("node        {node}"));
    say(&format!("kubeconfig  {}", paths.kubeconfig().display()));
    let images = store::list(provider, paths)?;
    if images.is_empty() {
        say("images      none; build them with: cargo xtask images");
    }
    for (at, image) in images.iter().enumerate() {
        say(&format!(
            "{}  {image}",
            if at == 0 { "images    " } else { "          " }
        ));
    }
    Ok(())
}

fn link(real: &Path, link: &Path) -> Result<(), ClusterError> {
    let failed = |source| ClusterError::Link {
        path: link.to_path_buf(),
        source,
    };
    if std::fs::read_link(link).is_ok_and(|target| target == real) {
        return Ok(());
    }
    unlink(link)?;
    std::os::unix::fs::symlink(real, link).map_err(failed)
}

fn unlink(link: &Path) -> Result<(), ClusterError> {
    match std::fs::remove_file(link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ClusterError::Link {
            path: link.to_path_buf(),
            source: error,
        }),
        _ => Ok(()),
    }
}
