//! Why a display socket ends, as the client is told.

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use std::time::Duration;

/// Longest reason that fits into a close frame, bytes.
const MAX_REASON: usize = 123;
/// How long a client gets to take the close frame.
const LIMIT: Duration = Duration::from_secs(2);

/// Code and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// WebSocket close code.
    pub code: u16,
    /// A short sentence.
    pub reason: String,
}

impl Close {
    /// Any code and reason; a reason that is too long is cut at a character.
    pub fn new(code: u16, reason: &str) -> Self {
        let mut end = reason.len().min(MAX_REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            code,
            reason: reason[..end].to_owned(),
        }
    }

    /// The ticket does not open the session.
    pub fn refused(why: &str) -> Self {
        Self::new(4401, &format!("The ticket is not accepted: {why}."))
    }

    /// There is no such session.
    pub fn unknown() -> Self {
        Self::new(4404, "There is no such session on its server.")
    }

    /// Somebody sent the viewer away.
    pub fn disconnected(why: &str) -> Self {
        Self::new(4408, why)
    }

    /// The session is over.
    pub fn ended(why: &str) -> Self {
        let why = if why.is_empty() {
            "The session has ended."
        } else {
            why
        };
        Self::new(4410, why)
    }

    /// The session's node or its desktop cannot be reached.
    pub fn unreachable(why: &str) -> Self {
        let why = if why.is_empty() {
            "The session's server cannot be reached."
        } else {
            why
        };
        Self::new(4503, why)
    }

    /// Too many viewers.
    pub fn full() -> Self {
        Self::new(1013, "There are too many viewers; try again later.")
    }

    /// This process ends.
    pub fn going_away() -> Self {
        Self::new(1001, "The server is being restarted; connect again.")
    }

    /// What the viewer may do has changed: it comes back under the new rules.
    pub fn new_rules() -> Self {
        Self::new(
            1012,
            "The rules of the session have changed; connect again.",
        )
    }

    /// The client broke a rule of the protocol.
    pub fn protocol(why: &str) -> Self {
        Self::new(1002, why)
    }

    /// Something else.
    pub fn failed(why: &str) -> Self {
        Self::new(1011, why)
    }

    /// As a message.
    pub fn message(self) -> Message {
        Message::Close(Some(CloseFrame {
            code: self.code,
            reason: self.reason.into(),
        }))
    }
}

impl std::fmt::Display for Close {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.reason)
    }
}

/// Closes a socket that was never used.
pub(super) async fn send(mut socket: WebSocket, close: Close) {
    tracing::info!(%close, "viewer refused");
    let _gone = tokio::time::timeout(LIMIT, async {
        if socket.send(close.message()).await.is_ok() {
            // The close frame is lost when the connection goes before the client has answered it.
            while let Some(Ok(_)) = socket.recv().await {}
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_fit_and_stay_text() {
        let close = Close::new(4410, &"ä".repeat(100));
        assert_eq!(close.reason.len(), 122);
        assert_eq!(Close::ended("").reason, "The session has ended.");
    }
}
