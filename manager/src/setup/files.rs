//! Files with owner and mode: first all of them beside their places, then all of them into place.

use std::collections::BTreeMap;
use std::fs::{self, File as Handle, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{SetupError, file};

/// A file that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Below the root.
    pub(super) path: PathBuf,
    pub(super) content: String,
    pub(super) mode: u32,
    /// `root`, or a user of the system.
    pub(super) owner: String,
}

/// What was done.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) changed: Vec<PathBuf>,
}

/// Where the users of the services are declared; it has to be there before anything can belong to them.
pub(super) const SYSUSERS: &str = "etc/sysusers.d/fastx-cluster.conf";

/// Uid and gid of each owner.
type Owners = BTreeMap<String, (u32, u32)>;

pub(super) fn apply(root: &Path, files: &[File], dry_run: bool) -> Result<Applied, SetupError> {
    let mut owners = owners(root);
    let missing = |owners: &Owners| files.iter().any(|f| !owners.contains_key(&f.owner));
    if !dry_run && missing(&owners) {
        make_users(root, files, &owners)?;
        owners = self::owners(root);
    }
    let changed: Vec<&File> = files
        .iter()
        .filter(|f| !is_there(root, f, owners.get(&f.owner)))
        .collect();
    if !dry_run {
        put(root, &changed, &owners)?;
    }
    Ok(Applied {
        changed: changed.iter().map(|f| f.path.clone()).collect(),
    })
}

/// Users of the system below this root. Whoever is not root can only make files of its own.
fn owners(root: &Path) -> Owners {
    let me = rustix::process::geteuid();
    let mut owners = Owners::from([(
        "root".to_owned(),
        (me.as_raw(), rustix::process::getegid().as_raw()),
    )]);
    let text = fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if let [name, _, uid, gid, ..] = fields[..]
            && name != "root"
            && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
        {
            owners.insert(name.to_owned(), (uid, gid));
        }
    }
    owners
}

/// Lets the system make the users that are declared.
fn make_users(root: &Path, files: &[File], owners: &Owners) -> Result<(), SetupError> {
    if let Some(declaration) = files.iter().find(|f| Path::new(SYSUSERS) == f.path) {
        put(root, &[declaration], owners)?;
    }
    let mut command = Command::new("systemd-sysusers");
    if root != Path::new("/") {
        command.arg(format!("--root={}", root.display()));
    }
    // Whether it worked is seen by the users being there.
    let _ = command.arg("fastx-cluster.conf").output();
    let now = self::owners(root);
    match files.iter().find(|f| !now.contains_key(&f.owner)) {
        Some(file) => Err(SetupError::NoUser(file.owner.clone())),
        None => Ok(()),
    }
}

fn is_there(root: &Path, wanted: &File, owner: Option<&(u32, u32)>) -> bool {
    let path = root.join(&wanted.path);
    let Ok(about) = fs::symlink_metadata(&path) else {
        return false;
    };
    about.is_file()
        && about.mode() & 0o7777 == wanted.mode
        && owner == Some(&(about.uid(), about.gid()))
        && fs::read(&path).is_ok_and(|bytes| bytes == wanted.content.as_bytes())
}

fn put(root: &Path, files: &[&File], owners: &Owners) -> Result<(), SetupError> {
    let mut written = Vec::new();
    let result = files.iter().try_for_each(|file| {
        let temporary = write_beside(root, file, owners)?;
        written.push((temporary, root.join(&file.path)));
        Ok(())
    });
    if let Err(error) = result {
        for (temporary, _) in &written {
            let _ = fs::remove_file(temporary);
        }
        return Err(error);
    }
    for (temporary, path) in &written {
        fs::rename(temporary, path).map_err(file("write", path))?;
    }
    for (_, path) in &written {
        if let Some(folder) = path.parent() {
            let synced = Handle::open(folder).and_then(|f| f.sync_all());
            synced.map_err(file("write", folder))?;
        }
    }
    Ok(())
}

fn write_beside(root: &Path, wanted: &File, owners: &Owners) -> Result<PathBuf, SetupError> {
    let path = root.join(&wanted.path);
    let owner = owners.get(&wanted.owner);
    let (uid, gid) = *owner.ok_or_else(|| SetupError::NoUser(wanted.owner.clone()))?;
    make_folders(root, wanted, (uid, gid)).map_err(file("make the folder of", &path))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.fastx-new"));
    // One may be left from a run that was killed.
    let _ = fs::remove_file(&temporary);
    let write = || -> io::Result<()> {
        let mut handle = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        handle.write_all(wanted.content.as_bytes())?;
        std::os::unix::fs::fchown(&handle, Some(uid), Some(gid))?;
        handle.set_permissions(fs::Permissions::from_mode(wanted.mode))?;
        handle.sync_all()
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&temporary);
        file("write", &path)(error)
    })?;
    Ok(temporary)
}

/// Folders below `etc/fastx` hold secrets: only the owner of the file gets in. The others are as usual.
fn make_folders(root: &Path, wanted: &File, (uid, gid): (u32, u32)) -> io::Result<()> {
    let parent = wanted.path.parent().unwrap_or_else(|| Path::new(""));
    let mut below = PathBuf::new();
    for part in parent {
        below.push(part);
        let folder = root.join(&below);
        if folder.is_dir() {
            continue;
        }
        let private = below.starts_with("etc/fastx") && below != Path::new("etc/fastx");
        let mode = if private { 0o700 } else { 0o755 };
        fs::DirBuilder::new().mode(mode).create(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode))?;
        if private {
            std::os::unix::fs::chown(&folder, Some(uid), Some(gid))?;
        }
    }
    Ok(())
}
