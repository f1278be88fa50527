//! Links without a password where there is no polkit: one sudo command, and no other.

use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::{Bench, Host};

use crate::{SEEN, refused, sign_in, start};

/// The rule of the page that takes the package's away.
fn no_polkit() -> Result<&'static str, Failure> {
    let page = include_str!("../../../docs/hosts.md");
    let block = page
        .split("```js")
        .nth(1)
        .and_then(|b| b.split("```").next());
    Ok(block.ok_or("docs/hosts.md has no rule for polkit")?)
}

/// The examples of the package.
const SUDO: &str = "cd /usr/share/doc/fastx-node/examples && install -m 0440 sudoers /etc/sudoers.d/fastx-link && \
    install -D -m 0644 sudo.conf /etc/systemd/system/fastx-node.service.d/sudo.conf && \
    systemctl daemon-reload && systemctl restart fastx-node";
const BACK: &str = "rm -f /etc/polkit-1/rules.d/50-fastx-link.rules /etc/sudoers.d/fastx-link /etc/systemd/system/fastx-node.service.d/sudo.conf && \
    systemctl daemon-reload && systemctl restart polkit";

pub(crate) async fn sudo_starts_exactly_the_link_where_polkit_may_not(
    bench: &Bench,
    host: &Host,
) -> Result<(), Failure> {
    host.write("/etc/polkit-1/rules.d/50-fastx-link.rules", no_polkit()?)?;
    host.root("systemctl restart polkit")?;
    let bob = sign_in(host, "bob").await?;
    let problem = refused(&bob, host).await?;
    assert_eq!(problem["type"], "authentication-required", "{problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(
        detail.contains("polkit: ") && detail.contains("sudo: "),
        "{detail}"
    );

    host.root(SUDO)?;
    bench.joined(host).await?;
    let bob = sign_in(host, "bob").await?;
    let session = start(&bob, host).await?;
    let cgroup = host.cgroup_of(&bench.display(&session)?)?;
    assert_eq!(cgroup, "/fastx.slice/fastx-link@2002.service");
    eventually(SEEN, "the journal names the way", async || {
        let log = host.root("journalctl -u fastx-node --no-pager -o cat -n 200")?;
        if log.contains("way=sudo") || log.contains("\"sudo\"") {
            return Ok(());
        }
        Err(Failure::from(log))
    })
    .await?;

    for words in [
        "/usr/bin/systemctl --no-ask-password stop fastx-link@2002.service",
        "/usr/bin/systemctl --no-ask-password start fastx-link@0.service",
        "/usr/bin/systemctl --no-ask-password start fastx-link@101.service",
        "/usr/bin/systemctl --no-ask-password start ssh.service",
        "/usr/bin/systemctl --no-ask-password start fastx-link@2002.service ssh.service",
        "/usr/bin/systemctl start fastx-link@2002.service",
        "/usr/bin/id",
    ] {
        let said = host.try_root(&format!("runuser -u fastx -- sudo -n {words} 2>&1"))?;
        assert!(!said.ok, "{words}: {said:?}");
    }
    host.root(BACK)?;
    Ok(())
}
