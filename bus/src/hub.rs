//! The bus within one process: the same rules as on the server, without a server.
//!
//! It enforces the same permissions, so that what works here is also allowed on the real bus.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use fastx_core::names::{BusNamespace, CallerId};
use fastx_core::subject::{Permissions, Subjects, member_of, permissions};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::bus::Failure;
use crate::error::BusError;
use crate::message::{BusState, Incoming, QUEUE, ReplyTo, Subscription};
use crate::pattern::{covers, matches};

/// A bus within this process; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    /// Turns the members of a queue group.
    turn: usize,
    routes: Vec<Route>,
    members: BTreeMap<CallerId, watch::Sender<BusState>>,
}

#[derive(Debug)]
struct Route {
    id: u64,
    owner: CallerId,
    pattern: String,
    queue: Option<String>,
    sender: mpsc::Sender<Incoming>,
}

impl Hub {
    /// A bus without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts a member off, or brings it back: for tests of what a lost connection does.
    pub fn set_connected(&self, caller: &CallerId, connected: bool) {
        let state = self.lock();
        if let Some(member) = state.members.get(caller) {
            member.send_replace(if connected {
                BusState::Connected
            } else {
                BusState::Disconnected {
                    since: Instant::now(),
                    why: "the test cut it off".to_owned(),
                }
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_connected(&self, caller: &CallerId) -> bool {
        self.members
            .get(caller)
            .is_some_and(|state| state.borrow().is_connected())
    }

    /// Delivers to each subscriber, and to one of each queue group; says to how many.
    fn deliver(&mut self, subject: &str, make: &mut dyn FnMut() -> Incoming) -> usize {
        self.routes.retain(|route| !route.sender.is_closed());
        self.turn = self.turn.wrapping_add(1);
        let mut groups: BTreeMap<(&str, &str), Vec<&Route>> = BTreeMap::new();
        let mut chosen: Vec<&Route> = Vec::new();
        for route in &self.routes {
            if !matches(&route.pattern, subject) || !self.is_connected(&route.owner) {
                continue;
            }
            match &route.queue {
                Some(queue) => groups
                    .entry((&route.pattern, queue))
                    .or_default()
                    .push(route),
                None => chosen.push(route),
            }
        }
        chosen.extend(groups.values().map(|group| group[self.turn % group.len()]));
        for route in &chosen {
            if route.sender.try_send(make()).is_err() {
                tracing::warn!(%subject, route = route.id, "a message was dropped: its reader is too slow");
            }
        }
        chosen.len()
    }
}

/// One member of a hub.
#[derive(Debug)]
pub(crate) struct Local {
    hub: Hub,
    caller: CallerId,
    allowed: Permissions,
}

impl Local {
    pub(crate) fn join(hub: &Hub, caller: CallerId, namespace: &BusNamespace) -> Self {
        let allowed = permissions(namespace, member_of(&caller), caller.as_str());
        hub.lock()
            .members
            .entry(caller.clone())
            .or_insert_with(|| watch::Sender::new(BusState::Connected));
        Self {
            hub: hub.clone(),
            caller,
            allowed,
        }
    }

    pub(crate) fn state(&self) -> watch::Receiver<BusState> {
        let mut state = self.hub.lock();
        state
            .members
            .entry(self.caller.clone())
            .or_insert_with(|| watch::Sender::new(BusState::Connected))
            .subscribe()
    }

    pub(crate) fn publish(
        &self,
        subject: &str,
        payload: &Bytes,
        trace: Option<&str>,
    ) -> Result<(), BusError> {
        if !self.may_publish(subject) {
            return Err(BusError::Denied(subject.to_owned()));
        }
        if payload.len() > limit() {
            return Err(BusError::TooLarge {
                subject: subject.to_owned(),
                bytes: payload.len(),
                limit: limit(),
            });
        }
        self.hub.lock().deliver(subject, &mut || Incoming {
            subject: subject.to_owned(),
            traceparent: trace.map(str::to_owned),
            payload: payload.clone(),
            reply: ReplyTo::Nobody,
        });
        Ok(())
    }

    pub(crate) fn subscribe(
        &self,
        pattern: String,
        queue: Option<String>,
    ) -> Result<Subscription, BusError> {
        let inbox = format!("{}.>", Subjects::inbox(&self.caller));
        let mut allowed = self.allowed.subscribe.iter().chain([&inbox]);
        if !allowed.any(|a| covers(a, &pattern)) {
            return Err(BusError::Denied(pattern));
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut state = self.hub.lock();
        state.next_id += 1;
        let id = state.next_id;
        state.routes.push(Route {
            id,
            owner: self.caller.clone(),
            pattern,
            queue,
            sender,
        });
        Ok(Subscription { receiver })
    }

    pub(crate) async fn request(
        &self,
        subject: &str,
        payload: &Bytes,
        trace: Option<&str>,
        deadline: Instant,
    ) -> Result<Bytes, Failure> {
        if !self.may_publish(subject) {
            return Err(Failure::Denied);
        }
        if payload.len() > limit() {
            return Err(Failure::TooLarge);
        }
        let mut receivers = Vec::new();
        {
            let mut state = self.hub.lock();
            if !state.is_connected(&self.caller) {
                return Err(Failure::Lost("the test cut it off".to_owned()));
            }
            state.deliver(subject, &mut || {
                let (sender, receiver) = oneshot::channel();
                receivers.push(receiver);
                Incoming {
                    subject: subject.to_owned(),
                    traceparent: trace.map(str::to_owned),
                    payload: payload.clone(),
                    reply: ReplyTo::Local(sender),
                }
            });
        }
        if receivers.is_empty() {
            return Err(Failure::NoResponders);
        }
        // A responder that drops the request without an answer is silent, as it would be on the real bus.
        let first = futures::future::select_ok(receivers);
        match timeout_at(deadline, first).await {
            Ok(Ok((answer, _))) => Ok(answer),
            Ok(Err(_)) => {
                tokio::time::sleep_until(deadline).await;
                Err(Failure::TimedOut)
            }
            Err(_) => Err(Failure::TimedOut),
        }
    }

    fn may_publish(&self, subject: &str) -> bool {
        self.allowed.publish.iter().any(|a| matches(a, subject))
    }
}

/// Largest payload: that of our NATS servers.
pub(crate) fn limit() -> usize {
    usize::try_from(fastx_core::identity::MAX_PAYLOAD).unwrap_or(usize::MAX)
}
