//! A new sidecar image under open desktops: the same Xvnc goes on, whatever the disk says of the session.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fastx_core::wire::session::SessionRecord;
use fastx_tests::Failure;
use fastx_tests::demo::{Demo, of_node, terminal};
use fastx_tests::eventually::eventually;
use fastx_tests::person::Person;
use fastx_tests::processes::Process;
use fastx_tests::viewer::Viewer;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

/// The same content under two names: each run goes from the one to the other.
const IMAGES: [&str; 2] = ["localhost/fastx:dev", "localhost/fastx:again"];
/// Managers first, then the transporter's helper, then one node after the other.
const ROLLOUT: Duration = Duration::from_mins(3);
/// The first version's document; its fields are what every later version must get along with.
const V1: &str = include_str!("../../../node-sidecar/link/testdata/state-v1.json");

/// An open desktop, and what is wrong with its files.
struct Open {
    what: &'static str,
    session: SessionRecord,
    display: Process,
    supervisor: Process,
    viewer: Viewer,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_sidecar_under_open_desktops() -> Result<(), Failure> {
    let demo = Demo::find().await?;
    demo.ready().await?;
    let person = demo.sign_in("manager", "alpha").await?;
    let sound = open(&demo, &person, "sound files").await?;
    let half = open(&demo, &person, "a half-written state file at home").await?;
    let none = open(&demo, &person, "two half-written state files").await?;
    let old = open(&demo, &person, "state of the version before").await?;
    // Their supervisors would mend the files; frozen ones do not, until the new link sends others.
    for desktop in [&half, &none, &old] {
        desktop.supervisor.stop()?;
    }
    damage(&half.copies()[..1])?;
    damage(&none.copies())?;
    old.rewrite(|state| only(state, &serde_json::from_str(V1).unwrap_or_default()))?;

    let pod = demo.pod(&of_node("alpha")).await?;
    roll_out(&demo).await?;
    let now = demo.pod(&of_node("alpha")).await?;
    assert_eq!(pod.metadata.uid, now.metadata.uid, "changed in its place");

    for desktop in [sound, half, none, old] {
        goes_on(&demo, &person, desktop).await?;
    }
    Ok(())
}

async fn open(demo: &Demo, person: &Person, what: &'static str) -> Result<Open, Failure> {
    let session = terminal(person, "alpha").await?;
    let id = session.id.to_string();
    let mut viewer = Viewer::open(person, &id).await?;
    viewer.picture().await?;
    let node = of_node("alpha");
    let desktop = Open {
        what,
        display: demo.process(&node, &["Xvnc", &id[..8]]).await?,
        supervisor: demo.process(&node, &["fastx-link supervise", &id]).await?,
        session,
        viewer,
    };
    eventually(
        Duration::from_secs(10),
        "the program is on both disks",
        async || {
            for copy in desktop.copies() {
                let state: Value = serde_json::from_slice(&std::fs::read(&copy)?)?;
                if state["program"]["pid"].as_u64().unwrap_or_default() == 0 {
                    return Err(Failure::from(format!("{}: {state}", copy.display())));
                }
            }
            Ok(())
        },
    )
    .await?;
    Ok(desktop)
}

impl Open {
    /// The state file at home, and the one beside the sockets.
    fn copies(&self) -> [PathBuf; 2] {
        let id = self.session.id.to_string();
        [
            format!("/home/user/.fastx_server/alpha/sessions/FX3-{id}"),
            format!("/tmp/fastx-1000/{}", &id[..8]),
        ]
        .map(|folder| self.display.path(&Path::new(&folder).join("state.json")))
    }

