//! The event stream: everything, in order, also after an interruption, and nothing of others.

use std::time::Duration;

use axum::http::Method;
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::cluster::{Cluster, TestNode};
use crate::http::{Client, send};

struct Stream {
    body: hyper::body::Incoming,
    text: String,
}

#[derive(Debug, Clone)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

impl Stream {
    async fn open(client: &Client, node: &TestNode, last: Option<&str>) -> Self {
        let mut request = client.request(node, Method::GET, "events", None);
        if let Some(last) = last {
            request
                .headers_mut()
                .insert("last-event-id", last.parse().unwrap());
        }
        let response = send(node, request).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body(),
            text: String::new(),
        }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event
                        .lines()
                        .find_map(|l| l.strip_prefix(name)?.strip_prefix(": "));
                    line.unwrap_or_default().to_owned()
                };
                let event = Event {
                    name: field("event"),
                    id: field("id"),
                    data: serde_json::from_str(&field("data")).unwrap_or_default(),
                };
                let rest = rest.to_owned();
                self.text = rest;
                return Some(event);
            }
            let frame = tokio::time::timeout(Duration::from_secs(10), self.body.frame());
            let frame = frame.await.expect("an event in time")?.ok()?;
            self.text
                .push_str(std::str::from_utf8(frame.data_ref()?).unwrap());
        }
    }

    /// The next event that satisfies this.
    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if wanted(&event) {
                return event;
            }
        }
    }
}

fn session_is(id: &str, state: &str) -> impl Fn(&Event) -> bool {
    move |e| {
        e.name == "session" && e.data["session"]["id"] == id && e.data["session"]["state"] == state
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_without_loss() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada"]).await;
    let ada = Client::browser(&node, "ada").await;
    let mut stream = Stream::open(&ada, &node, None).await;
    let reset = stream.next().await.unwrap();
    assert_eq!(reset.name, "reset");
    assert_eq!(reset.data["sessions"], serde_json::json!([]));
    assert_eq!(reset.data["servers"][0]["serverId"], "a");
    let first = ada.start(&node, "").await;
    let running = stream.until(session_is(&first, "running")).await;
    drop(stream);

    let second = ada.start(&node, "").await;
    ada.call(&node, Method::DELETE, &format!("sessions/{first}"), None)
        .await;
    let mut stream = Stream::open(&ada, &node, Some(&running.id)).await;
    let mut seen = Vec::new();
    loop {
        let event = stream.next().await.unwrap();
        assert_ne!(event.name, "reset", "nothing was lost");
        if event.name == "session" {
            let session = &event.data["session"];
            seen.push((
                session["id"].as_str().unwrap().to_owned(),
                session["state"].as_str().unwrap().to_owned(),
            ));
        }
        if seen.contains(&(first.clone(), "ended".into())) {
            break;
        }
    }
    let of_second: Vec<&str> = seen
        .iter()
        .filter(|(id, _)| *id == second)
        .map(|(_, s)| s.as_str())
        .collect();
    // What was news meanwhile and is so no more is left out.
    assert_eq!(of_second, ["running"]);

    for unknown in ["other-1", "junk"] {
        let mut stream = Stream::open(&ada, &node, Some(unknown)).await;
        let event = stream.next().await.unwrap();
        assert_eq!(event.name, "reset");
        assert_eq!(event.data["sessions"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_shows_nothing_of_others_and_ends_with_the_login() {
    let mut cluster = Cluster::new().await;
    let node = cluster.node("a", &["ada", "bob"]).await;
    let (ada, bob) = (
        Client::browser(&node, "ada").await,
        Client::browser(&node, "bob").await,
    );
    let mut stream = Stream::open(&bob, &node, None).await;
    ada.start(&node, "").await;
    let own = bob.start(&node, "").await;
    let seen = stream.until(|e| e.name == "session").await;
    assert_eq!(
        seen.data["session"]["id"], own,
        "the first session that bob hears of is his own"
    );
    bob.call(&node, Method::POST, "logout", None).await;
    let last = stream.until(|e| e.name == "signedOut").await;
    assert!(last.data["reason"].is_string());
    assert!(stream.next().await.is_none());
}
