//! Users as a host's name service gives them, with programs that play it.

use std::path::PathBuf;
use std::time::Duration;

use fastx_core::names::LoginName;
use fastx_core::wire::config::NodeUsers;
use fastx_core::wire::problem::Problem;
use fastx_node::accounts::{AccountError, Accounts, Programs, Unwelcome, helper};
use tokio::sync::watch;

/// A name service of shell scripts.
struct Played(tempfile::TempDir);

impl Played {
    fn new(getent: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let played = Self(dir);
        played.script("getent", getent);
        played.script(
            "id",
            r"printf 'ada\000domain users\0005002\000ops\000'; exit 1",
        );
        std::fs::write(played.path("login.defs"), "UID_MIN 1000\n").unwrap();
        std::fs::write(played.path("shells"), "/bin/sh\n/bin/bash\n").unwrap();
        played
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn script(&self, name: &str, text: &str) {
        let source = self.path(&format!("{name}.source"));
        std::fs::write(&source, format!("#!/bin/sh\n{text}\n")).unwrap();
        // By another process: a file that this one has open for writing, even for a moment, cannot be run.
        let done = std::process::Command::new("install")
            .args(["-m", "755"])
            .args([source, self.path(name)])
            .status();
        assert!(done.unwrap().success());
    }

    fn programs(&self) -> Programs {
        Programs {
            getent: self.path("getent"),
            id: self.path("id"),
            limit: Duration::from_secs(10),
            fresh: Duration::ZERO,
            login_defs: self.path("login.defs"),
            shells: self.path("shells"),
            helper: None,
        }
    }

    fn accounts(&self) -> Accounts {
        Accounts::new(self.programs())
    }
}

const ADA: &str = "echo 'ada:x:5001:5001:Ada:/home/ada:/bin/bash'";

fn login(name: &str) -> LoginName {
    name.parse().unwrap()
}

#[tokio::test]
async fn users_come_from_the_name_service() {
    let accounts = Accounts::default();
    let root = accounts.account(&login("root")).await.unwrap().unwrap();
    assert_eq!((root.uid, root.gid), (0, 0));
    assert!(root.groups.contains(&"root".to_owned()), "{root:?}");
    assert!(root.home.is_absolute() && root.shell.is_absolute());
    for nobody in ["no-such-user-here", "0", "+0"] {
        assert_eq!(accounts.account(&login(nobody)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn root_and_services_have_no_sessions() {
    let accounts = Accounts::default();
    for name in ["root", "daemon", "nobody"] {
        let problem = accounts.uid(&login(name)).await.unwrap_err();
        assert_eq!(problem.status, 403, "{problem}");
    }
    let refused = accounts.admit(0).await.unwrap_err();
    assert!(
        refused.to_string().contains("account of the system"),
        "{refused}"
    );
    let unknown = accounts.admit(3_999_999_999).await.unwrap_err();
    assert!(matches!(unknown, Unwelcome::Refused { .. }), "{unknown}");
}

#[tokio::test]
async fn names_with_spaces_stay_and_numbers_are_no_names() {
    let played = Played::new(ADA);
    let accounts = played.accounts();
    let ada = accounts.account(&login("ADA")).await.unwrap().unwrap();
    assert_eq!(ada.login, login("ada"));
    assert_eq!(ada.groups, ["ada", "domain users", "ops"]);
    assert_eq!(accounts.uid(&login("ada")).await.unwrap(), 5001);
    // One user under two names would be two owners.
    let other = accounts.uid(&login("ADA")).await.unwrap_err();
    assert!(other.detail.contains("calls this user `ada`"), "{other}");
}

#[tokio::test]
async fn a_link_makes_its_user_known() {
    let played = Played::new(ADA);
    let accounts = played.accounts();
    assert_eq!(accounts.known_uid(&login("ada")), None);
    accounts.admit(5001).await.unwrap();
    assert_eq!(accounts.known_uid(&login("ada")), Some(5001));
    assert_eq!(accounts.known_login(5001), Some(login("ada")));
    // The answer is about another number than the one asked for.
    assert!(accounts.admit(5002).await.is_err());
}

#[tokio::test]
async fn a_full_name_in_another_encoding_does_no_harm() {
    let played = Played::new("printf 'ada:x:5001:5001:\\351\\350:/home/ada:/bin/bash\\n'");
    assert_eq!(played.accounts().uid(&login("ada")).await.unwrap(), 5001);
}

#[tokio::test]
async fn a_name_service_that_hangs_is_an_error_and_not_an_answer() {
    let played = Played::new("exec sleep 60");
    let accounts = Accounts::new(Programs {
        limit: Duration::from_millis(50),
        ..played.programs()
    });
    let error = accounts.account(&login("ada")).await.unwrap_err();
    assert!(matches!(error, AccountError::Slow { .. }), "{error}");
    assert_eq!(Problem::from(error).status, 503);
    let unknown = accounts.admit(5001).await.unwrap_err();
    assert!(matches!(unknown, Unwelcome::Unknown { .. }), "{unknown}");
}

#[tokio::test]
async fn a_helper_answers_for_the_host() {
    let played = Played::new(ADA);
    played.script("id", "printf 'ada\\0ops team\\0'");
    std::fs::write(played.path("login.defs"), "UID_MIN 6000\n").unwrap();
    let socket = played.path("socket");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let shutdown = fastx_lifecycle::shutdown::Shutdown::new();
    let serving = helper::serve(listener, played.programs(), shutdown.clone());
    let serving = tokio::spawn(serving);
    let accounts = Accounts::new(Programs {
        // Nothing but the helper knows anything.
        getent: played.path("none"),
        id: played.path("none"),
        login_defs: played.path("none"),
        shells: played.path("none"),
        helper: Some(socket.clone()),
        ..played.programs()
    });
    let ada = accounts.account(&login("ada")).await.unwrap().unwrap();
    assert_eq!(
        (ada.uid, ada.groups),
        (5001, vec!["ada".into(), "ops team".into()])
    );
    // The rules about users are the host's, too.
    assert_eq!(accounts.uid(&login("ada")).await.unwrap_err().status, 403);
    std::fs::write(played.path("login.defs"), "UID_MIN 5000\n").unwrap();
    assert_eq!(accounts.uid(&login("ada")).await.unwrap(), 5001);
    played.script("getent", "exit 2");
    assert!(accounts.account(&login("bob")).await.unwrap().is_none());
    shutdown.trigger();
    serving.await.unwrap();
    std::fs::remove_file(&socket).unwrap();
    let away = accounts.account(&login("eve")).await.unwrap_err();
    assert!(matches!(away, AccountError::Run { .. }), "{away}");
}

#[tokio::test]
async fn whoever_was_known_stays_so_while_the_name_service_is_away() {
    let played = Played::new(ADA);
    let accounts = played.accounts();
    accounts.admit(5001).await.unwrap();
    assert_eq!(accounts.uid(&login("ada")).await.unwrap(), 5001);
    std::fs::remove_file(played.path("getent")).unwrap();
    accounts.admit(5001).await.unwrap();
    assert_eq!(accounts.uid(&login("ada")).await.unwrap(), 5001);
    assert!(accounts.uid(&login("bob")).await.is_err());
}

#[tokio::test]
async fn a_user_who_was_removed_is_gone() {
    let played = Played::new(ADA);
    let accounts = played.accounts();
    accounts.admit(5001).await.unwrap();
    played.script("getent", "exit 2");
    assert!(accounts.admit(5001).await.is_err());
    assert_eq!(accounts.uid(&login("ada")).await.unwrap_err().status, 403);
}

#[tokio::test]
async fn in_a_pod_configuration_decides() {
    let users = watch::Sender::new(Some(NodeUsers {
        logins: vec!["ada".to_owned()],
        linux_user: "user".to_owned(),
        uid: 1000,
    }));
    let accounts = Accounts::pod(users.subscribe());
    assert_eq!(accounts.uid(&login("ada")).await.unwrap(), 1000);
    assert_eq!(accounts.uid(&login("bob")).await.unwrap_err().status, 403);
    accounts.admit(1000).await.unwrap();
    assert!(accounts.admit(1001).await.is_err());
    users.send_replace(None);
    accounts.dismissed(1000).await;
    assert!(accounts.admit(1000).await.is_err());
}
