//! Who this process runs as and in what environment, without asking a name service.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What a session needs to know about its user and machine.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(crate) uid: u32,
    pub(crate) home: PathBuf,
    pub(crate) user: String,
    /// Host name; one home may serve many hosts.
    pub(crate) host: String,
    /// Where programs are looked for.
    pub(crate) path: OsString,
    /// Everything that was inherited.
    pub(crate) variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// Reads it once; what `HOME` and `USER` do not say comes from `/etc/passwd`, if it is there.
    pub(crate) fn read(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let variables: BTreeMap<OsString, OsString> = variables.collect();
        let uid = rustix::process::getuid().as_raw();
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let entry = passwd_entry(&passwd, uid);
        let set = |name: &str| {
            variables
                .get(OsStr::new(name))
                .filter(|v| !v.is_empty())
                .cloned()
        };
        let home = set("HOME")
            .map(PathBuf::from)
            .or_else(|| entry.as_ref().map(|(_, home)| home.clone()))
            .unwrap_or_else(|| PathBuf::from("/"));
        let user = set("USER")
            .and_then(|u| u.into_string().ok())
            .or_else(|| entry.map(|(user, _)| user))
            .unwrap_or_else(|| format!("uid-{uid}"));
        let path =
            set("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin".into());
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .replace('/', "_");
        Self {
            uid,
            home,
            user,
            host: if host.is_empty() {
                "localhost".to_owned()
            } else {
                host
            },
            path,
            variables,
        }
    }

    /// Finds a program the way a shell does.
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        std::env::split_paths(&self.path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(program))
            .find(|file| executable(file))
    }
}

fn executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

fn passwd_entry(passwd: &str, uid: u32) -> Option<(String, PathBuf)> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, number, _, _, home, ..] = fields[..] else {
            return None;
        };
        (number == uid.to_string()).then(|| (name.to_owned(), PathBuf::from(home)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_and_user_come_from_the_environment_before_passwd() {
        let set = [("HOME", "/home/ada"), ("USER", "ada"), ("PATH", "/bin")];
        let environment = Environment::read(set.iter().map(|(k, v)| (k.into(), v.into())));
        assert_eq!(environment.home, Path::new("/home/ada"));
        assert_eq!(environment.user, "ada");
        assert!(environment.find("sh").is_some());
        assert!(environment.find("no-such-program").is_none());
    }

    #[test]
    fn passwd_is_read_without_a_name_service() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nada:x:1000:1000::/home/ada:/bin/sh\n";
        let (name, home) = passwd_entry(passwd, 1000).unwrap();
        assert_eq!(
            (name.as_str(), home.as_path()),
            ("ada", Path::new("/home/ada"))
        );
        assert!(passwd_entry(passwd, 7).is_none());
    }
}
