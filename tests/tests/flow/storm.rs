//! Many processes killed one after the other, in random order and without waiting for calm: no session is lost.

use std::time::Duration;

use fastx_core::wire::session::SessionRecord;
use fastx_lifecycle::env::{Process as Environment, Source as _};
use fastx_tests::Failure;
use fastx_tests::demo::{Demo, of_component, of_node, terminal};
use fastx_tests::eventually::eventually;
use fastx_tests::person::Person;
use fastx_tests::processes::Process;
use fastx_tests::viewer::Viewer;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

/// Kills in `make test`; `make test-all` says `FASTX_KILLS=200`.
const KILLS: u32 = 12;
/// How long a viewer may be without its display after a kill.
const BACK: Duration = Duration::from_secs(45);

/// An open desktop.
struct Desktop {
    server: &'static str,
    session: SessionRecord,
    display: Process,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_kills_lose_no_session() -> Result<(), Failure> {
    let kills = Environment.parse("FASTX_KILLS", KILLS)?;
    let seed = Environment.parse("FASTX_SEED", rand::random::<u32>())?;
    let mut rng = StdRng::seed_from_u64(u64::from(seed));
    let demo = Demo::find().await?;
    demo.ready().await?;
    let person = demo.sign_in("manager", "any").await?;
    let mut desktops = Vec::new();
    for server in ["alpha", "alpha", "beta"] {
        desktops.push(open(&demo, &person, server).await?);
    }
    for turn in 1..=kills {
        let desktop = desktops.choose(&mut rng).ok_or("no desktop")?;
        let (selector, patterns) = victim(&mut rng, desktop);
        let what = format!("kill {turn} of seed {seed}: {patterns:?}");
        let found = format!("{what}: it runs");
        eventually(BACK, &found, async || {
            let parts: Vec<&str> = patterns.iter().map(String::as_str).collect();
            demo.process(&selector, &parts).await?.kill()
        })
        .await?;
        let back = format!("{what}: a viewer of {}", desktop.server);
        eventually(BACK, &back, async || {
            let id = desktop.session.id.to_string();
            Viewer::open(&person, &id).await?.picture().await
        })
        .await?;
        for desktop in &desktops {
            assert!(desktop.display.lives(), "{what}: {:?}", desktop.display);
        }
    }
    demo.ready().await?;
    for server in ["alpha", "beta"] {
        let what = format!("{server} takes new sessions again, {kills} kills of seed {seed} later");
        let new = eventually(BACK, &what, async || terminal(&person, server).await).await?;
        person.end(&new).await?;
    }
    let known = person.sessions().await?;
    for desktop in desktops {
        let id = &desktop.session.id;
        let listed = known.iter().any(|s| s.id == *id && s.state.is_live());
        assert!(listed, "seed {seed}: {id} is not in {known:?}");
        person.end(&desktop.session).await?;
        assert!(!desktop.display.lives(), "seed {seed}: {id} ends");
    }
    Ok(())
}

async fn open(demo: &Demo, person: &Person, server: &'static str) -> Result<Desktop, Failure> {
    let session = terminal(person, server).await?;
    let id = session.id.to_string();
    Viewer::open(person, &id).await?.picture().await?;
    let display = demo.process(&of_node(server), &["Xvnc", &id[..8]]).await?;
    Ok(Desktop {
        server,
        session,
        display,
    })
}

/// Pods and parts of the command line.
fn victim(rng: &mut StdRng, desktop: &Desktop) -> (String, Vec<String>) {
    let node = of_node(desktop.server);
    let id = desktop.session.id.to_string();
    let (selector, patterns): (String, &[&str]) = match rng.random_range(0..8) {
        0 | 1 => (node, &["fastx-link run"]),
        2 => (node, &["fastx-link supervise", &id]),
        3 | 4 => (node, &["/usr/bin/fastx-node"]),
        5 => (of_component("manager"), &["fastx-manager"]),
        6 => (of_component("nats"), &["nats-server"]),
        _ => {
            let part = ["ferretdb", "postgres -D"]
                .choose(rng)
                .unwrap_or(&"ferretdb");
            return (of_component("store"), vec![(*part).to_owned()]);
        }
    };
    (selector, patterns.iter().map(|p| (*p).to_owned()).collect())
}
