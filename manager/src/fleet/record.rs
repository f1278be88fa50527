//! Server records on their way into the store: at once when something that matters changed, otherwise now and then.

use std::collections::BTreeMap;

use fastx_core::names::ServerId;
use fastx_core::wire::server::ServerRecord;
use jiff::{SignedDuration, Timestamp};

/// Pause between two writes of a server whose figures alone change.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);

/// Knows what was written.
#[derive(Debug, Default)]
pub struct Recorder {
    written: BTreeMap<ServerId, (ServerRecord, Timestamp)>,
}

impl Recorder {
    /// Whether the record should be written now.
    pub fn due(&self, record: &ServerRecord, now: Timestamp) -> bool {
        let Some((before, at)) = self.written.get(&record.server.server_id) else {
            return true;
        };
        let matters = |r: &ServerRecord| {
            let s = &r.server;
            (
                r.online,
                r.boot.clone(),
                s.config_revision.clone(),
                s.signing_key.clone(),
                s.peer_fingerprint.clone(),
            )
        };
        matters(before) != matters(record)
            || record.online
                && now.duration_since(*at).abs() >= PAUSE
                && before.sequence != record.sequence
    }

    /// It was written.
    pub fn wrote(&mut self, record: ServerRecord, now: Timestamp) {
        self.written
            .insert(record.server.server_id.clone(), (record, now));
    }

    /// Nothing is known any more, another manager having held the lease.
    pub fn clear(&mut self) {
        self.written.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_wait_and_changes_do_not() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut record = ServerRecord {
            server: serde_json::from_value(json!({"serverId": "a"})).unwrap(),
            last_seen: at(0),
            online: true,
            boot: "b".into(),
            sequence: 1,
        };
        let mut recorder = Recorder::default();
        assert!(recorder.due(&record, at(0)));
        recorder.wrote(record.clone(), at(0));
        record.sequence = 2;
        record.server.cpu = 50.0;
        assert!(!recorder.due(&record, at(29)));
        assert!(recorder.due(&record, at(30)));
        assert!(recorder.due(&record, at(-3600)), "the clock was set back");
        record.online = false;
        assert!(recorder.due(&record, at(1)));
        recorder.wrote(record.clone(), at(1));
        assert!(
            !recorder.due(&record, at(1000)),
            "a lost one is written once"
        );
    }
}
