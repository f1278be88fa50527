//! What lives as long as the member: the present connection, its keeper, and the way of each arrival.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fastx_core::names::CallerId;
use fastx_core::subject::Permissions;
use fastx_core::wire::broker::BrokerConfig;
use fastx_core::wire::redis::{AnswerHead, ReplyAddress};
use redis::{PushInfo, PushKind, RedisError, Value};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::link::Link;
use super::routes::{self, Routes, Topic, Waiting};
use super::{Asker, CONFIRM};
use crate::bus::Failure;
use crate::connect::pause;
use crate::error::BusError;
use crate::message::{BusState, Incoming, ReplyTo};
use crate::nats::{PATIENCE, RETURN_TIME};
use crate::pattern::matches;

/// Why most connections end.
pub(super) const CLOSED: &str = "the server closed it or does not answer";

/// How often to say that one lives, and to see whether the server does.
const PULSE: Duration = Duration::from_secs(2);

/// Shared by the transport, its keeper and those who owe an answer.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) caller: CallerId,
    pub(super) allowed: Permissions,
    /// Channel for answers, of this process alone.
    pub(super) inbox: String,
    /// Start of the channels of members of queue groups.
    pub(super) own: String,
    pub(super) turn: AtomicU64,
    pub(super) link: Mutex<Option<Link>>,
    /// One change of link or subscriptions at a time.
    pub(super) change: tokio::sync::Mutex<()>,
    pub(super) lost: broadcast::Sender<()>,
    pub(super) state: watch::Sender<BusState>,
    pub(super) connected_at: Mutex<Option<Instant>>,
    pub(super) routes: Mutex<Routes>,
    pub(super) waiting: Mutex<Waiting>,
}

