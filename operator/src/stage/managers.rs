//! Managers in memory beside the API server in memory.

use base64::Engine as _;
use fastx_core::identity::user_key;
use fastx_core::wire::join::{JoinDecision, JoinState};

use super::*;
use crate::managers::{Endpoint, Fake};

/// Managers that keep what they are told.
#[derive(Debug, Default)]
pub(super) struct Managers {
    pub(super) root: Option<Value>,
    pub(super) parts: serde_json::Map<String, Value>,
    pub(super) joins: Vec<Value>,
    pub(super) heard: Vec<&'static str>,
    pub(super) decisions: Vec<(String, JoinDecision)>,
}

impl Managers {
    pub(super) fn asks(&mut self, name: &str, key: u8) {
        self.joins.retain(|j| j["serverId"] != name);
        self.joins.push(json!({
            "serverId": name, "publicKey": user_key([key; 32]).1, "hostname": "ws7.example",
        }));
    }

    pub(super) fn answer(&mut self, method: &Method, path: &str, body: Option<&Value>) -> Value {
        let last = path.rsplit('/').next().unwrap_or_default();
        match (method.as_str(), path) {
            ("PUT", "/v1/config") => {
                self.root = body.map(|b| b["root"].clone());
                let parts = body.and_then(|b| b["parts"].as_object());
                self.parts.extend(parts.cloned().unwrap_or_default());
            }
            ("GET", "/v1/config") => return json!({"root": self.root}),
            ("PUT", _) => {
                let decision: JoinDecision =
                    serde_json::from_value(body.cloned().unwrap_or_default()).unwrap();
                let asked = self.joins.iter_mut().find(|j| {
                    j["serverId"] == last && j["publicKey"] == decision.public_key.as_str()
                });
                let asked = asked.expect("that key has asked");
                asked["accepted"] = (decision.state == JoinState::Accepted).into();
                asked["identified"] = decision.jwt.is_some().into();
                self.decisions.push((last.to_owned(), decision));
            }
            ("DELETE", _) => self.joins.retain(|j| j["serverId"] != last),
            _ => panic!("{method} {path}"),
        }
        Value::Null
    }

    /// The configuration that all nodes share.
    pub(super) fn cluster_part(&self) -> &Value {
        let name = self.root.as_ref().map(|r| r["cluster"].as_str().unwrap());
        &self.parts[name.expect("there is a configuration")]
    }

    pub(super) fn status(&self) -> fastx_core::wire::status::ClusterStatus {
        let root: Option<fastx_core::wire::config::RootDocument> = self
            .root
            .clone()
            .map(|r| serde_json::from_value(r).unwrap());
        let nodes: serde_json::Map<String, Value> = self
            .heard
            .iter()
            .map(|n| {
                let said = json!({"online": false, "lastSeen": "2027-01-01T00:00:00Z"});
                ((*n).to_owned(), said)
            })
            .collect();
        serde_json::from_value(json!({
            "at": "2027-01-01T00:00:00Z", "manager": "manager-site", "leading": true,
            "store": {"ok": true}, "bus": {"ok": true}, "managers": ["manager-site"],
            "revision": root.map(|r| r.revision()).unwrap_or_default(),
            "nodes": nodes, "joins": self.joins,
        }))
        .unwrap()
    }
}

/// A stage with managers.
pub(super) struct Site {
    pub(super) stage: Stage,
    pub(super) managers: Arc<Mutex<Managers>>,
    pub(super) endpoint: Endpoint,
}

impl Site {
    pub(super) fn new(spec: &str) -> Self {
        let stage = Stage::new();
        stage.with_cluster(spec);
        let managers: Arc<Mutex<Managers>> = Arc::default();
        let (kept, server) = (managers.clone(), stage.server.clone());
        let fake: Fake = Arc::new(move |method: &Method, path: &str, body: Option<&Value>| {
            let line = format!("{method} managers {path}");
            server.lock().unwrap().log.push(line);
            Ok(kept.lock().unwrap().answer(method, path, body))
        });
        Self {
            stage,
            managers,
            endpoint: Endpoint::in_memory(fake),
        }
    }

    /// The managers say how things are.
    pub(super) fn hear(&self) {
        let status = self.managers.lock().unwrap().status();
        let endpoint = self.endpoint.clone();
        self.stage.reports.told(&key("site"), endpoint, status);
    }

    /// Another operator, which remembers nothing.
    pub(super) fn succeed(&mut self) {
        self.stage = self.stage.successor();
    }

    pub(super) async fn settle(&self) {
        for _ in 0..8 {
            self.hear();
            if self.stage.pass().await.is_empty() {
                return;
            }
        }
        panic!("it does not come to rest: {:?}", self.stage.pass().await);
    }

    pub(super) fn ask(&self, name: &str, key: u8) {
        self.managers.lock().unwrap().asks(name, key);
    }

    /// Keys that got an identity since the last question.
    pub(super) fn admitted(&self) -> Vec<String> {
        let mut managers = self.managers.lock().unwrap();
        let decisions = std::mem::take(&mut managers.decisions);
        decisions.into_iter().map(|(_, d)| d.public_key).collect()
    }

    pub(super) fn condition(&self, plural: &str, name: &str, kind: &str) -> Option<Value> {
        let status = self.stage.get(plural, name).unwrap()["status"].clone();
        let all = status["conditions"].as_array()?.clone();
        all.into_iter().find(|c| c["type"] == kind)
    }

    pub(super) fn waiting(&self) -> Option<(String, String)> {
        let said = self.condition("fastxclusters", "site", "HostsWaiting")?;
        let text = |key: &str| said[key].as_str().unwrap().to_owned();
        Some((text("reason"), text("message")))
    }

    /// What the list of identities has, without the seeds.
    pub(super) fn list(&self) -> BTreeMap<String, String> {
        let data = self.stage.get("secrets", "site-bus-keys").unwrap()["data"].clone();
        let data: BTreeMap<String, String> = serde_json::from_value(data).unwrap();
        let lists = data.into_iter().filter(|(key, _)| key.contains('.'));
        lists.map(|(key, value)| (key, decoded(&value))).collect()
    }
}

pub(super) fn decoded(text: &str) -> String {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text);
    String::from_utf8(bytes.unwrap()).unwrap()
}

pub(super) fn public(key: u8) -> String {
    user_key([key; 32]).1
}
