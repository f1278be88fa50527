//! `cargo xtask images`: builds the container images and puts them into the cluster.
//!
//! Without Docker `tests/localkube/image.sh` builds them, and skips what has not changed by a hash of
//! what goes in. With Docker the plain Dockerfiles in `images/` do, with Docker's own cache.

pub(crate) mod programs;
mod recipe;

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use clap::ValueEnum;
use thiserror::Error;

use self::recipe::Recipe;
use crate::cluster::{self, ClusterError, Paths, ProcessError, Provider, process, say, store};

/// Builds images and imports them into the cluster.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Images to build [default: all]
    #[arg(value_enum)]
    names: Vec<Image>,
    /// Tag under which the cluster gets them
    #[arg(long, default_value = TAG)]
    tag: String,
    /// Registry part of the name under which the cluster gets them; the content is the same
    #[arg(long, default_value = REGISTRY)]
    registry: String,
    /// Which cluster [default: as for `cluster`]
    #[arg(long, value_enum)]
    provider: Option<Provider>,
}

const TAG: &str = "dev";
const REGISTRY: &str = "localhost";

/// The project's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Image {
    /// The servers: operator, manager, node, and the link that they hand out
    Fastx,
    /// Debian with Xvnc and a small desktop
    FastxDesktop,
    /// The transporter
    Nats,
    /// The other transporter
    Redis,
    /// The store: PostgreSQL with DocumentDB, and FerretDB
    FastxStore,
}

impl Image {
    /// The name without registry and tag.
    fn name(self) -> &'static str {
        match self {
            Self::Fastx => "fastx",
            Self::FastxDesktop => "fastx-desktop",
            Self::Nats => "nats",
            Self::Redis => "redis",
            Self::FastxStore => "fastx-store",
        }
    }

    /// The folder with its Dockerfile and files.
    fn folder(self) -> PathBuf {
        let folder = match self {
            Self::Fastx => "fastx",
            Self::FastxDesktop => "desktop",
            Self::Nats => "nats",
            Self::Redis => "redis",
            Self::FastxStore => "store",
        };
        cluster::root().join("images").join(folder)
    }

    fn reference(self, registry: &str, tag: &str) -> String {
        format!("{registry}/{}:{tag}", self.name())
    }
}

