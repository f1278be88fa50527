//! The people of the bench: what the name service of a host says of them, and the homes that all hosts share.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::machine::Host;
use super::run;
use crate::Failure;

/// A person of the hosts.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// Login.
    pub login: &'static str,
    /// Uid and gid.
    pub uid: u32,
    /// Whether `/etc/passwd` has a line of theirs; others come from `libnss-extrausers`.
    local: bool,
    /// Home, where all hosts see it.
    pub home: &'static str,
}

/// A path of 90 bytes.
const LONG_HOME: &str =
    "/home/institute-of-applied-mathematics-and-statistics/group-of-numerical-methods/staff/dee";

/// All of them.
pub const PEOPLE: [Account; 4] = [
    account("ada", 2001, true, "/home/ada"),
    account("bob", 2002, true, "/home/bob"),
    account("cyd", 2003, false, "/home/cyd"),
    account("dee", 2004, true, LONG_HOME),
];

/// The one who is an administrator of the cluster.
pub const ADMIN: &str = "cyd";

const fn account(login: &'static str, uid: u32, local: bool, home: &'static str) -> Account {
    Account {
        login,
        uid,
        local,
        home,
    }
}

/// The password of somebody, at the hosts and at the managers.
pub fn password(login: &str) -> String {
    format!("pw-{login}")
}

impl Account {
    fn passwd(&self) -> String {
        let Self { login, uid, .. } = self;
        format!("{login}:x:{uid}:{uid}::{}:/bin/bash\n", self.home)
    }

    fn group(&self) -> String {
        format!("{}:x:{}:\n", self.login, self.uid)
    }

    /// Without a line in shadow PAM lets nobody in, not even with a key.
    fn shadow(&self) -> Result<String, Failure> {
        let hash = run("openssl", &["passwd", "-6", &password(self.login)])?;
        Ok(format!(
            "{}:{}:20000:0:99999:7:::\n",
            self.login,
            hash.trim()
        ))
    }
}

/// Makes them known to a host.
pub(super) fn introduce(host: &Host) -> Result<(), Failure> {
    let mut elsewhere = [
        String::new(),
        "Domain Users:x:5002:cyd\n".to_owned(),
        String::new(),
    ];
    let mut local = [
        host.read("/etc/passwd")?,
        host.read("/etc/group")?,
        host.read("/etc/shadow")?,
    ];
    for account in &PEOPLE {
        let files = if account.local {
            &mut local
        } else {
            &mut elsewhere
        };
        files[0].push_str(&account.passwd());
        files[1].push_str(&account.group());
        files[2].push_str(&account.shadow()?);
    }
    for (file, (here, there)) in ["passwd", "group", "shadow"]
        .iter()
        .zip(local.iter().zip(&elsewhere))
    {
        host.write(&format!("/etc/{file}"), here)?;
        host.write(&format!("/var/lib/extrausers/{file}"), there)?;
    }
    host.write(
        "/etc/nsswitch.conf",
        "passwd: files extrausers\ngroup: files extrausers\nshadow: files extrausers\nhosts: files\n",
    )
}

/// Homes that all hosts share, and the key that opens every account.
pub(super) fn homes(dir: &Path) -> Result<(), Failure> {
    let key = dir.join("key");
    let path = key.display().to_string();
    run(
        "ssh-keygen",
        &["-q", "-t", "ed25519", "-N", "", "-f", &path],
    )?;
    let public = fs::read(key.with_extension("pub"))?;
    for Account { uid, home, .. } in &PEOPLE {
        let home = dir.join(home.trim_start_matches('/'));
        let ssh = home.join(".ssh");
        fs::create_dir_all(&ssh)?;
        fs::write(ssh.join("authorized_keys"), &public)?;
        for path in [&home, &ssh] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
        let owner = format!("{uid}:{uid}");
        run("chown", &["-R", &owner, &home.display().to_string()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_home_has_a_path_of_90_bytes() {
        assert_eq!(PEOPLE.map(|p| p.home.len()).into_iter().max(), Some(90));
    }
}
