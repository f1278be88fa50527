//! Hosts as members of one cluster: a start on another one, the relay, and a firewall between.

use fastx_core::wire::session::SessionRecord;
use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::people::{ADMIN, password};
use fastx_tests::hosts::{Bench, Host};
use fastx_tests::person::Person;
use fastx_tests::viewer::{Viewer, ticket};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{SEEN, body, hints, sign_in, start};

/// An API call whose answer is a document.
async fn call(person: &Person, path: &str, body: Value) -> Result<(u16, Value), Failure> {
    let (status, text) = person.raw(Method::POST, path, Some(body)).await?;
    let document = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text)?
    };
    Ok((status.as_u16(), document))
}

/// The addresses that are offered for a session, by kind.
async fn ways(person: &Person, session: &SessionRecord) -> Result<Vec<(String, String)>, Failure> {
    let path = format!("/sessions/{}/connect", session.id);
    let (status, answer) = call(person, &path, json!({"mode": "control"})).await?;
    assert_eq!(status, 200, "{answer}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = answer["candidates"].as_array().cloned().unwrap_or_default();
    Ok(list
        .iter()
        .map(|way| (text(&way["kind"]), text(&way["url"])))
        .collect())
}

async fn picture(person: &Person, session: &SessionRecord) -> Result<(), Failure> {
    let mut viewer = Viewer::open(person, session.id.as_str()).await?;
    viewer.picture().await?;
    viewer.close().await
}

pub(crate) async fn a_start_elsewhere_asks_once_and_is_relayed(
    bench: &Bench,
    alpha: &Host,
) -> Result<(), Failure> {
    let beta = bench.host(1);
    // Signed in by SSH at one host: the link is there, and a start needs nothing more.
    let ada = eventually(SEEN, "the sign-in by SSH", async || {
        Person::sign_in_by("ssh", &alpha.url(), "ada", &password("ada")).await
    })
    .await?;
    alpha.process(&["fastx-link", "run --dir /run/fastx"])?;
    start(&ada, alpha).await?;

    // The other host does not know the login from a process of its own.
    let key = "one-start";
    let (status, asked) = eventually(SEEN, "the other host is known", async || {
        match ada.try_start(key, body(beta)).await? {
            (503, problem) => Err(Failure::from(problem.to_string())),
            answer => Ok(answer),
        }
    })
    .await?;
    assert_eq!(status, 428, "{asked}");
    assert_eq!(asked["type"], "authentication-required");
    assert_eq!(
        (&asked["serverId"], &asked["login"]),
        (&json!("beta"), &json!("ada"))
    );

    // Nobody has compared its key yet; the answer has the command that accepts it.
    let (status, problem) = call(&ada, "/servers/beta/link", json!({})).await?;
    assert_eq!(
        (status, &problem["type"]),
        (403, &json!("host-key-unknown")),
        "{problem}"
    );
    let action = problem["action"].as_str().unwrap_or_default();
    let command = action
        .split('`')
        .find(|part| part.starts_with("fastx-node accept-host-key"))
        .ok_or_else(|| format!("no command in {action:?}"))?;
    let shown = beta.root("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")?;
    let fingerprint = shown.split_whitespace().nth(1).unwrap_or_default();
    assert!(command.ends_with(fingerprint), "{command}: {shown}");
    alpha.root(&format!("runuser -u fastx -- {command} 2>&1"))?;

    let (status, question) = call(&ada, "/servers/beta/link", json!({})).await?;
    assert_eq!(status, 202, "{question}");
    assert_eq!(question["prompts"][0]["echo"], false, "{question}");
    let path = format!(
        "/servers/beta/link/{}",
        question["id"].as_str().unwrap_or_default()
    );
    let (status, wrong) = call(&ada, &path, json!({"answers": [password("ada")]})).await?;
    assert_eq!(status, 204, "{wrong}");

    let (status, answer) = ada.try_start(key, body(beta)).await?;
    assert_eq!(status, 201, "{answer}");
    let session: SessionRecord = serde_json::from_value(answer["session"].clone())?;
    let display = bench.display(&session)?;
    assert!(!beta.cgroup_of(&display)?.contains("fastx-node"));
    // Asked once: the next start needs no more.
    let (status, answer) = ada.try_start("another-start", body(beta)).await?;
    assert_eq!(status, 201, "{answer}");

    let direct = (
        "direct".to_owned(),
        format!("wss://{}:3300", beta.address()),
    );
    let offered = ways(&ada, &session).await?;
    assert_eq!(offered[0].0, direct.0);
    assert!(offered[0].1.starts_with(&direct.1), "{offered:?}");
    assert_eq!(offered[1].0, "relay");
    assert!(offered[1].1.contains(&alpha.address()), "{offered:?}");
    picture(&ada, &session).await?;

    // No browser is sent to the host itself any more.
    bench
        .configure(|_, nodes| nodes[1].direct_connections = false)
        .await;
    eventually(SEEN, "only the relay is offered", async || {
        let offered = ways(&ada, &session).await?;
        match &offered[..] {
            [(kind, _)] if kind == "relay" => Ok(()),
            _ => Err(Failure::from(format!("{offered:?}"))),
        }
    })
    .await?;
    picture(&ada, &session).await?;
    bench.configure(|_, _| {}).await;
    Ok(())
}

pub(crate) async fn a_firewall_between_hosts_is_named_and_others_relay(
    bench: &Bench,
    alpha: &Host,
) -> Result<(), Failure> {
    let (beta, gamma) = (bench.host(1), bench.host(2));
    let there = sign_in(beta, "bob").await?;
    let session = start(&there, beta).await?;
    let bob = there.at(&alpha.url());
    let admin = sign_in(alpha, ADMIN).await?;
    eventually(SEEN, "the relay", async || picture(&bob, &session).await).await?;

    beta.root(&format!(
        "nft 'add table inet wall; add chain inet wall in {{ type filter hook input priority 0; }}; add rule inet wall in ip saddr {} tcp dport 3300 drop'",
        alpha.address()
    ))?;
    let (url, pass) = ticket(&bob, session.id.as_str()).await?;
    let closed = match Viewer::with_ticket(&url, &pass).await {
        Ok(_) => return Err("a viewer came through the firewall".into()),
        Err(error) => error.to_string(),
    };
    assert!(
        closed.contains("alpha cannot reach the session's server beta"),
        "{closed}"
    );
    let said = eventually(SEEN, "administrators are told", async || {
        let said = hints(&admin, "alpha").await?;
        said.contains("relayed to beta")
            .then_some(said.clone())
            .ok_or_else(|| Failure::from(said))
    })
    .await?;
    let which = format!("https://{}:3300: no answer in time", beta.address());
    assert!(said.contains(&which), "{said}");
    // Another way round.
    picture(&there.at(&gamma.url()), &session).await?;

    beta.root("nft delete table inet wall")?;
    eventually(SEEN, "the relay again", async || {
        picture(&bob, &session).await
    })
    .await?;
    eventually(SEEN, "nothing is wrong any more", async || {
        let said = hints(&admin, "alpha").await?;
        if said.contains("relayed to beta") {
            Err(Failure::from(said))
        } else {
            Ok(())
        }
    })
    .await
}
