//! An orderly end: the first signal asks everybody to finish, the second ends the process at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cloned into everything that runs until the end.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    /// Not triggered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Triggers on SIGTERM and SIGINT; a second signal exits with 130 at once.
    pub fn on_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let token = self.token.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if token.is_cancelled() {
                    tracing::warn!("second signal: ending at once");
                    std::process::exit(130);
                }
                tracing::info!("signal received: finishing");
                token.cancel();
            }
        });
        Ok(())
    }

    /// Waits for the trigger.
    pub async fn triggered(&self) {
        self.token.cancelled().await;
    }

    /// Asks everybody to finish.
    pub fn trigger(&self) {
        self.token.cancel();
    }

    /// Whether the end has been asked for.
    pub fn is_triggered(&self) -> bool {
        self.token.is_cancelled()
    }

    /// The token itself, for libraries that take one.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }
}
