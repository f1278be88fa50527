//! The bus as the other crates see it: typed requests, publications and subscriptions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastx_core::names::{BusNamespace, CallerId, ServerId};
use fastx_core::subject::{Operation, Subjects};
use fastx_core::wire::broker::{BrokerConfig, TransporterType};
use fastx_core::wire::envelope::{Envelope, Reply, VERSION};
use fastx_core::wire::fleet::{FleetGet, FleetSnapshot};
use fastx_core::wire::problem::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::connect::addresses;
use crate::error::BusError;
use crate::hub::{Hub, Local};
use crate::message::{BusState, Subscription};
use crate::nats::Nats;
use crate::redis::Redis;

/// How long a manager may take to answer.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);

/// How to connect.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name to speak under; needed when `broker.json` holds no credentials, checked against them otherwise.
    pub caller: Option<CallerId>,
    /// Time to connect or say why not.
    pub limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            caller: None,
            limit: Duration::from_secs(5),
        }
    }
}

/// A member's place on the bus; clones share one connection.
#[derive(Debug, Clone)]
pub struct Bus {
    transport: Transport,
    caller: CallerId,
    subjects: Subjects,
    trace: Option<Arc<str>>,
}

/// What carries the messages.
#[derive(Debug, Clone)]
enum Transport {
    Nats(Arc<Nats>),
    Redis(Arc<Redis>),
    Local(Arc<Local>),
}

/// Why a transport gave up on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    NoResponders,
    TimedOut,
    Denied,
    TooLarge,
    Lost(String),
}

impl Bus {
    /// Connects, or says within the limit what is wrong: host, port, and refused, timed out, TLS, credentials or DNS.
    pub async fn connect(config: BrokerConfig, options: Options) -> Result<Self, BusError> {
        let caller = caller(&config, options.caller)?;
        let transport = match config.transporter_type {
            TransporterType::Nats => {
                let nats = Nats::connect(&config, caller.clone(), options.limit).await?;
                Transport::Nats(Arc::new(nats))
            }
            TransporterType::Redis => {
                let redis = Redis::connect(&config, caller.clone(), options.limit).await?;
                Transport::Redis(Arc::new(redis))
            }
        };
        tracing::info!(bus = %addresses(&config).join(", "), %caller, "connected to the bus");
        Ok(Self {
            transport,
            caller,
            subjects: Subjects::new(config.namespace),
            trace: None,
        })
    }

    /// A member of a bus within this process.
    pub fn in_process(hub: &Hub, caller: CallerId, namespace: BusNamespace) -> Self {
        let local = Local::join(hub, caller.clone(), &namespace);
        Self {
            transport: Transport::Local(Arc::new(local)),
            caller,
            subjects: Subjects::new(namespace),
            trace: None,
        }
    }

    /// The same bus, whose messages carry this `traceparent`.
    #[must_use]
    pub fn with_trace(&self, traceparent: &str) -> Self {
        Self {
            trace: Some(traceparent.into()),
            ..self.clone()
        }
    }

    /// Name that this member speaks under.
    pub fn caller(&self) -> &CallerId {
        &self.caller
    }

    /// Subjects of the cluster.
    pub fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    /// The connection's state, as it changes.
    pub fn state(&self) -> watch::Receiver<BusState> {
        match &self.transport {
            Transport::Nats(nats) => nats.state(),
            Transport::Redis(redis) => redis.state(),
            Transport::Local(local) => local.state(),
        }
    }

    /// Asks whoever answers on `subject`. It may be sent twice, so it must be safe to repeat.
    pub async fn request<Q: Serialize, A: DeserializeOwned>(
        &self,
        subject: String,
        body: &Q,
        deadline: Duration,
    ) -> Result<A, Problem> {
        let payload = encode(&subject, body)
            .map_err(|_| Problem::internal("The request could not be written as JSON."))?;
        let until = Instant::now() + deadline;
        let trace = self.trace.as_deref();
        let answer = match &self.transport {
            Transport::Nats(nats) => nats.request(&subject, payload, trace, until).await,
            Transport::Redis(redis) => redis.request(&subject, &payload, trace, until).await,
            Transport::Local(local) => local.request(&subject, &payload, trace, until).await,
        };
        let bytes = answer.map_err(|failure| self.problem(&subject, &failure, deadline))?;
        let envelope: Envelope<Reply<A>> = serde_json::from_slice(&bytes).map_err(|e| {
            tracing::error!(%subject, line = e.line(), column = e.column(), "an answer is not valid");
            Problem::internal("The answer is not valid; are all members of one version?")
        })?;
        if envelope.v != VERSION {
            return Err(Problem::internal(format!(
                "The answer has envelope version {}, this version reads {VERSION}.",
                envelope.v
            )));
        }
        envelope.body.into()
    }

    /// Asks a manager.
    pub async fn store<Q: Serialize, A: DeserializeOwned>(
        &self,
        operation: Operation,
        body: &Q,
    ) -> Result<A, Problem> {
        let subject = self.subjects.store(&self.caller, operation);
        self.request(subject, body, DEFAULT_DEADLINE).await
    }

