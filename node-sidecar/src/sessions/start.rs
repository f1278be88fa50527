//! Starting a session: checked, placed, started there; a repetition under the same key gets the same answer.

use std::collections::BTreeMap;
use std::time::Duration;

use fastx_core::names::{LoginName, ServerId, SessionId};
use fastx_core::subject::Operation;
use fastx_core::wire::config::{Application, Profile, Users, hash};
use fastx_core::wire::decision::Decision;
use fastx_core::wire::link::LinkStart;
use fastx_core::wire::operations::{DecisionPut, Empty, SessionStart};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::{SessionRecord, SessionState, StartRequest};
use fastx_lifecycle::clock;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::choose::Question;
use super::happen::Event;
use super::registry::{Begun, OwnSession};
use super::texts::{MAX_NAME, check_texts, invalid};
use super::{Sessions, geometry};
use crate::configuration::Current;
use crate::locks::lock;
use crate::logins::User;
use crate::metrics::Phase;

/// How long a start waits on a node that has just started and does not know the servers yet.
const VIEW_LIMIT: Duration = Duration::from_secs(5);

/// Servers that are tried when the chosen ones turn out not to be there.
const TRIES: usize = 3;
/// Decisions that are remembered.
const DECISIONS: usize = 256;
const MAX_COMMAND: usize = 4096;

/// A start that is waited for; ends when dropped.
struct InFlight(Sessions, SessionId);

impl Drop for InFlight {
    fn drop(&mut self) {
        lock(&self.0.inner.registry).set_in_flight(&self.1, false);
    }
}

/// A started session and how its server was chosen.
#[derive(Debug)]
pub struct Started {
    /// The session.
    pub session: SessionRecord,
    /// The decision.
    pub decision: Decision,
}

impl Sessions {
    /// Starts a session somewhere in the cluster.
    pub async fn start(
        &self,
        user: &User,
        start: StartRequest,
        key: &str,
        address: &str,
    ) -> Result<Started, Problem> {
        let begun = Instant::now();
        let started = self.start_somewhere(user, start, key, address).await;
        let metrics = &self.inner.parts.metrics;
        metrics.started(started.is_ok());
        if started.is_ok() {
            metrics.took(Phase::Whole, begun.elapsed());
        }
        started
    }

    async fn start_somewhere(
        &self,
        user: &User,
        start: StartRequest,
        key: &str,
        address: &str,
    ) -> Result<Started, Problem> {
        check(&start)?;
        let id = session_id(&user.login, key);
        let request = SessionStart {
            token: user.token.clone(),
            key: key.to_owned(),
            id: id.clone(),
            start,
            address: address.to_owned(),
        };
        if let Some(known) = self.record(&id) {
            // A repetition: the node that has the session compares it with the first request.
            let session = self.start_at(user, &known.server_id, &request).await?;
            let decision = self
                .decision(user, &id)
                .await
                .unwrap_or_else(|_| forgotten(&known));
            return Ok(Started { session, decision });
        }
        let mut missing: Vec<ServerId> = Vec::new();
        loop {
            let (decision, chosen) = self.decide(user, &request, &missing).await?;
            let target = match chosen {
                Ok(target) => target,
                Err(problem) => {
                    self.remember(None, decision);
                    return Err(problem);
                }
            };
            match self.start_at(user, &target, &request).await {
                Ok(session) => {
                    self.remember(Some(id), decision.clone());
                    tracing::info!(session = %session.id, login = %user.login, server = %target, "session started");
                    return Ok(Started { session, decision });
                }
                // Nobody got the request: another server may be asked without starting it twice.
                Err(problem) if problem.kind == "node-unreachable" && missing.len() + 1 < TRIES => {
                    tracing::warn!(server = %target, "the chosen server is not there, choosing again");
                    missing.push(target);
                }
                Err(problem) => {
                    self.remember(None, decision);
                    return Err(problem);
                }
            }
        }
    }

