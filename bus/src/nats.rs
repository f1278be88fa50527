//! The NATS transport: subscriptions that outlive connections, requests that fail early where NATS is silent.
//!
//! NATS tells of a forbidden subject, and of a lost connection, by an event beside the calls.
//! Each request listens to these events, so that it need not wait for its deadline to learn of either.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, ClientError, Event, HeaderMap, ServerError};
use bytes::Bytes;
use fastx_core::names::CallerId;
use fastx_core::wire::broker::BrokerConfig;
use futures::StreamExt as _;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::bus::Failure;
use crate::connect::connect;
use crate::error::{BusError, still_away};
use crate::message::{BusState, Incoming, QUEUE, ReplyTo, Subscription};

/// How long a request waits for a lost connection before it gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// After a reconnect others may still be on their way back: within this time "nobody answers" is asked again.
pub(crate) const RETURN_TIME: Duration = Duration::from_secs(2);

/// Time for the event of a forbidden subscription to arrive; the server has sent it already by then.
const EVENT_DELAY: Duration = Duration::from_millis(10);

/// Time for the server to confirm what it was sent.
const CONFIRM: Duration = Duration::from_secs(2);

/// What a request may learn beside its answer.
#[derive(Debug, Clone)]
enum Signal {
    Denied(String),
    Lost,
}

/// The transport.
#[derive(Debug)]
pub(crate) struct Nats {
    shared: Arc<Shared>,
    client: RwLock<Client>,
    caller: CallerId,
    limit: Duration,
}

#[derive(Debug)]
struct Shared {
    /// Grows with each new client; events of older ones do not count.
    generation: AtomicU64,
    next_route: AtomicU64,
    signals: broadcast::Sender<Signal>,
    state: watch::Sender<BusState>,
    connected_at: Mutex<Option<Instant>>,
    denied: Mutex<BTreeSet<String>>,
    routes: Mutex<BTreeMap<u64, Route>>,
}

/// A subscription, so that it can be made again on another connection.
#[derive(Debug, Clone)]
struct Route {
    subject: String,
    queue: Option<String>,
    /// Weak: the strong ones live in the pumps, so that the stream ends when they do.
    sender: mpsc::WeakSender<Incoming>,
    stop: CancellationToken,
}

impl Nats {
    pub(crate) async fn connect(
        config: &BrokerConfig,
        caller: CallerId,
        limit: Duration,
    ) -> Result<Self, BusError> {
        let shared = Arc::new(Shared {
            generation: AtomicU64::new(0),
            next_route: AtomicU64::new(0),
            signals: broadcast::Sender::new(256),
            state: watch::Sender::new(BusState::Connected),
            connected_at: Mutex::new(None),
            denied: Mutex::default(),
            routes: Mutex::default(),
        });
        let client = connect(config, &caller, limit, watcher(&shared, 0)).await?;
        Ok(Self {
            shared,
            client: RwLock::new(client),
            caller,
            limit,
        })
    }

    pub(crate) fn state(&self) -> watch::Receiver<BusState> {
        self.shared.state.subscribe()
    }

    fn client(&self) -> Client {
        self.client
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Moves everything to a connection of another configuration; the old one serves until the new one does.
    pub(crate) async fn replace(&self, config: &BrokerConfig) -> Result<(), BusError> {
        let generation = self.shared.generation.load(Ordering::Acquire) + 1;
        let events = watcher(&self.shared, generation);
        let client = connect(config, &self.caller, self.limit, events).await?;
        self.shared.generation.store(generation, Ordering::Release);
        self.shared.connected();
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = client.clone();
        let routes: Vec<(u64, Route)> = {
            let routes = lock(&self.shared.routes);
            routes.iter().map(|(id, r)| (*id, r.clone())).collect()
        };
        let mut older = Vec::new();
        for (id, old) in routes {
            let Some(sender) = old.sender.upgrade() else {
                continue;
            };
            let route = Route {
                stop: CancellationToken::new(),
                ..old.clone()
            };
            self.pump(&client, id, &route, sender).await?;
            lock(&self.shared.routes).insert(id, route);
            older.push(old.stop);
        }
        let confirmed = round_trip(&client).await;
        // Until here both connections delivered: a message may come twice, but none is lost.
        older.iter().for_each(CancellationToken::cancel);
        confirmed
    }

    pub(crate) async fn publish(
        &self,
        subject: &str,
        payload: Bytes,
        trace: Option<&str>,
    ) -> Result<(), BusError> {
        self.shared.check(subject)?;
        let client = self.client();
        let bytes = payload.len();
        let sent = match headers(trace) {
            Some(headers) => {
                client
                    .publish_with_headers(subject.to_owned(), headers, payload)
                    .await
            }
            None => client.publish(subject.to_owned(), payload).await,
        };
        if sent.is_err() {
            let limit = client.server_info().max_payload;
            return Err(if bytes > limit {
                BusError::TooLarge {
                    subject: subject.to_owned(),
                    bytes,
                    limit,
                }
            } else {
                BusError::Disconnected("the client is closed".to_owned())
            });
        }
        round_trip(&client)
            .await
            .map_err(|_| BusError::TimedOut(subject.to_owned()))?;
        self.shared.check(subject)
    }

    pub(crate) async fn subscribe(
        &self,
        subject: String,
        queue: Option<String>,
    ) -> Result<Subscription, BusError> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let route = Route {
            subject: subject.clone(),
            queue,
            sender: sender.downgrade(),
            stop: CancellationToken::new(),
        };
        let id = self.shared.next_route.fetch_add(1, Ordering::Relaxed);
        let client = self.client();
        lock(&self.shared.routes).insert(id, route.clone());
        self.pump(&client, id, &route, sender).await?;
        round_trip(&client).await?;
        tokio::time::sleep(EVENT_DELAY).await;
        self.shared.check(&subject)?;
        Ok(Subscription { receiver })
    }

