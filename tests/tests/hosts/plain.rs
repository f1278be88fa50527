//! `docs/plain-hosts.md` with everything real: the bus, managers and a store are services of the hosts,
//! and are killed under an open viewer.

use std::panic::AssertUnwindSafe;
use std::process::Command;

use fastx_core::names::ServerId;
use fastx_core::wire::session::SessionRecord;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::people::password;
use fastx_tests::hosts::{Bench, Host, Store};
use fastx_tests::person::Person;
use fastx_tests::viewer::Viewer;
use fastx_tests::{Failure, tool};
use futures::FutureExt as _;
use serde_json::{Value, json};

use crate::pages::{PLAIN, follow, manager_program};
use crate::{COMMAND, SEEN, state};

/// A host is no member of the bench's cluster any more; nothing of it is left.
const LEAVE: &str = "systemctl stop fastx-node; rm -rf /etc/fastx/broker.json /var/lib/fastx/*";
/// Nothing of the page's cluster is left.
const REMOVE: &str = "systemctl disable --now fastx-manager fastx-bus 2>/dev/null; systemctl stop fastx-node; \
    rm -rf /etc/systemd/system/fastx-manager.service /etc/systemd/system/fastx-bus.service /usr/bin/fastx-manager \
    /etc/fastx/bus /etc/fastx/manager /etc/fastx/setup /etc/fastx/*.json /etc/fastx/store-* /var/lib/fastx/*; \
    systemctl daemon-reload";
/// Ends the process of a service as the kernel does when memory is short.
const KILL: &str = "systemctl kill --kill-whom=main --signal=KILL";

/// A cluster of the page on the hosts of the bench.
struct Site<'a> {
    bench: &'a Bench,
    store: Store<'a>,
}

impl<'a> Site<'a> {
    /// The first machine, with a store on the last one.
    async fn found(bench: &'a Bench, options: &str) -> Result<Self, Failure> {
        let first = bench.host(0);
        let store = Store::start(bench.host(2))?;
        let program = first.path("/usr/bin/fastx-manager");
        std::fs::copy(manager_program()?, &program)?;
        Command::new("strip").arg(&program).status()?;
        first.write("/etc/fastx/store-uri", &store.uri())?;
        first.write("/etc/fastx/store-ca.crt", &store.authority)?;
        first.root("chmod 0600 /etc/fastx/store-uri")?;
        store.ready().await?;
        let said = follow(first, PLAIN, "fastx-manager setup", &|text: &str| {
            text.replace("setup", &["setup", options].join(" "))
                .replace(
                    "store-uri\n",
                    "store-uri --store-ca /etc/fastx/store-ca.crt\n",
                )
        })?;
        assert!(
            said.contains("Let members in through the firewall"),
            "{said}"
        );
        let site = Self { bench, store };
        site.serves(first).await?;
        let again = first.root("fastx-manager setup")?;
        assert!(again.contains("nothing to change"), "{again}");
        Ok(site)
    }

    /// Waits until a manager has store and bus.
    async fn serves(&self, host: &Host) -> Result<(), Failure> {
        let ask = "exec 3<>/dev/tcp/127.0.0.1/9310; printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3; head -c 800 <&3";
        let what = format!("the manager of {} serves", host.name());
        eventually(SEEN, &what, async || {
            let said = host.try_root(ask)?.text;
            if said.contains("200 OK") {
                Ok(())
            } else {
                let log = "journalctl -u fastx-manager -u fastx-bus -n 20 --no-pager -o cat";
                Err(Failure::from(format!("{said}\n{}", host.root(log)?)))
            }
        })
        .await
    }

    /// Another machine with a manager: the same folder and unit.
    async fn another_manager(&self, host: &Host) -> Result<(), Failure> {
        let files =
            "usr/bin/fastx-manager etc/fastx/manager etc/systemd/system/fastx-manager.service";
        let first = self.bench.host(0);
        first.root(&format!("tar -C / -cf /home/manager.tar {files}"))?;
        host.root("tar -C / -xpf /home/manager.tar && rm /home/manager.tar")?;
        host.root("systemctl daemon-reload && systemctl enable --now fastx-manager 2>&1")?;
        self.serves(host).await
    }

