//! What one message looks like over Redis, which has no headers of its own: a line of JSON, then the payload.

use serde::{Deserialize, Serialize};

/// Head of a message or request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageHead {
    /// Subject; the channel may be that of one member of a queue group.
    pub subject: String,
    /// Trace context of the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Where an answer goes; none for a publication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<ReplyAddress>,
}

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplyAddress {
    /// The asker's own channel.
    pub channel: String,
    /// Which of its requests.
    pub id: u64,
}

/// Head of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerHead {
    /// Which request.
    pub id: u64,
    /// It reached a process in which nobody takes it; there is no payload.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nobody: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_have_a_form_that_does_not_change() {
        let head = MessageHead {
            subject: "n.store.a.token.check".into(),
            traceparent: None,
            reply: Some(ReplyAddress {
                channel: "n._INBOX.a.7".into(),
                id: 3,
            }),
        };
        let text =
            r#"{"subject":"n.store.a.token.check","reply":{"channel":"n._INBOX.a.7","id":3}}"#;
        assert_eq!(serde_json::to_string(&head).unwrap(), text);
        assert_eq!(serde_json::from_str::<MessageHead>(text).unwrap(), head);
        let answer = AnswerHead {
            id: 3,
            nobody: false,
        };
        assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"id":3}"#);
    }
}
