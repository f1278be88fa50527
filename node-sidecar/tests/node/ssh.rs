//! Signing in at a real sshd.

use axum::http::header::SET_COOKIE;
use fastx_node::ssh::{KnownHosts, Tools, accept_host_key};
use serde_json::{Value, json};

use crate::cluster::{Cluster, TestNode};
use crate::http::{Answer, Client, host};
use crate::sshd::{Setup, Sshd};

/// A cluster whose node `a` belongs to a host with this sshd.
async fn world(sshd: &Sshd, known: bool) -> (Cluster, TestNode) {
    let mut cluster = Cluster::new().await;
    cluster.part.methods = vec!["ssh".into()];
    cluster.sshd = sshd.target.clone();
    cluster.accounts = sshd.accounts();
    cluster.link = sshd.link();
    if known {
        cluster.ssh_keys = Some(sshd.dir.clone());
    }
    let node = cluster.node("a", &["ada"]).await;
    (cluster, node)
}

fn page(node: &TestNode) -> Client {
    Client {
        origin: Some(format!("https://{}", host(node))),
        ..Client::default()
    }
}

async fn sign_in(node: &TestNode, login: &str, password: &str) -> Answer {
    let body = json!({"method": "ssh", "login": login, "password": password});
    page(node).post(node, "login", body).await
}

