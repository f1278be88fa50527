//! `upload-store` and `download-store`: there and back again without a loss, and every refusal with its exit code.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use fastx_bus::testing::Server;
use fastx_bus::{Bus, Hub};
use fastx_core::wire::config::{ClusterPart, NodePart, RoleRules};
use fastx_manager::testing::{self, Handle};
use fastx_node::moving::content::Content;
use fastx_node::moving::remote::Cluster;
use fastx_node::moving::{Direction, MoveError, Order, Outcome, carry_out, folder};
use serde_json::json;

const ORIGINAL: &str = concat!(
    "{\"$$indexCreated\":{\"fieldName\":\"name\",\"unique\":true}}\n",
    "{\"_id\":\"b\",\"name\":\"old\"}\n",
    "{\"_id\":\"a\",\"odd.key\":{\"$set\":1.0},\"n\":12345678901234567890123}\n",
    "{\"_id\":\"b\",\"name\":\"new\"}\n",
    "{\"_id\":\"gone\"}\n",
    "{\"$$deleted\":true,\"_id\":\"gone\"}\n",
    "{\"_id\":\"torn\",\"na"
);

fn order(direction: Direction, dir: &Path, dry_run: bool) -> Order {
    Order {
        direction,
        broker: "unused".into(),
        dir: dir.into(),
        dry_run,
    }
}

async fn site() -> (Handle, Hub, Cluster) {
    let hub = Hub::new();
    let namespace = || "test".parse().unwrap();
    let manager = testing::start(&hub, namespace()).await;
    let bus = Bus::in_process(&hub, "manager-upload".parse().unwrap(), namespace());
    (manager, hub, Cluster::on(bus, None))
}

/// A folder with our own store and files of the original.
async fn furnish(dir: &Path) -> Content {
    let mut content = Content {
        cluster: Some(json!({"schema": 1, "displayName": "Mine", "later": [1]})),
        ..Content::default()
    };
    let node = json!({"schema": 1, "hostname": "h", "startSessions": true, "later": null});
    content.nodes.insert("mine".parse().unwrap(), node);
    folder::write(dir, &content, 1).await.unwrap();
    std::fs::write(dir.join("apps.db"), ORIGINAL).unwrap();
    std::fs::write(dir.join("other.txt"), "no document").unwrap();
    folder::read(dir, 1).await.unwrap().content
}

async fn moved(order: &Order, cluster: &Cluster) -> Outcome {
    carry_out(order, cluster).await.unwrap()
}

#[tokio::test]
async fn a_round_trip_loses_nothing() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let content = furnish(source.path()).await;
    assert_eq!(content.files["apps.db"].lines().count(), 2);
    let (_manager, _hub, cluster) = site().await;
    let up = order(Direction::Upload, source.path(), false);
    let first = moved(&up, &cluster).await;
    assert!(
        first.differed && first.lines[0].contains("torn"),
        "{first:?}"
    );
    let again = moved(&up, &cluster).await;
    assert!(!again.differed, "{again:?}");

    let down = order(Direction::Download, target.path(), false);
    assert!(moved(&down, &cluster).await.differed);
    let back = folder::read(target.path(), 1).await.unwrap();
    assert_eq!(back.content, content);
    assert!(
        back.remarks.is_empty(),
        "the copy is whole: {:?}",
        back.remarks
    );
    let text = std::fs::read_to_string(target.path().join("apps.db")).unwrap();
    assert!(
        text.contains("\"n\":12345678901234567890123"),
        "to the letter"
    );
    assert!(!moved(&down, &cluster).await.differed);
    // A store that is used already keeps what the cluster does not know.
    let mine = json!({"hostname": "only here"});
    let local = Content {
        nodes: [("local".parse().unwrap(), mine.clone())].into(),
        ..Content::default()
    };
    folder::write(target.path(), &content.clone().merged(local), 1)
        .await
        .unwrap();
    assert!(!moved(&down, &cluster).await.differed);
    let kept = folder::read(target.path(), 1).await.unwrap().content;
    assert_eq!(kept.nodes[&"local".parse().unwrap()], mine);
}

