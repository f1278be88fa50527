//! Two hosts that speak as one server: a cloned machine, or a copied folder of one.
//!
//! A server that starts again speaks under a new boot, and the old one is silent from then on. When an earlier boot
//! speaks again, and the newer one after it, there are two.

use std::collections::BTreeMap;
use std::time::Duration;

/// A boot that is silent for so long is over.
const OVER: Duration = Duration::from_mins(1);
/// Boots that are remembered of one server.
const MOST: usize = 8;

/// The boots of one server that were heard lately.
#[derive(Debug, Default)]
pub(super) struct Boots {
    last: String,
    spoken: BTreeMap<String, Spoken>,
}

#[derive(Debug)]
struct Spoken {
    hostname: String,
    at: Duration,
    sequence: u64,
    /// How often it began to speak after another.
    turns: u32,
}

impl Boots {
    /// A boot spoke; false when it was an older or repeated word of it.
    pub(super) fn spoke(
        &mut self,
        boot: &str,
        sequence: u64,
        hostname: &str,
        now: Duration,
    ) -> bool {
        self.forget(now);
        if self
            .spoken
            .get(boot)
            .is_some_and(|s| sequence <= s.sequence)
        {
            return false;
        }
        if self.spoken.len() >= MOST && !self.spoken.contains_key(boot) {
            let oldest = self.spoken.iter().min_by_key(|(_, s)| s.at);
            if let Some(oldest) = oldest.map(|(boot, _)| boot.clone()) {
                self.spoken.remove(&oldest);
            }
        }
        let spoken = self.spoken.entry(boot.to_owned()).or_insert(Spoken {
            hostname: String::new(),
            at: now,
            sequence,
            turns: 0,
        });
        hostname.clone_into(&mut spoken.hostname);
        (spoken.at, spoken.sequence) = (now, sequence);
        if self.last != boot {
            spoken.turns += 1;
            boot.clone_into(&mut self.last);
        }
        true
    }

    fn forget(&mut self, now: Duration) {
        self.spoken.retain(|_, s| now.saturating_sub(s.at) <= OVER);
    }

    /// Those that take turns; more than one only when there are as many hosts.
    fn twins(&self, now: Duration) -> impl Iterator<Item = (&String, &Spoken)> {
        self.spoken
            .iter()
            .filter(move |(_, s)| s.turns > 1 && now.saturating_sub(s.at) <= OVER)
    }

    /// Whether two hosts speak as the server.
    pub(super) fn clash(&self, now: Duration) -> bool {
        self.twins(now).count() > 1
    }

    /// Whether the record follows this boot: of two hosts only one, so that it does not change all the time.
    pub(super) fn counts(&self, boot: &str, now: Duration) -> bool {
        !self.clash(now)
            || self
                .twins(now)
                .next()
                .is_some_and(|(first, _)| first == boot)
    }

    /// What is wrong and what to do, while it is.
    pub(super) fn fault(&self, now: Duration) -> Option<String> {
        if !self.clash(now) {
            return None;
        }
        let name = |(_, s): (_, &Spoken)| match s.hostname.as_str() {
            "" => "(no host name)".to_owned(),
            name => name.to_owned(),
        };
        let mut names: Vec<String> = self.twins(now).map(name).collect();
        names.sort();
        Some(format!(
            "Several hosts speak as this server: {}. One is a clone of another, or has a copy of its /var/lib/fastx. \
             Stop fastx on the clone, remove /var/lib/fastx there, and let it join again.",
            names.join(" and ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn a_server_that_starts_again_and_again_has_no_twin() {
        let mut boots = Boots::default();
        for (second, boot) in (0..).zip(["a", "a", "b", "c", "c", "d"]) {
            assert!(boots.spoke(boot, second + 1, "h", at(second)));
            assert!(!boots.clash(at(second)));
        }
        assert!(!boots.spoke("d", 6, "h", at(6)), "a repetition");
    }

    #[test]
    fn one_late_word_of_the_boot_before_is_no_twin() {
        let mut boots = Boots::default();
        for (sequence, boot) in (1..).zip(["a", "b", "a", "a"]) {
            boots.spoke(boot, sequence, "h", at(sequence));
            assert!(!boots.clash(at(sequence)));
        }
    }

    #[test]
    fn two_hosts_are_named_until_one_is_silent() {
        let mut boots = Boots::default();
        for turn in 0..4 {
            boots.spoke("a", turn + 1, "one", at(turn * 5));
            boots.spoke("b", turn + 1, "two", at(turn * 5));
        }
        let fault = boots.fault(at(15)).unwrap();
        assert!(
            fault.contains("one and two") && fault.contains("/var/lib/fastx"),
            "{fault}"
        );
        assert!(boots.counts("a", at(15)) && !boots.counts("b", at(15)));
        boots.spoke("b", 9, "two", at(70));
        assert!(boots.clash(at(75)));
        assert_eq!(boots.fault(at(76)), None);
        assert!(boots.counts("b", at(76)));
    }
}
