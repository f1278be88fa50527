//! What one user of a host can do to another's link, session and files: each way is tried.

use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::{Bench, Host};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{SEEN, link, lives, sign_in, start, state};

pub(crate) async fn another_user_of_the_host_gets_nothing(
    bench: &Bench,
    host: &Host,
) -> Result<(), Failure> {
    link(host, "ada")?;
    link(host, "bob")?;
    let ada = sign_in(host, "ada").await?;
    let bob = sign_in(host, "bob").await?;
    let session = start(&ada, host).await?;
    let display = bench.display(&session)?;
    let number = eventually(SEEN, "the display has a number", async || {
        let now = state(&ada, &session).await?.display;
        if now.is_empty() {
            Err(Failure::from("not yet"))
        } else {
            Ok(now)
        }
    })
    .await?;

    // On the host: sockets, files, the display, processes, the node's own folders.
    let pid = host.root("pgrep -u ada Xvnc")?;
    let pid = pid.trim();
    let short = &session.id.as_str()[..8];
    let home = format!(
        "~ada/.fastx_server/{}/sessions/FX3-{}",
        host.name(),
        session.id
    );
    for attempt in [
        "ls /tmp/fastx-2001".to_owned(),
        format!(
            "perl -e 'use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un(\"/tmp/fastx-2001/{short}/rfb.sock\")) or die $!'"
        ),
        format!("ls {home}"),
        format!("cat {home}/program.log"),
        format!("DISPLAY={number} timeout 10 xterm -e true"),
        format!("kill -9 {pid}"),
        format!("head -c 1 /proc/{pid}/environ"),
        "cat /etc/fastx/broker.json".to_owned(),
        "ls /var/lib/fastx".to_owned(),
        "rm -f /run/fastx/*".to_owned() + " && test ! -e /run/fastx/link.sock",
        "touch /run/fastx/mine".to_owned(),
    ] {
        let said = host.try_ssh("bob", &attempt)?;
        assert!(!said.ok, "bob could `{attempt}`: {said:?}");
    }
    // The same by the owner, so that the refusals are of the user and not of the command.
    host.ssh(
        "ada",
        &format!("ls {home} && head -c 1 /proc/{pid}/environ"),
    )?;

    // At the API: the session is none of bob's business, and he is not told that there is one.
    let id = &session.id;
    for (method, path, body) in [
        (Method::GET, "", None),
        (Method::GET, "/log", None),
        (Method::GET, "/screenshot", None),
        (Method::POST, "/connect", Some(json!({"mode": "view"}))),
        (Method::POST, "/disconnect", Some(json!({}))),
        (Method::DELETE, "", None),
    ] {
        let path = format!("/sessions/{id}{path}");
        let (status, text) = bob.raw(method.clone(), &path, body).await?;
        assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}: {text}");
    }
    let seen = bob.sessions().await?;
    assert!(seen.iter().all(|s| s.login.as_str() == "bob"), "{seen:?}");

    // A link of bob's own is his, whatever folder he names; ada's goes on.
    lives(bench, &ada, &session, &display).await?;

    // Somebody was there first: the link says so instead of using a folder of somebody else's.
    host.ssh("bob", "mkdir -m 777 /tmp/fastx-2003")?;
    let said = host.try_ssh(
        "cyd",
        "/usr/lib/fastx/fastx-link run --detach --dir /run/fastx",
    )?;
    assert!(!said.ok, "{said:?}");
    assert!(
        said.text
            .contains("/tmp/fastx-2003 belongs to another user"),
        "{said:?}"
    );
    host.root("rmdir /tmp/fastx-2003")?;
    let mode = host.root("stat -c %a /tmp/fastx-2001")?;
    assert_eq!(mode.trim(), "700");
    Ok(())
}