    /// Asks the managers for everything that is known of the cluster, part by part.
    pub async fn fleet(&self) -> Result<FleetSnapshot, Problem> {
        let mut get = FleetGet {
            parts: true,
            after: None,
        };
        let mut all: FleetSnapshot = self.store(Operation::FleetGet, &get).await?;
        while let Some(mark) = all.more.take() {
            get.after = Some(mark);
            if !all.join(self.store(Operation::FleetGet, &get).await?) {
                return Err(Problem::unavailable(
                    "no-manager",
                    "Another cluster manager has just taken over; ask again.",
                ));
            }
        }
        Ok(all)
    }

    /// Asks a node.
    pub async fn node<Q: Serialize, A: DeserializeOwned>(
        &self,
        target: &ServerId,
        operation: Operation,
        body: &Q,
        deadline: Duration,
    ) -> Result<A, Problem> {
        let subject = self.subjects.node(target, &self.caller, operation);
        self.request(subject, body, deadline).await
    }

    /// Publishes; `Ok` means that the server has it. Fails at once while the connection is lost.
    pub async fn publish<T: Serialize>(&self, subject: String, body: &T) -> Result<(), BusError> {
        if let BusState::Disconnected { why, .. } = &*self.state().borrow() {
            return Err(BusError::Disconnected(why.clone()));
        }
        let payload = encode(&subject, body)?;
        let trace = self.trace.as_deref();
        match &self.transport {
            Transport::Nats(nats) => nats.publish(&subject, payload, trace).await,
            Transport::Redis(redis) => redis.publish(&subject, &payload, trace).await,
            Transport::Local(local) => local.publish(&subject, &payload, trace),
        }
    }

    /// Subscribes to a subject or pattern.
    pub async fn subscribe(&self, subject: String) -> Result<Subscription, BusError> {
        self.listen(subject, None).await
    }

    /// Subscribes as one of a group of which one gets each message.
    pub async fn queue_subscribe(
        &self,
        subject: String,
        queue: &str,
    ) -> Result<Subscription, BusError> {
        self.listen(subject, Some(queue.to_owned())).await
    }

    async fn listen(
        &self,
        subject: String,
        queue: Option<String>,
    ) -> Result<Subscription, BusError> {
        match &self.transport {
            Transport::Nats(nats) => nats.subscribe(subject, queue).await,
            Transport::Redis(redis) => redis.subscribe(subject, queue).await,
            Transport::Local(local) => local.subscribe(subject, queue),
        }
    }

    /// Moves to another configuration (host, authority, identity of the same caller) and keeps all subscriptions.
    /// When it fails, the old connection stays.
    pub async fn replace(&self, config: BrokerConfig) -> Result<(), BusError> {
        caller(&config, Some(self.caller.clone()))?;
        match (&self.transport, config.transporter_type) {
            (Transport::Nats(nats), TransporterType::Nats) => nats.replace(&config).await?,
            (Transport::Redis(redis), TransporterType::Redis) => redis.replace(&config).await?,
            (Transport::Local(_), _) => {}
            _ => return Err(BusError::OtherTransporter),
        }
        tracing::info!(bus = %addresses(&config).join(", "), "moved to the new configuration of the bus");
        Ok(())
    }

    /// What a failed request is to the one who asked.
    fn problem(&self, subject: &str, failure: &Failure, deadline: Duration) -> Problem {
        let store = self.subjects.parse_store(subject).is_some()
            || self.subjects.parse_join(subject).is_some();
        match failure {
            Failure::NoResponders if store => Problem::unavailable(
                "no-manager",
                "No cluster manager answers; sessions that run go on.",
            ),
            Failure::NoResponders => Problem::unavailable(
                "node-unreachable",
                "The server does not answer on the bus; its sessions may still run.",
            ),
            Failure::TimedOut => Problem::unavailable(
                "bus-timeout",
                format!("No answer came within {} s.", deadline.as_secs_f32()),
            ),
            Failure::Lost(why) => Problem::unavailable(
                "bus-timeout",
                format!("This server is cut off from the cluster: {why}."),
            ),
            Failure::Denied => Problem::new(403, "bus-denied", "Refused by the bus")
                .detail("The bus forbids this member to ask that.")
                .action("Tell your administrator: the member's identity does not fit its role."),
            Failure::TooLarge => Problem::new(413, "too-large", "Too large")
                .detail("The request is too large for the bus."),
        }
    }
}

fn caller(config: &BrokerConfig, wanted: Option<CallerId>) -> Result<CallerId, BusError> {
    match (&config.credentials, wanted) {
        (Some(credentials), Some(wanted)) if credentials.caller != wanted => {
            Err(BusError::WrongCaller {
                found: credentials.caller.clone(),
                wanted,
            })
        }
        (Some(credentials), _) => Ok(credentials.caller.clone()),
        (None, Some(wanted)) => Ok(wanted),
        (None, None) => Err(BusError::NoCaller),
    }
}

fn encode<T: Serialize>(subject: &str, body: &T) -> Result<Bytes, BusError> {
    serde_json::to_vec(&Envelope::new(body))
        .map(Bytes::from)
        .map_err(|_| BusError::Encode(subject.to_owned()))
}