#[tokio::test]
async fn a_dry_run_shows_the_difference_and_changes_nothing() {
    let source = tempfile::tempdir().unwrap();
    furnish(source.path()).await;
    let (manager, _hub, cluster) = site().await;
    let part = ClusterPart {
        display_name: "Theirs".into(),
        ..ClusterPart::default()
    };
    let before = manager.put_config(&part, &BTreeMap::new()).await;
    let dry = moved(&order(Direction::Upload, source.path(), true), &cluster).await;
    let text = dry.lines.join("\n");
    assert!(dry.differed);
    assert!(
        text.contains("displayName") && text.contains("+ settings of server mine"),
        "{text}"
    );
    assert!(text.contains("+ apps.db: 2 documents"), "{text}");
    assert_eq!(cluster.read().await.unwrap().generation, before.generation);
}

async fn refusal(order: &Order, cluster: &Cluster) -> (u8, MoveError) {
    let error = carry_out(order, cluster).await.unwrap_err();
    (error.code(), error)
}

#[tokio::test]
async fn refusals_have_their_exit_codes() {
    let (source, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    furnish(source.path()).await;
    let (manager, hub, cluster) = site().await;
    let up = order(Direction::Upload, source.path(), false);
    let nothing = order(Direction::Download, empty.path(), false);
    assert_eq!(
        refusal(&nothing, &cluster).await.0,
        65,
        "no configuration yet"
    );
    assert_eq!(
        refusal(&order(Direction::Upload, empty.path(), false), &cluster)
            .await
            .0,
        65
    );
    std::fs::write(
        empty.path().join("x.db"),
        "{\"_id\":1}\nnonsense\n{\"_id\":2}\n",
    )
    .unwrap();
    let (code, error) = refusal(&order(Direction::Upload, empty.path(), false), &cluster).await;
    let text = fastx_lifecycle::telemetry::chain(&error);
    assert!(
        code == 65 && text.contains("x.db") && text.contains("line 2"),
        "{text}"
    );

    let node = Bus::in_process(&hub, "a".parse().unwrap(), "test".parse().unwrap());
    assert_eq!(refusal(&up, &Cluster::on(node, None)).await.0, 77);
    let part = ClusterPart {
        managed_by: "desks/site".into(),
        roles: RoleRules::default(),
        ..ClusterPart::default()
    };
    let nodes = BTreeMap::from([("a".parse().unwrap(), NodePart::default())]);
    let before = manager.put_config(&part, &nodes).await;
    let (code, error) = refusal(&up, &cluster).await;
    assert!(
        code == 78 && error.to_string().contains("desks/site"),
        "{error}"
    );
    assert_eq!(cluster.read().await.unwrap().generation, before.generation);

    std::fs::remove_file(empty.path().join("x.db")).unwrap();
    moved(&nothing, &cluster).await;
    let taken = folder::read(empty.path(), 1).await.unwrap().content;
    assert_eq!(
        taken.cluster.unwrap().get("managedBy"),
        None,
        "a server alone is nobody's"
    );
    manager.store().set_away(true);
    assert_eq!(refusal(&up, &cluster).await.0, 69);
}

/// The program itself, with a real transporter and the identity of a manager.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_uploads_and_downloads() {
    let (source, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    furnish(source.path()).await;
    let server = Server::start(9).await;
    let manager = testing::join_bus(server.join("manager-1").await, std::sync::Arc::default());
    let manager = manager.await;
    let broker = source.path().join("broker.json");
    let file = serde_json::to_vec(&server.broker("manager-2")).unwrap();
    fastx_node::disk::write_private(&broker, &file).unwrap();
    let run = async |words: &[&str], dir: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastx-node"));
        command
            .args(words)
            .arg("-bjf")
            .arg(&broker)
            .arg("-dir")
            .arg(dir);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        (output.status.code(), text)
    };
    let up = ["upload-store", "config"];
    let (code, text) = run(&["upload-store", "config", "--dry-run"], source.path()).await;
    assert_eq!(code, Some(3), "{text}");
    let (code, text) = run(&up, source.path()).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("is in force"), "{text}");
    manager
        .wait_status("the revision", |s| !s.revision.is_empty())
        .await;
    let (code, text) = run(&["download-store", "config"], target.path()).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(target.path().join("apps.db").exists());
    let (code, text) = run(&["upload-store", "users"], source.path()).await;
    assert_eq!(code, Some(64), "{text}");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&broker, open).unwrap();
    let (code, text) = run(&up, source.path()).await;
    assert!(code == Some(65) && text.contains("chmod"), "{text}");
}
