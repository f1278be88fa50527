//! Where a session's files are: metadata and logs at home, sockets in a private folder below `/tmp`.
//!
//! Homes may be network file systems and socket paths end at 107 bytes, so sockets never go there.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fastx_core::names::SessionId;

use crate::environment::Environment;

/// Start of the name of each session's folder.
const PREFIX: &str = "FX3-";

/// The two places, and what is wrong with them.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    /// One folder a session below it: metadata and logs.
    pub(crate) sessions: PathBuf,
    /// One folder a session below it: sockets and runtime files.
    pub(crate) runtime: PathBuf,
    /// Why `sessions` is not where it belongs.
    pub(crate) fault: Option<String>,
}

/// Whose folder this is not, or why it cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("{0} belongs to another user; the administrator must remove it")]
    Foreign(PathBuf),
    #[error("{0} is not a folder; remove it")]
    NotAFolder(PathBuf),
    #[error("{path} cannot be made: {source}")]
    Io { path: PathBuf, source: io::Error },
}

impl Folders {
    /// Makes the places; falls back to the one below `/tmp` when the home cannot be written.
    pub(crate) fn prepare(environment: &Environment) -> Result<Self, FolderError> {
        let runtime = PathBuf::from(format!("/tmp/fastx-{}", environment.uid));
        private_folder(&runtime)?;
        let wanted = environment
            .home
            .join(".fastx_server")
            .join(&environment.host)
            .join("sessions");
        match writable(&wanted) {
            Ok(()) => Ok(Self {
                sessions: wanted,
                runtime,
                fault: None,
            }),
            Err(error) => {
                let sessions = runtime.join("sessions");
                private_folder(&sessions)?;
                let fault = format!(
                    "{} cannot be written ({error}): logs and metadata of sessions are kept in {} and are lost with the machine's /tmp",
                    wanted.display(),
                    sessions.display()
                );
                Ok(Self {
                    sessions,
                    runtime,
                    fault: Some(fault),
                })
            }
        }
    }

    /// The folder of a session's metadata.
    pub(crate) fn session(&self, id: &SessionId) -> PathBuf {
        self.sessions.join(format!("{PREFIX}{id}"))
    }

    /// Where a session's sockets may be: short, or in full when the short name is taken.
    pub(crate) fn candidates(&self, id: &SessionId) -> [PathBuf; 2] {
        let id = id.as_str();
        [self.runtime.join(&id[..8]), self.runtime.join(id)]
    }

    /// Makes the runtime folder of a session.
    pub(crate) fn make_runtime(&self, id: &SessionId) -> Result<PathBuf, FolderError> {
        private_folder(&self.runtime)?;
        let [short, full] = self.candidates(id);
        match DirBuilder::new().mode(0o700).create(&short) {
            Ok(()) => Ok(short),
            // Another session with the same beginning, or remains of an older one.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                private_folder(&full)?;
                Ok(full)
            }
            Err(source) => Err(FolderError::Io {
                path: short,
                source,
            }),
        }
    }
}

/// The session that a folder of metadata belongs to.
pub(crate) fn session_id(folder: &Path) -> Option<SessionId> {
    folder
        .file_name()?
        .to_str()?
        .strip_prefix(PREFIX)?
        .parse()
        .ok()
}

/// Makes a folder that only this user can use, or checks one that is there. Links are not followed.
pub(crate) fn private_folder(path: &Path) -> Result<(), FolderError> {
    let io = |source| FolderError::Io {
        path: path.to_owned(),
        source,
    };
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        Err(e) => return Err(io(e)),
    }
    let found = fs::symlink_metadata(path).map_err(io)?;
    if !found.is_dir() {
        return Err(FolderError::NotAFolder(path.to_owned()));
    }
    if found.uid() != rustix::process::getuid().as_raw() {
        return Err(FolderError::Foreign(path.to_owned()));
    }
    if found.permissions().mode() & 0o077 != 0 {
        // Ours, in a folder where others cannot replace it: safe to narrow by name.
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(io)?;
    }
    Ok(())
}

fn writable(folder: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    File::create(&probe)?;
    fs::remove_file(&probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_folder_is_narrow_and_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        private_folder(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        private_folder(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(
            private_folder(&link),
            Err(FolderError::NotAFolder(_))
        ));
    }

    #[test]
    fn a_taken_short_name_gives_the_full_one() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders {
            sessions: dir.path().join("s"),
            runtime: dir.path().join("r"),
            fault: None,
        };
        let id = |text: &str| text.parse::<SessionId>().unwrap();
        let first = folders.make_runtime(&id("0123456789abcdef")).unwrap();
        assert!(first.ends_with("01234567"));
        let second = folders.make_runtime(&id("0123456700000000")).unwrap();
        assert!(second.ends_with("0123456700000000"));
        let folder = folders.session(&id("0123456789abcdef"));
        assert_eq!(session_id(&folder).unwrap(), id("0123456789abcdef"));
        assert!(session_id(Path::new("/x/FX3-zz")).is_none());
    }

    #[test]
    fn the_longest_socket_path_fits() {
        let longest = "/tmp/fastx-4294967295/0123456789abcdef/control";
        assert!(longest.len() < 107);
    }
}
