//! Measurements on hosts with systemd, sshd and the package, in containers of this machine: no Kubernetes is needed.

mod kills;
mod many;
mod relay;
mod sign_in;

use std::time::Duration;

use fastx_core::wire::session::SessionRecord;
use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::people::{PEOPLE, password};
use fastx_tests::hosts::{Bench, Host};
use fastx_tests::person::Person;
use fastx_tests::processes::Process;
use fastx_tests::viewer::Viewer;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::Method;
use serde_json::json;

use crate::figure::Figure;

/// No single thing takes longer on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);
/// What is done at once, as by as many people.
const AT_ONCE: usize = 8;

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    Many,
    Kills,
    Relay,
    SignIn,
}

/// Boots hosts, measures, and takes them down.
pub(crate) async fn run(what: What, quick: bool) -> Result<Vec<Figure>, Failure> {
    let names: &[&str] = match what {
        What::Relay => &["alpha", "beta"],
        _ => &["alpha"],
    };
    let bench = Bench::up(names).await?;
    match what {
        What::Many => many::run(&bench, quick).await,
        What::Kills => kills::run(&bench, quick).await,
        What::Relay => relay::run(&bench, quick).await,
        What::SignIn => sign_in::run(&bench, quick).await,
    }
}

/// A session with its owner and its X server.
#[derive(Debug, Clone)]
struct Desktop {
    person: Person,
    session: SessionRecord,
    display: Process,
}

impl Desktop {
    /// A viewer comes up to the size of the screen, and goes.
    async fn view(&self) -> Result<(), Failure> {
        let viewer = Viewer::open(&self.person, self.session.id.as_str()).await?;
        viewer.close().await
    }

    /// The node knows the session, and its link answers for it.
    async fn answer(&self) -> Result<(), Failure> {
        let path = format!("/sessions/{}/log", self.session.id);
        let status = self.person.status(Method::GET, &path).await?;
        if status.is_success() {
            Ok(())
        } else {
            Err(status.to_string().into())
        }
    }
}

/// Everybody of the bench, signed in at a host.
async fn people(host: &Host) -> Result<Vec<Person>, Failure> {
    let mut all = Vec::new();
    for account in &PEOPLE {
        let login = account.login;
        let person = eventually(LIMIT, "the sign-in", async || {
            Person::sign_in(&host.url(), login, &password(login)).await
        });
        all.push(person.await?);
    }
    Ok(all)
}

/// Starts so many terminals, as many at once as there are people.
async fn start(bench: &Bench, host: &Host, count: usize) -> Result<Vec<Desktop>, Failure> {
    let people = people(host).await?;
    let body = json!({"command": "exec xterm -e cat", "serverId": host.name()});
    let turns = people.iter().cycle().take(count);
    let sessions: Vec<(Person, SessionRecord)> = stream::iter(turns)
        .map(async |person| {
            let session = eventually(LIMIT, "a session starts", async || {
                person.start(body.clone()).await
            });
            Ok::<_, Failure>((person.clone(), session.await?))
        })
        .buffer_unordered(people.len())
        .try_collect()
        .await?;
    let desktops = sessions.into_iter().map(|(person, session)| {
        let display = bench.display(&session)?;
        Ok(Desktop {
            person,
            session,
            display,
        })
    });
    desktops.collect()
}

/// Opens each display once, some at a time, until all have been open; a failed try is repeated.
async fn view_all(desktops: &[Desktop]) -> Result<(), Failure> {
    each(desktops, "a viewer", async |desktop: &Desktop| {
        desktop.view().await
    })
    .await
}

/// Asks each session for something that its link alone can tell, some at a time.
async fn answer_all(desktops: &[Desktop]) -> Result<(), Failure> {
    each(desktops, "an answer", async |desktop: &Desktop| {
        desktop.answer().await
    })
    .await
}

async fn each(
    desktops: &[Desktop],
    what: &str,
    once: impl AsyncFn(&Desktop) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let once = &once;
    stream::iter(desktops)
        .map(async |desktop| {
            let what = format!("{what} of {}", desktop.session.id);
            eventually(LIMIT, &what, async || once(desktop).await).await
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}
