//! The Debian tree that all hosts of the bench stand on: made once by debootstrap and kept.

use std::fs;
use std::path::{Path, PathBuf};

use super::run;
use crate::Failure;

/// What a host of the bench has beside the smallest system.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,libpam-systemd,polkitd,openssh-server,sudo,\
tigervnc-standalone-server,xterm,xauth,dbus-user-session,procps,iproute2,nftables,libnss-extrausers,ca-certificates,redis-server";

/// The release of this machine, so that programs built here run there.
fn release() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |name: &str| {
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix('='));
        line.map(|v| v.trim_matches('"').to_owned())
    };
    match (value("ID").as_deref(), value("VERSION_CODENAME")) {
        (Some("debian"), Some(codename)) => codename,
        _ => "trixie".to_owned(),
    }
}

/// Gives the tree; makes it when there is none (a minute).
pub(super) fn prepare(cache: &Path) -> Result<PathBuf, Failure> {
    let release = release();
    let stamp = format!("{release} {PACKAGES}\n");
    let tree = cache.join("base");
    let made = cache.join("base.stamp");
    if tree.is_dir() && fs::read_to_string(&made).is_ok_and(|text| text == stamp) {
        return Ok(tree);
    }
    for old in [&tree, &cache.join("base.new")] {
        match fs::remove_dir_all(old) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
    }
    let new = cache.join("base.new");
    let include = format!("--include={PACKAGES}");
    run(
        "debootstrap",
        &[
            "--variant=minbase",
            &include,
            &release,
            &new.display().to_string(),
        ],
    )?;
    settle(&new)?;
    fs::rename(&new, &tree)?;
    fs::write(made, stamp)?;
    Ok(tree)
}

/// What holds for all hosts: nothing that waits, nothing that needs a network beyond the bench.
fn settle(tree: &Path) -> Result<(), Failure> {
    for unit in [
        "apt-daily.timer",
        "apt-daily-upgrade.timer",
        "e2scrub_all.timer",
        "dpkg-db-backup.timer",
        "fstrim.timer",
    ] {
        let link = tree.join("etc/systemd/system").join(unit);
        if !link.is_symlink() {
            std::os::unix::fs::symlink("/dev/null", link)?;
        }
    }
    // Its program is for those pages that want it; the service of the distribution is for none.
    let wanted = "etc/systemd/system/multi-user.target.wants/redis-server.service";
    match fs::remove_file(tree.join(wanted)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}