async fn answer(node: &TestNode, question: &Answer, answers: Value) -> Answer {
    assert_eq!(question.status, 202, "{question:?}");
    let id = question.json()["id"].as_str().unwrap().to_owned();
    let path = format!("login/conversations/{id}");
    page(node)
        .post(node, &path, json!({"answers": answers}))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_opens_the_door_and_the_name_service_says_who_it_is() {
    let sshd = Sshd::start(Setup::default()).await;
    let (_cluster, node) = world(&sshd, true).await;
    let info = Client::default().get(&node, "info").await.json();
    assert_eq!(info["methods"], json!(["ssh"]));

    let ada = sign_in(&node, "ada", "pw-ada").await;
    assert_eq!(ada.status, 200, "{ada:?}\n{}", sshd.log());
    assert!(ada.headers.get(SET_COOKIE).is_some());
    let me = ada.json()["user"].clone();
    assert_eq!(
        (&me["login"], &me["groups"], &me["role"]),
        (&json!("ada"), &json!(["ada", "ops"]), &json!("manager"))
    );
    // Not in `/etc/passwd`.
    let lena = sign_in(&node, "lena", "pw-lena").await;
    assert_eq!(lena.status, 200, "{lena:?}\n{}", sshd.log());
    assert_eq!(lena.json()["user"]["groups"], json!(["lena", "artists"]));
    // Her start files tell stories of groups.
    let eve = sign_in(&node, "eve", "pw-eve").await;
    assert_eq!(
        (&eve.json()["user"]["groups"], &eve.json()["user"]["role"]),
        (&json!(["eve"]), &json!("user"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_wrong_passwords_are_refused_alike_and_counted() {
    let sshd = Sshd::start(Setup::default()).await;
    let (_cluster, node) = world(&sshd, true).await;
    let mut seen = Vec::new();
    for login in ["ada", "nobody-of-that-name"] {
        let begun = tokio::time::Instant::now();
        let refused = sign_in(&node, login, "wrong").await;
        let mut body = refused.json();
        body["traceId"].take();
        seen.push((refused.status, body));
        assert!(begun.elapsed().as_secs() < 15, "{login}");
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].1["type"], "wrong-credentials");
    // At once, so that no pause is over before the last of them.
    let many = (0..12).map(|_| sign_in(&node, "eve", "wrong"));
    let kinds: Vec<_> = futures::future::join_all(many)
        .await
        .iter()
        .map(Answer::problem)
        .collect();
    let wrong = (401, "wrong-credentials".to_owned());
    let too_many = (429, "too-many-tries".to_owned());
    assert!(
        kinds.iter().all(|k| *k == wrong || *k == too_many),
        "{kinds:?}"
    );
    assert!(
        kinds.contains(&wrong) && kinds.contains(&too_many),
        "{kinds:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_one_time_code_is_asked_for_in_a_conversation() {
    let sshd = Sshd::start(Setup {
        codes: true,
        ..Setup::default()
    })
    .await;
    let (_cluster, node) = world(&sshd, true).await;
    let question = sign_in(&node, "ada", "pw-ada").await;
    assert_eq!(question.status, 202, "{question:?}\n{}", sshd.log());
    let prompts = question.json()["prompts"].clone();
    assert_eq!(prompts.as_array().unwrap().len(), 1);
    assert!(
        prompts[0]["text"]
            .as_str()
            .unwrap()
            .starts_with("Verification code"),
        "{prompts}"
    );
    let done = answer(&node, &question, json!(["12345670"])).await;
    assert_eq!(done.status, 200, "{done:?}\n{}", sshd.log());
    assert!(done.headers.get(SET_COOKIE).is_some());

    let again = answer(&node, &question, json!(["12345671"])).await;
    assert_eq!(again.problem(), (410, "conversation-over".into()));

    // The same code again, and nothing typed beforehand.
    let question = sign_in(&node, "ada", "").await;
    assert_eq!(question.json()["prompts"][0]["echo"], false);
    let question = answer(&node, &question, json!(["pw-ada"])).await;
    let used = answer(&node, &question, json!(["12345670"])).await;
    assert_eq!(used.problem(), (401, "wrong-credentials".into()));

    let question = sign_in(&node, "ada", "pw-ada").await;
    let wrong = answer(&node, &question, json!(["1", "2"])).await;
    assert_eq!(wrong.problem(), (400, "bad-request".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_host_is_refused_with_the_command_that_accepts_it() {
    let sshd = Sshd::start(Setup::default()).await;
    let (_cluster, node) = world(&sshd, false).await;
    let refused = sign_in(&node, "ada", "pw-ada").await;
    assert_eq!(refused.problem(), (403, "host-key-unknown".into()));
    let action = refused.json()["action"].as_str().unwrap().to_owned();
    let command = action.split('`').nth(1).unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words[..2], ["fastx-node", "accept-host-key"]);
    let target = words[2].parse().unwrap();
    let folder = |name: &str| node.dir.join(name);
    let tools = Tools {
        ssh: "/usr/bin/ssh".into(),
        keyscan: "/usr/bin/ssh-keyscan".into(),
        askpass: "/bin/false".into(),
        dir: folder("var"),
        hosts: KnownHosts::new(&folder("etc"), &folder("var"), &folder("ssh")),
    };
    let told = accept_host_key(&target, None, &tools).await.unwrap_err();
    assert!(told.contains(words[3]), "{told}");
    let other = accept_host_key(&target, Some("SHA256:x"), &tools).await;
    assert!(other.unwrap_err().contains("nothing was accepted"));
    accept_host_key(&target, Some(words[3]), &tools)
        .await
        .unwrap();
    assert_eq!(sign_in(&node, "ada", "pw-ada").await.status, 200);

    let port = Some(sshd.target.port);
    drop(sshd);
    let _other = Sshd::start(Setup {
        port,
        ..Setup::default()
    })
    .await;
    let refused = sign_in(&node, "ada", "pw-ada").await;
    assert_eq!(refused.problem(), (403, "host-key-changed".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_takes_only_keys_says_so() {
    let sshd = Sshd::start(Setup {
        config: "AuthenticationMethods publickey",
        ..Setup::default()
    })
    .await;
    let (_cluster, node) = world(&sshd, true).await;
    let refused = sign_in(&node, "ada", "pw-ada").await;
    assert_eq!(refused.problem(), (403, "no-ssh-method".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_started_as_the_user_over_the_connection() {
    let sshd = Sshd::start(Setup::default()).await;
    let (mut cluster, node) = world(&sshd, true).await;
    // A host and no pod: its users are those of the name service.
    cluster.parts.get_mut(&node.id).unwrap().users = None;
    cluster.configure().await;
    cluster.settle(&[&node]).await;
    let ada = Client {
        cookie: None,
        ..page(&node)
    };
    let body = json!({"method": "ssh", "login": "ada", "password": "pw-ada", "token": true});
    let answer = ada.post(&node, "login", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    let claims: fastx_core::wire::login::Claims = fastx_core::token::peek(&token).unwrap();
    assert!(!claims.daemon, "the program did not become a link");
    let told = std::fs::read_to_string(sshd.dir.join("home/ada/link")).unwrap();
    let dir = node.dir.join("run");
    assert_eq!(
        told.trim(),
        format!("ada run --dir {} --detach", dir.display())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_says_that_a_link_stands_behind_it() {
    let sshd = Sshd::start(Setup {
        config: "PermitRootLogin yes",
        ..Setup::default()
    })
    .await;
    let (_cluster, node) = world(&sshd, true).await;
    let body = json!({"method": "ssh", "login": "zoe", "password": "pw-zoe", "token": true});
    let answer = Client::default().post(&node, "login", body).await;
    assert_eq!(answer.status, 200, "{answer:?}\n{}", sshd.log());
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    let claims: fastx_core::wire::login::Claims = fastx_core::token::peek(&token).unwrap();
    assert!(claims.daemon);
    let zoe = Client {
        bearer: Some(token),
        ..Client::default()
    };
    let there = zoe.post(&node, "servers/a/link", json!({})).await;
    assert_eq!(there.status, 204, "nothing is asked twice: {there:?}");
    let unknown = zoe.post(&node, "servers/zz/link", json!({})).await;
    assert_eq!(unknown.problem(), (404, "not-found".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_asks_before_it_starts_a_link_and_only_its_user_answers() {
    let sshd = Sshd::start(Setup::default()).await;
    let (_cluster, node) = world(&sshd, true).await;
    let (ada, eve) = (
        bearer(&node, "ada", "pw-ada").await,
        bearer(&node, "eve", "pw-eve").await,
    );
    let question = ada.post(&node, "servers/a/link", json!({})).await;
    assert_eq!(question.status, 202, "{question:?}\n{}", sshd.log());
    assert_eq!(question.json()["prompts"][0]["echo"], false);
    let id = question.json()["id"].as_str().unwrap().to_owned();
    let path = format!("servers/a/link/{id}");
    let answers = json!({"answers": ["pw-ada"]});
    for (client, path) in [
        (&eve, path.clone()),
        (&ada, format!("servers/b/link/{id}")),
        (&ada, format!("login/conversations/{id}")),
    ] {
        let stranger = client.post(&node, &path, answers.clone()).await;
        assert_eq!(stranger.problem(), (410, "conversation-over".into()));
    }
    let told = sshd.dir.join("home/ada/link");
    assert!(!told.exists(), "the sign-in of a pod starts no link");
    // The program of the test does not become a link.
    let done = ada.post(&node, &path, answers.clone()).await;
    assert_eq!(done.problem(), (503, "no-link".into()));
    assert!(
        std::fs::read_to_string(&told)
            .unwrap()
            .starts_with("ada run")
    );

    let question = ada.post(&node, "servers/a/link", json!({})).await;
    let id = question.json()["id"].as_str().unwrap().to_owned();
    let wrong = json!({"answers": ["wrong"]});
    let path = format!("servers/a/link/{id}");
    let refused = ada.post(&node, &path, wrong).await;
    assert_eq!(refused.problem(), (401, "wrong-credentials".into()));
}

async fn bearer(node: &TestNode, login: &str, password: &str) -> Client {
    let body = json!({"method": "ssh", "login": login, "password": password, "token": true});
    let answer = Client::default().post(node, "login", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    Client {
        bearer: answer.json()["token"].as_str().map(str::to_owned),
        ..Client::default()
    }
}
