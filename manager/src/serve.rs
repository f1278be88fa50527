//! The manager's ears on the bus: requests of members, heartbeats, and what other managers tell.

use std::sync::Arc;
use std::time::Duration;

use fastx_bus::{Bus, BusError, Incoming, Subscription};
use fastx_core::names::CallerId;
use fastx_core::subject::{MANAGER_QUEUE, Operation};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::server::Heartbeat;
use futures::StreamExt as _;
use futures::stream::SelectAll;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::access::admit;
use crate::core::Core;
use crate::fleet::Command;
use crate::oidc;
use crate::operations::{
    configuration, decisions, editing, fleet, joins, passwords, sessions, tokens,
};
use crate::wire::ManagerNews;

/// Requests worked on at once; more wait in the subscription.
const AT_ONCE: usize = 256;

/// Time for one request; the one who asked has gone by then.
const LIMIT: Duration = Duration::from_secs(5);

/// Everything a manager listens to.
#[derive(Debug)]
pub(crate) struct Ears {
    /// Of nodes and of managers.
    requests: SelectAll<Subscription>,
    heartbeats: Subscription,
    news: Subscription,
    joins: Option<Subscription>,
}

impl Ears {
    /// Subscribes.
    pub(crate) async fn open(bus: &Bus) -> Result<Self, BusError> {
        let subjects = bus.subjects();
        let nodes = bus
            .queue_subscribe(subjects.all_store(), MANAGER_QUEUE)
            .await?;
        let managers = if_allowed(bus, subjects.all_manage()).await?;
        let requests = [nodes].into_iter().chain(managers).collect();
        Ok(Self {
            joins: if_allowed(bus, subjects.all_joins()).await?,
            news: bus.subscribe(subjects.stored()).await?,
            heartbeats: bus.subscribe(subjects.all_heartbeats()).await?,
            requests,
        })
    }

    /// Listens until the bus ends the subscriptions.
    pub(crate) async fn listen(mut self, core: Arc<Core>, bus: Bus) {
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        if let Some(joins) = self.joins.take() {
            tokio::spawn(hear_joins(Arc::clone(&core), bus.clone(), joins));
        }
        loop {
            tokio::select! {
                // Heartbeats first: they are small, and silence has consequences.
                biased;
                beat = self.heartbeats.next() => match beat {
                    Some(beat) => heartbeat(&core, &bus, &beat).await,
                    None => break,
                },
                news = self.news.next() => match news {
                    Some(news) => hear(&core, news).await,
                    None => break,
                },
                request = self.requests.next(), if slots.available_permits() > 0 => {
                    let (Some(request), Ok(slot)) = (request, slots.clone().try_acquire_owned()) else {
                        break;
                    };
                    let (core, bus) = (Arc::clone(&core), bus.clone());
                    tokio::spawn(async move {
                        let _slot = slot;
                        if timeout(LIMIT, answer(&core, &bus, request)).await.is_err() {
                            tracing::warn!("a request took too long and was given up");
                        }
                    });
                }
            }
        }
        tracing::error!("the bus ended a subscription; does this manager's identity fit its role?");
    }
}

