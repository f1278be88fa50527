//! A host that is cut off, one that restarts, one without room on its disk, one whose clock jumps: what is said of its sessions.

use std::time::Duration;

use fastx_core::wire::session::{SessionRecord, SessionState};
use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::people::ADMIN;
use fastx_tests::hosts::{Bench, Host};
use fastx_tests::person::Person;
use reqwest::Method;
use serde_json::Value;

use crate::{SEEN, hints, lives, sign_in, start, state};

/// A server is missed after 90 s of silence; this is that and a little more.
const MISSED: Duration = Duration::from_secs(125);

async fn becomes(
    person: &Person,
    session: &SessionRecord,
    wanted: SessionState,
    within: Duration,
) -> Result<SessionRecord, Failure> {
    let what = format!("the session becomes {wanted:?}");
    eventually(within, &what, async || {
        let now = state(person, session).await?;
        if now.state == wanted {
            Ok(now)
        } else {
            Err(Failure::from(format!("{:?} {}", now.state, now.end_reason)))
        }
    })
    .await
}

/// Waits until the server is shown so; who is asked may be about to restart.
async fn online_is(admin: &Person, host: &Host, wanted: bool) -> Result<(), Failure> {
    let what = format!("{} is shown as online: {wanted}", host.name());
    eventually(SEEN, &what, async || {
        let all: Value = admin.call(Method::GET, "/servers", None).await?;
        let list = all["servers"].as_array().cloned().unwrap_or_default();
        let one = list.iter().find(|s| s["serverId"] == host.name());
        match one.map(|s| &s["online"]) {
            Some(online) if *online == wanted => Ok(()),
            other => Err(Failure::from(format!("{other:?}"))),
        }
    })
    .await
}

pub(crate) async fn a_host_that_is_cut_off_is_unreachable_and_comes_back(
    bench: &Bench,
    host: &Host,
) -> Result<(), Failure> {
    let dee = sign_in(host, "dee").await?;
    let session = start(&dee, host).await?;
    let display = bench.display(&session)?;
    let elsewhere = dee.at(&bench.host(1).url());
    let admin = sign_in(bench.host(1), ADMIN).await?;
    becomes(&elsewhere, &session, SessionState::Running, SEEN).await?;

    host.cut(true)?;
    let seen = becomes(&elsewhere, &session, SessionState::Unreachable, MISSED).await;
    let lost = online_is(&admin, host, false).await;
    // Whatever was seen: the host is let in again.
    host.cut(false)?;
    seen?;
    lost?;
    becomes(&elsewhere, &session, SessionState::Running, SEEN).await?;
    online_is(&admin, host, true).await?;
    lives(bench, &elsewhere, &session, &display).await
}

pub(crate) async fn a_host_that_restarts_ends_its_sessions_and_says_so(
    bench: &Bench,
    host: &Host,
) -> Result<(), Failure> {
    let dee = sign_in(host, "dee").await?;
    let session = start(&dee, host).await?;
    let elsewhere = dee.at(&bench.host(1).url());
    becomes(&elsewhere, &session, SessionState::Running, SEEN).await?;

    host.power_off().await?;
    host.boot()?;
    host.booted().await?;
    bench.joined(host).await?;
    let over = becomes(&elsewhere, &session, SessionState::Ended, SEEN).await?;
    assert_eq!(over.end_reason, "The host was restarted.");
    // And it serves as before.
    let next = start(&sign_in(host, "dee").await?, host).await?;
    bench.display(&next).map(drop)
}

/// The node's own folder on a disk of 2 MiB.
const SMALL_DISK: &str = "systemctl stop fastx-node && cp -a /var/lib/fastx /var/tmp/kept && \
    mount -t tmpfs -o size=2m,mode=0700,uid=$(id -u fastx),gid=$(id -g fastx) small /var/lib/fastx && \
    cp -a /var/tmp/kept/. /var/lib/fastx/ && systemctl start fastx-node";
/// The folder on the host's disk again, with what was written meanwhile.
const BIG_DISK: &str = "systemctl stop fastx-node && cp -a /var/lib/fastx/. /var/tmp/kept/ && umount /var/lib/fastx && \
    cp -a /var/tmp/kept/. /var/lib/fastx/ && rm -rf /var/tmp/kept && systemctl start fastx-node";

