//! What is known of tokens that were checked: fresh for seconds, good for the grace time while managers are away.

use std::collections::HashMap;

use fastx_core::wire::login::TokenRecord;
use jiff::{SignedDuration, Timestamp};

/// How long an answer of the managers counts without asking again. Revocations arrive on their own.
const FRESH: SignedDuration = SignedDuration::from_secs(30);
/// Most tokens that are remembered.
const LIMIT: usize = 10_000;
/// How long a revocation is remembered: an answer that was on its way before it is older than it.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(2);

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
    /// Tokens whose end was heard of a moment ago, and when.
    revoked: HashMap<String, Timestamp>,
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

    /// A manager has just said that this token is valid; false when its end was heard of meanwhile.
    pub(super) fn put(&mut self, record: TokenRecord, now: Timestamp) -> bool {
        if self.is_revoked(&record.jti, now) {
            return false;
        }
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
        true
    }

    /// These tokens are no longer valid, whatever an answer says that is still on its way.
    pub(super) fn revoke(&mut self, jtis: &[String], now: Timestamp) {
        if self.revoked.len() + jtis.len() > LIMIT {
            self.revoked
                .retain(|_, at| now.duration_since(*at) <= REMEMBERED);
        }
        for jti in jtis {
            self.entries.remove(jti);
            if self.revoked.len() < LIMIT {
                self.revoked.insert(jti.clone(), now);
            }
        }
    }

    /// Whether the end of this token was heard of a moment ago.
    pub(super) fn is_revoked(&self, jti: &str, now: Timestamp) -> bool {
        let heard = self.revoked.get(jti);
        heard.is_some_and(|at| now.duration_since(*at) <= REMEMBERED)
    }

    /// A manager does not list this token.
    pub(super) fn forget(&mut self, jti: &str) {
        self.entries.remove(jti);
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
        cache.revoke(&["x".to_owned()], at(0));
        assert_eq!(cache.get("x", at(1)), Known::Unknown);
        cache.doubt();
        assert!(matches!(cache.get("y", at(1)), Known::Before(..)));
    }

    #[test]
    fn an_answer_older_than_a_revocation_is_not_believed() {
        let mut cache = Cache::default();
        cache.revoke(&["x".to_owned()], at(10));
        assert!(!cache.put(record("x"), at(9)), "asked before, heard after");
        assert_eq!(cache.get("x", at(11)), Known::Unknown);
        assert!(cache.is_revoked("x", at(130)));
        assert!(!cache.is_revoked("x", at(131)), "no answer is that late");
        assert!(cache.put(record("y"), at(11)));
        cache.forget("y");
        assert!(cache.put(record("y"), at(12)), "listed later after all");
    }

    #[test]
    fn its_size_is_bounded() {
        let mut cache = Cache::default();
        for n in 0..=LIMIT {
            cache.put(record(&n.to_string()), at(0));
            cache.revoke(&[format!("old {n}")], at(0));
        }
        assert!(cache.entries.len() <= LIMIT);
        assert_eq!(cache.revoked.len(), LIMIT);
        cache.revoke(&["new".to_owned()], at(500));
        assert_eq!(cache.revoked.len(), 1, "old ones make room");
    }
}