    /// Subscribes on `client` and hands messages on until the route is stopped or dropped.
    async fn pump(
        &self,
        client: &Client,
        id: u64,
        route: &Route,
        sender: mpsc::Sender<Incoming>,
    ) -> Result<(), BusError> {
        let subject = route.subject.clone();
        let made = match &route.queue {
            Some(queue) => client.queue_subscribe(subject, queue.clone()).await,
            None => client.subscribe(subject).await,
        };
        let subscriber = made.map_err(|e| BusError::Disconnected(e.to_string()))?;
        let pump = Pump {
            shared: Arc::downgrade(&self.shared),
            client: client.clone(),
            id,
            sender,
            stop: route.stop.clone(),
        };
        tokio::spawn(pump.run(subscriber));
        Ok(())
    }

    /// Sends a request, once more after a lost connection, and waits for the answer until `deadline`.
    pub(crate) async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        trace: Option<&str>,
        deadline: Instant,
    ) -> Result<Bytes, Failure> {
        let mut resent = false;
        loop {
            self.shared.wait_connected(deadline).await?;
            let mut signals = self.shared.signals.subscribe();
            if self.shared.check(subject).is_err() {
                return Err(Failure::Denied);
            }
            let client = self.client();
            let mut request = async_nats::Request::new()
                .payload(payload.clone())
                .timeout(None);
            if let Some(headers) = headers(trace) {
                request = request.headers(headers);
            }
            let answer = tokio::select! {
                answer = timeout_at(deadline, client.send_request(subject.to_owned(), request)) => answer,
                failure = lost(&mut signals, subject) => match failure {
                    Failure::Lost(_) if !resent => { resent = true; continue; }
                    failure => return Err(failure),
                },
            };
            let error = match answer {
                Err(_) => return Err(Failure::TimedOut),
                Ok(Ok(message)) => return Ok(message.payload),
                Ok(Err(error)) => error,
            };
            match error.kind() {
                RequestErrorKind::NoResponders if self.shared.just_connected() => {
                    timeout_at(deadline, tokio::time::sleep(Duration::from_millis(100)))
                        .await
                        .map_err(|_| Failure::NoResponders)?;
                }
                RequestErrorKind::NoResponders => return Err(Failure::NoResponders),
                RequestErrorKind::TimedOut => return Err(Failure::TimedOut),
                RequestErrorKind::MaxPayloadExceeded => return Err(Failure::TooLarge),
                _ if !resent => resent = true,
                _ => return Err(Failure::Lost(error.to_string())),
            }
        }
    }
}