pub(crate) async fn a_full_disk_is_said_and_loses_nothing(
    bench: &Bench,
    host: &Host,
) -> Result<(), Failure> {
    host.root(SMALL_DISK)?;
    bench.joined(host).await?;
    let dee = sign_in(host, "dee").await?;
    let admin = sign_in(host, ADMIN).await?;
    start(&dee, host).await?;
    // Every block that is left.
    host.root("dd if=/dev/zero of=/var/lib/fastx/full bs=4k 2>/dev/null; ! touch /var/lib/fastx/x 2>/dev/null || ! echo x >/var/lib/fastx/x 2>/dev/null")?;
    let session = start(&dee, host).await?;
    let display = bench.display(&session)?;
    lives(bench, &dee, &session, &display).await?;
    eventually(SEEN, "administrators are told", async || {
        let said = hints(&admin, host.name()).await?;
        let wanted =
            said.contains("/var/lib/fastx/sessions") && said.contains("No space left on device");
        if wanted {
            Ok(())
        } else {
            Err(Failure::from(said))
        }
    })
    .await?;
    // The host is the truth: what the disk did not take is found again by the link.
    host.root("systemctl restart fastx-node")?;
    bench.joined(host).await?;
    lives(bench, &dee, &session, &display).await?;

    host.root("rm -f /var/lib/fastx/full /var/lib/fastx/x")?;
    let record = format!("test -s /var/lib/fastx/sessions/{}.json", session.id);
    eventually(SEEN, "the record is written", async || host.root(&record)).await?;
    eventually(SEEN, "nothing is wrong any more", async || {
        let said = hints(&admin, host.name()).await?;
        if said.contains("No space") {
            Err(Failure::from(said))
        } else {
            Ok(())
        }
    })
    .await?;
    host.root(BIG_DISK)?;
    bench.joined(host).await?;
    lives(bench, &dee, &session, &display).await
}

/// Adds the seconds of a file to the time of day of a program that is started with it; other clocks go on.
const SHIFT: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
int clock_gettime(clockid_t id, struct timespec *at) {
    long shift = 0;
    int done = syscall(SYS_clock_gettime, id, at);
    if (done == 0 && id == CLOCK_REALTIME) {
        FILE *file = fopen("/etc/fastx/shift", "r");
        if (file) { if (fscanf(file, "%ld", &shift) == 1) at->tv_sec += shift; fclose(file); }
    }
    return done;
}
"#;
const SHIFTED: &str = "chmod 0644 /etc/fastx/shift && mkdir -p /etc/systemd/system/fastx-node.service.d && \
    printf '[Service]\\nEnvironment=LD_PRELOAD=/usr/lib/fastx/shift.so\\n' >/etc/systemd/system/fastx-node.service.d/shift.conf && \
    systemctl daemon-reload && systemctl restart fastx-node";
const UNSHIFTED: &str = "rm -f /etc/systemd/system/fastx-node.service.d/shift.conf /etc/fastx/shift && systemctl daemon-reload && systemctl restart fastx-node";

/// The program that shifts, made on this machine.
fn shift(bench: &Bench, host: &Host) -> Result<(), Failure> {
    let source = bench.dir().join("shift.c");
    std::fs::write(&source, SHIFT)?;
    let made = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .arg(host.path("/usr/lib/fastx/shift.so"))
        .arg(&source)
        .status()?;
    if made.success() {
        Ok(())
    } else {
        Err("cc failed".into())
    }
}

pub(crate) async fn a_clock_that_jumps_ends_no_session(
    bench: &Bench,
    host: &Host,
) -> Result<(), Failure> {
    shift(bench, host)?;
    host.write("/etc/fastx/shift", "0")?;
    host.root(SHIFTED)?;
    bench.joined(host).await?;
    let before = sign_in(host, "bob").await?;
    let session = start(&before, host).await?;
    let display = bench.display(&session)?;
    for seconds in ["7200", "-7200", "0"] {
        host.write("/etc/fastx/shift", seconds)?;
        // With the clock of a program that runs, and of one that starts with it.
        for round in ["", "systemctl restart fastx-node"] {
            host.root(round)?;
            bench.joined(host).await?;
            let bob = sign_in(host, "bob").await?;
            lives(bench, &bob, &session, &display).await?;
            let now = state(&bob, &session).await?;
            assert_eq!(now.state, SessionState::Running, "{seconds} s: {now:?}");
        }
        if seconds == "-7200" {
            // Logins of before are not good here any more, and the answer says where to look.
            let (status, text) = before.raw(Method::GET, "/me", None).await?;
            assert_eq!(status, 401, "{text}");
            assert!(text.contains("check the clocks of the servers"), "{text}");
        }
    }
    host.root(UNSHIFTED)?;
    bench.joined(host).await?;
    lives(bench, &before, &session, &display).await
}
