//! Rules of the session profiles about idleness: viewers who do nothing leave, sessions that nobody views end.
//!
//! Both are told before: in the session's record, where the web client shows it, and whoever types, comes or
//! answers (see [`Sessions::stay_here`]) makes the clock begin anew. Nothing is carried out that was not announced in
//! time: where a limit was changed, or this process was away, what is due is announced first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::wire::config::Profile;
use fastx_core::wire::operations::ActAnswer;
use fastx_core::wire::session::{Planned, SessionRecord, SessionState};
use fastx_lifecycle::clock;
use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::steady::{Since, Steady};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::Sessions;
use super::registry::OwnSession;
use crate::locks::lock;

/// Pause between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// Whoever does nothing for so long counts as idle.
const IDLE: SignedDuration = SignedDuration::from_mins(1);
/// Longest time between a warning and what it warns of: a third of the limit, but no more than this.
const NOTICE: u64 = 300;
/// A warning may come so much later than it should, but no more than half of its time.
const LATE: u64 = 10;
/// Pause after a session that could not be ended.
const AGAIN: Duration = Duration::from_secs(30);
/// This process was stopped when more time than this lies between two looks.
const AWAY: SignedDuration = SignedDuration::from_secs(30);

/// What the rules say of a session at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
struct Outlook {
    idle_since: Option<Timestamp>,
    ends: Option<Planned>,
    warning: Option<Planned>,
    due: Option<Due>,
    /// The limit, when nobody was told of it in time to answer: its end has to be put off.
    unannounced: Option<u64>,
}

/// What is due, and the words for whom it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Due {
    Disconnect(String),
    End(String),
}

fn seconds(number: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(number).unwrap_or(i64::MAX / 2))
}

/// Time between a warning and what it warns of.
fn notice(limit: u64) -> u64 {
    (limit / 3).clamp(1, NOTICE)
}

/// A limit that begins at a moment.
struct Limit {
    at: Timestamp,
    warn: Timestamp,
    seconds: u64,
}

impl Limit {
    fn new(since: Timestamp, limit: u64) -> Option<Self> {
        let at = (limit > 0).then(|| since.checked_add(seconds(limit)).ok())??;
        let warn = at - seconds(notice(limit));
        Some(Self {
            at,
            warn,
            seconds: limit,
        })
    }

    /// Its seconds, when it is near and neither was told before nor leaves the time to answer from now on.
    fn unannounced(&self, told: Option<&Planned>, now: Timestamp) -> Option<u64> {
        let notice = notice(self.seconds);
        let least = notice - LATE.min(notice / 2);
        let in_time = self.at - seconds(least) >= now;
        let told = told.is_some_and(|told| told.at <= self.at);
        (now >= self.warn && !told && !in_time).then_some(self.seconds)
    }

    fn planned(&self, text: &str) -> Planned {
        Planned {
            at: self.at,
            text: text.to_owned(),
        }
    }
}

fn outlook(
    own: &OwnSession,
    profile: &Profile,
    last_input: Option<Timestamp>,
    now: Timestamp,
) -> Outlook {
    let record = &own.record;
    if record.state != SessionState::Running {
        return Outlook::default();
    }
    match last_input {
        Some(typed) => viewed(own, profile, typed, now),
        None => unviewed(own, profile, now),
    }
}

fn viewed(own: &OwnSession, profile: &Profile, typed: Timestamp, now: Timestamp) -> Outlook {
    let mut outlook = Outlook {
        idle_since: (now.duration_since(typed) >= IDLE).then_some(typed),
        ..Outlook::default()
    };
    let since = own.stayed.map_or(typed, |stayed| stayed.max(typed));
    let limit = profile.disconnect_idle_seconds;
    if let Some(idle) = Limit::new(since, limit) {
        let limit = words(limit);
        if now >= idle.at {
            let why = format!("Nothing was typed for {limit}. The session goes on.");
            outlook.due = Some(Due::Disconnect(why));
        }
        if now >= idle.warn {
            let text = format!(
                "Whoever types nothing for {limit} is disconnected. The session goes on then."
            );
            outlook.warning = Some(idle.planned(&text));
        }
        outlook.unannounced = idle.unannounced(own.record.warning.as_ref(), now);
    }
    outlook
}

