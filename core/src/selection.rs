//! Which servers may enter a choice at all, and for each other one the reason why not.

use crate::wire::decision::ServerVerdict;
use crate::wire::server::ServerRecord;

/// Splits all servers into those that scripts get to see and verdicts for the others.
///
/// The order of the candidates is that of their ids, so that equal input gives an equal choice.
pub fn candidates<'a>(
    servers: &'a [ServerRecord],
    login: &str,
) -> (Vec<&'a ServerRecord>, Vec<ServerVerdict>) {
    let mut sorted: Vec<&ServerRecord> = servers.iter().collect();
    sorted.sort_by(|a, b| a.server.server_id.cmp(&b.server.server_id));
    let mut fit = Vec::new();
    let mut out = Vec::new();
    for record in sorted {
        match refusal(record, login) {
            None => fit.push(record),
            Some(reason) => out.push(ServerVerdict {
                server_id: record.server.server_id.clone(),
                chosen: false,
                by: "cluster".to_owned(),
                reason,
            }),
        }
    }
    (fit, out)
}

/// Why no session of `login` can start on this server; none when it can.
pub fn refusal(record: &ServerRecord, login: &str) -> Option<String> {
    let server = &record.server;
    if !record.online {
        Some(format!("offline: last heard of at {}", record.last_seen))
    } else if !server.start_sessions {
        Some("starting sessions is switched off on it".to_owned())
    } else if !server.users.is_empty() && !server.users.iter().any(|u| u == login) {
        Some(format!("it belongs to other users, not to {login}"))
    } else {
        server
            .faults
            .first()
            .map(|fault| format!("it cannot start sessions: {fault}"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use jiff::Timestamp;
    use serde_json::json;

    pub(crate) fn record(id: &str) -> ServerRecord {
        ServerRecord {
            server: serde_json::from_value(
                json!({"serverId": id, "startSessions": true, "logins": true}),
            )
            .unwrap(),
            last_seen: Timestamp::UNIX_EPOCH,
            online: true,
            boot: "b".into(),
            sequence: 1,
        }
    }

    #[test]
    fn each_reason_has_its_words() {
        let mut off = record("a");
        off.online = false;
        let mut closed = record("b");
        closed.server.start_sessions = false;
        let mut others = record("c");
        others.server.users = vec!["bob".into()];
        let mut broken = record("d");
        broken.server.faults = vec!["no link of the desktop container".into()];
        let mine = {
            let mut r = record("e");
            r.server.users = vec!["ada".into()];
            r
        };
        let all = [mine, broken, others, closed, off];
        let (fit, out) = candidates(&all, "ada");
        assert_eq!(
            fit.iter()
                .map(|r| r.server.server_id.as_str())
                .collect::<Vec<_>>(),
            ["e"]
        );
        let text: Vec<String> = out
            .iter()
            .map(|v| format!("{} {}", v.server_id, v.reason))
            .collect();
        assert_eq!(
            text,
            [
                "a offline: last heard of at 1970-01-01T00:00:00Z",
                "b starting sessions is switched off on it",
                "c it belongs to other users, not to ada",
                "d it cannot start sessions: no link of the desktop container",
            ]
        );
    }
}
