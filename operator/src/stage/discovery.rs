//! Hosts that nobody declared, where the cluster takes such hosts.

use super::managers::{Site, public};
use super::*;
use crate::node::tests::node;

fn any(maximum: u32) -> String {
    format!("discovery: {{mode: Any, maximum: {maximum}}}")
}

/// Names of all ComputeNodes.
fn nodes(site: &Site) -> Vec<String> {
    let server = site.stage.server.lock().unwrap();
    let keys = server.keys("computenodes", |_| true);
    keys.into_iter().map(|key| key.name).collect()
}

/// Somebody deletes a ComputeNode, and its finalizer does its work.
async fn remove(site: &Site, name: &str) {
    site.stage.put("computenodes", name, |o| {
        o["metadata"]["deletionTimestamp"] = "2027-01-01T00:00:00Z".into();
    });
    site.settle().await;
    site.stage.delete("computenodes", name);
    // Here nobody else collects what it owned.
    site.stage.delete("secrets", &format!("{name}-broker"));
    site.settle().await;
}

#[tokio::test]
async fn a_host_that_nobody_declared_gets_a_node_and_at_rest_nothing_is_sent() {
    let site = Site::new(&any(2));
    site.ask("desk", 1);
    site.settle().await;
    assert_eq!(site.admitted(), [public(1)]);
    assert!(site.list()["joined.desk"].starts_with(&public(1)));
    let node = site.stage.get("computenodes", "desk").unwrap();
    assert_eq!(
        node["spec"],
        json!({"clusterRef": {"name": "site"}, "external": {}})
    );
    let metadata = &node["metadata"];
    assert_eq!(metadata["labels"]["fastx.dev/discovered"], "true");
    assert_eq!(metadata["labels"]["fastx.dev/cluster"], "site");
    let hostname = &metadata["annotations"]["fastx.dev/discovered-hostname"];
    assert_eq!(hostname, "ws7.example");
    // It goes with the cluster.
    assert_eq!(metadata["ownerReferences"][0]["uid"], "u-site");
    site.hear();
    assert_eq!(site.stage.pass().await, Vec::<String>::new());
    assert_eq!(site.waiting().unwrap().0, "AsExpected");
}

#[tokio::test]
async fn no_more_than_the_maximum_come_in_and_the_next_one_says_what_to_do() {
    let site = Site::new(&any(3));
    let names = ["a1", "a2", "a3", "a4", "a5"];
    for (name, key) in names.iter().zip(1..) {
        site.ask(name, key);
    }
    site.settle().await;
    assert_eq!(nodes(&site), ["a1", "a2", "a3"]);
    assert_eq!(site.admitted(), [public(1), public(2), public(3)]);
    let (reason, message) = site.waiting().unwrap();
    assert_eq!(reason, "MaximumReached");
    for word in [
        "2 hosts ask to join and wait.",
        "`a4` (host `ws7.example`)",
        "3 hosts have come in undeclared",
        "`discovery.maximum` is 3; raise it, delete a ComputeNode",
        "kubectl apply -f -",
    ] {
        assert!(message.contains(word), "{message}");
    }
    site.hear();
    assert_eq!(site.stage.pass().await, Vec::<String>::new());
    // One that is declared needs no room.
    let mut declared = serde_json::to_value(node("external: {}")).unwrap();
    declared["metadata"] = json!({"name": "a5", "uid": "u-a5", "generation": 1});
    site.stage.put("computenodes", "a5", |o| *o = declared);
    site.settle().await;
    assert_eq!(site.admitted(), [public(5)]);
    site.stage.with_cluster(&any(4));
    site.settle().await;
    assert_eq!(site.admitted(), [public(4)]);
    assert_eq!(site.waiting().unwrap().0, "AsExpected");
    // Fewer than there are take nobody away.
    site.stage.with_cluster(&any(1));
    site.settle().await;
    assert_eq!(nodes(&site), names);
}

