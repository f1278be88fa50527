//! The Redis transport: channels carry everything, and the server picks one live member of a queue group.
//!
//! A publication reaches each subscriber by its channel or pattern. Members of a queue group listen on a channel
//! of their own and say every two seconds that they live; the script that publishes picks one of them, and the next
//! one when nobody listens there any more. It counts whom it reached, so "nobody answers" is known at once.
//! Nothing is kept: a message is delivered once or not at all, as with NATS, and requests are sent again after a loss.
//!
//! Redis cannot tell members apart. This side keeps to the table of permissions, so that what works here works
//! on NATS as well; it protects against mistakes, not against a holder of the password.

mod link;
mod routes;
mod shared;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use fastx_core::names::CallerId;
use fastx_core::subject::{Subjects, member_of, permissions};
use fastx_core::wire::broker::BrokerConfig;
use fastx_core::wire::redis::{MessageHead, ReplyAddress};
use redis::{ErrorKind, RedisError, ServerErrorKind};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::bus::Failure;
use crate::error::BusError;
use crate::hub::limit;
use crate::message::{BusState, Incoming, QUEUE, Subscription};
use crate::pattern::covers;
use routes::{Outcome, Route};
use shared::{CLOSED, Shared, keep, lock, words};

/// Time for the server to confirm what it was sent.
const CONFIRM: Duration = Duration::from_secs(2);

/// The transport.
#[derive(Debug)]
pub(crate) struct Redis {
    shared: Arc<Shared>,
    limit: Duration,
    /// Stops the keeper of the present configuration.
    keeper: Mutex<CancellationToken>,
}

/// Who asked, and the way back.
#[derive(Debug)]
pub(crate) struct Asker {
    shared: Weak<Shared>,
    address: ReplyAddress,
}

impl Asker {
    /// Sends the answer; without effect when nobody waits any more.
    pub(crate) async fn answer(&self, payload: &[u8]) -> Result<(), String> {
        if payload.len() > limit() {
            return Err(format!("it has {} bytes", payload.len()));
        }
        let Some(shared) = self.shared.upgrade() else {
            return Ok(());
        };
        shared.answer(&self.address, false, payload).await
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        lock(&self.keeper).cancel();
        let link = lock(&self.shared.link).take();
        let members = lock(&self.shared.routes).members();
        lock(&self.shared.routes).clear();
        // Whoever is listed as a member of a group may still be picked while the connection closes.
        if let (Some(link), Ok(runtime)) = (link, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                for member in members {
                    let _gone_in_any_case = link.leave(&member).await;
                }
            });
        }
    }
}

impl Redis {
    pub(crate) async fn connect(
        config: &BrokerConfig,
        caller: CallerId,
        limit: Duration,
    ) -> Result<Self, BusError> {
        // Random by construction: the standard library seeds each one anew.
        let process = RandomState::new().hash_one(&caller);
        let inbox = Subjects::inbox(&caller);
        let shared = Arc::new(Shared {
            allowed: permissions(&config.namespace, member_of(&caller), caller.as_str()),
            inbox: format!("{}.{inbox}.{process:016x}", config.namespace),
            own: format!("{}._QUEUE.{caller}.{process:016x}", config.namespace),
            caller,
            turn: AtomicU64::new(process),
            link: Mutex::default(),
            change: tokio::sync::Mutex::default(),
            lost: broadcast::Sender::new(64),
            state: watch::Sender::new(BusState::Connected),
            connected_at: Mutex::default(),
            routes: Mutex::default(),
            waiting: Mutex::default(),
        });
        let this = Self {
            shared,
            limit,
            keeper: Mutex::default(),
        };
        this.replace(config).await?;
        Ok(this)
    }

    pub(crate) fn state(&self) -> watch::Receiver<BusState> {
        self.shared.state.subscribe()
    }

    /// Moves everything to a connection of another configuration; the old one serves until the new one does.
    pub(crate) async fn replace(&self, config: &BrokerConfig) -> Result<(), BusError> {
        let _change = self.shared.change.lock().await;
        let link = Shared::establish(&self.shared, config, self.limit).await?;
        let stop = CancellationToken::new();
        let keeper = keep(
            Arc::clone(&self.shared),
            config.clone(),
            self.limit,
            stop.clone(),
        );
        self.shared.take(link);
        std::mem::replace(&mut *lock(&self.keeper), stop).cancel();
        tokio::spawn(keeper);
        Ok(())
    }