    async fn start_at(
        &self,
        user: &User,
        target: &ServerId,
        request: &SessionStart,
    ) -> Result<SessionRecord, Problem> {
        if *target == self.inner.parts.me {
            return self.start_here(user, request).await;
        }
        let transport = &self.inner.parts.transport;
        let session: SessionRecord = transport
            .node(target, Operation::SessionStart, request)
            .await?;
        self.learn(session.clone());
        Ok(session)
    }

    async fn decide(
        &self,
        user: &User,
        request: &SessionStart,
        missing: &[ServerId],
    ) -> Result<(Decision, Result<ServerId, Problem>), Problem> {
        let parts = &self.inner.parts;
        parts.fleet.told(VIEW_LIMIT).await?;
        let question = Question {
            me: parts.me.clone(),
            login: user.login.clone(),
            groups: user.groups.clone(),
            role: user.role,
            start: request.start.clone(),
            address: request.address.clone(),
            current: parts.configuration.current(),
            servers: parts.fleet.servers(),
            sessions: self.all().into_values().collect(),
            missing: missing.to_vec(),
            now: clock::now(),
        };
        let begun = Instant::now();
        let chosen = parts.chooser.choose(question).await;
        parts.metrics.took(Phase::Choose, begun.elapsed());
        chosen
    }

    /// Starts a session on this node, or answers a repetition.
    pub(super) async fn start_here(
        &self,
        user: &User,
        request: &SessionStart,
    ) -> Result<SessionRecord, Problem> {
        check(&request.start)?;
        // Nobody picks an id: it could be another user's.
        if request.id != session_id(&user.login, &request.key) {
            return Err(Problem::bad_request(
                "The session id does not follow from the key.",
            ));
        }
        let current = self.inner.parts.configuration.current();
        let uid = self.accounts().uid(&user.login).await?;
        self.need_link(user, uid, &request.id).await?;
        let own = self.resolve(&current, user, uid, request)?;
        let link = link_start(&current, &own.record);
        let (sessions, open) = (self.clone(), current.node.start_sessions);
        // Whoever asked may hang up: what has begun comes to something all the same.
        let work = async move { sessions.carry_out(own, link, open).await };
        tokio::spawn(work.in_current_span())
            .await
            .unwrap_or_else(|_| Err(Problem::internal("The start was broken off.")))
    }

    async fn carry_out(
        &self,
        own: OwnSession,
        link: LinkStart,
        open: bool,
    ) -> Result<SessionRecord, Problem> {
        let (id, uid) = (own.record.id.clone(), own.uid);
        let (begun, _in_flight) = {
            let mut registry = lock(&self.inner.registry);
            let begun = registry.begin(own.clone());
            registry.set_in_flight(&id, true);
            (begun, InFlight(self.clone(), id.clone()))
        };
        let new = begun == Begun::New;
        match begun {
            Begun::New if !open => {
                return Err(self.failed(&id, switched_off(&self.inner.parts.me)));
            }
            Begun::New => self.tell(own.record),
            Begun::Known(known) => match (known.failure, known.record.state) {
                (Some(problem), _) => return Err(problem),
                // Caught in the middle: ask the link, which knows the id.
                (None, SessionState::Starting) => {}
                (None, _) => return Ok(known.record),
            },
            Begun::Conflict => return Err(conflict()),
            Begun::Full => return Err(full(&self.inner.parts.me)),
        }
        // On disk before the link hears of it, so that a repetition is known after a crash.
        self.keep([id.clone()].into()).await;
        let begun = Instant::now();
        match self.hub().start(uid, link).await {
            Ok(session) => {
                let metrics = &self.inner.parts.metrics;
                metrics.took(Phase::Desktop, begun.elapsed());
                self.link_report(uid, &session);
                let record = self
                    .own(&id)
                    .ok_or_else(|| Problem::internal("The session's record is gone."))?;
                if new && record.state.is_live() {
                    self.happened(&record, Event::Start, &[]);
                }
                Ok(record)
            }
            Err(problem) => Err(self.failed(&id, problem)),
        }
    }