fn unviewed(own: &OwnSession, profile: &Profile, now: Timestamp) -> Outlook {
    let record = &own.record;
    let known = [record.last_disconnect, record.last_connect, own.stayed];
    let since = known.into_iter().flatten().fold(record.started, Ord::max);
    let left = record.last_disconnect.unwrap_or(record.started);
    let mut outlook = Outlook {
        idle_since: record.idle_since.or(Some(left)),
        ..Outlook::default()
    };
    let limit = profile.end_disconnected_seconds;
    if let Some(end) = Limit::new(since, limit) {
        let text = format!("A session that nobody looks at for {} ends.", words(limit));
        if now >= end.at {
            let why = format!("Nobody looked at it for {}.", words(limit));
            outlook.due = Some(Due::End(why));
        }
        if now >= end.warn {
            outlook.warning = Some(end.planned(&text));
        }
        outlook.unannounced = end.unannounced(record.warning.as_ref(), now);
        outlook.ends = Some(end.planned(&text));
    }
    outlook
}

/// What to show on the session's own screen when the warning is another one than `noticed` says, and for how many seconds.
fn news(
    noticed: &mut HashMap<SessionId, Timestamp>,
    id: &SessionId,
    warning: Option<&Planned>,
    now: Timestamp,
) -> Option<(String, u32)> {
    if noticed.get(id) == warning.map(|w| &w.at) {
        return None;
    }
    let Some(warning) = warning else {
        noticed.remove(id);
        return Some((String::new(), 0));
    };
    noticed.insert(id.clone(), warning.at);
    let seconds = u32::try_from(warning.at.duration_since(now).as_secs()).unwrap_or(0);
    let text = format!(
        "{} To stay, press the button, move the mouse or type something.",
        warning.text
    );
    Some((text, seconds.max(1)))
}