/// Holds the connection: feels its pulse, and brings it back when it is lost.
pub(super) async fn keep(
    shared: Arc<Shared>,
    config: BrokerConfig,
    limit: Duration,
    stop: CancellationToken,
) {
    let work = async {
        loop {
            let (link, why) = pulse(&shared).await;
            shared.lose(link.as_ref(), &why);
            tracing::warn!(%why, "the connection to the bus is lost");
            let mut attempt = 0;
            loop {
                sleep(pause(&shared.caller, attempt)).await;
                attempt += 1;
                let _change = shared.change.lock().await;
                match Shared::establish(&shared, &config, limit).await {
                    Ok(link) => {
                        shared.take(link);
                        break;
                    }
                    Err(error) => shared.lose(None, &error.to_string()),
                }
            }
            tracing::info!("the connection to the bus is back");
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// Returns which connection does not serve any more, and why.
async fn pulse(shared: &Shared) -> (Option<Link>, String) {
    loop {
        let link = match shared.link() {
            Ok(link) => link,
            Err(why) => return (None, why),
        };
        if timeout(PULSE, link.ended.cancelled()).await.is_ok() {
            return (Some(link), CLOSED.to_owned());
        }
        let members = lock(&shared.routes).members();
        if let Err(error) = link.alive(&members).await {
            return (Some(link), words(&error));
        }
    }
}

impl Shared {
    /// A new connection with all subscriptions on it.
    pub(super) async fn establish(
        shared: &Arc<Self>,
        config: &BrokerConfig,
        limit: Duration,
    ) -> Result<Link, BusError> {
        let weak = Arc::downgrade(shared);
        let on_push = move |push| {
            if let Some(shared) = weak.upgrade() {
                Self::hear(&shared, push);
            }
        };
        let link = Link::open(config, &shared.caller, limit, on_push).await?;
        let (topics, members) = {
            let routes = lock(&shared.routes);
            (routes.topics(), routes.members())
        };
        let restored = async {
            link.listen(&Topic::Channel(shared.inbox.clone())).await?;
            for topic in &topics {
                link.listen(topic).await?;
            }
            link.alive(&members).await
        };
        match timeout(limit, restored).await {
            Ok(Ok(())) => Ok(link),
            Ok(Err(error)) => Err(BusError::Disconnected(words(&error))),
            Err(_) => Err(BusError::TimedOut("the subscriptions".to_owned())),
        }
    }

    /// Goes on with this connection; what waits for an answer on an older one is sent again.
    pub(super) fn take(&self, link: Link) {
        *lock(&self.link) = Some(link);
        *lock(&self.connected_at) = Some(Instant::now());
        let _ = self.lost.send(());
        self.state.send_if_modified(|state| {
            let back = !state.is_connected();
            *state = BusState::Connected;
            back
        });
    }

    /// Notes that this connection, or any, is lost; not when another has taken its place.
    pub(super) fn lose(&self, link: Option<&Link>, reason: &str) {
        {
            let mut present = lock(&self.link);
            if let (Some(lost), Some(present)) = (link, present.as_ref())
                && lost.serial != present.serial
            {
                return;
            }
            *present = None;
        }
        self.state.send_modify(|state| match state {
            BusState::Disconnected { why, .. } => reason.clone_into(why),
            BusState::Connected => {
                *state = BusState::Disconnected {
                    since: Instant::now(),
                    why: reason.to_owned(),
                };
            }
        });
        let _ = self.lost.send(());
    }

    pub(super) fn link(&self) -> Result<Link, String> {
        if let Some(link) = &*lock(&self.link) {
            return Ok(link.clone());
        }
        Err(match &*self.state.borrow() {
            BusState::Disconnected { why, .. } => why.clone(),
            BusState::Connected => "it is not made yet".to_owned(),
        })
    }

    pub(super) fn turn(&self) -> u64 {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn may_publish(&self, subject: &str) -> bool {
        self.allowed.publish.iter().any(|a| matches(a, subject))
    }

    pub(super) fn just_connected(&self) -> bool {
        lock(&self.connected_at).is_some_and(|at| at.elapsed() < RETURN_TIME)
    }

    pub(super) async fn wait_connected(&self, deadline: Instant) -> Result<(), Failure> {
        let mut state = self.state.subscribe();
        let until = deadline.min(Instant::now() + PATIENCE);
        let connected = timeout_at(until, state.wait_for(BusState::is_connected)).await;
        if let Ok(Ok(_)) = connected {
            return Ok(());
        }
        match &*self.state.borrow() {
            BusState::Disconnected { why, .. } => Err(Failure::Lost(why.clone())),
            BusState::Connected => Ok(()),
        }
    }

    /// Takes what the server pushes.
    pub(super) fn hear(shared: &Arc<Self>, push: PushInfo) {
        let mut data = push.data.into_iter().map(|value| match value {
            Value::BulkString(bytes) => Bytes::from(bytes),
            Value::SimpleString(text) => Bytes::from(text),
            _ => Bytes::new(),
        });
        let topic = match push.kind {
            PushKind::Message => text(data.next()).map(Topic::Channel),
            PushKind::PMessage => {
                let glob = text(data.next()).map(Topic::Glob);
                // The subject is in the head, too.
                let _channel = data.next();
                glob
            }
            _ => return,
        };
        let (Some(topic), Some(payload)) = (topic, data.next()) else {
            return;
        };
        if matches!(&topic, Topic::Channel(name) if *name == shared.inbox) {
            lock(&shared.waiting).answered(&payload);
            return;
        }
        let nobody = lock(&shared.routes).deliver(&topic, &payload, |head, payload| Incoming {
            subject: head.subject,
            traceparent: head.traceparent,
            payload,
            reply: match head.reply {
                Some(address) => ReplyTo::Redis(Asker {
                    shared: Arc::downgrade(shared),
                    address,
                }),
                None => ReplyTo::Nobody,
            },
        });
        if let Some(address) = nobody {
            let shared = Arc::clone(shared);
            tokio::spawn(async move { shared.answer(&address, true, &[]).await });
        }
    }

    pub(super) async fn answer(
        &self,
        address: &ReplyAddress,
        nobody: bool,
        payload: &[u8],
    ) -> Result<(), String> {
        let head = AnswerHead {
            id: address.id,
            nobody,
        };
        let message = routes::join(&head, payload);
        let link = self.link()?;
        match timeout(CONFIRM, link.answer(&address.channel, &message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(words(&error)),
            Err(_) => Err("the server did not confirm it in time".to_owned()),
        }
    }
}

/// What an error is to people.
pub(super) fn words(error: &RedisError) -> String {
    if error.is_connection_dropped() {
        return CLOSED.to_owned();
    }
    if error.is_timeout() {
        return "the server does not answer".to_owned();
    }
    match error.code() {
        Some("READONLY") => "this Redis became a replica; `host` must name the primary".to_owned(),
        Some("MISCONF" | "OOM") => format!("Redis refuses to store anything: {error}"),
        _ => error.to_string(),
    }
}

fn text(bytes: Option<Bytes>) -> Option<String> {
    String::from_utf8(bytes?.to_vec()).ok()
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
