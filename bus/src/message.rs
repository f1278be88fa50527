//! What arrives: messages, the stream they come in, and the state of the connection.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use fastx_core::wire::envelope::{Envelope, Reply, VERSION};
use fastx_core::wire::problem::Problem;
use futures::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Messages that may wait in a subscription; more are dropped and logged.
pub(crate) const QUEUE: usize = 8192;

/// State of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusState {
    /// It is there.
    Connected,
    /// It is lost; attempts to bring it back go on.
    Disconnected {
        /// Since when.
        since: Instant,
        /// The last error, for people.
        why: String,
    },
}

impl BusState {
    /// Whether it is there.
    pub fn is_connected(&self) -> bool {
        *self == Self::Connected
    }
}

/// A message, or a request that wants an answer.
#[derive(Debug)]
pub struct Incoming {
    /// Subject that it came on.
    pub subject: String,
    /// Trace context of the sender.
    pub traceparent: Option<String>,
    pub(crate) payload: Bytes,
    pub(crate) reply: ReplyTo,
}

/// Where an answer goes.
#[derive(Debug)]
pub(crate) enum ReplyTo {
    Nobody,
    Nats {
        client: async_nats::Client,
        subject: async_nats::Subject,
    },
    Redis(crate::redis::Asker),
    Local(oneshot::Sender<Bytes>),
}

impl Incoming {
    /// Reads the body.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let envelope: Envelope<T> = serde_json::from_slice(&self.payload).map_err(|e| {
            // The text of the error may quote values, and values may be secrets: only its place is told.
            Problem::bad_request(format!(
                "The body of `{}` is not valid (line {}, column {}).",
                self.subject,
                e.line(),
                e.column()
            ))
        })?;
        if envelope.v != VERSION {
            return Err(Problem::bad_request(format!(
                "Envelope version {} is not known to this version, which reads {VERSION}.",
                envelope.v
            ))
            .action("Bring all members of the cluster to the same version."));
        }
        Ok(envelope.body)
    }

    /// Whether the sender waits for an answer.
    pub fn wants_answer(&self) -> bool {
        !matches!(self.reply, ReplyTo::Nobody)
    }

    /// Answers; without effect when nobody waits any more.
    pub async fn respond<T: Serialize>(self, answer: Result<T, Problem>) {
        let bytes = encode_reply(answer);
        match self.reply {
            ReplyTo::Nobody => {}
            ReplyTo::Local(sender) => {
                let _ = sender.send(bytes);
            }
            ReplyTo::Redis(asker) => {
                if let Err(why) = asker.answer(&bytes).await {
                    tracing::warn!(subject = %self.subject, %why, "an answer could not be sent");
                    let problem: Result<(), Problem> = Err(Problem::internal(
                        "The answer is too large for the bus or could not be sent.",
                    ));
                    let _ = asker.answer(&encode_reply(problem)).await;
                }
            }
            ReplyTo::Nats { client, subject } => {
                let sent = client.publish(subject.clone(), bytes).await;
                if let Err(error) = sent {
                    tracing::warn!(subject = %self.subject, %error, "an answer could not be sent");
                    let problem: Result<(), Problem> = Err(Problem::internal(
                        "The answer is too large for the bus or could not be sent.",
                    ));
                    let _ = client.publish(subject, encode_reply(problem)).await;
                }
            }
        }
    }
}

fn encode_reply<T: Serialize>(answer: Result<T, Problem>) -> Bytes {
    let envelope = Envelope::new(Reply::from(answer));
    let bytes = serde_json::to_vec(&envelope).unwrap_or_else(|_| {
        let problem = Problem::internal("The answer could not be written as JSON.");
        serde_json::to_vec(&Envelope::new(Reply::<()>::Err(problem))).unwrap_or_default()
    });
    bytes.into()
}

/// Messages of one subject or pattern, in order of arrival.
///
/// It ends when the server forbids the subject or the bus is gone; dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    pub(crate) receiver: mpsc::Receiver<Incoming>,
}

impl Subscription {
    /// The next message; none when the subscription has ended.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.receiver.recv().await
    }
}

impl Stream for Subscription {
    type Item = Incoming;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Incoming>> {
        self.receiver.poll_recv(context)
    }
}
