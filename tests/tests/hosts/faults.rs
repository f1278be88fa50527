//! What happens to hosts: logouts and killed processes. Each time the same X server is found again.

use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::{Bench, Host};

use crate::{SEEN, link, lives, sign_in, start};

/// Waits until no process of a user's login is left but what stays on purpose: sshd's are gone.
pub(crate) async fn logged_out(host: &Host, login: &str) -> Result<(), Failure> {
    eventually(SEEN, "the user is logged out", async || {
        match host.try_root(&format!("pgrep -f 'sshd: {login}'"))? {
            said if said.ok => Err(Failure::from(said.text)),
            _ => Ok(()),
        }
    })
    .await
}

/// From now on everything that a login leaves behind is killed.
pub(crate) const KILL: &str = "mkdir -p /etc/systemd/logind.conf.d && printf '[Login]\\nKillUserProcesses=yes\\n' >/etc/systemd/logind.conf.d/kill.conf && systemctl restart systemd-logind";

/// What a login leaves behind may stay, as Debian has it.
pub(crate) fn settle(host: &Host) -> Result<(), Failure> {
    host.root("rm -f /etc/systemd/logind.conf.d/kill.conf && systemctl restart systemd-logind")?;
    Ok(())
}

pub(crate) async fn a_logout_ends_no_session(bench: &Bench, host: &Host) -> Result<(), Failure> {
    // As Debian has it: what a login leaves behind may stay.
    link(host, "ada")?;
    let ada = sign_in(host, "ada").await?;
    let first = start(&ada, host).await?;
    let display = bench.display(&first)?;
    logged_out(host, "ada").await?;
    lives(bench, &ada, &first, &display).await?;

    host.root(KILL)?;
    host.ssh("bob", "setsid sleep 3600 >/dev/null 2>&1 </dev/null &")?;
    link(host, "bob")?;
    let bob = sign_in(host, "bob").await?;
    let second = start(&bob, host).await?;
    let other = bench.display(&second)?;
    let cgroup = host.cgroup_of(&other)?;
    assert_eq!(cgroup, "/fastx.slice/fastx-link@2002.service");
    eventually(
        SEEN,
        "logind kills what a login left",
        async || match host.process(&["sleep 3600"]) {
            Err(_) => Ok(()),
            Ok(left) => Err(Failure::from(format!("{left:?}"))),
        },
    )
    .await?;
    lives(bench, &bob, &second, &other).await?;
    settle(host)
}

pub(crate) async fn link_and_supervisor_may_be_killed(
    bench: &Bench,
    host: &Host,
) -> Result<(), Failure> {
    link(host, "ada")?;
    let ada = sign_in(host, "ada").await?;
    let session = start(&ada, host).await?;
    let display = bench.display(&session)?;
    for pattern in [
        "fastx-link run --dir",
        "fastx-link supervise",
        "fastx-link run --dir",
    ] {
        let before = host.process(&[pattern])?;
        before.kill()?;
        eventually(SEEN, "another one is in its place", async || {
            let now = host.process(&[pattern])?;
            if now == before {
                Err(Failure::from("not yet"))
            } else {
                Ok(())
            }
        })
        .await?;
        lives(bench, &ada, &session, &display).await?;
    }
    Ok(())
}
