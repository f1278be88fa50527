//! Tells the session's own side what happens to it: runs the event scripts of its profile as its user.
//!
//! Nothing waits for a script, and none that fails harms a session.

use std::collections::BTreeMap;

use fastx_core::wire::config::EventScripts;
use fastx_core::wire::session::SessionRecord;

use super::Sessions;
use crate::locks::lock;

/// An event that a profile may have a script for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Start,
    Connect,
    Disconnect,
    Params,
    Terminate,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Params => "params",
            Self::Terminate => "terminate",
        }
    }

    fn script(self, scripts: EventScripts) -> String {
        match self {
            Self::Start => scripts.start,
            Self::Connect => scripts.connect,
            Self::Disconnect => scripts.disconnect,
            Self::Params => scripts.params,
            Self::Terminate => scripts.terminate,
        }
    }
}

impl Sessions {
    /// Runs the script of an event, where the session's profile has one; `about` is told to it.
    pub(super) fn happened(&self, record: &SessionRecord, event: Event, about: &[(&str, &str)]) {
        let profile = self
            .inner
            .parts
            .configuration
            .current()
            .profile(&record.profile);
        let script = profile
            .map(|p| event.script(p.event_scripts))
            .unwrap_or_default();
        let uid = lock(&self.inner.registry).get(&record.id).map(|s| s.uid);
        let (Some(uid), false) = (uid, script.is_empty()) else {
            return;
        };
        let env: BTreeMap<String, String> = about
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let (hub, id) = (self.hub().clone(), record.id.clone());
        tokio::spawn(async move {
            let name = event.name();
            match hub.event(uid, &id, name, script, env).await {
                Ok(()) => tracing::debug!(session = %id, event = name, "an event script runs"),
                Err(problem) => {
                    tracing::warn!(session = %id, event = name, %problem, "an event script was not run");
                }
            }
        });
    }
}
