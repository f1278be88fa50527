//! Starting, listing, changing and ending sessions.

use axum::http::Method;
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::SessionState;
use serde_json::{Value, json};

use crate::cluster::{Cluster, TestNode, eventually};
use crate::http::Client;

async fn state(client: &Client, node: &TestNode, id: &str, wanted: &str) -> Value {
    eventually("the session is in its state", || async {
        let answer = client.get(node, &format!("sessions/{id}")).await.json();
        let session = answer["session"].clone();
        if session["state"] == wanted {
            Ok(session)
        } else {
            Err(answer.to_string())
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_from_start_to_end() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::browser(&node, "ada").await;
    let applications = ada.get(&node, "applications").await.json();
    assert_eq!(applications["applications"][0]["title"], "Terminal");
    assert_eq!(applications["serverChoiceAllowed"], true);

    let answer = ada
        .post(
            &node,
            "sessions",
            json!({"application": "term", "params": {"a": "b"}}),
        )
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let (session, decision) = (
        answer.json()["session"].clone(),
        answer.json()["decision"].clone(),
    );
    assert_eq!(session["state"], "running");
    assert_eq!(session["name"], "Terminal");
    assert_eq!(session["geometry"], "1024x768", "the profile's largest");
    assert_eq!(session["serverName"], "a.test");
    assert_eq!(decision["chosen"], "a");
    let id = session["id"].as_str().unwrap();

    let listed = ada.get(&node, "sessions").await.json();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
    let kept = ada
        .get(&node, &format!("sessions/{id}/decision"))
        .await
        .json();
    assert_eq!(kept["chosen"], "a");
    assert_eq!(
        ada.get(&node, &format!("sessions/{id}/log")).await.status,
        200
    );

    let change = json!({"name": "Mine", "params": {"a": "", "c": "d"}});
    let changed = ada
        .call(
            &node,
            Method::PATCH,
            &format!("sessions/{id}"),
            Some(change),
        )
        .await
        .json();
    assert_eq!(changed["session"]["name"], "Mine");
    assert_eq!(changed["session"]["params"], json!({"c": "d"}));

    eventually("the managers know it", || async {
        match cluster.manager.session_state(id).await {
            Some(SessionState::Running) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(
        ada.call(&node, Method::DELETE, &format!("sessions/{id}"), None)
            .await
            .status,
        202
    );
    let ended = state(&ada, &node, id, "ended").await;
    assert_eq!(ended["endReason"], "Ended by ada.");
    let again = ada
        .call(&node, Method::DELETE, &format!("sessions/{id}"), None)
        .await;
    assert_eq!(again.status, 202, "ending what has ended is no fault");
    let late = ada
        .post(
            &node,
            &format!("sessions/{id}/connect"),
            json!({"mode": "view"}),
        )
        .await;
    assert_eq!(late.problem(), (410, "session-ended".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repetition_gets_the_same_answer() {
    let mut cluster = Cluster::new().await;
    let (a, b) = cluster.pair(&["ada"]).await;
    let ada = Client {
        key: Some("k1".into()),
        ..Client::program(&a, "ada").await
    };
    let body = json!({"command": "xterm", "serverId": "b"});
    let first = ada.post(&a, "sessions", body.clone()).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(first.json()["session"]["serverId"], "b");
    for node in [&a, &b] {
        let again = ada.post(node, "sessions", body.clone()).await;
        assert_eq!(again.status, 201);
        assert_eq!(again.json()["session"]["id"], first.json()["session"]["id"]);
    }
    let other = ada
        .post(&a, "sessions", json!({"command": "top", "serverId": "b"}))
        .await;
    assert_eq!(other.problem(), (409, "key-reused".into()));
    assert_eq!(b.link.sessions().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_why() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    for body in [
        json!({}),
        json!({"command": "x", "application": "term"}),
        json!({"application": "nothing"}),
        json!({"command": "x", "profile": "nothing"}),
        json!({"application": "term", "geometry": "1025x768"}),
        json!({"command": "x", "geometry": "big"}),
    ] {
        let answer = ada.post(&node, "sessions", body.clone()).await;
        assert_eq!(answer.status, 422, "{body} {answer:?}");
    }
    let nowhere = ada
        .post(&node, "sessions", json!({"command": "x", "serverId": "zz"}))
        .await;
    assert_eq!(nowhere.problem(), (503, "no-server-fits".into()));
    assert_eq!(
        nowhere.json()["servers"][0]["reason"],
        "another server was asked for"
    );

    let bob = Client::program(&node, "bob").await;
    let refused = bob.post(&node, "sessions", json!({"command": "x"})).await;
    assert_eq!(refused.problem(), (503, "no-server-fits".into()));
    assert!(
        refused.json()["servers"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("not to bob")
    );

    let broken = Problem::unavailable("no-display", "Xvnc did not start.");
    node.link.refuse_starts(Some(broken));
    let client = Client {
        key: Some("k".into()),
        ..ada.clone()
    };
    let failed = client
        .post(&node, "sessions", json!({"command": "x"}))
        .await;
    assert_eq!(failed.problem(), (503, "no-display".into()));
    node.link.refuse_starts(None);
    let again = client
        .post(&node, "sessions", json!({"command": "x"}))
        .await;
    assert_eq!(
        again.problem(),
        (503, "no-display".into()),
        "the same key gets the same answer"
    );
    assert_eq!(
        ada.post(&node, "sessions", json!({"command": "x"}))
            .await
            .status,
        201
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_outlive_the_node_process_and_its_memory() {
    let mut cluster = Cluster::new().await;
    let mut node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let (kept, ended) = (ada.start(&node, "").await, ada.start(&node, "").await);
    node.link.disconnect();
    node.stop().await;
    node.link.end(&ended.parse().unwrap(), "its program ended");

    // The process comes back with what it wrote.
    let mut again = cluster.start(&node.id).await;
    again.link.disconnect();
    node.link.reconnect().await.unwrap();
    assert_eq!(state(&ada, &again, &kept, "running").await["login"], "ada");
    assert_eq!(
        state(&ada, &again, &ended, "ended").await["endReason"],
        "its program ended"
    );

    // And once more without it: the link tells, and only logins of the node are believed.
    node.link.disconnect();
    again.stop().await;
    std::fs::remove_dir_all(again.dir.join("var/sessions")).unwrap();
    let mut bare = cluster.start(&node.id).await;
    bare.link.disconnect();
    node.link.reconnect().await.unwrap();
    state(&ada, &bare, &kept, "running").await;

    // A desktop that was restarted has nothing any more.
    node.link.disconnect();
    bare.link.reconnect().await.unwrap();
    let gone = state(&ada, &bare, &kept, "ended").await;
    assert!(gone["endReason"].as_str().unwrap().contains("restarted"));
    eventually("the managers know it", || async {
        match cluster.manager.session_state(&kept).await {
            Some(SessionState::Ended) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_all_servers_are_listed_and_ended_from_any() {
    let mut cluster = Cluster::new().await;
    let (a, b) = cluster.pair(&["ada"]).await;
    let ada = Client::program(&a, "ada").await;
    let id = ada.start(&a, "b").await;
    state(&ada, &a, &id, "running").await;
    let change = json!({"name": "From afar"});
    let changed = ada
        .call(&a, Method::PATCH, &format!("sessions/{id}"), Some(change))
        .await;
    assert_eq!(changed.json()["session"]["name"], "From afar");
    let picture = ada
        .get(&a, &format!("sessions/{id}/screenshot?width=64"))
        .await;
    assert_eq!(picture.status, 200, "{picture:?}");
    assert_eq!(picture.headers["content-type"], "image/png");
    assert_eq!(&picture.body[1..4], b"PNG");
    let decoder = png::Decoder::new(std::io::Cursor::new(&picture.body));
    let mut reader = decoder.read_info().unwrap();
    assert_eq!((reader.info().width, reader.info().height), (64, 48));
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    assert_eq!(
        &pixels[..3],
        [0x30, 0x60, 0x80],
        "the colour of the display"
    );
    assert_eq!(
        ada.call(&a, Method::DELETE, &format!("sessions/{id}"), None)
            .await
            .status,
        202
    );
    state(&ada, &a, &id, "ended").await;
    assert_eq!(b.link.sessions().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bus_may_go_and_come_back() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    cluster.hub.set_connected(&node.id.clone().into(), false);
    let id = ada.start(&node, "a").await;
    state(&ada, &node, &id, "running").await;
    assert_eq!(cluster.manager.session_state(&id).await, None);
    cluster.hub.set_connected(&node.id.clone().into(), true);
    eventually("the managers hear of it afterwards", || async {
        match cluster.manager.session_state(&id).await {
            Some(SessionState::Running) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_managers_starts_from_its_last_good_configuration() {
    let mut cluster = Cluster::new().await;
    let mut node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let id = ada.start(&node, "").await;
    node.stop().await;
    node.link.disconnect();
    let caller = node.id.clone().into();
    cluster.hub.set_connected(&caller, false);
    let mut again = cluster.start(&node.id).await;
    assert_eq!(
        again.node.configuration().current().cluster.display_name,
        "Test"
    );
    again.link.disconnect();
    node.link.reconnect().await.unwrap();
    let refused = ada.get(&again, "sessions").await;
    assert_eq!(
        refused.status, 503,
        "a login that this process has not seen is refused with a reason"
    );
    cluster.hub.set_connected(&caller, true);
    eventually("logins are checked again", || async {
        let answer = ada.get(&again, "sessions").await;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer.status.to_string())
        }
    })
    .await;
    state(&ada, &again, &id, "running").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_fails_leaves_the_session_as_it_was() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    let id = "00000000000000aa";
    let now = fastx_lifecycle::clock::now();
    let starting = json!({
        "id": id, "login": "ada", "name": "n", "command": "xterm", "geometry": "640x480",
        "state": "starting", "display": ":1", "started": now, "changed": now
    });
    node.link.play(serde_json::from_value(starting).unwrap());
    state(&ada, &node, id, "starting").await;
    let path = format!("sessions/{id}");
    let busy = Problem::new(
        507,
        "session-folder",
        "The session's files cannot be written",
    );
    node.link.refuse_ends(Some(busy));
    let failed = ada.call(&node, Method::DELETE, &path, None).await;
    assert_eq!(failed.problem(), (507, "session-folder".into()));
    let left = ada.get(&node, &path).await.json()["session"].clone();
    assert_eq!(left["state"], "starting", "{left}");

    // The link does not have it: what was wanted is so.
    node.link.refuse_ends(Some(Problem::not_found("session")));
    let gone = ada.call(&node, Method::DELETE, &path, None).await;
    assert_eq!(gone.status, 202, "{gone:?}");
    let ended = state(&ada, &node, id, "ended").await;
    assert_eq!(ended["endReason"], "Ended by ada.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_whose_caller_hangs_up_comes_to_something() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::program(&node, "ada").await;
    node.link.hold_starts(true);
    let begun = {
        let body = json!({"command": "xterm", "geometry": "640x480"});
        let asking = ada.post(&node, "sessions", body);
        let begun = eventually("the start has begun", || async {
            let list = ada.get(&node, "sessions").await.json();
            match list["sessions"][0]["id"].as_str() {
                Some(id) => Ok(id.to_owned()),
                None => Err(list.to_string()),
            }
        });
        // Whoever loses the race is dropped, and hangs up with that.
        tokio::select! {
            answer = asking => panic!("{answer:?}"),
            begun = begun => begun,
        }
    };
    state(&ada, &node, &begun, "starting").await;
    node.link.hold_starts(false);
    state(&ada, &node, &begun, "running").await;
}
