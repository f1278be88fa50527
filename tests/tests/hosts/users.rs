//! The users of a host, as its name service knows them or fails to.

use fastx_core::wire::session::SessionState;
use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::people::PEOPLE;
use fastx_tests::hosts::{Bench, Host};

use crate::{SEEN, link, lives, refused, sign_in, start, state};

pub(crate) async fn a_name_service_that_hangs_is_said_within_a_limit(
    _: &Bench,
    host: &Host,
) -> Result<(), Failure> {
    let ada = sign_in(host, "ada").await?;
    let session = start(&ada, host).await?;
    // From now on nobody gets an answer.
    host.root(
        "cp /usr/bin/getent /var/tmp/getent && printf '#!/bin/sh\\nexec sleep 100\\n' >/var/tmp/hangs && install -m 755 /var/tmp/hangs /usr/bin/getent",
    )?;
    let bob = sign_in(host, "bob").await?;
    let problem = refused(&bob, host).await?;
    assert_eq!(problem["type"], "no-name-service", "{problem}");
    // Who was known stays known.
    let second = start(&ada, host).await?;
    assert_eq!(state(&ada, &second).await?.state, SessionState::Running);
    host.root("install -m 755 /var/tmp/getent /usr/bin/getent")?;
    eventually(SEEN, "bob is known again", async || {
        start(&bob, host).await.map(drop)
    })
    .await?;
    assert_eq!(state(&ada, &session).await?.state, SessionState::Running);
    Ok(())
}

/// Root is nobody in homes, as with `root_squash` of NFS: what works for people may not look into a closed folder.
const SQUASH: &str = "for unit in ssh user@ fastx-link@ systemd-logind; do \
    mkdir -p /etc/systemd/system/$unit.service.d && \
    printf '[Service]\\nCapabilityBoundingSet=~CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH\\n' >/etc/systemd/system/$unit.service.d/squash.conf; \
    done && systemctl daemon-reload && systemctl restart ssh systemd-logind";

pub(crate) async fn a_long_home_that_root_may_not_enter_has_sessions(
    bench: &Bench,
    host: &Host,
) -> Result<(), Failure> {
    let home = PEOPLE.map(|p| p.home).into_iter().max_by_key(|h| h.len());
    let home = home.unwrap_or_default();
    host.root(SQUASH)?;
    let sshd = host.root("grep CapBnd /proc/$(systemctl show -P MainPID ssh)/status")?;
    let bits = u64::from_str_radix(sshd.split_whitespace().last().unwrap_or("1"), 16)?;
    assert_eq!(bits & 0b110, 0, "sshd may look into closed homes: {sshd}");
    // By the link of an SSH login, and by the unit that root starts.
    link(host, "dee")?;
    let dee = sign_in(host, "dee").await?;
    let first = start(&dee, host).await?;
    let display = bench.display(&first)?;
    lives(bench, &dee, &first, &display).await?;
    let socket = format!("/tmp/fastx-2004/{}/rfb.sock", &first.id.as_str()[..8]);
    host.root(&format!("test -S {socket}"))?;
    let folder = format!(
        "{home}/.fastx_server/{}/sessions/FX3-{}",
        host.name(),
        first.id
    );
    host.ssh("dee", &format!("test -s {folder}/state.json"))?;

    let ada = sign_in(host, "ada").await?;
    let second = start(&ada, host).await?;
    let cgroup = host.cgroup_of(&bench.display(&second)?)?;
    assert_eq!(cgroup, "/fastx.slice/fastx-link@2001.service");
    host.root("rm -r /etc/systemd/system/*.d/squash.conf && systemctl daemon-reload && systemctl restart ssh")?;
    Ok(())
}
