//! The workspace's own programs: builds them and collects them as the root folder of their image.

use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

use super::ImagesError;
use crate::cluster::{Paths, process, root};

/// Packages whose programs are servers.
const SERVERS: &[&str] = &["fastx-operator", "fastx-manager", "fastx-node"];
/// Runs in images that are not ours, so it is linked statically.
const LINK: &str = "fastx-link";

/// Builds the programs and gives the folder that becomes the image's root.
pub(super) fn stage(folder: &Path, paths: &Paths) -> Result<PathBuf, ImagesError> {
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()?;
    let servers: Vec<&str> = SERVERS
        .iter()
        .copied()
        .filter(|name| has_program(&metadata, name))
        .collect();
    if servers.is_empty() {
        return Err(ImagesError::NoPrograms(SERVERS));
    }
    let target = metadata.target_directory.as_std_path();
    build(&servers, target)?;
    let stage = paths.localkube.join("stage/fastx");
    let mut collect = Command::new(folder.join("collect"));
    collect.arg(&stage).arg(folder.join("rootfs"));
    if has_program(&metadata, LINK) {
        collect.arg(build_static(&target.join("static"))?);
    } else {
        collect.arg("");
    }
    collect.args(servers.iter().map(|name| target.join("image").join(name)));
    process::run(&mut collect)?;
    Ok(stage)
}

fn has_program(metadata: &Metadata, name: &str) -> bool {
    let package = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == name);
    package.is_some_and(|package| {
        package
            .targets
            .iter()
            .any(|target| target.is_bin() && target.name == name)
    })
}

fn cargo(target: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root())
        .args([
            "build",
            "--quiet",
            "--locked",
            "--profile",
            "image",
            "--target-dir",
        ])
        .arg(target);
    cargo
}

fn build(servers: &[&str], target: &Path) -> Result<(), ImagesError> {
    let mut cargo = cargo(target);
    for name in servers {
        cargo.args(["--package", name, "--bin", name]);
    }
    Ok(process::run(&mut cargo)?)
}

/// With an explicit target the flags do not reach build scripts and macros, which must be dynamic.
fn build_static(target: &Path) -> Result<PathBuf, ImagesError> {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = cargo(target);
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    process::run(cargo.args(["--target", &triple, "--package", LINK, "--bin", LINK]))?;
    Ok(target.join(triple).join("image").join(LINK))
}
