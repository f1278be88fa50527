//! `broker.json` on a node: who may read it, when a change counts, and the last good copy.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fastx_core::wire::broker::{Accept, BrokerConfig, BrokerError};
use fastx_lifecycle::private_file::{Me, admissible};

use crate::{disk, join};

/// Largest file that is read, bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// Why the file is not used.
#[derive(Debug, thiserror::Error)]
pub enum BrokerFileError {
    /// There is none.
    #[error(
        "there is no {0}: place the broker.json of this node there, or mount its Secret as a folder"
    )]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Too many people may read or change it.
    #[error("{path} is refused: {reason}; mend it with `{mend}`")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// The command that mends it.
        mend: String,
    },
    /// Its content is refused.
    #[error("{path} is refused")]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        source: BrokerError,
    },
    /// It would make another member of this process.
    #[error(
        "{path} names another {what} (`{offered}`, running as `{running}`): restart the node to use it"
    )]
    OtherMember {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the file says.
        offered: String,
        /// What runs.
        running: String,
    },
}

/// Reads a file of this form that nobody else can read or change.
pub fn read(path: &Path, me: &Me) -> Result<BrokerConfig, BrokerFileError> {
    let unreadable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => BrokerFileError::Missing(path.to_owned()),
        _ => BrokerFileError::Unreadable {
            path: path.to_owned(),
            source,
        },
    };
    // Opening follows the links of a mounted Secret: what is judged is what is read.
    let mut file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    admissible(
        about.mode(),
        about.uid(),
        about.gid(),
        me,
        &path.to_string_lossy(),
    )
    .map_err(|(reason, mend)| BrokerFileError::Exposed {
        path: path.to_owned(),
        reason,
        mend,
    })?;
    let mut text = String::new();
    file.by_ref()
        .take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    BrokerConfig::parse(&text).map_err(|source| BrokerFileError::Content {
        path: path.to_owned(),
        source,
    })
}

/// The file, what runs of it, and what was last wrong with it.
#[derive(Debug)]
pub struct BrokerFile {
    path: PathBuf,
    /// A newer one says where the bus has moved to, of a host that joined with one.
    join: PathBuf,
    last_good: PathBuf,
    me: Me,
    running: Option<BrokerConfig>,
    fault: Option<String>,
}

impl BrokerFile {
    /// The file of a node; what ran last is read from the node's own folder.
    pub fn open(config_dir: &Path, local_dir: &Path, me: Me) -> Self {
        let last_good = local_dir.join("broker.json");
        let running = disk::load::<BrokerConfig>(&last_good);
        Self {
            path: config_dir.join("broker.json"),
            join: config_dir.join(join::FILE),
            last_good,
            me,
            running,
            fault: None,
        }
    }

    /// What runs; at first the copy of the last run.
    pub fn running(&self) -> Option<&BrokerConfig> {
        self.running.as_ref()
    }

    /// Looks again for a copy of the last run: joining makes one.
    pub fn refresh(&mut self) {
        if self.running.is_none() {
            self.running = disk::load::<BrokerConfig>(&self.last_good);
        }
    }

    /// What is wrong with the file as it is now.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Looks at the file and gives its content when it is new and good. Each fault is logged once.
    pub fn look(&mut self) -> Option<BrokerConfig> {
        match self.find().and_then(|config| self.accept(config)) {
            Ok(new) => {
                self.fault = None;
                let new = new?;
                if let Err(error) = disk::save(&self.last_good, &new) {
                    tracing::warn!(%error, "the copy of broker.json cannot be written; the file itself is in use");
                }
                self.running = Some(new.clone());
                tracing::info!(generation = new.generation, host = %new.host, "broker.json accepted");
                Some(new)
            }
            Err(error) => {
                let text = fastx_lifecycle::telemetry::chain(&error);
                if self.fault.as_ref() != Some(&text) {
                    tracing::warn!(reason = %text, last_good_goes_on = self.running.is_some(), "broker.json is not used");
                    self.fault = Some(text);
                }
                None
            }
        }
    }

    fn find(&self) -> Result<BrokerConfig, BrokerFileError> {
        match read(&self.path, &self.me) {
            Err(missing @ BrokerFileError::Missing(_)) => self.moved().unwrap_or(Err(missing)),
            other => other,
        }
    }

    /// A host that joined has no file of its own. Address and authority of the bus come from a newer join file
    /// of its cluster then, the identity stays.
    fn moved(&self) -> Option<Result<BrokerConfig, BrokerFileError>> {
        let running = self.running.as_ref().filter(|r| r.credentials.is_some())?;
        match read(&self.join, &self.me) {
            Err(BrokerFileError::Missing(_)) => None,
            Err(error) => Some(Err(error)),
            Ok(file) => (file.namespace == running.namespace
                && file.generation > running.generation)
                .then(|| {
                    Ok(BrokerConfig {
                        credentials: running.credentials.clone(),
                        ..file
                    })
                }),
        }
    }

    fn accept(&self, config: BrokerConfig) -> Result<Option<BrokerConfig>, BrokerFileError> {
        let accepted = config
            .accept(self.running.as_ref())
            .map_err(|source| self.content(source))?;
        Ok(match accepted {
            Accept::New(config) => Some(*config),
            Accept::Unchanged => None,
        })
    }

