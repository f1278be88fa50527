//! What a host needs of its system: Xvnc, the link, sshd, logind, space.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::Finding;
use crate::arguments::Doctor;
use crate::output::gib;

const LIMIT: Duration = Duration::from_secs(5);
/// Less than this and sessions start to fail.
const LITTLE: u64 = 200 << 20;

/// Programs of sessions, the link's program, and its socket.
pub(super) fn programs(options: &Doctor) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (program, needed, package) in [
        ("Xvnc", true, "install tigervnc-standalone-server"),
        (
            "dbus-daemon",
            false,
            "install dbus: desktops need a bus of their own",
        ),
        ("xauth", false, "install xauth"),
    ] {
        findings.push(match (find(program), needed) {
            (Some(path), _) => Finding::ok(program, path.display().to_string()),
            (None, true) => Finding::failed(program, "it is not in the PATH", package),
            (None, false) => Finding::warning(program, "it is not in the PATH", package),
        });
    }
    let link = &options.link_binary;
    findings.push(match std::fs::metadata(link) {
        Ok(about) if about.is_file() && about.permissions().mode() & 0o111 != 0 => {
            Finding::ok("link", link.display().to_string())
        }
        Ok(_) => Finding::failed(
            "link",
            format!("{} is not a program", link.display()),
            "install the package again",
        ),
        Err(e) => Finding::failed(
            "link",
            format!("{}: {e}", link.display()),
            "install the package again, or set FX_LINK_BINARY",
        ),
    });
    findings.push(socket(&options.link_dir.join("link.sock")));
    findings
}

fn socket(path: &Path) -> Finding {
    let name = path.display();
    match std::fs::symlink_metadata(path) {
        Ok(about) if about.file_type().is_socket() => {
            Finding::ok("link socket", format!("{name}, of user {}", about.uid()))
        }
        Ok(_) => Finding::failed(
            "link socket",
            format!("{name} is no socket"),
            format!("remove it and start the service anew: rm {name}"),
        ),
        Err(e) => Finding::failed(
            "link socket",
            format!("{name}: {e}"),
            "start the service: systemctl start fastx-node",
        ),
    }
}

/// Where a program is, in the folders that services see.
fn find(program: &str) -> Option<PathBuf> {
    [
        "/usr/local/bin",
        "/usr/bin",
        "/bin",
        "/usr/local/sbin",
        "/usr/sbin",
    ]
    .iter()
    .map(|folder| Path::new(folder).join(program))
    .find(|path| {
        std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    })
}

/// Whether people can sign in by way of SSH.
pub(super) async fn sshd(options: &Doctor) -> Vec<Finding> {
    let address = options.sshd;
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let mut banner = [0; 64];
        let count = stream.read(&mut banner).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&banner[..count]).trim().to_owned())
    };
    let action = "install and start openssh-server, or name its port with --sshd; without it nobody signs in by SSH";
    vec![match tokio::time::timeout(LIMIT, asking).await {
        Ok(Ok(banner)) if banner.starts_with("SSH-") => {
            let first = banner.lines().next().unwrap_or_default();
            Finding::ok("sshd", format!("{first} at {address}"))
        }
        Ok(Ok(_)) => Finding::warning("sshd", format!("{address} does not speak SSH"), action),
        Ok(Err(e)) => Finding::warning("sshd", format!("{address}: {e}"), action),
        Err(_) => Finding::warning("sshd", format!("{address} says nothing"), action),
    }]
}

/// Whether the end of an SSH login takes a user's processes with it.
pub(super) async fn logind() -> Vec<Finding> {
    let shown = Command::new("systemd-analyze")
        .args(["cat-config", "systemd/logind.conf"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(LIMIT, shown).await {
        Ok(Ok(output)) if output.status.success() => {
            vec![kills(&String::from_utf8_lossy(&output.stdout))]
        }
        _ => vec![Finding::skipped("logind", "there is no systemd to ask")],
    }
}

fn kills(config: &str) -> Finding {
    let kills = config
        .lines()
        .filter_map(|line| line.trim().strip_prefix("KillUserProcesses="))
        .next_back()
        .is_some_and(|value| matches!(value.trim(), "yes" | "true" | "1" | "on"));
    if kills {
        Finding::warning(
            "logind",
            "KillUserProcesses is on: links that are started over SSH need another way out of the login's scope",
            "the package's template unit is that way; check with: systemctl cat fastx-link@.service",
        )
    } else {
        Finding::ok(
            "logind",
            "processes outlive the SSH login that started them",
        )
    }
}

/// Space where sessions and the node write.
pub(super) fn space(options: &Doctor) -> Vec<Finding> {
    [options.local_dir.as_path(), Path::new("/tmp")]
        .into_iter()
        .map(|folder| {
            let name = folder.display();
            match rustix::fs::statvfs(folder) {
                Ok(about) => {
                    let free = about.f_bavail.saturating_mul(about.f_frsize);
                    let full = free < LITTLE || (about.f_files > 0 && about.f_favail < 1000);
                    let detail = format!("{} free in {name}", gib(free));
                    if full {
                        Finding::failed("space", detail, format!("free space in {name}"))
                    } else {
                        Finding::ok("space", detail)
                    }
                }
                Err(rustix::io::Errno::NOENT) => Finding::skipped(
                    "space",
                    format!("there is no {name} yet: the first start of the service makes it"),
                ),
                Err(e) => Finding::warning(
                    "space",
                    format!("{name}: {e}"),
                    "run the doctor as root or as the user of the service",
                ),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn the_last_setting_of_logind_counts() {
        assert_eq!(kills("#KillUserProcesses=yes\n").outcome, Outcome::Ok);
        assert_eq!(kills("KillUserProcesses=yes\n").outcome, Outcome::Warning);
        assert_eq!(
            kills("KillUserProcesses=yes\n[Login]\nKillUserProcesses=no\n").outcome,
            Outcome::Ok
        );
    }

    #[test]
    fn a_plain_file_is_no_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("link.sock");
        assert_eq!(socket(&path).outcome, Outcome::Failed);
        std::fs::write(&path, "").unwrap();
        assert!(socket(&path).action.contains("rm "), "{:?}", socket(&path));
        std::fs::remove_file(&path).unwrap();
        let _listening = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(socket(&path).outcome, Outcome::Ok);
    }
}
