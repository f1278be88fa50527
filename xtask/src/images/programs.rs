//! The workspace's own programs: builds them and collects them as the root folder of their image.

use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

use super::ImagesError;
use crate::cluster::{Paths, process, root, say};
use crate::web;

/// Packages whose programs are servers.
const SERVERS: &[&str] = &["fastx-operator", "fastx-manager", "fastx-node"];
/// The server of a host.
const NODE: &str = "fastx-node";
/// The client for terminals.
const CLIENT: &str = "fastxctl";
/// Runs in images that are not ours, so it is linked statically.
const LINK: &str = "fastx-link";
const PROFILE: &str = "image";

/// Builds the programs and gives the folder that becomes the image's root.
pub(super) fn stage(folder: &Path, paths: &Paths) -> Result<PathBuf, ImagesError> {
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()?;
    let servers: Vec<String> = SERVERS
        .iter()
        .flat_map(|package| programs(&metadata, package))
        .collect();
    if servers.is_empty() {
        return Err(ImagesError::NoPrograms(SERVERS));
    }
    // The node embeds the web client, so that is built first; unchanged sources are not built again.
    web::build(paths).map_err(ImagesError::Web)?;
    let target = metadata.target_directory.as_std_path();
    say("programs: cargo build (about 10 min the first time)");
    process::run(cargo(target).args(bins(&servers)))?;
    let link = match programs(&metadata, LINK).as_slice() {
        [] => PathBuf::new(),
        [_, ..] => build_static(&target.join("static"))?,
    };
    let stage = paths.localkube.join("stage/fastx");
    let mut collect = Command::new(folder.join("collect"));
    collect.arg(&stage).arg(folder.join("rootfs")).arg(link);
    collect.args(servers.iter().map(|name| target.join(PROFILE).join(name)));
    process::run(&mut collect)?;
    Ok(stage)
}

/// Names of the programs of a package; a package that has none yet has none.
fn programs(metadata: &Metadata, name: &str) -> Vec<String> {
    let package = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == name);
    let targets = package.map_or(&[][..], |package| package.targets.as_slice());
    targets
        .iter()
        .filter(|target| target.is_bin())
        .map(|target| target.name.clone())
        .collect()
}

fn bins(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().flat_map(|name| ["--bin", name.as_str()])
}

/// The programs of a host.
#[derive(Debug)]
pub(crate) struct OfHost {
    /// The server.
    pub node: PathBuf,
    /// Starts sessions as the user.
    pub link: PathBuf,
    /// The client for terminals; the tests do not build it, and do without.
    pub client: Option<PathBuf>,
}

/// Builds the programs of a host, for people.
pub(crate) fn of_host(paths: &Paths) -> Result<OfHost, ImagesError> {
    web::build(paths).map_err(ImagesError::Web)?;
    let target = target()?;
    process::run(cargo(&target).args(["--bin", NODE, "--bin", CLIENT]))?;
    let link = build_static(&target.join("static"))?;
    let built = target.join(PROFILE);
    Ok(OfHost {
        node: built.join(NODE),
        link,
        client: Some(built.join(CLIENT)),
    })
}

/// The same as the tests of the workspace have built them: quick, and good for hosts of the same Debian as this machine.
pub(crate) fn of_tests() -> Result<OfHost, ImagesError> {
    let built = target()?.join("debug");
    Ok(OfHost {
        node: built.join(NODE),
        link: built.join(LINK),
        client: None,
    })
}

/// Cargo's target folder.
pub(crate) fn target() -> Result<PathBuf, ImagesError> {
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()?;
    Ok(metadata.target_directory.into_std_path_buf())
}

fn cargo(target: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root());
    cargo.args(["build", "--locked", "--profile", PROFILE, "--target-dir"]);
    cargo.arg(target);
    cargo
}

/// With an explicit target the flags do not reach build scripts and macros, which must be dynamic.
fn build_static(target: &Path) -> Result<PathBuf, ImagesError> {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = cargo(target);
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    process::run(cargo.args(["--target", &triple, "--bin", LINK]))?;
    Ok(target.join(triple).join(PROFILE).join(LINK))
}
