//! Links without a password: which way is taken, for whom, and what is said when there is none.

use std::path::Path;
use std::time::Duration;

use fastx_node::links::launch::{Launcher, Passwordless, Ways, over_ssh};

struct Played(tempfile::TempDir);

impl Played {
    /// `systemctl` and `sudo` that note what they are called with, and do this.
    fn new(systemctl: &str, sudo: &str) -> Self {
        let played = Self(tempfile::tempdir().unwrap());
        for (name, text) in [("systemctl", systemctl), ("sudo", sudo)] {
            let source = played.0.path().join("source");
            let note = played.0.path().join("called").display().to_string();
            let text = format!("#!/bin/sh\necho {name} \"$@\" >>{note}\n{text}\n");
            std::fs::write(&source, text).unwrap();
            let done = std::process::Command::new("install")
                .args(["-m", "755"])
                .args([source, played.0.path().join(name)])
                .status();
            assert!(done.unwrap().success());
        }
        played
    }

    fn launcher(&self, mode: Passwordless) -> Launcher {
        let ways = Ways {
            systemctl: self.0.path().join("systemctl"),
            sudo: self.0.path().join("sudo"),
            systemd: self.0.path().to_owned(),
            limit: Duration::from_secs(10),
        };
        Launcher::new(mode, ways)
    }

    fn called(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.path().join("called")).unwrap_or_default();
        text.lines()
            .map(|l| l.replace(&self.0.path().display().to_string(), ""))
            .collect()
    }
}

#[tokio::test]
async fn the_unit_comes_first_and_sudo_second() {
    let played = Played::new("exit 0", "exit 0");
    let launcher = played.launcher(Passwordless::Enable);
    launcher.start(1001, true).await.unwrap();
    let unit = "--no-ask-password start fastx-link@1001.service";
    assert_eq!(played.called(), [format!("systemctl {unit}")]);

    let played = Played::new("exit 1", "exit 0");
    let launcher = played.launcher(Passwordless::Enable);
    launcher.start(1001, true).await.unwrap();
    assert_eq!(
        played.called(),
        [
            format!("systemctl {unit}"),
            format!("sudo -n /systemctl {unit}")
        ]
    );
}

#[tokio::test]
async fn each_way_says_why_it_is_not_there_and_is_not_asked_again_at_once() {
    let played = Played::new(
        "echo 'Interactive authentication required.' >&2; exit 1",
        "exit 1",
    );
    let launcher = played.launcher(Passwordless::Advertise);
    let why = launcher.start(1001, false).await.unwrap_err();
    assert_eq!(
        why.to_string(),
        "polkit: Interactive authentication required.; sudo: it failed and said nothing"
    );
    assert_eq!(launcher.start(1001, false).await.unwrap_err(), why);
    assert_eq!(played.called().len(), 2);
}

#[tokio::test]
async fn the_setting_says_for_whom() {
    let played = Played::new("exit 0", "exit 0");
    let off = played.launcher(Passwordless::Disable);
    assert!(off.start(1001, true).await.is_err());
    let enable = played.launcher(Passwordless::Enable);
    assert!(enable.start(1001, false).await.is_err());
    assert!(played.called().is_empty());
    let advertise = played.launcher(Passwordless::Advertise);
    advertise.start(1001, false).await.unwrap();
    assert!("enable".parse::<Passwordless>().is_err());
}

#[test]
fn the_command_over_ssh_is_quoted() {
    let command = over_ssh(Path::new("/usr/lib/fastx/fastx-link"), Path::new("/a 'b"));
    assert_eq!(
        command,
        r"'/usr/lib/fastx/fastx-link' run --detach --dir '/a '\''b'"
    );
}