/// Returns when a signal ends the request.
async fn lost(signals: &mut broadcast::Receiver<Signal>, subject: &str) -> Failure {
    loop {
        match signals.recv().await {
            Ok(Signal::Denied(denied)) if denied == subject => return Failure::Denied,
            Ok(Signal::Denied(_)) => {}
            // Having missed signals, the safe assumption is that the connection was among them.
            Ok(Signal::Lost) | Err(broadcast::error::RecvError::Lagged(_)) => {
                return Failure::Lost("the connection was lost".to_owned());
            }
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn headers(trace: Option<&str>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", trace?);
    Some(headers)
}

/// Returns once the server has worked off all that was sent before.
async fn round_trip(client: &Client) -> Result<(), BusError> {
    let unconfirmed = || BusError::TimedOut("a round trip".to_owned());
    // The client confirms the end of a drained subscription by a ping; there is no call for the ping alone.
    timeout(CONFIRM, async {
        let mut probe = client.subscribe(client.new_inbox()).await.ok()?;
        probe.drain().await.ok()?;
        while probe.next().await.is_some() {}
        Some(())
    })
    .await
    .ok()
    .flatten()
    .ok_or_else(unconfirmed)
}

/// Hands the messages of one subscription on.
struct Pump {
    shared: Weak<Shared>,
    client: Client,
    id: u64,
    sender: mpsc::Sender<Incoming>,
    stop: CancellationToken,
}

impl Pump {
    async fn run(self, mut subscriber: async_nats::Subscriber) {
        let mut stopping = false;
        loop {
            tokio::select! {
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    // What has arrived before is still handed on.
                    if subscriber.drain().await.is_err() { break; }
                }
                () = self.sender.closed() => {
                    let _ = subscriber.unsubscribe().await;
                    if let Some(shared) = self.shared.upgrade() {
                        lock(&shared.routes).remove(&self.id);
                    }
                    break;
                }
                message = subscriber.next() => match message {
                    Some(message) => self.hand_on(message),
                    None => break,
                },
            }
        }
    }

    fn hand_on(&self, message: async_nats::Message) {
        let traceparent = message
            .headers
            .as_ref()
            .and_then(|h| h.get("traceparent"))
            .map(ToString::to_string);
        let reply = match message.reply {
            Some(subject) => ReplyTo::Nats {
                client: self.client.clone(),
                subject,
            },
            None => ReplyTo::Nobody,
        };
        let incoming = Incoming {
            subject: message.subject.to_string(),
            traceparent,
            payload: message.payload,
            reply,
        };
        if let Err(mpsc::error::TrySendError::Full(lost)) = self.sender.try_send(incoming) {
            tracing::warn!(subject = %lost.subject, "a message was dropped: its reader is too slow");
        }
    }
}

impl Shared {
    fn connected(&self) {
        lock(&self.denied).clear();
        *lock(&self.connected_at) = Some(Instant::now());
        self.state.send_if_modified(|state| {
            let back = !state.is_connected();
            *state = BusState::Connected;
            back
        });
    }

    fn just_connected(&self) -> bool {
        lock(&self.connected_at).is_some_and(|at| at.elapsed() < RETURN_TIME)
    }

    fn check(&self, subject: &str) -> Result<(), BusError> {
        if lock(&self.denied).contains(subject) {
            return Err(BusError::Denied(subject.to_owned()));
        }
        Ok(())
    }

    async fn wait_connected(&self, deadline: Instant) -> Result<(), Failure> {
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

    fn on_event(&self, event: &Event) {
        match event {
            Event::Connected => {
                if !self.state.borrow().is_connected() {
                    tracing::info!("the connection to the bus is back");
                }
                self.connected();
            }
            Event::Disconnected => {
                tracing::warn!("the connection to the bus is lost");
                if self.state.borrow().is_connected() {
                    self.lose("the server closed it or does not answer");
                }
                let _ = self.signals.send(Signal::Lost);
            }
            Event::ServerError(ServerError::Other(text)) => self.on_server_error(text),
            Event::ServerError(error) => {
                tracing::error!(%error, "the bus refuses this member");
                self.lose(&error.to_string());
            }
            Event::ClientError(ClientError::Other(text)) => self.lose(&still_away(text)),
            Event::SlowConsumer(_) => {
                tracing::warn!("a subscription is too slow: the bus dropped a message");
            }
            Event::LameDuckMode => tracing::info!("the bus server is about to stop"),
            other => tracing::debug!(event = %other, "bus event"),
        }
    }

    fn lose(&self, reason: &str) {
        self.state.send_modify(|state| match state {
            BusState::Disconnected { why, .. } => reason.clone_into(why),
            BusState::Connected => {
                *state = BusState::Disconnected {
                    since: Instant::now(),
                    why: reason.to_owned(),
                };
            }
        });
    }

    /// Permission errors name the subject in quotes.
    fn on_server_error(&self, text: &str) {
        let lower = text.to_ascii_lowercase();
        let quoted = text
            .split('"')
            .nth(1)
            .filter(|_| lower.contains("permissions violation"));
        let Some(subject) = quoted else {
            tracing::warn!(error = %text, "the bus server reports an error");
            return;
        };
        if subject.starts_with("_INBOX.") && lower.contains("publish") {
            tracing::debug!(%subject, "an answer came too late to be delivered");
            return;
        }
        tracing::error!(%subject, error = %text, "the bus forbids a subject");
        lock(&self.denied).insert(subject.to_owned());
        if lower.contains("subscription") {
            let mut routes = lock(&self.routes);
            routes.retain(|_, route| {
                let denied = route.subject == subject;
                if denied {
                    route.stop.cancel();
                }
                !denied
            });
        }
        let _ = self.signals.send(Signal::Denied(subject.to_owned()));
    }
}

/// Hands the events of the client of one generation to the shared state.
fn watcher(shared: &Arc<Shared>, generation: u64) -> impl Fn(Event) + Send + Sync + 'static {
    let shared = Arc::downgrade(shared);
    move |event| {
        if let Some(shared) = shared.upgrade()
            && shared.generation.load(Ordering::Acquire) == generation
        {
            shared.on_event(&event);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
