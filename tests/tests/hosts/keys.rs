//! The way to another host with the user's own keys, which asks nothing.

use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::people::password;
use fastx_tests::hosts::{Bench, Host};
use fastx_tests::person::Person;
use reqwest::Method;
use serde_json::json;

use crate::{SEEN, body};

/// What asking for a link on a server comes to: 202 are questions, 204 is a link.
async fn asks(person: &Person, server: &Host) -> Result<u16, Failure> {
    let path = format!("/servers/{}/link", server.name());
    let (status, text) = person.raw(Method::POST, &path, Some(json!({}))).await?;
    assert!(matches!(status.as_u16(), 202 | 204), "{status} {text}");
    Ok(status.as_u16())
}

pub(crate) async fn own_keys_open_another_host_unasked(
    bench: &Bench,
    alpha: &Host,
) -> Result<(), Failure> {
    let gamma = bench.host(2);
    // The administrator of this host has compared the other one's key.
    let key = gamma.read("/etc/ssh/ssh_host_ed25519_key.pub")?;
    let line = format!("{} {key}", gamma.name());
    alpha.write("/etc/fastx/ssh_known_hosts", &line)?;
    let bob = eventually(SEEN, "the sign-in by SSH", async || {
        Person::sign_in_by("ssh", &alpha.url(), "bob", &password("bob")).await
    })
    .await?;
    eventually(SEEN, "the other host is known", async || {
        match bob.try_start("first", body(gamma)).await? {
            (428, _) => Ok(()),
            (_, problem) => Err(Failure::from(problem.to_string())),
        }
    })
    .await?;

    assert_eq!(asks(&bob, gamma).await?, 202, "no key");
    let make = |passphrase: &str| {
        alpha.ssh(
            "bob",
            &format!(
                "cd ~/.ssh && rm -f id_ed25519 && ssh-keygen -q -t ed25519 -N '{passphrase}' -f id_ed25519 && cat id_ed25519.pub >>authorized_keys"
            ),
        )
    };
    make("a passphrase")?;
    assert_eq!(asks(&bob, gamma).await?, 202, "a key that nobody can open");
    make("")?;
    let before = alpha.ssh("bob", "ls -lA ~/.ssh")?;
    assert_eq!(asks(&bob, gamma).await?, 204, "a key");
    let (status, answer) = bob.try_start("first", body(gamma)).await?;
    assert_eq!(status, 201, "{answer}");
    // Nothing is kept, and nothing was learned.
    assert_eq!(alpha.ssh("bob", "ls -lA ~/.ssh")?, before);
    alpha.root("! ls /tmp/fastx-2002 | grep known && ! pgrep -u bob -x ssh")?;
    alpha.ssh("bob", "rm ~/.ssh/id_ed25519*")?;
    alpha.root("rm /etc/fastx/ssh_known_hosts")?;
    Ok(())
}
