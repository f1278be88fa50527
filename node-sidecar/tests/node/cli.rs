//! `fastxctl` against whole nodes: what somebody at a terminal does from sign-in to sign-out.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::Parser as _;
use fastx_cli::arguments::Arguments;
use fastx_cli::error::Failure;
use fastx_cli::output::Output;
use fastx_lifecycle::env::Map;
use serde_json::Value;

use crate::cluster::{Cluster, TestNode, acquainted};
use crate::http::host;

/// What a command prints.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Somebody at a terminal with an own home.
struct Terminal {
    home: tempfile::TempDir,
}

impl Terminal {
    fn new(login: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("password"), format!("pw-{login}\n")).unwrap();
        Self { home }
    }

    async fn types(&self, line: &str) -> Result<String, Failure> {
        let arguments =
            Arguments::try_parse_from(format!("fastxctl {line}").split_whitespace()).unwrap();
        let home = self.home.path().to_str().unwrap();
        let paper = Paper::default();
        let mut output = Output::new(arguments.output, paper.clone());
        let environment = Map::from([("HOME", home), ("USER", "ada")]);
        let code = fastx_cli::run(arguments, &environment, &mut output).await?;
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
        let printed = paper.0.lock().unwrap().clone();
        Ok(String::from_utf8(printed).unwrap())
    }

    async fn signs_in(&self, node: &TestNode) -> Result<String, Failure> {
        let file = self.home.path().join("password");
        self.types(&format!(
            "login https://{} --fingerprint {} --password-file {}",
            host(node),
            node.fingerprint,
            file.display()
        ))
        .await
    }

    fn logins(&self) -> String {
        let file = Path::new(self.home.path()).join(".config/fastx/logins.json");
        std::fs::read_to_string(file).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_at_a_terminal() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let other = cluster.node("b", &["bob"]).await;
    acquainted(&node, &[&other]).await;
    let ada = Terminal::new("ada");

    let unknown = ada.types(&format!("login https://{}", host(&node))).await;
    let text = unknown.unwrap_err().to_string();
    assert!(
        text.contains(&node.fingerprint),
        "the line that accepts the certificate: {text}"
    );
    assert!(matches!(ada.types("sessions").await, Err(Failure::NoLogin)));

    let said = ada.signs_in(&node).await.unwrap();
    assert!(said.starts_with("Signed in as ada at Test"), "{said}");
    assert!(
        ada.types("whoami")
            .await
            .unwrap()
            .starts_with("ada (user, ")
    );
    assert!(
        ada.types("applications")
            .await
            .unwrap()
            .contains("term  Terminal")
    );
    assert!(ada.types("ls").await.unwrap().starts_with("No sessions."));

    let started = ada.types("start term --name Desk --key one").await.unwrap();
    let id = started.split_whitespace().next().unwrap().to_owned();
    assert!(started.contains("Desk runs on a."), "{started}");
    let again = ada.types("start term --name Desk --key one").await.unwrap();
    assert!(
        again.starts_with(&id),
        "the same key starts nothing twice: {again}"
    );
    let listed = ada.types("ls").await.unwrap();
    assert!(listed.lines().nth(1).unwrap().starts_with(&id), "{listed}");

    let why = ada.types("why Desk").await.unwrap();
    assert!(why.contains("a       chosen"), "{why}");
    assert!(why.contains("b       left out"), "{why}");
    let json: Value = serde_json::from_str(&ada.types("-o json sessions").await.unwrap()).unwrap();
    assert_eq!(json["sessions"][0]["id"], id);
    assert!(
        ada.types(&format!("connect {} --url", &id[..4]))
            .await
            .unwrap()
            .ends_with(&format!("/desktop/{id}\n"))
    );

    ada.types("end Desk").await.unwrap();
    let refused = ada.types("start nothing-like-it").await.unwrap_err();
    assert_eq!(refused.to_string(), "The request is not valid");

    ada.types("logout").await.unwrap();
    assert!(!ada.logins().contains("token"), "{}", ada.logins());
    assert!(matches!(ada.types("ls").await, Err(Failure::NoLogin)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_keeps_nothing() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Terminal::new("somebody-else");
    let refused = ada.signs_in(&node).await.unwrap_err();
    assert!(
        matches!(&refused, Failure::Refused(r) if r.problem.kind == "wrong-credentials"),
        "{refused}"
    );
    assert_eq!(ada.logins(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_changes_settings_and_kubernetes_keeps_its_own() {
    let mut cluster = Cluster::new().await;
    cluster.part.roles.admin_users = vec!["ada".into()];
    let node = cluster.node("a", &["ada"]).await;
    let ada = Terminal::new("ada");
    ada.signs_in(&node).await.unwrap();
    let file = ada.home.path().join("settings.json");
    let set = |options: &str| format!("config set global {} {options}", file.display());
    let stored = ada.types("config get global").await.unwrap();
    std::fs::write(&file, &stored).unwrap();
    let said = ada.types(&set("--yes")).await.unwrap();
    assert_eq!(said, "Nothing differs; nothing was changed.\n");

    let with_generation = ada.types("-o json config get global").await.unwrap();
    let mut wanted: Value = serde_json::from_str(&with_generation).unwrap();
    wanted["document"]["message"] = "Back at noon.".into();
    std::fs::write(&file, wanted.to_string()).unwrap();
    let said = ada.types(&set("--dry-run")).await.unwrap();
    assert!(said.contains("+  \"message\": \"Back at noon.\""), "{said}");
    assert_eq!(ada.types("config get global").await.unwrap(), stored);
    let unanswered = ada.types(&set("")).await.unwrap_err().to_string();
    assert!(unanswered.contains("--yes"), "{unanswered}");
    let said = ada.types(&set("--yes")).await.unwrap();
    assert!(said.contains("Stored as revision"), "{said}");
    let stored = ada.types("config get global").await.unwrap();
    assert!(stored.contains("Back at noon."), "{stored}");

    let history = ada.types("config history global").await.unwrap();
    let lines: Vec<&str> = history.lines().collect();
    assert!(
        lines[1].contains(" ada ") && lines[1].ends_with("in force"),
        "{history}"
    );
    let earlier = lines[2].split_whitespace().next().unwrap();
    let earlier = ada
        .types(&format!("config get global --generation {earlier}"))
        .await;
    assert!(!earlier.unwrap().contains("Back at noon."));
    let Err(Failure::Refused(gone)) = ada.types("config get global --generation 999").await else {
        panic!("there is no such version");
    };
    assert_eq!(gone.problem.kind, "no-such-version");

    wanted["document"]["message"] = "Back at one.".into();
    std::fs::write(&file, wanted.to_string()).unwrap();
    let kind = async || match ada.types(&set("--yes")).await {
        Err(Failure::Refused(refusal)) => refusal.problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(kind().await.kind, "config-changed", "it was read before");

    cluster.part.managed_by = "desks/main".into();
    cluster.configure().await;
    cluster.settle(&[&node]).await;
    std::fs::write(&file, &stored).unwrap();
    let refused = kind().await;
    assert_eq!(refused.kind, "managed-by-kubernetes");
    assert!(refused.action.contains("desks/main"), "{refused:?}");
}
