//! Rules of the session profiles about idleness: viewers who do nothing leave, sessions that nobody views end.

use std::time::Duration;

use fastx_core::wire::config::Profile;
use fastx_core::wire::session::{SessionRecord, SessionState};
use fastx_lifecycle::clock;
use fastx_lifecycle::shutdown::Shutdown;
use jiff::Timestamp;

use super::Sessions;
use crate::locks::lock;

const LOOK: Duration = Duration::from_secs(10);

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Nothing,
    Disconnect,
    End,
}

fn due(
    record: &SessionRecord,
    profile: &Profile,
    last_input: Option<Timestamp>,
    now: Timestamp,
) -> Due {
    let over = |since: Timestamp, limit: u64| {
        limit > 0 && now.duration_since(since).as_secs() >= i64::try_from(limit).unwrap_or(i64::MAX)
    };
    if record.state != SessionState::Running {
        return Due::Nothing;
    }
    match last_input {
        Some(last) if over(last, profile.disconnect_idle_seconds) => Due::Disconnect,
        Some(_) => Due::Nothing,
        None => {
            let since = record.last_disconnect.unwrap_or(record.started);
            if over(since, profile.end_disconnected_seconds) {
                Due::End
            } else {
                Due::Nothing
            }
        }
    }
}

/// Looks at all own sessions now and then until shutdown.
pub(super) async fn run(sessions: Sessions, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = shutdown.triggered() => return,
            _ = ticks.tick() => sessions.enforce().await,
        }
    }
}

impl Sessions {
    async fn enforce(&self) {
        let current = self.inner.parts.configuration.current();
        let now = clock::now();
        let live: Vec<(u32, SessionRecord)> = lock(&self.inner.registry)
            .iter()
            .filter(|s| s.record.state.is_live())
            .map(|s| (s.uid, s.record.clone()))
            .collect();
        for (uid, record) in live {
            let Some(profile) = current.profile(&record.profile) else {
                continue;
            };
            match due(
                &record,
                &profile,
                self.inner.viewers.last_input(&record.id),
                now,
            ) {
                Due::Nothing => {}
                Due::Disconnect => {
                    let why = format!(
                        "Nothing was typed for {} seconds.",
                        profile.disconnect_idle_seconds
                    );
                    self.inner.viewers.disconnect(&record.id, &why);
                }
                Due::End => {
                    tracing::info!(session = %record.id, "nobody has viewed the session for as long as its profile allows: ending it");
                    if let Err(problem) = self.hub().terminate(uid, &record.id).await {
                        tracing::warn!(session = %record.id, %problem, "the session cannot be ended");
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn idle_viewers_leave_and_unviewed_sessions_end() {
        let mut record: SessionRecord = serde_json::from_value(json!({
            "id": "0".repeat(16), "serverId": "a", "login": "ada", "state": "running", "name": "n",
            "command": "xterm", "started": "1970-01-01T00:00:00Z", "changed": "1970-01-01T00:00:00Z", "version": 1
        }))
        .unwrap();
        let mut profile = Profile::default();
        assert_eq!(
            due(&record, &profile, Some(at(0)), at(9999)),
            Due::Nothing,
            "no limits"
        );
        profile.disconnect_idle_seconds = 60;
        profile.end_disconnected_seconds = 100;
        assert_eq!(due(&record, &profile, Some(at(0)), at(59)), Due::Nothing);
        assert_eq!(due(&record, &profile, Some(at(0)), at(60)), Due::Disconnect);
        assert_eq!(
            due(&record, &profile, Some(at(500)), at(500)),
            Due::Nothing,
            "a viewer keeps it"
        );
        assert_eq!(due(&record, &profile, None, at(100)), Due::End);
        record.last_disconnect = Some(at(50));
        assert_eq!(due(&record, &profile, None, at(149)), Due::Nothing);
        record.state = SessionState::Ending;
        assert_eq!(due(&record, &profile, None, at(999)), Due::Nothing);
    }
}