/// Subscribes, unless the bus server's accounts are of the version before, which knew nothing of this.
async fn if_allowed(bus: &Bus, subject: String) -> Result<Option<Subscription>, BusError> {
    match bus.queue_subscribe(subject.clone(), MANAGER_QUEUE).await {
        Ok(subscription) => Ok(Some(subscription)),
        Err(BusError::Denied(_)) => {
            tracing::warn!(%subject, "the bus does not let this manager hear that; are its accounts of an older version?");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Answers hosts that ask to join, one after the other: they are few, and may wait.
async fn hear_joins(core: Arc<Core>, bus: Bus, mut joins: Subscription) {
    while let Some(request) = joins.next().await {
        let Some((caller, operation)) = bus.subjects().parse_join(&request.subject) else {
            continue;
        };
        let work = with(request, async |body| {
            joins::ask(&core, &caller, &body).await
        });
        if let Ok(ok) = timeout(LIMIT, work).await {
            core.metrics.answered(operation, ok);
        } else {
            tracing::warn!(%caller, "a request to join took too long and was given up");
        }
    }
}

async fn heartbeat(core: &Core, bus: &Bus, message: &Incoming) {
    let Some(caller) = bus.subjects().parse_heartbeat(&message.subject) else {
        return;
    };
    match message.body::<Heartbeat>() {
        Ok(beat) if beat.server.server_id.as_str() == caller.as_str() => {
            core.metrics.heartbeats.inc();
            let _ = core.fleet.send(Command::Heartbeat(Box::new(beat))).await;
        }
        Ok(beat) => {
            tracing::warn!(%caller, server = %beat.server.server_id, "a heartbeat names another server");
        }
        Err(problem) => tracing::warn!(%caller, %problem, "a heartbeat cannot be read"),
    }
}

async fn hear(core: &Arc<Core>, message: Incoming) {
    match message.body::<ManagerNews>() {
        Ok(ManagerNews::Beat { manager }) => core.heard_of(manager),
        Ok(ManagerNews::Sessions { sessions }) => {
            let _ = core.fleet.send(Command::Sessions(sessions)).await;
        }
        Ok(ManagerNews::Removed { server }) => {
            let _ = core.fleet.send(Command::Remove(server)).await;
        }
        Ok(ManagerNews::Purged { session }) => {
            let _ = core.fleet.send(Command::Purge(session)).await;
        }
        Ok(ManagerNews::Snapshot(get)) => {
            let core = Arc::clone(core);
            tokio::spawn(async move {
                // Whoever does not hold the lease keeps silent.
                if let Some(snapshot) = fleet::own_snapshot(&core, get).await {
                    message.respond(Ok(snapshot)).await;
                }
            });
        }
        Err(problem) => tracing::debug!(%problem, "news of another version was not understood"),
    }
}

async fn answer(core: &Arc<Core>, bus: &Bus, request: Incoming) {
    let Some((caller, operation)) = bus.subjects().parse_store(&request.subject) else {
        let problem: Result<(), Problem> = Err(Problem::not_found("such operation"));
        request.respond(problem).await;
        return;
    };
    if let Err(problem) = admit(&caller, operation) {
        request.respond::<()>(Err(problem)).await;
        return;
    }
    let ok = dispatch(core, &caller, operation, request).await;
    core.metrics.answered(operation, ok);
}

async fn dispatch(
    core: &Arc<Core>,
    caller: &CallerId,
    operation: Operation,
    request: Incoming,
) -> bool {
    match operation {
        Operation::SessionPut => {
            with(request, async |body| {
                sessions::put(core, caller, body).await
            })
            .await
        }
        Operation::SessionPurge => {
            with(request, async |body| {
                sessions::purge(core, caller, &body).await
            })
            .await
        }
        Operation::TokenPut
        | Operation::TokenCheck
        | Operation::TokenRevoke
        | Operation::TokenList
        | Operation::TokenLabel => of_tokens(core, caller, operation, request).await,
        Operation::PasswordCheck => {
            with(request, async |body| {
                passwords::check(core, caller, body).await
            })
            .await
        }
        Operation::TryCount => {
            with(request, async |body| {
                passwords::count_try(core, &body).await
            })
            .await
        }
        Operation::TryForgive => {
            with(request, async |body| {
                passwords::forgive_try(core, &body).await
            })
            .await
        }
        Operation::OidcBegin => with(request, async |body| oidc::begin(core, &body).await).await,
        Operation::OidcExchange => {
            with(request, async |body| oidc::exchange(core, &body).await).await
        }
        Operation::DecisionPut => {
            with(request, async |body| {
                decisions::put(core, caller, &body).await
            })
            .await
        }
        Operation::DecisionGet => {
            with(request, async |body| decisions::get(core, &body).await).await
        }
        Operation::ConfigGet => {
            with(request, async |body| configuration::get(core, &body).await).await
        }
        Operation::ConfigPut => {
            with(request, async |body| editing::put(core, caller, body).await).await
        }
        Operation::FleetGet => with(request, async |body| fleet::get(core, body).await).await,
        Operation::SessionStart
        | Operation::SessionAct
        | Operation::AccountGet
        | Operation::JoinAsk => false,
    }
}

/// The part of [`dispatch`] that is about logins.
async fn of_tokens(
    core: &Arc<Core>,
    caller: &CallerId,
    operation: Operation,
    request: Incoming,
) -> bool {
    match operation {
        Operation::TokenPut => {
            with(request, async |body| tokens::put(core, caller, body).await).await
        }
        Operation::TokenCheck => with(request, async |body| tokens::check(core, &body).await).await,
        Operation::TokenRevoke => {
            with(request, async |body| {
                tokens::revoke(core, caller, &body).await
            })
            .await
        }
        Operation::TokenList => with(request, async |body| tokens::list(core, &body).await).await,
        Operation::TokenLabel => with(request, async |body| tokens::label(core, &body).await).await,
        _ => false,
    }
}

/// Reads the body, works, answers; says whether it went well.
async fn with<Q: DeserializeOwned, A: Serialize>(
    request: Incoming,
    work: impl AsyncFnOnce(Q) -> Result<A, Problem>,
) -> bool {
    let result = match request.body() {
        Ok(body) => work(body).await,
        Err(problem) => Err(problem),
    };
    let ok = result.is_ok();
    request.respond(result).await;
    ok
}
