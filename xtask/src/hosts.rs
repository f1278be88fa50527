//! `cargo xtask hosts`: builds what the tests of hosts need beside the programs that the unit tests have built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::{Paths, localkube, process, say};
use crate::images::{self, Image};
use crate::package;
use crate::steps::Failure;

/// The bus of the bench and of the pages.
const BUS: &str = "nats-server";
/// Counts changes of [`FOUND`]: a store that was made otherwise is made anew.
const FORM: u32 = 1;
/// Makes the database of a new store. The bench gives its data folder to services that run below the tree.
const FOUND: &str = r#"
mount -t proc proc "$1/proc"
mount --bind /dev "$1/dev"
install -d -o 10001 -g 10001 "$1/data" "$1/run/store" "$1/tls"
printf store >"$1/etc/store/password"
exec chroot --userspec=10001:10001 "$1" /usr/bin/env -i \
    PATH=/usr/lib/postgresql/18/bin:/usr/local/bin:/usr/bin:/bin LC_ALL=C.UTF-8 \
    STORE_USER=fastx STORE_PASSWORD_FILE=/etc/store/password store-init
"#;

/// Builds the package, the bus, and a store.
pub(crate) fn prepare() -> Result<(), Failure> {
    package::for_tests()?;
    surroundings()
}

/// The same with an optimised package; gives the folder that it is in.
pub(crate) fn for_measuring() -> Result<PathBuf, Failure> {
    let packages = package::for_measuring()?;
    surroundings()?;
    Ok(packages)
}

fn surroundings() -> Result<(), Failure> {
    let paths = Paths::load()?;
    process::run(Command::new(localkube("build.sh")).arg(BUS))?;
    store(&paths)
}

/// The files of the store's image as a folder, with an empty database: PostgreSQL with DocumentDB, and FerretDB.
fn store(paths: &Paths) -> Result<(), Failure> {
    let (archive, key) = images::archive(Image::FastxStore, paths)?;
    let folder = paths.cache.join("hosts");
    fs::create_dir_all(&folder)?;
    let (tree, new) = (folder.join("store"), folder.join("store.new"));
    let (stamp, wanted) = (folder.join("store.stamp"), format!("{FORM} {key}\n"));
    if tree.is_dir() && fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    say("a store for hosts: unpacking its image, making the database (10 s, once)");
    remove(&new)?;
    process::run(
        Command::new("python3")
            .arg(localkube("pack.py"))
            .arg("unpack")
            .args([&archive, &new]),
    )?;
    // Namespaces of its own: nothing stays mounted, and no process stays.
    let log = folder.join("store.log");
    let mut found = Command::new("unshare");
    found
        .args(["--mount", "--pid", "--fork", "--kill-child"])
        .args(["--propagation", "private", "sh", "-ec", FOUND, "found"])
        .arg(&new)
        .stdout(fs::File::create(&log)?)
        .stderr(fs::File::options().append(true).open(&log)?);
    process::run(&mut found).map_err(|e| format!("{e}; what it said is in {}", log.display()))?;
    remove(&tree)?;
    fs::rename(&new, &tree)?;
    Ok(fs::write(stamp, wanted)?)
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}
