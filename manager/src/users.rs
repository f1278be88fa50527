//! Local users: one file for each login with an argon2id hash, as a Secret volume brings them.
//!
//! The first line is the hash in PHC form; a line `groups: a,b` may follow.
//! Files are read at each check, so that a change counts as soon as it arrives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use fastx_core::names::LoginName;
use fastx_core::secret::Secret;

use crate::hashing::Memory;

/// Compared with when there is no such user and no other one: with the default costs, of no known password.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$ZmFzdHgtbm9ib2R5LTAwMA$\
    0000000000000000000000000000000000000000000";

/// Longest file that is read.
const MAX_BYTES: u64 = 16 * 1024;

/// Where users come from.
#[derive(Debug, Clone)]
pub(crate) enum Users {
    /// One file for each login.
    Folder(PathBuf),
    /// Texts of such files by login, for tests.
    Memory(Arc<Mutex<BTreeMap<String, String>>>),
}

/// A user as the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    hash: Secret,
    pub(crate) groups: Vec<String>,
}

impl Users {
    /// Groups of the user, when the password is theirs. It takes as long when there is no such user.
    /// Slow on purpose: call it on the threads that are meant for it.
    pub(crate) fn check(
        &self,
        login: &LoginName,
        password: &Secret,
        memory: &mut Memory,
    ) -> Option<Vec<String>> {
        let user = self.read(login.as_str());
        let known = user.is_some();
        let hash = user
            .as_ref()
            .map(|u| u.hash.clone())
            .or_else(|| self.any_hash())
            .unwrap_or_else(|| Secret::new(NOBODY));
        let fits = verify(&hash, password, memory);
        user.filter(|_| known && fits).map(|u| u.groups)
    }

    fn read(&self, login: &str) -> Option<User> {
        // Names with a leading dot are the volume's own, such as `..data`.
        if login.starts_with('.') {
            return None;
        }
        match self {
            Self::Folder(dir) => parse(&read_file(&dir.join(login))?),
            Self::Memory(users) => {
                let users = users.lock().unwrap_or_else(PoisonError::into_inner);
                parse(users.get(login)?)
            }
        }
    }

    /// Hash of the first user: so that a stranger's name costs as much time as the site's own users.
    fn any_hash(&self) -> Option<Secret> {
        let mut names: Vec<String> = match self {
            Self::Folder(dir) => std::fs::read_dir(dir)
                .ok()?
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect(),
            Self::Memory(users) => {
                let users = users.lock().unwrap_or_else(PoisonError::into_inner);
                users.keys().cloned().collect()
            }
        };
        names.sort();
        names
            .iter()
            .find_map(|name| self.read(name))
            .map(|u| u.hash)
    }
}

fn read_file(path: &Path) -> Option<String> {
    let size = std::fs::metadata(path)
        .ok()
        .filter(std::fs::Metadata::is_file)?
        .len();
    if size > MAX_BYTES {
        tracing::warn!(file = %path.display(), "the file of this user is too large to be one");
        return None;
    }
    std::fs::read_to_string(path).ok()
}

fn parse(text: &str) -> Option<User> {
    let mut lines = text.lines().map(str::trim);
    let hash = lines.next().filter(|line| line.starts_with("$argon2id$"))?;
    let groups = lines
        .find_map(|line| line.strip_prefix("groups:"))
        .unwrap_or_default();
    Some(User {
        hash: Secret::new(hash),
        groups: groups
            .split(',')
            .map(|g| g.trim().to_owned())
            .filter(|g| !g.is_empty())
            .collect(),
    })
}

fn verify(hash: &Secret, password: &Secret, memory: &mut Memory) -> bool {
    fits(hash.expose(), password.expose().as_bytes(), memory).unwrap_or_else(|| {
        tracing::warn!("a user's hash is not valid, or asks for too much memory");
        false
    })
}

/// Whether the password has this hash; none when the hash cannot be compared with.
fn fits(hash: &str, password: &[u8], memory: &mut Memory) -> Option<bool> {
    let hash = PasswordHash::new(hash).ok()?;
    let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = match hash.version {
        Some(version) => Version::try_from(version).ok()?,
        None => Version::default(),
    };
    let params = Params::try_from(&hash).ok()?;
    let blocks = memory.blocks(params.block_count())?;
    let mut out = vec![0; expected.len()];
    Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(password, salt.as_ref(), &mut out, blocks)
        .ok()?;
    // Compares in constant time.
    Some(Output::new(&out).ok()? == *expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::user_file;

    fn users(files: &[(&str, &str)]) -> (Users, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        (Users::Folder(dir.path().to_owned()), dir)
    }

    fn check(users: &Users, login: &str, password: &str) -> Option<Vec<String>> {
        let login = login.parse().unwrap();
        users.check(&login, &Secret::new(password), &mut Memory::default())
    }

    #[test]
    fn the_right_password_gives_the_groups() {
        let (ada, bob) = (
            user_file("secret", &["ops", "wheel"]),
            user_file("secret", &[]),
        );
        let (users, dir) = users(&[("ada", &ada), ("broken", "x")]);
        assert_eq!(
            check(&users, "ada", "secret"),
            Some(vec!["ops".to_owned(), "wheel".to_owned()])
        );
        assert_eq!(check(&users, "ada", "Secret"), None);
        assert_eq!(
            check(&users, "bob", "secret"),
            None,
            "of a stranger not even another's password"
        );
        assert_eq!(check(&users, "broken", "secret"), None);
        std::fs::write(dir.path().join("bob"), bob).unwrap();
        assert_eq!(
            check(&users, "bob", "secret"),
            Some(Vec::new()),
            "a new file counts at once"
        );
        std::fs::remove_file(dir.path().join("bob")).unwrap();
        assert_eq!(check(&users, "bob", "secret"), None);
    }

    #[test]
    fn the_volumes_own_names_are_no_users() {
        let (users, dir) = users(&[]);
        std::fs::create_dir(dir.path().join("..data")).unwrap();
        std::fs::write(dir.path().join(".hidden"), user_file("secret", &[])).unwrap();
        for name in ["..data", ".hidden", "..", "."] {
            assert_eq!(check(&users, name, "secret"), None, "{name}");
        }
        assert_eq!(
            check(&Users::Folder("/nowhere".into()), "ada", "secret"),
            None
        );
    }

    #[test]
    fn the_hash_of_nobody_can_be_compared_with() {
        assert!(PasswordHash::new(NOBODY).is_ok());
        assert_eq!(fits(NOBODY, b"", &mut Memory::default()), Some(false));
    }
}