/// A limit as people say it; limits are round numbers.
fn words(seconds: u64) -> String {
    let (number, unit) = match seconds {
        s if s >= 172_800 && s % 86_400 == 0 => (s / 86_400, "day"),
        s if s >= 3600 && s % 3600 == 0 => (s / 3600, "hour"),
        s if s >= 60 && s % 60 == 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

/// What lies between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// No more than there should be.
    Usual,
    /// This process was stopped meanwhile: nobody could answer.
    Away,
    /// The clock has jumped ahead.
    Jump,
}

impl Gap {
    fn of(since: Since) -> Self {
        if since.jump.is_some_and(|jump| jump.is_positive()) {
            Self::Jump
        } else if since.passed > AWAY {
            Self::Away
        } else {
            Self::Usual
        }
    }
}

/// Looks at all own sessions now and then until shutdown.
pub(super) async fn run(sessions: Sessions, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut steady = Steady::new(Instant::now(), clock::now());
    sessions.take_back_overdue(clock::now());
    let mut tried: HashMap<SessionId, Instant> = HashMap::new();
    let mut noticed: HashMap<SessionId, Timestamp> = HashMap::new();
    loop {
        tokio::select! {
            () = shutdown.triggered() => return,
            _ = ticks.tick() => {
                let now = clock::now();
                match Gap::of(steady.look(Instant::now(), now)) {
                    Gap::Usual => {}
                    Gap::Away => sessions.take_back_overdue(now),
                    Gap::Jump => {
                        tracing::warn!("the clock has jumped ahead: the limits of idle sessions begin anew");
                        sessions.begin_anew(now);
                    }
                }
                sessions.sweep_shares(now);
                tried.retain(|_, at| at.elapsed() < AGAIN);
                sessions.enforce(&mut tried, &mut noticed, now);
            }
        }
    }
}

impl Sessions {
    fn enforce(
        &self,
        tried: &mut HashMap<SessionId, Instant>,
        noticed: &mut HashMap<SessionId, Timestamp>,
        now: Timestamp,
    ) {
        let current = self.inner.parts.configuration.current();
        let live: Vec<OwnSession> = lock(&self.inner.registry)
            .iter()
            .filter(|s| s.record.state.is_live())
            .cloned()
            .collect();
        noticed.retain(|id, _| live.iter().any(|own| own.record.id == *id));
        for mut own in live {
            let Some(profile) = current.profile(&own.record.profile) else {
                continue;
            };
            let id = own.record.id.clone();
            let last_input = self.inner.viewers.last_input(&id);
            let mut outlook = outlook(&own, &profile, last_input, now);
            if let Some(limit) = outlook.unannounced {
                own = self.put_off(own, limit, now);
                outlook = self::outlook(&own, &profile, last_input, now);
            }
            self.note(&own.record, &outlook);
            if let Some((text, seconds)) = news(noticed, &id, outlook.warning.as_ref(), now) {
                self.notice(&own, text, seconds);
            }
            match outlook.due {
                None => {}
                Some(Due::Disconnect(why)) => {
                    self.inner.viewers.disconnect(&id, &why);
                }
                Some(Due::End(why)) => {
                    if let Entry::Vacant(untried) = tried.entry(id) {
                        untried.insert(Instant::now());
                        self.end_abandoned(own, why);
                    }
                }
            }
        }
    }

    /// Puts into the record what the rules say, where it is something else than before.
    fn note(&self, record: &SessionRecord, outlook: &Outlook) {
        let same = record.idle_since == outlook.idle_since
            && record.ends == outlook.ends
            && record.warning == outlook.warning;
        if same {
            return;
        }
        self.edit(&record.id, |own| {
            own.record.idle_since = outlook.idle_since;
            own.record.ends.clone_from(&outlook.ends);
            own.record.warning.clone_from(&outlook.warning);
        });
    }

    /// Says on the session's own screen what is about to happen, or takes that away.
    fn notice(&self, own: &OwnSession, text: String, seconds: u32) {
        let (hub, uid, id) = (self.hub().clone(), own.uid, own.record.id.clone());
        tokio::spawn(async move {
            if let Err(problem) = hub.notice(uid, &id, text, seconds).await {
                // The web client shows the warning all the same.
                tracing::debug!(session = %id, %problem, "a notice is not shown in the session");
            }
        });
    }

    fn end_abandoned(&self, own: OwnSession, why: String) {
        let sessions = self.clone();
        tokio::spawn(async move {
            let id = own.record.id;
            tracing::info!(session = %id, login = %own.record.login, %why, "a session is ended by the rules of its profile");
            sessions.edit(&id, |own| own.end_why = Some(why));
            match sessions.hub().terminate(own.uid, &id).await {
                Ok(()) => sessions.take_in(own.uid, &id),
                Err(problem) if sessions.is_lost(&id, &problem) => {}
                Err(problem) => {
                    sessions.edit(&id, |own| own.end_why = None);
                    tracing::warn!(session = %id, %problem, "the session cannot be ended");
                }
            }
        });
    }

    /// Somebody answered a warning: the clocks begin anew.
    pub(super) fn stay_here(&self, id: &SessionId) -> ActAnswer {
        self.stayed(id, clock::now());
        ActAnswer {
            session: self.own(id),
            ..ActAnswer::default()
        }
    }

    fn stayed(&self, id: &SessionId, now: Timestamp) {
        let current = self.inner.parts.configuration.current();
        let last_input = self.inner.viewers.last_input(id);
        self.edit(id, |own| {
            own.stayed = Some(now);
            let Some(profile) = current.profile(&own.record.profile) else {
                return;
            };
            let outlook = outlook(own, &profile, last_input, now);
            (own.record.ends, own.record.warning) = (outlook.ends, outlook.warning);
        });
    }

    /// Leaves the whole time between warning and end to whoever may answer.
    fn put_off(&self, mut own: OwnSession, limit: u64, now: Timestamp) -> OwnSession {
        let as_if = now - seconds(limit - notice(limit));
        own.stayed = Some(as_if);
        self.edit(&own.record.id, |own| own.stayed = Some(as_if));
        own
    }

    /// Warnings of what became due while this process was away count for nothing: nobody could answer them.
    fn take_back_overdue(&self, now: Timestamp) {
        let overdue = |own: &&OwnSession| own.record.warning.as_ref().is_some_and(|w| w.at <= now);
        let told: Vec<SessionId> = lock(&self.inner.registry)
            .iter()
            .filter(overdue)
            .map(|own| own.record.id.clone())
            .collect();
        for id in told {
            self.edit(&id, |own| own.record.warning = None);
        }
    }

    fn begin_anew(&self, now: Timestamp) {
        let live: Vec<SessionId> = lock(&self.inner.registry)
            .iter()
            .filter(|s| s.record.state.is_live())
            .map(|s| s.record.id.clone())
            .collect();
        for id in live {
            self.stayed(&id, now);
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

    fn own() -> OwnSession {
        serde_json::from_value(json!({"uid": 1, "record": {
            "id": "0".repeat(16), "serverId": "a", "login": "ada", "state": "running", "name": "n",
            "command": "xterm", "started": "1970-01-01T00:00:00Z", "changed": "1970-01-01T00:00:00Z", "version": 1
        }}))
        .unwrap()
    }

    fn profile(idle: u64, end: u64) -> Profile {
        Profile {
            disconnect_idle_seconds: idle,
            end_disconnected_seconds: end,
            ..Profile::default()
        }
    }

    #[test]
    fn idle_viewers_are_warned_and_leave() {
        let mut own = own();
        let rule = profile(90, 1000);
        let look = |own: &OwnSession, typed, now| outlook(own, &rule, Some(at(typed)), at(now));
        assert_eq!(
            outlook(&own, &profile(0, 0), Some(at(0)), at(9999)),
            Outlook {
                idle_since: Some(at(0)),
                ..Outlook::default()
            },
            "no limits"
        );
        assert_eq!(look(&own, 0, 59), Outlook::default());
        assert_eq!(look(&own, 0, 60).idle_since, Some(at(0)));
        let warned = look(&own, 0, 61);
        assert_eq!(warned.warning.as_ref().map(|w| w.at), Some(at(90)));
        assert_eq!(warned.ends, None, "a viewer keeps it");
        let due = look(&own, 0, 90);
        assert!(
            matches!(&due.due, Some(Due::Disconnect(why)) if why.contains("90 seconds")),
            "{due:?}"
        );
        assert_eq!(look(&own, 70, 90), Outlook::default(), "somebody typed");
        own.stayed = Some(at(65));
        assert_eq!(look(&own, 0, 90).warning, None, "somebody answered");
        assert!(look(&own, 0, 155).due.is_some());
    }

    #[test]
    fn abandoned_sessions_are_announced_and_end() {
        let mut own = own();
        let rule = profile(60, 3600);
        let look = |own: &OwnSession, now| outlook(own, &rule, None, at(now));
        let early = look(&own, 10);
        assert_eq!(early.ends.as_ref().map(|e| e.at), Some(at(3600)));
        assert_eq!((early.warning, early.due), (None, None));
        assert_eq!(look(&own, 3299).warning, None);
        assert_eq!(look(&own, 3300).warning.map(|w| w.at), Some(at(3600)));
        assert_eq!(
            look(&own, 3600).due,
            Some(Due::End("Nobody looked at it for 1 hour.".into()))
        );
        own.stayed = Some(at(3500));
        assert_eq!(look(&own, 3600).due, None);
        own.record.last_disconnect = Some(at(5000));
        let left = look(&own, 5001);
        assert_eq!(left.ends.map(|e| e.at), Some(at(8600)));
        assert_eq!(left.idle_since, Some(at(5000)));
        // A viewer whose end was not noted was there no earlier than it came.
        own.record.last_connect = Some(at(9000));
        assert_eq!(look(&own, 9001).due, None);
        own.record.state = SessionState::Ending;
        assert_eq!(look(&own, 99_999), Outlook::default());
    }

    #[test]
    fn what_was_not_announced_in_time_is_put_off() {
        let mut own = own();
        let early = |own: &OwnSession, limit, now| {
            let outlook = outlook(own, &profile(0, limit), None, at(now));
            outlook.unannounced
        };
        assert_eq!(early(&own, 3600, 3299), None, "far away");
        assert_eq!(early(&own, 3600, 3310), None, "a look may be late");
        assert_eq!(early(&own, 3600, 3311), Some(3600), "too late to answer");
        assert_eq!(early(&own, 1800, 3000), Some(1800), "a limit was lowered");
        assert_eq!(early(&own, 0, 3000), None, "no limit");
        let told = |second| {
            let text = String::new();
            Some(Planned {
                at: at(second),
                text,
            })
        };
        own.record.warning = told(3600);
        assert_eq!(early(&own, 3600, 3599), None);
        assert_eq!(early(&own, 3600, 9000), None, "told, and due");
        assert_eq!(early(&own, 1800, 3400), Some(1800), "told of a later end");
        own.stayed = Some(at(3400 - 1800 + 300));
        own.record.warning = told(3700);
        let put_off = outlook(&own, &profile(0, 1800), None, at(3700));
        assert!(matches!(put_off.due, Some(Due::End(_))), "{put_off:?}");
        assert_eq!(put_off.unannounced, None);
    }

    #[test]
    fn viewers_are_told_before_a_new_limit_sends_them_away() {
        let mut own = own();
        let rule = profile(900, 0);
        let typed = Some(at(0));
        let seen = outlook(&own, &rule, typed, at(5000));
        assert!(seen.due.is_some());
        assert_eq!(seen.unannounced, Some(900));
        own.stayed = Some(at(5000 - 900 + 300));
        let told = outlook(&own, &rule, typed, at(5000));
        assert_eq!((told.due, told.unannounced), (None, None));
        own.record.warning = told.warning;
        assert_eq!(own.record.warning.as_ref().map(|w| w.at), Some(at(5300)));
        assert!(outlook(&own, &rule, typed, at(5300)).due.is_some());
    }

    #[test]
    fn a_clock_that_is_set_ends_nothing() {
        let start = Instant::now();
        let mut steady = Steady::new(start, at(0));
        let mut look = |instant, now| Gap::of(steady.look(instant, now));
        let later = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(look(later(2), at(2)), Gap::Usual);
        assert_eq!(look(later(602), at(602)), Gap::Away);
        assert_eq!(look(later(604), at(86_400)), Gap::Jump);
        assert_eq!(look(later(606), at(86_402)), Gap::Usual);
        let back = look(later(608), at(10));
        assert_eq!(back, Gap::Usual, "back is not ahead");
    }

    #[test]
    fn a_warning_is_shown_once_and_taken_away_when_it_is_answered() {
        let mut noticed = HashMap::new();
        let id: SessionId = "0".repeat(16).parse().unwrap();
        let warning = |at_second| Planned {
            at: at(at_second),
            text: "It ends.".to_owned(),
        };
        let mut look =
            |warning: Option<Planned>, now| news(&mut noticed, &id, warning.as_ref(), at(now));
        assert_eq!(look(None, 0), None);
        let (text, seconds) = look(Some(warning(90)), 61).unwrap();
        assert!(text.starts_with("It ends. To stay, press"), "{text}");
        assert_eq!(seconds, 29);
        assert_eq!(look(Some(warning(90)), 63), None);
        assert_eq!(look(Some(warning(95)), 64).map(|n| n.1), Some(31));
        assert_eq!(look(None, 65), Some((String::new(), 0)));
        assert_eq!(look(None, 66), None);
    }

    #[test]
    fn limits_in_words() {
        let all = [1, 60, 90, 600, 3600, 86_400, 172_800, 604_800].map(words);
        assert_eq!(
            all,
            [
                "1 second",
                "1 minute",
                "90 seconds",
                "10 minutes",
                "1 hour",
                "24 hours",
                "2 days",
                "7 days"
            ]
        );
    }
}