    fn content(&self, source: BrokerError) -> BrokerFileError {
        BrokerFileError::Content {
            path: self.path.clone(),
            source,
        }
    }

    /// Whether a new content can be applied to a running process: the same member of the same cluster.
    pub fn same_member(
        &self,
        old: &BrokerConfig,
        new: &BrokerConfig,
    ) -> Result<(), BrokerFileError> {
        let other = |what, offered: String, running: String| BrokerFileError::OtherMember {
            path: self.path.clone(),
            what,
            offered,
            running,
        };
        if old.namespace != new.namespace {
            return Err(other(
                "namespace",
                new.namespace.to_string(),
                old.namespace.to_string(),
            ));
        }
        let caller = |c: &BrokerConfig| c.credentials.as_ref().map(|c| c.caller.to_string());
        match (caller(old), caller(new)) {
            (Some(running), Some(offered)) if running != offered => {
                Err(other("caller", offered, running))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_core::secret::Secret;
    use fastx_core::wire::broker::Credentials;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn text(generation: u64, host: &str) -> String {
        format!(
            r#"{{"transporterType":"nats","host":"{host}","namespace":"n","generation":{generation}}}"#
        )
    }

    struct Folder {
        dir: tempfile::TempDir,
        file: BrokerFile,
    }

    impl Folder {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("etc")).unwrap();
            let file =
                BrokerFile::open(&dir.path().join("etc"), &dir.path().join("var"), Me::now());
            Self { dir, file }
        }

        /// A plain file beside it.
        fn put_join(&self, text: &str, mode: u32) {
            let path = self.dir.path().join("etc").join(join::FILE);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }

        fn put(&self, text: &str, mode: u32) {
            // As the kubelet does it: a new folder, then the link `..data` swapped by a rename.
            let etc = self.dir.path().join("etc");
            let data = tempfile::tempdir_in(&etc).unwrap().keep();
            let path = data.join("broker.json");
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            symlink(&data, etc.join("..new")).unwrap();
            std::fs::rename(etc.join("..new"), etc.join("..data")).unwrap();
            let _there_from_the_second_time_on =
                symlink("..data/broker.json", etc.join("broker.json"));
        }
    }

    #[test]
    fn a_bad_change_leaves_the_last_good_one() {
        let mut folder = Folder::new();
        assert_eq!(folder.file.look(), None);
        assert!(folder.file.fault().unwrap().contains("there is no"));
        folder.put(&text(1, "a"), 0o400);
        assert_eq!(folder.file.look().unwrap().host, "a");
        assert_eq!(folder.file.look(), None, "nothing new");
        for (bad, mode, word) in [
            (text(2, "b"), 0o644, "chmod o-rwx"),
            (text(1, "b"), 0o400, "same generation"),
            (text(0, "b"), 0o400, "older"),
            ("{".to_owned(), 0o400, "half written"),
        ] {
            folder.put(&bad, mode);
            assert_eq!(folder.file.look(), None, "{bad}");
            let fault = folder.file.fault().unwrap();
            assert!(fault.contains(word), "{fault}");
            assert_eq!(folder.file.running().unwrap().host, "a");
        }
        folder.put(&text(2, "b"), 0o400);
        assert_eq!(folder.file.look().unwrap().host, "b");
        assert_eq!(folder.file.fault(), None);
        let again = BrokerFile::open(
            Path::new("/nowhere"),
            &folder.dir.path().join("var"),
            Me::now(),
        );
        assert_eq!(
            again.running().unwrap().host,
            "b",
            "the last good copy is there at the next start"
        );
    }

    #[test]
    fn a_host_that_joined_follows_a_newer_join_file_under_its_own_identity() {
        let mut folder = Folder::new();
        let joined = |generation: u64, host: &str, caller: &str| {
            let mut config = BrokerConfig::parse(&text(generation, host)).unwrap();
            config.credentials = Some(Credentials {
                caller: caller.parse().unwrap(),
                jwt: Secret::new("jwt"),
                seed: Secret::new("seed"),
            });
            config
        };
        let file = |generation, host| {
            serde_json::to_string(&joined(generation, host, "join-a-1-1")).unwrap()
        };
        folder.put_join(&file(1, "a"), 0o600);
        assert_eq!(folder.file.look(), None, "nobody has joined yet");
        disk::save(
            &folder.dir.path().join("var/broker.json"),
            &joined(1, "a", "desk"),
        )
        .unwrap();
        folder.file.refresh();
        assert_eq!(folder.file.look(), None, "the file that it joined with");
        folder.put_join(&file(2, "b"), 0o644);
        assert_eq!(folder.file.look(), None, "others can read it");
        folder.put_join(&file(2, "b").replace("\"n\"", "\"m\""), 0o600);
        assert_eq!(folder.file.look(), None, "another cluster");
        folder.put_join(&file(2, "b"), 0o600);
        assert_eq!(folder.file.look(), Some(joined(2, "b", "desk")));
        assert_eq!(folder.file.look(), None, "nothing new");
    }
}