    /// Gives each host the file that lets it in, readable for the service alone.
    fn hand_out(&self, file: &str) -> Result<(), Failure> {
        let path = format!("/etc/fastx/{file}");
        let text = self.bench.host(0).read(&path)?;
        for host in &self.bench.hosts()[1..] {
            host.write(&path, &text)?;
            host.root(&format!("chown fastx: {path} && chmod 0400 {path}"))?;
        }
        Ok(())
    }

    /// Restarts the nodes, which are members then.
    async fn join(&self) -> Result<(), Failure> {
        for host in self.bench.hosts() {
            host.root("systemctl restart fastx-node")?;
        }
        for host in self.bench.hosts() {
            self.bench.joined(host).await?;
        }
        Ok(())
    }
}

/// Does what the scenario does, and makes the hosts members of the bench's cluster again, whatever came of it.
async fn between(
    bench: &Bench,
    scenario: impl AsyncFnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    for host in bench.hosts() {
        host.root(LEAVE)?;
    }
    // Also after an assertion that failed.
    let outcome = AssertUnwindSafe(scenario()).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|_| Err("an assertion failed, see above".into()));
    let log = if outcome.is_err() {
        logs(bench)
    } else {
        String::new()
    };
    for host in bench.hosts() {
        host.root(REMOVE)?;
        bench.join(host)?;
    }
    outcome.map_err(|error| format!("{error}\n{log}").into())
}

fn logs(bench: &Bench) -> String {
    let log = "journalctl -u fastx-node -u fastx-manager -u fastx-bus -n 25 --no-pager -o cat";
    let of = |host: &Host| host.root(log).unwrap_or_else(|error| error.to_string());
    let all = bench.hosts().iter();
    let texts: Vec<String> = all
        .map(|host| format!("-- {}\n{}", host.name(), of(host)))
        .collect();
    texts.join("\n")
}

/// A command that stands in a sentence of the page.
fn command(first: &str) -> Result<&'static str, Failure> {
    let found = PLAIN.split('`').find(|text| text.starts_with(first));
    found.ok_or_else(|| format!("the page has no `{first}`").into())
}

/// Signs in with the password of the host's own user.
async fn enter(host: &Host, login: &str) -> Result<Person, Failure> {
    eventually(SEEN, "the sign-in by SSH", async || {
        Person::sign_in_by("ssh", &host.url(), login, &password(login)).await
    })
    .await
}

/// The name that a server has chosen for itself.
fn name(host: &Host) -> Result<ServerId, Failure> {
    let file: Value = serde_json::from_str(&host.read("/var/lib/fastx/server-id.json")?)?;
    Ok(serde_json::from_value(file["body"].clone())?)
}

async fn start(person: &Person, host: &Host) -> Result<SessionRecord, Failure> {
    let body = json!({"command": COMMAND, "serverId": name(host)?});
    eventually(SEEN, "a session starts", async || {
        person.start(body.clone()).await
    })
    .await
}

/// The same display, and the same connection to it.
async fn goes_on(
    host: &Host,
    session: &SessionRecord,
    display: &fastx_tests::processes::Process,
    viewer: &mut Viewer,
) -> Result<(), Failure> {
    viewer.picture().await?;
    let now = host.process(&["Xvnc", &session.id.as_str()[..8]])?;
    assert_eq!(now, *display);
    Ok(())
}

