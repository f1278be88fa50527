//! Who listens to what in this process, and the requests that wait for an answer.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use fastx_core::wire::redis::{AnswerHead, MessageHead, ReplyAddress};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use crate::message::Incoming;
use crate::pattern::{glob, is_pattern, matches};

/// What Redis is told to deliver.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Channel(String),
    Glob(String),
}

/// A subscription, so that it can be made again on another connection.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) pattern: String,
    pub(super) topic: Topic,
    /// How a member of a queue group is written down; its topic is a channel of its own.
    pub(super) member: Option<String>,
    pub(super) sender: mpsc::Sender<Incoming>,
}

impl Route {
    /// `own` is a channel that nobody else uses, for a member of a queue group.
    pub(super) fn new(
        pattern: String,
        queue: Option<&str>,
        own: &str,
        sender: mpsc::Sender<Incoming>,
    ) -> Self {
        let (topic, member) = match queue {
            Some(queue) => (
                Topic::Channel(own.to_owned()),
                Some(format!("{pattern} {queue} {own}")),
            ),
            None if is_pattern(&pattern) => (Topic::Glob(glob(&pattern)), None),
            None => (Topic::Channel(pattern.clone()), None),
        };
        Self {
            pattern,
            topic,
            member,
            sender,
        }
    }
}

/// All subscriptions.
#[derive(Debug, Default)]
pub(super) struct Routes {
    next: u64,
    all: BTreeMap<u64, Route>,
}

impl Routes {
    pub(super) fn add(&mut self, make: impl FnOnce(u64) -> Route) -> u64 {
        self.next += 1;
        self.all.insert(self.next, make(self.next));
        self.next
    }

    pub(super) fn get(&self, id: u64) -> Option<&Route> {
        self.all.get(&id)
    }

    /// Takes one away; with whether its topic is still needed by another.
    pub(super) fn remove(&mut self, id: u64) -> Option<(Route, bool)> {
        let route = self.all.remove(&id)?;
        let needed = self.all.values().any(|other| other.topic == route.topic);
        Some((route, needed))
    }

    pub(super) fn clear(&mut self) {
        self.all.clear();
    }

    /// Each topic once.
    pub(super) fn topics(&self) -> BTreeSet<Topic> {
        self.all.values().map(|route| route.topic.clone()).collect()
    }

    pub(super) fn members(&self) -> Vec<String> {
        self.all
            .values()
            .filter_map(|route| route.member.clone())
            .collect()
    }

    /// Hands a message to all who asked for it; says where to answer that nobody here takes it.
    pub(super) fn deliver(
        &self,
        topic: &Topic,
        bytes: &Bytes,
        make: impl Fn(MessageHead, Bytes) -> Incoming,
    ) -> Option<ReplyAddress> {
        let Some((head, payload)) = split::<MessageHead>(bytes) else {
            tracing::warn!(?topic, "a message of another form came over the bus");
            return None;
        };
        let mut taken = false;
        for route in self.all.values() {
            if route.topic != *topic || !matches(&route.pattern, &head.subject) {
                continue;
            }
            match route.sender.try_send(make(head.clone(), payload.clone())) {
                Ok(()) => taken = true,
                Err(mpsc::error::TrySendError::Full(lost)) => {
                    tracing::warn!(subject = %lost.subject, "a message was dropped: its reader is too slow");
                    taken = true;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
        if taken { None } else { head.reply }
    }
}

/// What a request ends with.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Bytes),
    Nobody,
}

/// Requests on their way.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    next: u64,
    all: BTreeMap<u64, Request>,
}

#[derive(Debug)]
struct Request {
    outcome: oneshot::Sender<Outcome>,
    reached: Option<i64>,
    nobody: i64,
}

impl Waiting {
    pub(super) fn add(&mut self) -> (u64, oneshot::Receiver<Outcome>) {
        self.next += 1;
        let (outcome, receiver) = oneshot::channel();
        let request = Request {
            outcome,
            reached: None,
            nobody: 0,
        };
        self.all.insert(self.next, request);
        (self.next, receiver)
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.all.remove(&id);
    }

    /// The request went to so many subscriptions.
    pub(super) fn reached(&mut self, id: u64, count: i64) {
        if let Some(request) = self.all.get_mut(&id) {
            request.reached = Some(count);
        }
        self.settle(id);
    }

