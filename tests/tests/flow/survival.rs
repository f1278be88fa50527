//! Ending any process of ours ends no session: the same Xvnc before and after, and a viewer comes back by itself.

use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::demo::{Demo, of_component, of_node, of_operator, terminal};
use fastx_tests::eventually::eventually;
use fastx_tests::viewer::Viewer;

/// What is killed: a name for people, the pods, and a part of the command line.
struct Victim {
    what: &'static str,
    selector: String,
    pattern: &'static str,
    /// Whether each session has such a process of its own.
    of_session: bool,
}

/// Kills one process under an open viewer and checks everything that must hold.
async fn survives(victim: &Victim) -> Result<(), Failure> {
    let demo = Demo::find().await?;
    demo.ready().await?;
    let person = demo.sign_in("manager", "alpha").await?;
    // What was killed before may be back for a moment only: the servers hear of it within a second.
    let session = eventually(
        Duration::from_secs(30),
        "alpha takes a new session",
        async || terminal(&person, "alpha").await,
    )
    .await?;
    let id = session.id.to_string();
    let mut viewer = Viewer::open(&person, &id).await?;
    viewer.picture().await?;
    let before = demo.process(&of_node("alpha"), &["Xvnc", &id[..8]]).await?;

    let own = if victim.of_session { id.as_str() } else { "" };
    demo.process(&victim.selector, &[victim.pattern, own])
        .await?
        .kill()?;

    let what = format!("a viewer after the end of {}", victim.what);
    eventually(Duration::from_mins(1), &what, async || {
        let mut again = Viewer::open(&person, &id).await?;
        again.picture().await
    })
    .await?;
    assert!(
        before.lives(),
        "{}: Xvnc {before:?} must live on",
        victim.what
    );
    let known = person.sessions().await?;
    assert!(
        known
            .iter()
            .any(|s| s.id == session.id && s.state.is_live()),
        "{}: the session must still be listed: {known:?}",
        victim.what
    );
    demo.ready().await?;
    person.end(&session).await?;
    assert!(
        !before.lives(),
        "{}: ending the session ends its display",
        victim.what
    );
    Ok(())
}

macro_rules! survives {
    ($($name:ident: $what:literal, $selector:expr, $pattern:literal, $of_session:literal;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() -> Result<(), Failure> {
            survives(&Victim {
                what: $what,
                selector: $selector,
                pattern: $pattern,
                of_session: $of_session,
            })
            .await
        }
    )*};
}

survives! {
    the_link: "the link", of_node("alpha"), "fastx-link run", false;
    the_supervisor: "the supervisor", of_node("alpha"), "fastx-link supervise", true;
    the_sidecar: "the sidecar", of_node("alpha"), "fastx-node", false;
    the_manager: "a manager", of_component("manager"), "fastx-manager", false;
    the_operator: "an operator", of_operator(), "fastx-operator", false;
    nats: "NATS", of_component("nats"), "nats-server", false;
    ferretdb: "FerretDB", of_component("store"), "ferretdb", false;
    postgres: "PostgreSQL", of_component("store"), "postgres -D", false;
}