pub(crate) async fn a_cluster_of_the_page_outlives_bus_manager_and_store(
    bench: &Bench,
    alpha: &Host,
) -> Result<(), Failure> {
    between(bench, async || {
        let (beta, gamma) = (bench.host(1), bench.host(2));
        std::fs::copy(tool("nats-server"), alpha.path("/usr/bin/nats-server"))?;
        let site = Site::found(bench, "").await?;
        site.another_manager(beta).await?;
        site.hand_out("join.json")?;
        site.join().await?;
        let list = alpha.root(command("systemd-run --pipe")?)?;
        for host in bench.hosts() {
            let line = format!("{}  accepted  host {}", host.name(), host.name());
            assert!(list.contains(&line), "{list}");
        }

        let ada = enter(alpha, "ada").await?;
        let session = start(&ada, alpha).await?;
        let display = bench.display(&session)?;
        let mut viewer = Viewer::open(&ada, session.id.as_str()).await?;
        goes_on(alpha, &session, &display, &mut viewer).await?;

        // One manager is gone: the other one does everything.
        alpha.root(&format!(
            "{KILL} fastx-manager; systemctl stop fastx-manager"
        ))?;
        goes_on(alpha, &session, &display, &mut viewer).await?;
        let bob = enter(beta, "bob").await?;
        start(&bob, beta).await?;
        alpha.root("systemctl start fastx-manager")?;
        beta.root(&format!(
            "{KILL} fastx-manager; systemctl stop fastx-manager"
        ))?;
        site.serves(alpha).await?;
        goes_on(alpha, &session, &display, &mut viewer).await?;
        start(&enter(gamma, "cyd").await?, gamma).await?;
        beta.root("systemctl start fastx-manager")?;

        // The store, with all of its processes.
        site.store.kill()?;
        goes_on(alpha, &session, &display, &mut viewer).await?;
        site.store.ready().await?;
        start(&enter(beta, "bob").await?, beta).await?;
        goes_on(alpha, &session, &display, &mut viewer).await?;

        alpha.root(&format!("{KILL} fastx-bus"))?;
        goes_on(alpha, &session, &display, &mut viewer).await?;
        start(&enter(gamma, "cyd").await?, gamma).await?;
        // Each host tells of all sessions as before.
        for host in bench.hosts() {
            let there = ada.at(&host.url());
            eventually(SEEN, "the session is listed", async || {
                let now = state(&there, &session).await?;
                if now.state == session.state {
                    Ok(())
                } else {
                    Err(Failure::from(format!("{now:?}")))
                }
            })
            .await?;
        }
        goes_on(alpha, &session, &display, &mut viewer).await?;
        viewer.close().await
    })
    .await
}

pub(crate) async fn redis_carries_servers_that_were_alone(
    bench: &Bench,
    alpha: &Host,
) -> Result<(), Failure> {
    between(bench, async || {
        let beta = bench.host(1);
        for host in bench.hosts() {
            host.root("systemctl start fastx-node")?;
        }
        alpha.root(command("systemctl disable --now redis-server")?)?;
        let site = Site::found(bench, "--transporter redis").await?;
        site.hand_out("broker.json")?;
        for host in bench.hosts() {
            bench.joined(host).await?;
            let said = follow(host, PLAIN, "runuser -u fastx", &str::to_owned)?;
            assert!(said.contains("uploaded"), "{said}");
        }
        site.join().await?;

        let ada = enter(alpha, "ada").await?;
        let session = start(&ada, alpha).await?;
        let display = alpha.process(&["Xvnc", &session.id.as_str()[..8]])?;
        let mut viewer = Viewer::open(&ada, session.id.as_str()).await?;
        goes_on(alpha, &session, &display, &mut viewer).await?;
        // Through another member, which has to know where the session's server is.
        let there = ada.at(&beta.url());
        let mut relayed = eventually(SEEN, "the relay", async || {
            Viewer::open(&there, session.id.as_str()).await
        })
        .await?;
        goes_on(alpha, &session, &display, &mut relayed).await?;
        start(&enter(beta, "bob").await?, beta).await?;

        alpha.root(&format!("{KILL} fastx-bus"))?;
        goes_on(alpha, &session, &display, &mut viewer).await?;
        goes_on(alpha, &session, &display, &mut relayed).await?;
        start(&enter(beta, "bob").await?, beta).await?;
        relayed.close().await?;
        viewer.close().await
    })
    .await
}
