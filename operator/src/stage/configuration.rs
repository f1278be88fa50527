//! What the resources say, as it reaches the managers.

use super::managers::Site;
use super::*;

#[tokio::test]
async fn event_scripts_of_the_resource_reach_the_managers_and_a_fault_changes_nothing() {
    let spec = |start: &str| {
        format!(
            "sessions:\n  profiles:\n    - name: default\n      eventScripts: {{start: {start}, terminate: \"#!/bin/sh\\nrm -f x\"}}"
        )
    };
    let site = Site::new(&spec("xset s off"));
    site.settle().await;
    let scripts =
        || site.managers.lock().unwrap().cluster_part()["profiles"][0]["eventScripts"].clone();
    let first = json!({"start": "xset s off", "terminate": "#!/bin/sh\nrm -f x"});
    assert_eq!(scripts(), first);
    site.stage.with_cluster(&spec("\"#!sh\\ntrue\""));
    site.settle().await;
    assert_eq!(scripts(), first, "the last good one stays");
    let said = site.condition("fastxclusters", "site", "Ready").unwrap();
    assert_eq!(said["reason"], "InvalidSpec");
    let message = said["message"].as_str().unwrap();
    assert!(
        message.contains("profile `default`") && message.contains("`start`, line 1"),
        "{message}"
    );
    site.stage.with_cluster(&spec("xset s on"));
    site.settle().await;
    assert_eq!(scripts()["start"], "xset s on");
}