    /// An answer came, or word that nobody takes the request where it arrived.
    pub(super) fn answered(&mut self, bytes: &Bytes) {
        let Some((head, payload)) = split::<AnswerHead>(bytes) else {
            tracing::warn!("an answer of another form came over the bus");
            return;
        };
        if head.nobody {
            if let Some(request) = self.all.get_mut(&head.id) {
                request.nobody += 1;
            }
            self.settle(head.id);
        } else if let Some(request) = self.all.remove(&head.id) {
            let _ = request.outcome.send(Outcome::Answer(payload));
        }
    }

    fn settle(&mut self, id: u64) {
        let nobody = |r: &Request| r.reached.is_some_and(|count| r.nobody >= count);
        if self.all.get(&id).is_some_and(nobody)
            && let Some(request) = self.all.remove(&id)
        {
            let _ = request.outcome.send(Outcome::Nobody);
        }
    }
}

/// A head in a line of its own, then the payload.
pub(super) fn join(head: &impl Serialize, payload: &[u8]) -> Vec<u8> {
    // Heads are plain structs of texts and numbers: they can always be written.
    let mut bytes = serde_json::to_vec(head).unwrap_or_default();
    bytes.push(b'\n');
    bytes.extend_from_slice(payload);
    bytes
}

fn split<T: DeserializeOwned>(bytes: &Bytes) -> Option<(T, Bytes)> {
    let line = bytes.iter().position(|&b| b == b'\n')?;
    let head = serde_json::from_slice(&bytes[..line]).ok()?;
    Some((head, bytes.slice(line + 1..)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::ReplyTo;

    fn incoming(head: MessageHead, payload: Bytes) -> Incoming {
        Incoming {
            subject: head.subject,
            traceparent: head.traceparent,
            payload,
            reply: ReplyTo::Nobody,
        }
    }

    fn message(subject: &str) -> Bytes {
        let reply = ReplyAddress {
            channel: "inbox".into(),
            id: 4,
        };
        let head = MessageHead {
            subject: subject.into(),
            traceparent: None,
            reply: Some(reply),
        };
        join(&head, b"{}\n").into()
    }

    #[test]
    fn what_the_glob_lets_in_too_much_is_answered_with_nobody() {
        let (sender, mut receiver) = mpsc::channel(4);
        let mut routes = Routes::default();
        routes.add(|_| Route::new("n.heartbeat.*".into(), None, "", sender));
        let topic = Topic::Glob("n.heartbeat.*".into());
        assert_eq!(
            routes.deliver(&topic, &message("n.heartbeat.a"), incoming),
            None
        );
        assert_eq!(receiver.try_recv().unwrap().payload, "{}\n");
        let nobody = routes.deliver(&topic, &message("n.heartbeat.a.b"), incoming);
        assert_eq!(nobody.unwrap().id, 4);
        assert!(receiver.try_recv().is_err());
        assert_eq!(
            routes.deliver(&topic, &Bytes::from_static(b"no head"), incoming),
            None
        );
    }

    #[test]
    fn a_topic_stays_while_another_needs_it() {
        let route = |_| Route::new("n.fleet".into(), None, "", mpsc::channel(1).0);
        let mut routes = Routes::default();
        let (first, second) = (routes.add(route), routes.add(route));
        assert_eq!(routes.topics().len(), 1);
        assert!(routes.remove(first).unwrap().1);
        assert!(!routes.remove(second).unwrap().1);
    }

    #[tokio::test]
    async fn a_request_ends_when_all_that_it_reached_say_nobody() {
        let nobody = |id| Bytes::from(join(&AnswerHead { id, nobody: true }, b""));
        let mut waiting = Waiting::default();
        let (id, mut outcome) = waiting.add();
        waiting.answered(&nobody(id));
        waiting.reached(id, 2);
        assert!(outcome.try_recv().is_err());
        waiting.answered(&nobody(id));
        assert!(matches!(outcome.await, Ok(Outcome::Nobody)));

        let (id, outcome) = waiting.add();
        waiting.answered(&join(&AnswerHead { id, nobody: false }, b"yes").into());
        waiting.reached(id, 1);
        assert!(matches!(outcome.await, Ok(Outcome::Answer(bytes)) if bytes == "yes"));

        let (id, outcome) = waiting.add();
        waiting.reached(id, 0);
        assert!(matches!(outcome.await, Ok(Outcome::Nobody)));
    }
}
