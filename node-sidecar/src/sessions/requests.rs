//! Answers other nodes. Each request carries the user's own token, which is checked here: no node's word counts.

use std::sync::Arc;
use std::time::Duration;

use fastx_bus::{Bus, Incoming};
use fastx_core::names::CallerId;
use fastx_core::subject::Operation;
use fastx_core::wire::operations::{
    AccountAnswer, AccountFacts, AccountGet, ActAnswer, SessionAct, SessionStart,
};
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::SessionRecord;
use fastx_lifecycle::backoff::Backoff;
use fastx_lifecycle::shutdown::Shutdown;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::Sessions;
use crate::retry::pause;

/// Requests that are worked on at once.
const AT_ONCE: usize = 64;

/// Answers until shutdown.
pub(super) async fn run(sessions: Sessions, shutdown: Shutdown) {
    let mut transport = sessions.inner.parts.transport.clone();
    let work = async {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
        while let Some(bus) = transport.connected().await {
            serve(&sessions, &bus).await;
            pause(&mut backoff).await;
        }
    };
    tokio::select! {
        () = shutdown.triggered() => {}
        () = work => {}
    }
}

async fn serve(sessions: &Sessions, bus: &Bus) {
    let subject = bus.subjects().all_node(&sessions.inner.parts.me);
    let mut requests = match bus.subscribe(subject).await {
        Ok(subscription) => subscription,
        Err(error) => {
            tracing::warn!(%error, "requests of other nodes cannot be heard yet");
            return;
        }
    };
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(request) = requests.next().await {
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        let (sessions, bus) = (sessions.clone(), bus.clone());
        tokio::spawn(async move {
            answer(&sessions, &bus, request).await;
            drop(slot);
        });
    }
}

async fn answer(sessions: &Sessions, bus: &Bus, request: Incoming) {
    match bus.subjects().parse_node(&request.subject) {
        Some((caller, Operation::SessionStart)) => {
            with(request, &caller, async |body| {
                sessions.asked_to_start(body).await
            })
            .await;
        }
        Some((caller, Operation::SessionAct)) => {
            with(request, &caller, async |body| {
                sessions.asked_to_act(body).await
            })
            .await;
        }
        Some((caller, Operation::AccountGet)) => {
            with(request, &caller, async |body| {
                sessions.asked_for_account(body).await
            })
            .await;
        }
        _ => {
            let problem = Problem::bad_request("This server does not know the operation.");
            request.respond::<()>(Err(problem)).await;
        }
    }
}

/// Reads the body, works, answers; a refusal is logged with its caller.
async fn with<Q: DeserializeOwned, A: Serialize>(
    request: Incoming,
    caller: &CallerId,
    work: impl AsyncFnOnce(Q) -> Result<A, Problem>,
) {
    let done = match request.body() {
        Ok(body) => work(body).await,
        Err(problem) => Err(problem),
    };
    if let Err(problem) = &done {
        tracing::info!(%caller, subject = %request.subject, %problem, "a request of another node was refused");
    }
    request.respond(done).await;
}

impl Sessions {
    async fn asked_to_start(&self, request: SessionStart) -> Result<SessionRecord, Problem> {
        let user = self
            .inner
            .parts
            .logins
            .verify(request.token.expose())
            .await?;
        self.start_here(&user, &request).await
    }

    async fn asked_for_account(&self, request: AccountGet) -> Result<AccountAnswer, Problem> {
        let parts = &self.inner.parts;
        let account = parts.accounts.account(&request.login).await?;
        Ok(AccountAnswer {
            account: account.map(|account| AccountFacts {
                link: parts.hub.present(account.uid),
                login: account.login,
                groups: account.groups,
            }),
        })
    }

    async fn asked_to_act(&self, request: SessionAct) -> Result<ActAnswer, Problem> {
        let user = self
            .inner
            .parts
            .logins
            .verify(request.token.expose())
            .await?;
        self.act_here(&user, &request.id, request.act).await
    }
}