    pub(crate) async fn publish(
        &self,
        subject: &str,
        payload: &[u8],
        trace: Option<&str>,
    ) -> Result<(), BusError> {
        if !self.shared.may_publish(subject) {
            return Err(BusError::Denied(subject.to_owned()));
        }
        if payload.len() > limit() {
            return Err(BusError::TooLarge {
                subject: subject.to_owned(),
                bytes: payload.len(),
                limit: limit(),
            });
        }
        let link = self.shared.link().map_err(BusError::Disconnected)?;
        let message = message(subject, trace, None, payload);
        let sent = link.send(subject, &message, self.shared.turn());
        match timeout(CONFIRM, sent).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if denied(&error) => Err(BusError::Denied(subject.to_owned())),
            Ok(Err(error)) if !error.is_timeout() => Err(BusError::Disconnected(words(&error))),
            _ => Err(BusError::TimedOut(subject.to_owned())),
        }
    }

    pub(crate) async fn subscribe(
        &self,
        pattern: String,
        queue: Option<String>,
    ) -> Result<Subscription, BusError> {
        let shared = &self.shared;
        let inbox = format!("{}.>", Subjects::inbox(&shared.caller));
        let mut allowed = shared.allowed.subscribe.iter().chain([&inbox]);
        if !allowed.any(|a| covers(a, &pattern)) {
            return Err(BusError::Denied(pattern));
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        let _change = shared.change.lock().await;
        let link = shared.link().map_err(BusError::Disconnected)?;
        let (id, topic, member) = {
            let mut routes = lock(&shared.routes);
            let id = routes.add(|id| {
                let own = format!("{}.{id}", shared.own);
                Route::new(pattern.clone(), queue.as_deref(), &own, sender.clone())
            });
            let made = routes.get(id).map(|r| (r.topic.clone(), r.member.clone()));
            let Some((topic, member)) = made else {
                return Err(BusError::Disconnected("the bus is closed".to_owned()));
            };
            (id, topic, member)
        };
        // Listening first: who is picked must hear it.
        let made = async {
            link.listen(&topic).await?;
            match member {
                Some(member) => link.alive(&[member]).await,
                None => Ok(()),
            }
        };
        if let Err(error) = made.await {
            lock(&shared.routes).remove(id);
            return Err(if denied(&error) {
                BusError::Denied(pattern)
            } else {
                BusError::Disconnected(words(&error))
            });
        }
        let state = shared.state.subscribe();
        tokio::spawn(forget(Arc::downgrade(shared), id, sender, state));
        Ok(Subscription { receiver })
    }

    /// Sends a request, once more after a lost connection, and waits for the answer until `deadline`.
    pub(crate) async fn request(
        &self,
        subject: &str,
        payload: &[u8],
        trace: Option<&str>,
        deadline: Instant,
    ) -> Result<Bytes, Failure> {
        if !self.shared.may_publish(subject) {
            return Err(Failure::Denied);
        }
        if payload.len() > limit() {
            return Err(Failure::TooLarge);
        }
        let mut resent = false;
        loop {
            self.shared.wait_connected(deadline).await?;
            let mut lost = self.shared.lost.subscribe();
            let attempt = timeout_at(deadline, self.attempt(subject, payload, trace));
            let failure = tokio::select! {
                answer = attempt => match answer {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(failure)) => failure,
                    Err(_) => return Err(Failure::TimedOut),
                },
                // Having missed some of them is no better than having seen one.
                _ = lost.recv() => Failure::Lost("the connection was lost".to_owned()),
            };
            match failure {
                Failure::NoResponders if self.shared.just_connected() => {
                    timeout_at(deadline, sleep(Duration::from_millis(100)))
                        .await
                        .map_err(|_| Failure::NoResponders)?;
                }
                Failure::Lost(_) if !resent => resent = true,
                failure => return Err(failure),
            }
        }
    }

    async fn attempt(
        &self,
        subject: &str,
        payload: &[u8],
        trace: Option<&str>,
    ) -> Result<Bytes, Failure> {
        let shared = &self.shared;
        let link = shared.link().map_err(Failure::Lost)?;
        let (id, outcome) = lock(&shared.waiting).add();
        let _entry = Entry(shared, id);
        let reply = ReplyAddress {
            channel: shared.inbox.clone(),
            id,
        };
        let message = message(subject, trace, Some(reply), payload);
        let count = match link.send(subject, &message, shared.turn()).await {
            Ok(count) => count,
            Err(error) if denied(&error) => return Err(Failure::Denied),
            Err(error) => {
                if error.is_connection_dropped() {
                    // The keeper may not know yet, and the request must not be sent again on this one.
                    shared.lose(Some(&link), CLOSED);
                    link.ended.cancel();
                }
                return Err(Failure::Lost(words(&error)));
            }
        };
        lock(&shared.waiting).reached(id, count);
        match outcome.await {
            Ok(Outcome::Answer(bytes)) => Ok(bytes),
            Ok(Outcome::Nobody) => Err(Failure::NoResponders),
            Err(_) => Err(Failure::Lost("the bus is closed".to_owned())),
        }
    }
}

/// Takes a request off the list, however it ends.
struct Entry<'a>(&'a Shared, u64);

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        lock(&self.0.waiting).remove(self.1);
    }
}

/// Ends a subscription whose reader is gone.
async fn forget(
    shared: Weak<Shared>,
    id: u64,
    sender: mpsc::Sender<Incoming>,
    mut state: watch::Receiver<BusState>,
) {
    let bus_gone = async { while state.changed().await.is_ok() {} };
    tokio::select! {
        () = sender.closed() => {}
        () = bus_gone => return,
    }
    let Some(shared) = shared.upgrade() else {
        return;
    };
    let _change = shared.change.lock().await;
    let removed = lock(&shared.routes).remove(id);
    let (Some((route, needed)), Ok(link)) = (removed, shared.link()) else {
        return;
    };
    let left = async {
        if let Some(member) = &route.member {
            link.leave(member).await?;
        }
        if !needed {
            link.ignore(&route.topic).await?;
        }
        Ok::<(), RedisError>(())
    };
    if let Err(error) = left.await {
        tracing::debug!(pattern = %route.pattern, %error, "a subscription could not be taken back");
    }
}

fn message(
    subject: &str,
    trace: Option<&str>,
    reply: Option<ReplyAddress>,
    payload: &[u8],
) -> Vec<u8> {
    let head = MessageHead {
        subject: subject.to_owned(),
        traceparent: trace.map(str::to_owned),
        reply,
    };
    routes::join(&head, payload)
}

fn denied(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
}
