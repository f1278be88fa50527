//! A real sshd with PAM and users of its own: in a mount namespace, so that nothing of this machine changes.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fastx_node::accounts::Programs;
use fastx_node::ssh::Target;

use crate::cluster::eventually;

/// Only the password.
pub(crate) const PASSWORD: &str = "\
auth required pam_unix.so nodelay
account required pam_unix.so
session required pam_permit.so
";

const MISSING: &str = "this test needs root and real programs: sudo apt-get install openssh-server libpam-google-authenticator libnss-extrausers openssl util-linux";

/// Password, then a one-time code. Each user has the codes 12345670 to 12345679, each good for one use.
pub(crate) fn password_and_code(dir: &Path) -> String {
    PASSWORD.replacen(
        '\n',
        &format!(
            "\nauth required pam_google_authenticator.so secret={}/codes/${{USER}} user=root no_strict_owner\n",
            dir.display()
        ),
        1,
    )
}

/// The server; it ends when this is dropped.
pub(crate) struct Sshd {
    pub(crate) target: Target,
    pub(crate) dir: PathBuf,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What is to be different.
#[derive(Default)]
pub(crate) struct Setup {
    /// Whether a code is asked for after the password.
    pub(crate) codes: bool,
    /// Lines of `sshd_config` that come first, so that they count.
    pub(crate) config: &'static str,
    /// Port of an earlier one.
    pub(crate) port: Option<u16>,
}

fn run(program: &str, words: &[&str]) -> String {
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect(MISSING);
    assert!(output.status.success(), "{program} {words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn write(path: impl AsRef<Path>, text: &str, mode: u32) {
    let path = path.as_ref();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

impl Sshd {
    /// Starts one with the users `ada` (in `ops`) and `eve` (in no other group), and `lena`, who is
    /// in no `passwd` but in a source behind the name service, and `zoe`, who is another name of root. Passwords are `pw-` and the login.
    pub(crate) async fn start(setup: Setup) -> Self {
        assert!(rustix::process::geteuid().is_root(), "{MISSING}");
        assert!(Path::new("/var/lib/extrausers").is_dir(), "{MISSING}");
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_owned();
        // Users go through it on the way to their homes.
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        users(&dir);
        let key = dir.join("ssh_host_ed25519_key");
        run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()],
        );
        let port = setup.port.unwrap_or_else(free_port);
        let shown = dir.display();
        let pam = if setup.codes {
            password_and_code(&dir)
        } else {
            PASSWORD.to_owned()
        };
        write(dir.join("pam"), &pam, 0o644);
        write(
            dir.join("sshd_config"),
            &format!(
                "{}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nUsePAM yes\n\
                 KbdInteractiveAuthentication yes\nPasswordAuthentication yes\nStrictModes no\n\
                 AuthorizedKeysFile {shown}/keys/%u\nMaxStartups 100\nLogLevel VERBOSE\n",
                setup.config,
                key.display()
            ),
            0o644,
        );
        write(
            dir.join("start"),
            &format!(
                "set -e\nmount --make-rprivate /\ncd {shown}\nfor f in passwd shadow group nsswitch.conf; do mount --bind $f /etc/$f; done\n\
                 mount --bind pam /etc/pam.d/sshd\nmount --bind extrausers /var/lib/extrausers\nexec /usr/sbin/sshd -D -e -f sshd_config\n"
            ),
            0o755,
        );
        std::fs::create_dir_all("/run/sshd").unwrap();
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let child = Command::new("unshare")
            .args(["-m", "sh", dir.join("start").to_str().unwrap()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect(MISSING);
        let sshd = Self {
            target: Target {
                host: "127.0.0.1".into(),
                port,
            },
            dir,
            child,
            _folder: folder,
        };
        sshd.listens().await;
        sshd
    }

    async fn listens(&self) {
        let address = ("127.0.0.1", self.target.port);
        eventually("sshd listens", || async {
            match tokio::net::TcpStream::connect(address).await {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{error}; {}", self.log())),
            }
        })
        .await;
    }

    /// What it wrote.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Programs that ask the name service of its namespace.
    pub(crate) fn accounts(&self) -> Programs {
        let program = |name: &str| {
            let path = self.dir.join(name);
            let text = format!(
                "#!/bin/sh\nexec nsenter --mount=/proc/{}/ns/mnt /usr/bin/{name} \"$@\"\n",
                self.child.id()
            );
            write(&path, &text, 0o755);
            path
        };
        Programs {
            getent: program("getent"),
            id: program("id"),
            limit: Duration::from_secs(10),
            ..Programs::default()
        }
    }

    /// A program that notes in the user's home as whom and how it was called.
    pub(crate) fn link(&self) -> PathBuf {
        let path = self.dir.join("fastx-link");
        let text = "#!/bin/sh\necho \"$(id -un) $*\" > ~/link\n";
        write(&path, text, 0o755);
        path
    }
}

fn users(dir: &Path) {
    let shown = dir.display();
    let (mut passwd, mut shadow) = (String::new(), String::new());
    for line in std::fs::read_to_string("/etc/passwd").unwrap().lines() {
        let name = line.split(':').next().unwrap();
        if ["root", "sshd", "nobody"].contains(&name) {
            writeln!(passwd, "{line}").unwrap();
            writeln!(shadow, "{name}:*:19000:0:99999:7:::").unwrap();
        }
    }
    let mut extra = (String::new(), String::new());
    for (uid, login) in [
        (20001, "ada"),
        (20002, "eve"),
        (20003, "lena"),
        // Runs as the one whose link the test plays.
        (0, "zoe"),
    ] {
        let hash = run(
            "openssl",
            &["passwd", "-6", "-salt", "fastx", &format!("pw-{login}")],
        );
        let user = format!("{login}:x:{uid}:{uid}::{shown}/home/{login}:/bin/bash\n");
        let secret = format!("{login}:{hash}:19000:0:99999:7:::\n");
        if login == "lena" {
            extra = (user, secret);
        } else {
            passwd.push_str(&user);
            shadow.push_str(&secret);
        }
        let home = dir.join("home").join(login);
        std::fs::create_dir_all(&home).unwrap();
        std::os::unix::fs::chown(&home, Some(uid), Some(uid)).unwrap();
        let codes: String = (0..10).fold(String::new(), |mut text, n| {
            writeln!(text, "1234567{n}").unwrap();
            text
        });
        write(
            dir.join("codes").join(login),
            &format!("JBSWY3DPEHPK3PXPJBSWY3DPEH\n\" TOTP_AUTH\n{codes}"),
            0o600,
        );
    }
    // Whoever believes what a shell prints believes this.
    for file in [".bashrc", ".profile", ".bash_profile"] {
        let forged = "echo 'uid=0(root) gid=0(root) groups=0(root),27(sudo),20100(ops)'\n\
                      id() { echo root ops; }\ngetent() { echo eve:x:0:0::/root:/bin/sh; }\nexport -f id getent\n\
                      export USER=ada LOGNAME=ada\n";
        write(dir.join("home/eve").join(file), forged, 0o644);
    }
    write(dir.join("passwd"), &passwd, 0o644);
    write(dir.join("shadow"), &shadow, 0o600);
    let group = "root:x:0:\nsudo:x:27:\nada:x:20001:\neve:x:20002:\nops:x:20100:ada\n";
    write(dir.join("group"), group, 0o644);
    write(
        dir.join("nsswitch.conf"),
        "passwd: files extrausers\ngroup: files extrausers\nshadow: files extrausers\n",
        0o644,
    );
    write(dir.join("extrausers/passwd"), &extra.0, 0o644);
    write(dir.join("extrausers/shadow"), &extra.1, 0o600);
    write(
        dir.join("extrausers/group"),
        "lena:x:20003:\nartists:x:20101:lena\n",
        0o644,
    );
}
