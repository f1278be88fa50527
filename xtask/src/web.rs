//! The web client: installs its packages and builds what the node embeds; unchanged sources are not built again.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::{self, Paths, process, say};
use crate::steps::Failure;

/// Builds `web/dist`, from the cache when this very source was built before.
pub(crate) fn build(paths: &Paths) -> Result<(), Failure> {
    let web = cluster::root().join("web");
    let dist = web.join("dist");
    let hash = source_hash()?;
    let stamp = dist.join(".source");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == hash) {
        return Ok(());
    }
    let kept = paths.cache.join("web").join(&hash);
    if !kept.join(".source").exists() {
        packages(&web)?;
        say("web client: building (about 20 s)");
        process::run(
            Command::new("npm")
                .args(["run", "--silent", "build"])
                .current_dir(&web),
        )?;
        std::fs::write(&stamp, &hash)?;
        replace_by_copy(&dist, &kept)?;
        return Ok(());
    }
    replace_by_copy(&kept, &dist)
}

/// Installs the packages that the lock file names, when they are not those installed.
pub(crate) fn packages(web: &Path) -> Result<(), Failure> {
    let lock = std::fs::read(web.join("package-lock.json"))?;
    let stamp = web.join("node_modules/.lock");
    if std::fs::read(&stamp).is_ok_and(|have| have == lock) {
        return Ok(());
    }
    say("web client: installing packages (about 30 s, once)");
    process::run(
        Command::new("npm")
            // Not `npm ci`: it wants an entry for the binaries of every other platform, and a lock
            // file written where a registry offers only this one's has none. The versions are the lock's.
            .args([
                "install",
                "--no-save",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
                "--prefer-offline",
            ])
            .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
            .current_dir(web),
    )?;
    std::fs::write(stamp, lock)?;
    Ok(())
}

/// Hash of all that the build reads: git's own hashes of the files as they are now.
fn source_hash() -> Result<String, Failure> {
    let list = process::output(
        Command::new("git")
            .args([
                "ls-files",
                "--cached",
                "--others",
                "--exclude-standard",
                "--",
                "web",
            ])
            .current_dir(cluster::root()),
    )?;
    let files: Vec<PathBuf> = list
        .lines()
        .map(|l| cluster::root().join(l))
        .filter(|p| p.is_file() && !p.components().any(|c| c.as_os_str() == "tests"))
        .collect();
    let names: Vec<&str> = list.lines().collect();
    let hashes = process::output(
        Command::new("git")
            .arg("hash-object")
            .args(&files)
            .current_dir(cluster::root()),
    )?;
    let all = process::output(
        Command::new("sh")
            .args([
                "-c",
                "printf '%s\\n' \"$0\" \"$1\" | git hash-object --stdin",
            ])
            .arg(names.join("\n"))
            .arg(hashes),
    )?;
    Ok(all.trim().to_owned())
}

fn replace_by_copy(from: &Path, to: &Path) -> Result<(), Failure> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::create_dir_all(to)?;
    process::run(
        Command::new("cp")
            .arg("-r")
            .arg(format!("{}/.", from.display()))
            .arg(to),
    )?;
    Ok(())
}