/// Why an image could not be built or imported.
#[derive(Debug, Error)]
pub(crate) enum ImagesError {
    /// The cluster or its scripts failed.
    #[error("the cluster did not take the image")]
    Cluster(#[from] ClusterError),
    /// A program could not do its part.
    #[error("building the image failed")]
    Process(#[from] ProcessError),
    /// A file that goes into an image could not be read.
    #[error("could not read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file that keeps out a second run could not be made.
    #[error("could not lock {path}")]
    Lock {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Cargo did not describe the workspace.
    #[error("cargo metadata failed")]
    Metadata(#[from] cargo_metadata::Error),
    /// No server has a program yet.
    #[error("none of the packages {0:?} has a program")]
    NoPrograms(&'static [&'static str]),
    /// The web client did not build.
    #[error("the web client could not be built")]
    Web(#[source] crate::steps::Failure),
    /// A second name can only be given inside a cluster.
    #[error(
        "--tag and --registry rename an image in the cluster, and none is up; start it with: cargo xtask cluster up"
    )]
    ClusterIsDown,
}

/// Builds every image and puts it into the cluster.
pub(crate) fn all() -> Result<(), ImagesError> {
    run(&Args {
        names: Vec::new(),
        tag: TAG.to_owned(),
        registry: REGISTRY.to_owned(),
        provider: None,
    })
}

/// Gives images further names in the cluster, for tests that need the same content under another one.
pub(crate) fn second_names() -> Result<(), ImagesError> {
    let paths = Paths::load()?;
    let small = [Image::Fastx, Image::Nats, Image::FastxStore];
    let wanted: [(&[Image], &str, &str); 2] = [
        (&[Image::Fastx], REGISTRY, "again"),
        (&small, "example.internal/mirror", "renamed"),
    ];
    for (images, registry, tag) in wanted {
        for &image in images {
            match cluster::provider(None, &paths) {
                Provider::Local => {
                    let name = image.reference(REGISTRY, TAG);
                    store::tag(&paths, &name, &image.reference(registry, tag))?;
                }
                Provider::Kind => kind(image, registry, tag)?,
            }
        }
    }
    Ok(())
}

/// Runs `cargo xtask images`.
pub(crate) fn run(args: &Args) -> Result<(), ImagesError> {
    let paths = Paths::load()?;
    let names = if args.names.is_empty() {
        Image::value_variants()
    } else {
        &args.names
    };
    for &image in names {
        match cluster::provider(args.provider, &paths) {
            Provider::Local => local(image, args, &paths)?,
            Provider::Kind => kind(image, &args.registry, &args.tag)?,
        }
    }
    Ok(())
}

/// Two builds of one image at once would write the same files; the second waits, like a second cargo.
fn alone(image: Image, paths: &Paths) -> Result<File, ImagesError> {
    let path = paths.localkube.join(format!("lock/{}", image.name()));
    let failed = |source| ImagesError::Lock {
        path: path.clone(),
        source,
    };
    std::fs::create_dir_all(paths.localkube.join("lock")).map_err(failed)?;
    let file = File::create(&path).map_err(failed)?;
    if file.try_lock().is_err() {
        say(&format!(
            "waiting for another build of {} to end",
            image.name()
        ));
        file.lock().map_err(failed)?;
    }
    Ok(file)
}

/// Builds an image without a cluster; its archive, and a word that names its content.
pub(crate) fn archive(image: Image, paths: &Paths) -> Result<(PathBuf, String), ImagesError> {
    let name = by_scripts(image, paths)?;
    let file = format!("images/{}.tar", name.replace(['/', ':'], "_"));
    let archive = paths.localkube.join(file);
    let key = archive.with_extension("tar.key");
    match std::fs::read_to_string(&key) {
        Ok(text) => Ok((archive, text.trim().to_owned())),
        Err(source) => Err(ImagesError::Read { path: key, source }),
    }
}

/// Builds with the scripts; the name that the image has then.
fn by_scripts(image: Image, paths: &Paths) -> Result<String, ImagesError> {
    let _lock = alone(image, paths)?;
    let recipe = Recipe::of(image, paths)?;
    for program in &recipe.needs {
        process::run(Command::new(cluster::localkube("build.sh")).arg(program))?;
    }
    let name = image.reference(REGISTRY, TAG);
    process::run(
        Command::new(cluster::localkube("image.sh"))
            .args(recipe.arguments())
            .arg(&name),
    )?;
    Ok(name)
}

/// Builds with the scripts; a new name is only another reference to the same content.
fn local(image: Image, args: &Args, paths: &Paths) -> Result<(), ImagesError> {
    let name = by_scripts(image, paths)?;
    let wanted = image.reference(&args.registry, &args.tag);
    if wanted != name {
        if !store::local_is_up(paths) {
            return Err(ImagesError::ClusterIsDown);
        }
        store::tag(paths, &name, &wanted)?;
        say(&format!("{wanted}: the same image"));
    }
    Ok(())
}

fn kind(image: Image, registry: &str, tag: &str) -> Result<(), ImagesError> {
    let name = image.reference(registry, tag);
    say(&format!("{name}: docker build"));
    let mut docker = Command::new("docker");
    docker
        .env("DOCKER_BUILDKIT", "1")
        .args(["build", "--quiet", "--tag", &name, "--file"]);
    process::run(
        docker
            .arg(image.folder().join("Dockerfile"))
            .arg(cluster::root()),
    )?;
    Ok(store::load_into_kind(&name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_has_a_folder_with_a_dockerfile() {
        for image in Image::value_variants() {
            let file = image.folder().join("Dockerfile");
            assert!(file.is_file(), "{} is missing", file.display());
        }
    }

    #[test]
    fn names_are_registry_image_tag() {
        assert_eq!(
            Image::FastxStore.reference("localhost", "dev"),
            "localhost/fastx-store:dev"
        );
    }
}