    /// Marks a session that did not start.
    fn failed(&self, id: &SessionId, problem: Problem) -> Problem {
        tracing::warn!(session = %id, %problem, "session did not start");
        self.edit(id, |own| {
            own.record.state = SessionState::Ended;
            own.record.end_reason = format!("It could not be started. {}", problem.detail);
            own.failure = Some(problem.clone());
        });
        problem
    }

    /// What is asked for, with everything that configuration says about it.
    fn resolve(
        &self,
        current: &Current,
        user: &User,
        uid: u32,
        request: &SessionStart,
    ) -> Result<OwnSession, Problem> {
        let start = &request.start;
        let (application, limits) = permitted(current, user, start)?;
        let geometry = geometry::choose(&start.geometry, &limits.max_geometry)?;
        let command = application.map_or(&start.command, |a| &a.command);
        let title = application.map_or(&start.command, |a| {
            if a.title.is_empty() {
                &a.name
            } else {
                &a.title
            }
        });
        let name = if start.name.is_empty() {
            title
        } else {
            &start.name
        };
        let now = clock::now();
        let record = SessionRecord {
            id: request.id.clone(),
            server_id: self.inner.parts.me.clone(),
            login: user.login.clone(),
            state: SessionState::Starting,
            name: name.chars().take(MAX_NAME).collect(),
            application: start.application.clone(),
            command: command.clone(),
            profile: profile_name(start, application).to_owned(),
            geometry: geometry.to_string(),
            display: String::new(),
            params: start.params.clone(),
            started: now,
            changed: now,
            last_connect: None,
            last_disconnect: None,
            viewers: 0,
            viewer_list: Vec::new(),
            shares: Vec::new(),
            idle_since: None,
            ends: None,
            warning: None,
            end_reason: String::new(),
            version: u64::try_from(now.as_millisecond()).unwrap_or(1),
        };
        Ok(OwnSession {
            record,
            uid,
            request: hash(start),
            ended_by: None,
            ended_for: String::new(),
            end_why: None,
            stayed: None,
            failure: None,
        })
    }

    /// Keeps a decision here and, when managers can be reached, with them.
    fn remember(&self, session: Option<SessionId>, decision: Decision) {
        if let Some(id) = &session {
            let mut decisions = lock(&self.inner.decisions);
            if decisions.len() >= DECISIONS {
                decisions.pop_front();
            }
            decisions.push_back((id.clone(), decision.clone()));
        }
        let transport = self.inner.parts.transport.clone();
        tokio::spawn(async move {
            let body = DecisionPut { session, decision };
            let put: Result<Empty, _> = transport.store(Operation::DecisionPut, &body).await;
            if let Err(problem) = put {
                tracing::warn!(%problem, "a decision was not kept by the managers");
            }
        });
    }
}

/// The application and the profile of a start, if the configuration has them and they are for this user.
fn permitted<'a>(
    current: &'a Current,
    user: &User,
    start: &StartRequest,
) -> Result<(Option<&'a Application>, Profile), Problem> {
    let applications = &current.cluster.applications;
    let application = applications.iter().find(|a| a.name == start.application);
    if !start.application.is_empty() && application.is_none() {
        return Err(unknown("application", &start.application));
    }
    let profile = profile_name(start, application);
    let limits = current
        .profile(profile)
        .ok_or_else(|| unknown("profile", profile))?;
    let admit = |users: &Users| users.admit(user.login.as_str(), &user.groups);
    if let Some(application) = application.filter(|a| !admit(&a.users)) {
        return Err(not_for(&user.login, "application", &application.name));
    }
    if !admit(&limits.users) {
        return Err(not_for(&user.login, "profile", &limits.name));
    }
    Ok((application, limits))
}

/// The profile that was asked for, or that of the application.
fn profile_name<'a>(start: &'a StartRequest, application: Option<&'a Application>) -> &'a str {
    match (start.profile.as_str(), application) {
        ("", Some(application)) => &application.profile,
        (named, _) => named,
    }
}

