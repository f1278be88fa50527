//! A server as scripts see it, and what changed since they last saw it.

use fastx_core::wire::server::ServerObject;
use serde_json::{Map, Value, json};

use crate::wire::Change;

/// The fields of the server object, then those of `staticData` and `metrics` under their own names.
///
/// The fields of the cluster's own (keys, revisions, who may use it) stay out:
/// the cluster has judged them before any script runs,
/// and administrators use names such as `users` and `login` in their static data.
pub(crate) fn view(server: &ServerObject) -> Map<String, Value> {
    let built_in = json!({
        "serverId": server.server_id,
        "hostname": server.hostname,
        "urls": server.urls,
        "peerUrls": server.peer_urls,
        "cpu": server.cpu,
        "freemem": server.freemem,
        "totalmem": server.totalmem,
        "loggedInUsers": server.logged_in_users,
        "sessions": server.sessions,
        "uptime": server.uptime,
        "loadavg": server.loadavg,
        "version": server.version,
        "staticData": server.static_data,
        "metrics": server.metrics,
    });
    match built_in {
        Value::Object(fields) => merged(fields),
        _ => Map::new(),
    }
}

/// Lifts `metrics` and `staticData` to the top; what is there already wins, and metrics win over constants.
pub(crate) fn merged(mut fields: Map<String, Value>) -> Map<String, Value> {
    for group in ["metrics", "staticData"] {
        let Some(Value::Object(extra)) = fields.get(group).cloned() else {
            continue;
        };
        for (name, value) in extra {
            // In JavaScript this name would set the object's prototype.
            if name != "__proto__" {
                fields.entry(name).or_insert(value);
            }
        }
    }
    fields
}

/// What to tell the script process so that `old` becomes `new`.
pub(crate) fn difference(
    id: &str,
    old: Option<&Map<String, Value>>,
    new: &Map<String, Value>,
) -> Change {
    let unchanged = |name: &str, value: &Value| old.and_then(|o| o.get(name)) == Some(value);
    Change {
        id: id.to_owned(),
        set: new
            .iter()
            .filter(|(name, value)| !unchanged(name, value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        unset: old
            .into_iter()
            .flat_map(Map::keys)
            .filter(|name| !new.contains_key(*name))
            .cloned()
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(extra: &Value) -> Map<String, Value> {
        let mut object = json!({"serverId": "a", "sessions": 3, "signingKey": "k", "users": ["x"]});
        let fields = object.as_object_mut().unwrap();
        for (name, value) in extra.as_object().unwrap() {
            fields.insert(name.clone(), value.clone());
        }
        view(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn built_in_names_win_and_secrets_of_the_cluster_stay_out() {
        let seen = server(&json!({
            "staticData": {"gpu": true, "sessions": 99, "users": ["ada"], "both": "constant", "__proto__": 1},
            "metrics": {"temperature": "40", "cpu": "x", "both": "metric"},
        }));
        let get = |name: &str| seen.get(name).cloned().unwrap_or(Value::Null);
        assert_eq!(get("gpu"), json!(true));
        assert_eq!(get("sessions"), json!(3));
        assert_eq!(get("users"), json!(["ada"]));
        assert_eq!(get("temperature"), json!("40"));
        assert_eq!(get("cpu"), json!(0.0));
        assert_eq!(get("both"), json!("metric"));
        assert_eq!(get("staticData")["sessions"], json!(99));
        assert!(!seen.contains_key("signingKey") && !seen.contains_key("__proto__"));
    }

    #[test]
    fn a_difference_names_only_what_changed() {
        let old = server(&json!({"staticData": {"gpu": true}}));
        let new = server(&json!({"staticData": {}, "sessions": 4}));
        let change = difference("a", Some(&old), &new);
        assert_eq!(
            Value::Object(change.set),
            json!({"sessions": 4, "staticData": {}})
        );
        assert_eq!(change.unset, ["gpu"]);
        assert_eq!(difference("a", Some(&new), &new).set.len(), 0);
        assert_eq!(difference("a", None, &new).set, new);
    }
}