#[tokio::test]
async fn a_deleted_host_stays_out_and_another_one_has_its_room() {
    let site = Site::new(&any(1));
    site.ask("desk", 1);
    site.ask("next", 2);
    site.settle().await;
    assert_eq!(site.admitted(), [public(1)]);
    remove(&site, "desk").await;
    assert_eq!(site.admitted(), [public(2)]);
    let revoked = format!("revoked.{}", public(1));
    assert!(site.list().contains_key(&revoked), "{:?}", site.list());
    // It asks again, under its own name and under another one.
    site.stage.with_cluster(&any(5));
    site.ask("desk", 1);
    site.ask("other", 1);
    site.settle().await;
    assert_eq!(nodes(&site), ["next"]);
    let (reason, message) = site.waiting().unwrap();
    assert_eq!(reason, "JoinHeld");
    assert!(message.contains("join-key.json"), "{message}");
    site.ask("desk", 3);
    site.settle().await;
    assert_eq!(site.admitted(), [public(3)]);
}

#[tokio::test]
async fn a_name_that_another_host_has_waits_for_an_administrator() {
    let site = Site::new(&any(5));
    site.ask("desk", 1);
    site.settle().await;
    assert_eq!(site.admitted(), [public(1)]);
    site.ask("desk", 2);
    site.settle().await;
    assert_eq!(site.admitted(), Vec::<String>::new());
    let (reason, message) = site.waiting().unwrap();
    assert_eq!(reason, "JoinHeld");
    assert!(message.contains("fastx.dev/admit="), "{message}");
}

#[tokio::test]
async fn what_was_begun_before_a_crash_is_finished_also_where_only_declared_hosts_come_in_now() {
    for spec in [any(1), "discovery: {mode: Declared}".to_owned()] {
        let mut site = Site::new(&any(1));
        site.settle().await;
        site.ask("desk", 1);
        site.hear();
        site.stage.pass().await;
        assert_eq!(nodes(&site), ["desk"]);
        assert_eq!(site.admitted(), Vec::<String>::new());
        site.succeed();
        site.stage.with_cluster(&spec);
        site.settle().await;
        assert_eq!(site.admitted(), [public(1)]);
        assert_eq!(nodes(&site), ["desk"]);
        site.ask("more", 2);
        site.settle().await;
        assert_eq!(nodes(&site), ["desk"]);
    }
}

#[tokio::test]
async fn the_maximum_holds_when_the_caches_lag_behind() {
    let site = Site::new(&any(2));
    site.settle().await;
    for (name, key) in [("c", 3), ("d", 4)] {
        site.ask(name, key);
    }
    site.hear();
    site.stage.show();
    let look = async || {
        let again = site.stage.clusters.reconcile(&key("site")).await;
        assert!(again.is_ok(), "{again:?}");
    };
    look().await;
    assert_eq!(nodes(&site), ["c", "d"]);
    // Others are heard of before the watch has told of what was made.
    for (name, key) in [("a", 1), ("b", 2)] {
        site.ask(name, key);
    }
    site.managers.lock().unwrap().joins.reverse();
    site.hear();
    look().await;
    assert_eq!(nodes(&site), ["c", "d"]);
    assert_eq!(site.waiting().unwrap().0, "MaximumReached");
    site.settle().await;
    assert_eq!(site.admitted().len(), 2);
}

#[tokio::test]
async fn a_node_that_somebody_makes_meanwhile_is_not_taken_over() {
    let site = Site::new(&any(2));
    site.settle().await;
    site.ask("desk", 1);
    site.hear();
    site.stage.show();
    site.stage.with_node(&node("pod: {}"));
    let again = site.stage.clusters.reconcile(&key("site")).await;
    assert!(again.is_ok(), "{again:?}");
    let theirs = site.stage.get("computenodes", "desk").unwrap();
    assert!(theirs["metadata"]["labels"].is_null(), "{theirs}");
    site.settle().await;
    assert_eq!(site.admitted(), Vec::<String>::new());
    assert_eq!(site.waiting().unwrap().0, "JoinHeld");
}

#[tokio::test]
async fn a_refused_node_is_told_without_a_word_against_the_cluster() {
    let site = Site::new(&any(2));
    site.settle().await;
    site.stage.server.lock().unwrap().refused.insert("desk");
    site.ask("desk", 1);
    site.ask("other", 2);
    site.hear();
    for _ in 0..4 {
        site.stage.pass().await;
        site.hear();
    }
    assert_eq!(site.admitted(), [public(2)]);
    let (reason, message) = site.waiting().unwrap();
    assert_eq!(reason, "Refused");
    assert!(message.contains("exceeded quota"), "{message}");
    let ready = site.condition("fastxclusters", "site", "Ready").unwrap();
    assert_ne!(ready["reason"], "Refused", "{ready}");
}
