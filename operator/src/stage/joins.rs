//! Hosts that ask to join, from the question to the identity and its end.

use fastx_core::wire::broker::BrokerConfig;
use fastx_core::wire::join::Invitation;

use super::managers::{Site, decoded, public};
use super::*;
use crate::node::tests::node;

const SPEC: &str = "discovery: {mode: Declared}";

#[tokio::test]
async fn a_declared_host_is_admitted_and_at_rest_nothing_is_sent() {
    let site = Site::new(SPEC);
    site.stage.with_node(&node("external: {}"));
    site.settle().await;
    assert_eq!(site.waiting().unwrap().0, "AsExpected");
    site.ask("desk", 1);
    site.settle().await;
    assert_eq!(site.admitted(), [public(1)]);
    assert!(site.list()["joined.desk"].starts_with(&public(1)));
    // It was told once, and nobody asks again.
    site.hear();
    assert_eq!(site.stage.pass().await, Vec::<String>::new());
    assert_eq!(site.waiting().unwrap().0, "AsExpected");
}

#[tokio::test]
async fn a_host_that_nobody_declared_waits_and_its_line_admits_it() {
    let site = Site::new(SPEC);
    site.ask("desk", 1);
    site.ask("other", 2);
    site.settle().await;
    assert_eq!(site.admitted(), Vec::<String>::new());
    let (reason, message) = site.waiting().unwrap();
    assert_eq!(reason, "NotDeclared");
    assert!(
        message.starts_with("2 hosts ask to join and wait."),
        "{message}"
    );
    assert!(message.contains("`desk` (host `ws7.example`)"), "{message}");
    // What stands between the quotes of the line is what an administrator applies.
    let yaml = message
        .split("echo '")
        .nth(1)
        .and_then(|t| t.split('\'').next());
    let mut declared: Value = serde_json::from_str(yaml.unwrap()).unwrap();
    declared["metadata"]["uid"] = "u-desk".into();
    declared["metadata"]["generation"] = 1.into();
    site.stage.put("computenodes", "desk", |o| *o = declared);
    site.settle().await;
    assert_eq!(site.admitted(), [public(1)]);
    let (_, message) = site.waiting().unwrap();
    assert!(
        message.starts_with("One host asks") && message.contains("`other`"),
        "{message}"
    );
}

#[tokio::test]
async fn a_name_that_was_used_goes_to_another_host_only_by_an_administrator() {
    let site = Site::new(SPEC);
    site.stage.with_node(&node("external: {}"));
    site.ask("desk", 1);
    site.settle().await;
    assert_eq!(site.admitted(), [public(1)]);
    site.ask("desk", 2);
    site.settle().await;
    assert_eq!(site.admitted(), Vec::<String>::new());
    for said in [
        site.waiting().unwrap(),
        site.condition("computenodes", "desk", "Online")
            .map(|c| {
                (
                    c["reason"].as_str().unwrap().into(),
                    c["message"].as_str().unwrap().into(),
                )
            })
            .unwrap(),
    ] {
        assert_eq!(said.0, "JoinHeld");
        let line = format!(
            "kubectl annotate --overwrite computenode desk fastx.dev/admit={}",
            public(2)
        );
        assert!(said.1.contains(&line), "{}", said.1);
    }
    site.stage.put("computenodes", "desk", |o| {
        o["metadata"]["annotations"]["fastx.dev/admit"] = public(2).into();
    });
    site.settle().await;
    assert_eq!(site.admitted(), [public(2)]);
    let list = site.list();
    assert!(list["joined.desk"].starts_with(&public(2)), "{list:?}");
    assert!(
        list.contains_key(&format!("revoked.{}", public(1))),
        "{list:?}"
    );
    // The revoked key is never admitted again.
    site.ask("desk", 1);
    site.settle().await;
    assert_eq!(site.admitted(), Vec::<String>::new());
    assert!(site.waiting().unwrap().1.contains("join-key.json"));
}

#[tokio::test]
async fn a_host_with_the_identity_of_the_secret_keeps_its_name() {
    let site = Site::new(SPEC);
    site.stage.with_node(&node("external: {}"));
    site.managers.lock().unwrap().heard.push("desk");
    site.ask("desk", 1);
    site.settle().await;
    assert_eq!(site.admitted(), Vec::<String>::new());
    assert_eq!(site.waiting().unwrap().0, "JoinHeld");
}

#[tokio::test]
async fn a_deleted_node_shuts_out_the_host_that_joined_under_its_name() {
    let site = Site::new(SPEC);
    site.stage.with_node(&node("external: {}"));
    site.ask("desk", 1);
    site.settle().await;
    site.stage.put("computenodes", "desk", |o| {
        o["metadata"]["deletionTimestamp"] = "2027-01-01T00:00:00Z".into();
    });
    site.settle().await;
    let list = site.list();
    assert!(
        !list.contains_key("joined.desk") && !list.contains_key("member.desk"),
        "{list:?}"
    );
    assert!(
        list.contains_key(&format!("revoked.{}", public(1))),
        "{list:?}"
    );
    site.stage.delete("computenodes", "desk");
    site.settle().await;
    assert!(
        site.managers.lock().unwrap().joins.is_empty(),
        "the managers forgot it"
    );
    // The host asks again, and waits as anybody does.
    site.ask("desk", 1);
    site.settle().await;
    assert_eq!(site.waiting().unwrap().0, "NotDeclared");
}

#[tokio::test]
async fn lost_keys_of_the_bus_give_a_host_that_joined_a_new_identity() {
    let site = Site::new(SPEC);
    site.stage.with_node(&node("external: {}"));
    site.ask("desk", 1);
    site.settle().await;
    assert_eq!(site.admitted(), [public(1)]);
    site.managers.lock().unwrap().heard.push("desk");
    site.stage.delete("secrets", "site-bus-keys");
    site.settle().await;
    assert_eq!(site.admitted(), [public(1)]);
    assert!(site.list()["joined.desk"].starts_with(&public(1)));
}

#[tokio::test]
async fn the_join_file_is_there_while_hosts_may_ask_and_is_revoked_with_it() {
    let site = Site::new(SPEC);
    site.settle().await;
    let read = |site: &Site| {
        let data = site.stage.get("secrets", "site-join").unwrap()["data"].clone();
        BrokerConfig::parse(&decoded(data["join.json"].as_str().unwrap())).unwrap()
    };
    let first = read(&site);
    let caller = first.credentials.as_ref().unwrap().caller.clone();
    assert!(Invitation::of(&caller).is_ok(), "{caller}");
    assert_eq!(site.list().len(), 1, "{:?}", site.list());
    let invited = |site: &Site| {
        let list = site.list();
        let key = list.keys().find_map(|k| k.strip_prefix("invited."));
        key.map(str::to_owned)
    };
    let key = invited(&site).unwrap();
    // Deleting the Secret is how a file that got into wrong hands is replaced.
    site.stage.delete("secrets", "site-join");
    site.settle().await;
    assert_ne!(read(&site).credentials, first.credentials);
    assert!(site.list().contains_key(&format!("revoked.{key}")));
    let key = invited(&site).unwrap();
    site.stage.with_cluster("");
    site.settle().await;
    assert!(site.stage.get("secrets", "site-join").is_none());
    assert!(site.list().contains_key(&format!("revoked.{key}")));
    assert_eq!(invited(&site), None);
    assert!(site.waiting().is_none());
}
