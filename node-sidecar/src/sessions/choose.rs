//! Choosing the server of a session: the rules of the cluster first, then the administrators' scripts.

use std::sync::Arc;

use fastx_balancer::{Balancer, Choice};
use fastx_core::names::{LoginName, ServerId};
use fastx_core::roles::{Right, Role};
use fastx_core::wire::config::{Script, ScriptLimits};
use fastx_core::wire::decision::{Decision, ServerVerdict};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::server::ServerRecord;
use fastx_core::wire::session::{SessionRecord, StartRequest};
use fastx_lifecycle::shutdown::Shutdown;
use jiff::Timestamp;
use rand::RngExt as _;
use serde_json::json;
use tokio::sync::watch;

use crate::configuration::Current;

/// Name of the action in scripts and decisions.
const ACTION: &str = "session/start";

/// What is to be decided.
#[derive(Debug, Clone)]
pub struct Question {
    /// Node that decides.
    pub me: ServerId,
    /// Who asks.
    pub login: LoginName,
    /// Groups of who asks.
    pub groups: Vec<String>,
    /// Role of who asks.
    pub role: Role,
    /// What is to be started.
    pub start: StartRequest,
    /// Address of the client.
    pub address: String,
    /// Configuration.
    pub current: Arc<Current>,
    /// All servers.
    pub servers: Vec<ServerRecord>,
    /// All sessions.
    pub sessions: Vec<SessionRecord>,
    /// Servers that were just found not to be there.
    pub missing: Vec<ServerId>,
    /// Now.
    pub now: Timestamp,
}

/// Whether a user may name the server: managers, and everybody where no script chooses.
pub fn may_choose(role: Role, scripts: &[Script]) -> bool {
    role.may(Right::ChosenServer) || chain(scripts).is_empty()
}

fn chain(scripts: &[Script]) -> Vec<Script> {
    scripts
        .iter()
        .filter(|s| s.actions.iter().any(|a| a == ACTION))
        .cloned()
        .collect()
}

/// What runs where no script is configured.
fn fallback() -> Script {
    Script {
        name: "fewestSessions".to_owned(),
        actions: vec![ACTION.to_owned()],
        builtin: "fewestSessions".to_owned(),
        ..Script::default()
    }
}

/// Runs the choice.
#[derive(Debug, Clone)]
pub struct Chooser {
    balancer: Balancer,
}

impl Chooser {
    /// Chooses with this balancer, whose scripts [`follow`] keeps up to date.
    pub fn new(balancer: Balancer) -> Self {
        Self { balancer }
    }

    /// Decides; a decision without a chosen server comes with the problem that says for each one why not.
    pub async fn choose(
        &self,
        question: Question,
    ) -> Result<(Decision, Result<ServerId, Problem>), Problem> {
        let choice = self.choice(&question, left_out(&question)?);
        if !question.start.server_id.is_empty() {
            let (fit, verdicts) = choice.candidates();
            if let Some(only) = fit.first() {
                let server = only.server.server_id.clone();
                return Ok(named_server(&question, server, verdicts));
            }
        }
        let (mut decision, mut result) = self.balancer.choose(choice).await;
        decision
            .config_revision
            .clone_from(&question.current.revision);
        if let Err(problem) = &mut result
            && problem.kind == "no-server-fits"
        {
            problem.servers.clone_from(&decision.servers);
        }
        Ok((decision, result))
    }

    fn choice<'a>(&self, question: &'a Question, left_out: Vec<(ServerId, String)>) -> Choice<'a> {
        let own: Vec<&SessionRecord> = question
            .sessions
            .iter()
            .filter(|s| s.login == question.login && s.state.is_live())
            .collect();
        Choice {
            action: ACTION,
            user: json!({
                "login": question.login,
                "sub": question.login,
                "serverId": question.start.server_id,
                "sessions": own,
            }),
            groups: question.groups.clone(),
            is_manager: question.role >= Role::Manager,
            is_admin: question.role >= Role::Admin,
            local: question.me.clone(),
            servers: &question.servers,
            left_out,
            data: json!(question.start),
            login: question.login.clone(),
            now: question.now,
            seed: rand::rng().random(),
            previous: self.balancer.last_chosen(ACTION),
        }
    }
}

/// A server that the user named needs no script.
fn named_server(
    question: &Question,
    server: ServerId,
    mut servers: Vec<ServerVerdict>,
) -> (Decision, Result<ServerId, Problem>) {
    servers.push(ServerVerdict {
        server_id: server.clone(),
        chosen: true,
        by: String::new(),
        reason: "it was asked for".to_owned(),
    });
    let decision = Decision {
        action: ACTION.to_owned(),
        login: question.login.clone(),
        local: question.me.clone(),
        at: question.now,
        chosen: Some(server.clone()),
        servers,
        steps: Vec::new(),
        config_revision: question.current.revision.clone(),
    };
    (decision, Ok(server))
}

