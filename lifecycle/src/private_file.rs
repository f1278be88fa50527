//! Who may read a file with credentials: judged by mode, owner and group.

/// Who this process is to the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// Effective user id.
    pub uid: u32,
    /// Effective and supplementary group ids.
    pub gids: Vec<u32>,
}

impl Me {
    /// Asks the kernel.
    pub fn now() -> Self {
        let mut gids = vec![rustix::process::getegid().as_raw()];
        if let Ok(groups) = rustix::process::getgroups() {
            gids.extend(groups.into_iter().map(rustix::process::Gid::as_raw));
        }
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gids,
        }
    }
}

/// Whether a file with this mode, owner and group may carry credentials; the reason and the mending command when not.
pub fn admissible(
    mode: u32,
    uid: u32,
    gid: u32,
    me: &Me,
    path: &str,
) -> Result<(), (String, String)> {
    let mode = mode & 0o777;
    let my_group = me.gids.contains(&gid);
    if mode & 0o007 != 0 {
        return Err((
            format!("its mode {mode:04o} lets every user of the system at it"),
            format!("chmod o-rwx {path}"),
        ));
    }
    if mode & 0o020 != 0 {
        return Err((
            format!("its mode {mode:04o} lets a group change it"),
            format!("chmod g-w {path}"),
        ));
    }
    let group_reads = mode & 0o040 != 0;
    match (uid == me.uid, uid == 0) {
        (true, _) if !group_reads || my_group => Ok(()),
        (true, _) => Err((
            format!("its mode {mode:04o} lets the foreign group {gid} read it"),
            format!("chmod g-r {path}"),
        )),
        (false, true) if group_reads && my_group => Ok(()),
        (false, _) => Err((
            format!(
                "it belongs to user {uid} and group {gid}, which are not those of this process (user {})",
                me.uid
            ),
            format!("chown {} {path} && chmod 0400 {path}", me.uid),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> Me {
        Me {
            uid: 65532,
            gids: vec![65532, 2000],
        }
    }

    #[test]
    fn who_may_read() {
        let check = |mode, uid, gid| admissible(mode, uid, gid, &me(), "f").is_ok();
        for (mode, uid, gid) in [
            (0o100_400, 65532, 1),
            (0o600, 65532, 65532),
            (0o440, 0, 2000),
            (0o640, 0, 65532),
            (0o640, 65532, 2000),
        ] {
            assert!(check(mode, uid, gid), "{mode:o} {uid}:{gid}");
        }
        for (mode, uid, gid) in [
            (0o644, 65532, 65532),
            (0o444, 0, 2000),
            (0o660, 0, 2000),
            (0o440, 0, 1),
            (0o400, 0, 0),
            (0o600, 7, 2000),
            (0o640, 65532, 7),
            (0o602, 65532, 7),
        ] {
            assert!(!check(mode, uid, gid), "{mode:o} {uid}:{gid}");
        }
        let (reason, mend) = admissible(0o644, 65532, 1, &me(), "/etc/x").unwrap_err();
        assert!(reason.contains("0644"), "{reason}");
        assert_eq!(mend, "chmod o-rwx /etc/x");
    }
}
