//! `/livez`, `/readyz` and `/metrics`: what the outside may know of a process.
//!
//! Alive means progress: each registered loop has beaten within its limit.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::readiness::Readiness;
use crate::shutdown::Shutdown;

/// Metrics of a process, shared with whoever adds to them.
pub type SharedRegistry = Arc<Mutex<Registry>>;

/// Signs of life of the loops of a process.
#[derive(Debug, Clone, Default)]
pub struct Liveness {
    pulses: Arc<Mutex<Vec<Loop>>>,
}

#[derive(Debug)]
struct Loop {
    name: String,
    limit: Duration,
    last: Arc<Mutex<Instant>>,
}

/// A loop's way to say that it goes on.
#[derive(Debug, Clone)]
pub struct Pulse {
    last: Arc<Mutex<Instant>>,
}

impl Pulse {
    /// Still here.
    pub fn beat(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl Liveness {
    /// Nothing to watch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects a beat at least each `limit` from now on.
    pub fn register(&self, name: &str, limit: Duration) -> Pulse {
        let last = Arc::new(Mutex::new(Instant::now()));
        self.pulses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Loop {
                name: name.to_owned(),
                limit,
                last: last.clone(),
            });
        Pulse { last }
    }

    /// The loops that have been silent for too long.
    pub fn stuck(&self) -> Vec<String> {
        let now = Instant::now();
        let pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        pulses
            .iter()
            .filter(|p| {
                now.duration_since(*p.last.lock().unwrap_or_else(PoisonError::into_inner)) > p.limit
            })
            .map(|p| p.name.clone())
            .collect()
    }
}

#[derive(Clone)]
struct Health {
    readiness: Readiness,
    liveness: Liveness,
    registry: SharedRegistry,
}

/// Serves until shutdown; gives the real address.
pub async fn serve(
    addr: SocketAddr,
    readiness: Readiness,
    registry: SharedRegistry,
    liveness: Liveness,
    shutdown: Shutdown,
) -> std::io::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(addr).await?;
    let addr = listener.local_addr()?;
    let router = axum::Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Health {
            readiness,
            liveness,
            registry,
        });
    tokio::spawn(async move {
        let stop = async move { shutdown.triggered().await };
        if let Err(error) = axum::serve(listener, router)
            .with_graceful_shutdown(stop)
            .await
        {
            tracing::error!(%error, "the health address stopped");
        }
    });
    Ok(addr)
}

async fn livez(State(health): State<Health>) -> impl IntoResponse {
    answer("stuck", &health.liveness.stuck())
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    answer("waiting for", &health.readiness.pending())
}

fn answer(word: &str, names: &[String]) -> (StatusCode, String) {
    if names.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{word}: {}\n", names.join(", ")),
        )
    }
}

async fn metrics(State(health): State<Health>) -> impl IntoResponse {
    let mut text = String::new();
    let registry = health
        .registry
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => (
            StatusCode::OK,
            [(
                header::CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_loop_is_stuck() {
        let liveness = Liveness::new();
        let pulse = liveness.register("watch", Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(liveness.stuck(), ["watch"]);
        pulse.beat();
        assert!(liveness.stuck().is_empty());
    }
}