/// Gives the balancer the scripts of the configuration, now and after each change.
pub async fn follow(
    balancer: Balancer,
    mut configuration: watch::Receiver<Arc<Current>>,
    shutdown: Shutdown,
) {
    let mut running: Option<(Vec<Script>, ScriptLimits)> = None;
    loop {
        let wanted = {
            let current = configuration.borrow_and_update().clone();
            let mut scripts = chain(&current.cluster.scripts);
            if scripts.is_empty() {
                scripts.push(fallback());
            }
            (scripts, current.cluster.script_limits)
        };
        if running.as_ref() != Some(&wanted) {
            for (name, loaded) in balancer.configure(&wanted.0, wanted.1).await {
                if let Err(error) = loaded {
                    tracing::warn!(script = %name, %error, "a script of the configuration cannot be run");
                }
            }
            running = Some(wanted);
        }
        tokio::select! {
            () = shutdown.triggered() => return,
            changed = configuration.changed() => if changed.is_err() { return },
        }
    }
}

/// Servers that do not come into question for this start, whatever else is true of them.
fn left_out(question: &Question) -> Result<Vec<(ServerId, String)>, Problem> {
    let wanted = &question.start.server_id;
    if !wanted.is_empty() && !may_choose(question.role, &question.current.cluster.scripts) {
        return Err(
            Problem::new(422, "no-choice", "The server cannot be chosen")
                .detail("In this cluster scripts choose the server.")
                .action("Leave the server out."),
        );
    }
    let reason = |id: &ServerId| {
        if question.missing.contains(id) {
            Some("it does not answer".to_owned())
        } else if !wanted.is_empty() && id.as_str() != wanted {
            Some("another server was asked for".to_owned())
        } else {
            None
        }
    };
    let ids = question.servers.iter().map(|r| &r.server.server_id);
    Ok(ids
        .filter_map(|id| Some((id.clone(), reason(id)?)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_balancer::WorkerCommand;
    use fastx_core::wire::config::ClusterPart;
    use serde_json::json;

    fn server(id: &str, sessions: u32) -> ServerRecord {
        serde_json::from_value(json!({
            "server": {"serverId": id, "startSessions": true, "sessions": sessions},
            "lastSeen": "1970-01-01T00:00:00Z", "online": true
        }))
        .unwrap()
    }

    fn question(wanted: &str, scripts: Vec<Script>) -> Question {
        let cluster = ClusterPart {
            scripts,
            ..ClusterPart::default()
        };
        Question {
            me: "a".parse().unwrap(),
            login: "ada".parse().unwrap(),
            groups: vec![],
            role: Role::User,
            start: StartRequest {
                server_id: wanted.into(),
                ..StartRequest::default()
            },
            address: String::new(),
            current: Arc::new(Current {
                cluster: cluster.into(),
                ..Current::default()
            }),
            servers: vec![server("a", 2), server("b", 1), server("c", 3)],
            sessions: vec![],
            missing: vec![],
            now: Timestamp::UNIX_EPOCH,
        }
    }

    fn script() -> Script {
        Script {
            name: "s".into(),
            actions: vec![ACTION.into()],
            builtin: "fewestSessions".into(),
            ..Script::default()
        }
    }

    async fn chosen(question: Question) -> Option<String> {
        // Built-in scripts need no script process.
        let balancer = Balancer::spawn(WorkerCommand::new("/nonexistent"));
        balancer
            .configure(&[fallback()], ScriptLimits::default())
            .await;
        let (decision, result) = Chooser::new(balancer).choose(question).await.unwrap();
        assert_eq!(decision.servers.len(), 3, "every server has its verdict");
        assert_eq!(decision.chosen, result.as_ref().ok().cloned());
        if let Err(problem) = &result {
            assert_eq!(
                (problem.kind.as_str(), problem.servers.len()),
                ("no-server-fits", 3)
            );
        }
        result.ok().map(|id| id.to_string())
    }

    #[tokio::test]
    async fn a_named_server_is_taken_where_one_may_choose() {
        assert_eq!(chosen(question("", vec![])).await.as_deref(), Some("b"));
        assert_eq!(chosen(question("c", vec![])).await.as_deref(), Some("c"));
        assert_eq!(chosen(question("x", vec![])).await, None);
        assert_eq!(
            left_out(&question("c", vec![script()])).unwrap_err().kind,
            "no-choice"
        );
        let mut manager = question("c", vec![script()]);
        manager.role = Role::Manager;
        assert_eq!(chosen(manager).await.as_deref(), Some("c"));
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_left_out() {
        let mut again = question("", vec![]);
        again.missing = vec!["b".parse().unwrap()];
        assert_eq!(chosen(again).await.as_deref(), Some("a"));
    }
}