    fn rewrite(&self, change: impl Fn(&Value) -> Value) -> Result<(), Failure> {
        for copy in self.copies() {
            let state = change(&serde_json::from_slice(&std::fs::read(&copy)?)?);
            std::fs::write(&copy, serde_json::to_vec_pretty(&state)?)?;
        }
        Ok(())
    }
}

/// Leaves the first half of files, as a full disk or a crash does.
fn damage(copies: &[PathBuf]) -> Result<(), Failure> {
    for copy in copies {
        let bytes = std::fs::read(copy)?;
        std::fs::write(copy, &bytes[..bytes.len() / 2])?;
    }
    Ok(())
}

/// Only those fields that the pattern has, too.
fn only(value: &Value, pattern: &Value) -> Value {
    match (value, pattern) {
        // An empty object in the pattern is a free map.
        (Value::Object(fields), Value::Object(known)) if !known.is_empty() => fields
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), only(value, known.get(name)?))))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => value.clone(),
    }
}

/// Gives the cluster another image and waits until every node runs it.
async fn roll_out(demo: &Demo) -> Result<(), Failure> {
    let clusters = demo.objects("FastXCluster");
    let present = clusters.get("demo").await?.data["spec"]["images"]["fastx"].clone();
    let image = IMAGES
        .into_iter()
        .find(|image| present != *image)
        .unwrap_or(IMAGES[0]);
    let change = json!({"spec": {"images": {"fastx": image}}});
    let before = [sidecar(demo, "alpha").await?, sidecar(demo, "beta").await?];
    clusters
        .patch("demo", &PatchParams::default(), &Patch::Merge(&change))
        .await?;
    let what =
        format!("every sidecar runs {image} (made by: cargo xtask images fastx --tag again)");
    eventually(ROLLOUT, &what, async || {
        for (node, before) in ["alpha", "beta"].into_iter().zip(&before) {
            let now = sidecar(demo, node).await?;
            if now.image != image || now.container == before.container || !now.ready {
                return Err(Failure::from(format!("{node}: {now:?}")));
            }
        }
        Ok(())
    })
    .await?;
    demo.ready().await
}

/// The sidecar of a node's pod.
#[derive(Debug)]
struct Sidecar {
    /// What it should run: what the runtime tells is any name of the content.
    image: String,
    container: String,
    ready: bool,
}

async fn sidecar(demo: &Demo, node: &str) -> Result<Sidecar, Failure> {
    let pod = demo.pod(&of_node(node)).await?;
    let image = pod
        .spec
        .and_then(|s| s.init_containers?.pop()?.image)
        .ok_or("the pod has no sidecar")?;
    let status = pod
        .status
        .and_then(|s| s.init_container_statuses?.pop())
        .ok_or("the sidecar has no status")?;
    Ok(Sidecar {
        image,
        container: status.container_id.unwrap_or_default(),
        ready: status.ready,
    })
}

/// The same display, listed under its name, its viewer back, watched by a living supervisor, and it ends as any other.
async fn goes_on(demo: &Demo, person: &Person, desktop: Open) -> Result<(), Failure> {
    let (what, id) = (desktop.what, desktop.session.id.to_string());
    assert_eq!(
        desktop.viewer.closed(Duration::from_secs(10)).await?,
        1001,
        "{what}: the viewer heard that the sidecar goes away"
    );
    let back = format!("{what}: the viewer is back");
    eventually(Duration::from_secs(30), &back, async || {
        Viewer::open(person, &id).await?.picture().await
    })
    .await?;
    assert!(desktop.display.lives(), "{what}: the same Xvnc");
    // Ends a frozen one; that of the sound session dies without need and must not be missed either.
    desktop.supervisor.kill()?;
    let sent = format!("{what}: another supervisor");
    eventually(Duration::from_secs(30), &sent, async || {
        let now = demo
            .process(&of_node("alpha"), &["fastx-link supervise", &id])
            .await?;
        // The killed one may be dying still.
        if now == desktop.supervisor {
            return Err(Failure::from("it is the former one"));
        }
        Ok(())
    })
    .await?;
    let known = person.sessions().await?;
    let listed = known.iter().find(|s| s.id == desktop.session.id);
    assert!(
        listed.is_some_and(|s| s.state.is_live() && s.name == desktop.session.name),
        "{what}: {listed:?}"
    );
    assert!(desktop.display.lives(), "{what}: still the same Xvnc");
    person.end(&desktop.session).await?;
    assert!(!desktop.display.lives(), "{what}: it ends when asked to");
    Ok(())
}
