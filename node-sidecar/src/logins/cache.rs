//! What is known of tokens that were checked: fresh for seconds, good for the grace time while managers are away.

use std::collections::HashMap;

use fastx_core::wire::login::TokenRecord;
use jiff::{SignedDuration, Timestamp};

/// How long an answer of the managers counts without asking again. Revocations arrive on their own.
const FRESH: SignedDuration = SignedDuration::from_secs(30);
/// Most tokens that are remembered.
const LIMIT: usize = 10_000;

#[derive(Debug, Clone)]
struct Entry {
    record: TokenRecord,
    checked: Timestamp,
    /// False once a revocation may have been missed.
    current: bool,
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Known {
    /// Checked a moment ago.
    Fresh(TokenRecord),
    /// Seen valid so long ago: to be checked again, or accepted for the grace time.
    Before(TokenRecord, SignedDuration),
    /// Never seen.
    Unknown,
}

/// Tokens that were seen valid.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: HashMap<String, Entry>,
}

impl Cache {
    /// What is known of this token.
    pub(super) fn get(&self, jti: &str, now: Timestamp) -> Known {
        let Some(entry) = self.entries.get(jti) else {
            return Known::Unknown;
        };
        let age = now.duration_since(entry.checked);
        if entry.current && age <= FRESH {
            Known::Fresh(entry.record.clone())
        } else {
            Known::Before(entry.record.clone(), age)
        }
    }

    /// A manager has just said that this token is valid.
    pub(super) fn put(&mut self, record: TokenRecord, now: Timestamp) {
        if self.entries.len() >= LIMIT {
            self.entries.retain(|_, e| e.record.expires > now);
        }
        if self.entries.len() >= LIMIT {
            self.entries.clear();
        }
        let entry = Entry {
            record,
            checked: now,
            current: true,
        };
        self.entries.insert(entry.record.jti.clone(), entry);
    }

    /// These tokens are no longer valid.
    pub(super) fn revoke(&mut self, jtis: &[String]) {
        for jti in jtis {
            self.entries.remove(jti);
        }
    }

    /// A revocation may have been missed: nothing counts as fresh any more.
    pub(super) fn doubt(&mut self) {
        for entry in self.entries.values_mut() {
            entry.current = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn record(jti: &str) -> TokenRecord {
        TokenRecord {
            jti: jti.to_owned(),
            login: "ada".parse().unwrap(),
            issuer: "a".parse().unwrap(),
            method: "local".into(),
            groups: vec![],
            issued: at(0),
            expires: at(1000),
            address: String::new(),
            label: String::new(),
            made_by: None,
        }
    }

    #[test]
    fn fresh_for_thirty_seconds_then_known_from_before() {
        let mut cache = Cache::default();
        assert_eq!(cache.get("x", at(0)), Known::Unknown);
        cache.put(record("x"), at(0));
        assert_eq!(cache.get("x", at(30)), Known::Fresh(record("x")));
        assert_eq!(
            cache.get("x", at(31)),
            Known::Before(record("x"), SignedDuration::from_secs(31))
        );
    }

    #[test]
    fn a_revocation_forgets_and_a_lost_connection_doubts() {
        let mut cache = Cache::default();
        cache.put(record("x"), at(0));
        cache.put(record("y"), at(0));
        cache.revoke(&["x".to_owned()]);
        assert_eq!(cache.get("x", at(1)), Known::Unknown);
        cache.doubt();
        assert!(matches!(cache.get("y", at(1)), Known::Before(..)));
    }

    #[test]
    fn its_size_is_bounded() {
        let mut cache = Cache::default();
        for n in 0..=LIMIT {
            cache.put(record(&n.to_string()), at(0));
        }
        assert!(cache.entries.len() <= LIMIT);
    }
}
