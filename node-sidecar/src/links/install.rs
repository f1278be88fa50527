//! Puts the link program of this version where the desktop side runs it from.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why the link program could not be put in place.
#[derive(Debug, thiserror::Error)]
#[error("could not install the link program {from} as {to}")]
pub struct InstallError {
    from: PathBuf,
    to: PathBuf,
    source: io::Error,
}

/// Copies `binary` to `dir/bin/fastx-link` in one step; returns whether anything had to change.
///
/// A running link is not disturbed by a start of the same version: the file stays as it is then.
pub fn install_link(binary: &Path, dir: &Path) -> Result<bool, InstallError> {
    let to = dir.join("bin").join("fastx-link");
    copy(binary, &to).map_err(|source| InstallError {
        from: binary.to_owned(),
        to,
        source,
    })
}

fn copy(from: &Path, to: &Path) -> io::Result<bool> {
    let mut content = Vec::new();
    File::open(from)?.read_to_end(&mut content)?;
    let executable = |m: fs::Metadata| m.permissions().mode() & 0o7777 == 0o755;
    if fs::metadata(to).is_ok_and(executable) && fs::read(to).is_ok_and(|old| old == content) {
        return Ok(false);
    }
    let folder = to.parent().unwrap_or_else(|| Path::new("/"));
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let temporary = folder.join(".fastx-link.new");
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(&temporary)?;
    file.write_all(&content)?;
    // The mode of `open` passes the umask; this one does not.
    file.set_permissions(fs::Permissions::from_mode(0o755))?;
    file.sync_all()?;
    // Closed first: a file that is open for writing cannot be executed.
    drop(file);
    fs::rename(&temporary, to)?;
    Ok(true)
}
