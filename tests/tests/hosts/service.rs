//! The package and its service: what they may, and that nothing that happens to them ends a session.

use std::path::{Path, PathBuf};
use std::process::Command;

use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::people::password;
use fastx_tests::hosts::{Bench, Host};
use fastx_tests::person::Person;
use serde_json::json;

use crate::{COMMAND, SEEN, link, lives, sign_in, start};

/// The package that is installed, as its next version.
fn next_version(dir: &Path, installed: &Path) -> Result<PathBuf, Failure> {
    let (tree, next) = (dir.join("next"), dir.join("next.deb"));
    let run = |command: &mut Command| -> Result<(), Failure> {
        let done = command.output()?;
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        done.status
            .success()
            .then_some(())
            .ok_or_else(|| said.into())
    };
    run(Command::new("dpkg-deb").arg("-R").arg(installed).arg(&tree))?;
    let control = tree.join("DEBIAN/control");
    let text = std::fs::read_to_string(&control)?;
    let version = text
        .lines()
        .find(|line| line.starts_with("Version: "))
        .ok_or("the package has no version")?;
    std::fs::write(&control, text.replace(version, "Version: 999.0"))?;
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "-Znone", "-b"]);
    run(build.arg(&tree).arg(&next))?;
    Ok(next)
}

pub(crate) async fn restart_upgrade_and_removal_of_the_service_end_no_session(
    bench: &Bench,
    host: &Host,
) -> Result<(), Failure> {
    link(host, "ada")?;
    let ada = sign_in(host, "ada").await?;
    let session = start(&ada, host).await?;
    let display = bench.display(&session)?;
    // The service's cgroup holds the node and its script process, and for moments what the node asks.
    eventually(SEEN, "the cgroup of the service is its own", async || {
        for process in host.processes()? {
            let Ok(cgroup) = host.cgroup_of(&process) else {
                continue; // It is gone.
            };
            let node =
                process.command.contains("fastx-node") || process.command.contains("fastx-script");
            if cgroup.contains("fastx-node.service") && !node {
                return Err(Failure::from(format!("{process:?} is in it")));
            }
        }
        Ok(())
    })
    .await?;
    assert!(!host.cgroup_of(&display)?.contains("fastx-node"));

    host.root("systemctl restart fastx-node")?;
    bench.joined(host).await?;
    lives(bench, &ada, &session, &display).await?;

    host.root("kill -9 $(systemctl show -P MainPID fastx-node)")?;
    bench.joined(host).await?;
    lives(bench, &ada, &session, &display).await?;

    let next = next_version(bench.dir(), &host.package())?;
    host.install(&next)?;
    let version = host.root("dpkg-query -W -f '${Version}' fastx-node")?;
    assert_eq!(version, "999.0");
    bench.joined(host).await?;
    lives(bench, &ada, &session, &display).await?;

    host.root("dpkg -r fastx-node 2>&1")?;
    assert!(display.lives(), "removal of the package ended a session");
    host.install(&next)?;
    bench.joined(host).await?;
    lives(bench, &ada, &session, &display).await?;
    ada.end(&session).await?;
    assert!(!display.lives(), "the X server outlives its session");
    Ok(())
}

pub(crate) async fn without_a_cluster_the_package_makes_a_server_of_its_own(
    bench: &Bench,
    host: &Host,
) -> Result<(), Failure> {
    host.root("dpkg -P fastx-node 2>&1 && rm -rf /etc/fastx && dpkg -i /var/tmp/package.deb 2>&1")?;
    bench.joined(host).await?;
    let said = host.root("ls /var/lib/fastx/fastx.db && upload-store 2>&1; true")?;
    assert!(said.contains("/var/lib/fastx/fastx.db"), "{said}");
    assert!(said.contains("usage: upload-store"), "{said}");
    // Alone it serves the host's own users.
    let ada = eventually(SEEN, "the sign-in by SSH", async || {
        Person::sign_in_by("ssh", &host.url(), "ada", &password("ada")).await
    })
    .await?;
    let session = ada.start(json!({"command": COMMAND})).await?;
    host.process(&["Xvnc", &session.id.as_str()[..8]])?;
    // A member again.
    bench.join(host)?;
    bench.joined(host).await
}

pub(crate) async fn the_service_may_little(_: &Bench, host: &Host) -> Result<(), Failure> {
    let said = host.root("systemd-analyze security --no-pager fastx-node.service | tail -1")?;
    let exposure = said
        .split("fastx-node.service:")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|word| word.parse::<f64>().ok());
    assert!(exposure.is_some_and(|figure| figure < 2.5), "{said}");

    // The service's user: exactly this verb on exactly these units.
    let asked = |words: &str| {
        host.try_root(&format!(
            "runuser -u fastx -- systemctl --no-ask-password {words} 2>&1"
        ))
    };
    let first = asked("start fastx-link@2001.service")?;
    assert!(first.ok, "{first:?}");
    for words in [
        "stop fastx-link@2001.service",
        "restart fastx-link@2001.service",
        "start fastx-link@0.service",
        "start fastx-link@101.service",
        "start fastx-link@ada.service",
        "start ssh.service",
        "stop ssh.service",
    ] {
        let said = asked(words)?;
        assert!(!said.ok, "{words}: {said:?}");
    }
    // A user: the own one alone.
    let start = |unit: &str| {
        host.try_ssh(
            "ada",
            &format!("systemctl --no-ask-password start fastx-link@{unit}"),
        )
    };
    let own = start("2001")?;
    assert!(own.ok, "{own:?}");
    for other in ["2002", "0", "2001.service ssh"] {
        let said = start(other)?;
        assert!(!said.ok, "{other}: {said:?}");
    }
    Ok(())
}
