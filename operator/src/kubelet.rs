//! What the kubelet says in Events and nowhere else: why the changed image of a sidecar cannot be pulled.
//!
//! A native sidecar that ended in good order is shown as ended while its next image is pulled, and goes on being
//! shown so when that fails; the Pod itself never says why.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

/// Longest text that is kept of what somebody else says.
const MAX_WORDS: usize = 600;

/// Why the kubelet could not pull an image for a container that starts first, since then.
pub(crate) fn pull_failure(
    events: &[Event],
    container: &str,
    image: &str,
    since: Timestamp,
) -> Option<String> {
    let place = format!("spec.initContainers{{{container}}}");
    let named = format!("\"{image}");
    events
        .iter()
        .filter(|e| e.involved_object.field_path.as_deref() == Some(&place))
        .filter_map(|e| Some((seen(e)?, e.message.as_deref()?)))
        // Events have whole seconds.
        .filter(|(at, message)| at.as_second() >= since.as_second() && message.contains(&named))
        .max_by_key(|(at, _)| *at)
        .map(|(_, message)| words(message))
}

fn seen(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref();
    series
        .and_then(|s| s.last_observed_time.as_ref().map(|t| t.0))
        .or_else(|| event.last_timestamp.as_ref().map(|t| t.0))
        .or_else(|| event.event_time.as_ref().map(|t| t.0))
        .or_else(|| event.metadata.creation_timestamp.as_ref().map(|t| t.0))
}

/// On one line and of bounded length.
pub(crate) fn words(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_WORDS) {
        None => line,
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(container: &str, second: u8, message: &str) -> Event {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": "e"}, "reason": "Failed", "type": "Warning", "message": message,
            "involvedObject": {"fieldPath": format!("spec.initContainers{{{container}}}")},
            "lastTimestamp": format!("2027-01-01T00:00:{second:02}Z"),
        }))
        .unwrap()
    }

    #[test]
    fn the_last_failure_of_this_image_and_container_counts() {
        let since = "2027-01-01T00:00:10.7Z".parse().unwrap();
        let failed = |second, server: &str| {
            event(
                "node",
                second,
                &format!("Failed to pull image \"new:2\": {server}"),
            )
        };
        let found = |events: &[Event]| pull_failure(events, "node", "new:2", since);
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[failed(9, "earlier")]), None);
        assert_eq!(
            found(&[event("node", 12, "Failed to pull image \"old:1\": x")]),
            None
        );
        assert_eq!(
            found(&[event("other", 12, "Failed to pull image \"new:2\": x")]),
            None
        );
        assert_eq!(
            found(&[event("node", 12, "Error: ErrImagePull")]),
            None,
            "that has no reason in it"
        );
        assert_eq!(
            found(&[
                failed(10, "503"),
                failed(12, "not\n  found"),
                failed(11, "502")
            ])
            .as_deref(),
            Some("Failed to pull image \"new:2\": not found")
        );
        let never = "Container image \"new:2\" is not present with pull policy of Never".to_owned();
        assert_eq!(found(&[event("node", 20, &never)]), Some(never));
    }

    #[test]
    fn long_words_are_cut() {
        assert_eq!(words(&"é".repeat(1000)).chars().count(), MAX_WORDS + 1);
    }
}
