//! The node's way onto the bus: there from the first moment on, also before and between connections.

use std::time::Duration;

use fastx_bus::Bus;
use fastx_core::names::ServerId;
use fastx_core::subject::Operation;
use fastx_core::wire::problem::Problem;
use fastx_core::wire::server::Heartbeat;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// How long a node may take to start a session or to answer about one.
pub const NODE_DEADLINE: Duration = Duration::from_secs(20);

/// The bus, once it was reached.
#[derive(Debug, Clone)]
pub struct Transport {
    bus: watch::Receiver<Option<Bus>>,
}

impl Transport {
    /// Follows a bus that comes later.
    pub fn following(bus: watch::Receiver<Option<Bus>>) -> Self {
        Self { bus }
    }

    /// The bus, once there is one.
    pub fn bus(&self) -> Option<Bus> {
        self.bus.borrow().clone()
    }

    /// Waits for the first connection.
    pub async fn connected(&mut self) -> Option<Bus> {
        self.bus.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// Whether requests can be made right now.
    pub fn is_up(&self) -> bool {
        self.bus()
            .is_some_and(|bus| bus.state().borrow().is_connected())
    }

    /// Asks a manager.
    pub async fn store<Q, A>(&self, operation: Operation, body: &Q) -> Result<A, Problem>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
    {
        match self.bus() {
            Some(bus) => bus.store(operation, body).await,
            None => Err(not_connected()),
        }
    }

    /// Asks another node.
    pub async fn node<Q, A>(
        &self,
        target: &ServerId,
        operation: Operation,
        body: &Q,
    ) -> Result<A, Problem>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
    {
        match self.bus() {
            Some(bus) => bus.node(target, operation, body, NODE_DEADLINE).await,
            None => Err(not_connected()),
        }
    }

    /// Tells the managers that this node is alive. While the bus is away there is nobody to tell.
    pub async fn heartbeat(&self, beat: &Heartbeat) {
        if !self.is_up() {
            return;
        }
        let Some(bus) = self.bus() else { return };
        let subject = bus.subjects().heartbeat(bus.caller());
        if let Err(error) = bus.publish(subject, beat).await {
            tracing::debug!(%error, "heartbeat not sent");
        }
    }
}

/// Whether a problem says that managers cannot be reached, rather than that they refused.
pub fn is_away(problem: &Problem) -> bool {
    matches!(problem.status, 502..=504)
}

fn not_connected() -> Problem {
    Problem::unavailable("no-manager", "This server has not reached the cluster yet.")
}