fn link_start(current: &Current, record: &SessionRecord) -> LinkStart {
    let application = current
        .cluster
        .applications
        .iter()
        .find(|a| a.name == record.application);
    LinkStart {
        id: record.id.clone(),
        login: record.login.clone(),
        name: record.name.clone(),
        application: record.application.clone(),
        command: record.command.clone(),
        profile: record.profile.clone(),
        geometry: record.geometry.clone(),
        rootless: application.is_some_and(|a| a.window_mode == "rootless"),
        params: record.params.clone(),
        env: BTreeMap::new(),
    }
}

/// The id of a session follows from whose it is and the client's key, so that every node recognises a repetition.
fn session_id(login: &LoginName, key: &str) -> SessionId {
    let digest = Sha256::new()
        .chain_update(b"fastx session ")
        .chain_update(login.as_str())
        .chain_update([0])
        .chain_update(key)
        .finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    SessionId::from_random(bytes)
}

fn check(start: &StartRequest) -> Result<(), Problem> {
    match (
        start.command.trim().is_empty(),
        start.application.is_empty(),
    ) {
        (true, true) => return Err(invalid("Name an `application`, or give a `command`.")),
        (false, false) => return Err(invalid("Give either `application` or `command`, not both.")),
        _ => {}
    }
    if start.command.len() > MAX_COMMAND || start.command.contains('\0') {
        return Err(invalid(&format!(
            "`command` may have at most {MAX_COMMAND} bytes."
        )));
    }
    check_texts(&start.name, &start.params)
}

fn unknown(what: &str, name: &str) -> Problem {
    Problem::new(422, "bad-request", "The request is not valid")
        .detail(format!("There is no {what} `{name}`."))
}

fn not_for(login: &LoginName, what: &str, name: &str) -> Problem {
    Problem::forbidden(&format!("The {what} `{name}` is not for {login}."))
        .action("Ask your administrator, who names its users and groups.")
}

fn conflict() -> Problem {
    Problem::new(409, "key-reused", "The key was used before")
        .detail("Another request came with the same Idempotency-Key.")
        .action("Use a new key for each new request.")
}

fn full(me: &ServerId) -> Problem {
    Problem::unavailable(
        "server-full",
        format!("The server {me} has as many sessions as it can take."),
    )
}

fn switched_off(me: &ServerId) -> Problem {
    Problem::unavailable(
        "start-off",
        format!("Starting sessions is switched off on the server {me}."),
    )
}

fn forgotten(record: &SessionRecord) -> Decision {
    Decision {
        action: "session/start".to_owned(),
        login: record.login.clone(),
        local: record.server_id.clone(),
        at: record.started,
        chosen: Some(record.server_id.clone()),
        servers: Vec::new(),
        steps: Vec::new(),
        config_revision: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_follows_from_user_and_key() {
        let (ada, bob): (LoginName, LoginName) = ("ada".parse().unwrap(), "bob".parse().unwrap());
        assert_eq!(session_id(&ada, "k"), session_id(&ada, "k"));
        assert_ne!(session_id(&ada, "k"), session_id(&ada, "l"));
        assert_ne!(session_id(&ada, "k"), session_id(&bob, "k"));
    }

    #[test]
    fn requests_out_of_bounds_are_refused() {
        let ok = StartRequest {
            command: "xterm".into(),
            ..StartRequest::default()
        };
        assert!(check(&ok).is_ok());
        let bad = [
            StartRequest::default(),
            StartRequest {
                application: "x".into(),
                ..ok.clone()
            },
            StartRequest {
                command: "x".repeat(4097),
                ..ok.clone()
            },
            StartRequest {
                name: "a\nb".into(),
                ..ok.clone()
            },
            StartRequest {
                name: "x".repeat(201),
                ..ok.clone()
            },
            StartRequest {
                params: [("a b".to_owned(), String::new())].into(),
                ..ok.clone()
            },
            StartRequest {
                params: [("a".to_owned(), "x".repeat(1025))].into(),
                ..ok.clone()
            },
            StartRequest {
                params: (0..5).map(|n| (n.to_string(), "x".repeat(820))).collect(),
                ..ok.clone()
            },
        ];
        for request in bad {
            assert_eq!(check(&request).unwrap_err().status, 422);
        }
    }
}
