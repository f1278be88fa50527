//! The join file of a cluster: kept while it is good, made anew in time; what it admits to stands in its name.

use std::collections::BTreeMap;

use fastx_core::identity::{check_public_key, user_key};
use fastx_core::names::{CallerId, hex};
use fastx_core::wire::join::Invitation;
use jiff::{SignedDuration, Timestamp};
use rand::CryptoRng;

use super::material::{BusKeys, INVITED_PREFIX, REVOKED_PREFIX};
use crate::pki::Data;

/// How long a join file is good for.
const VALID: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long before its end there is a newer one, so that what is handed out is good for some time.
const EARLY: SignedDuration = SignedDuration::from_hours(10 * 24);

/// How many hosts may ask with one file. Asking is all that it is good for: the operator decides who is admitted.
const USES: u32 = 1000;

/// A join file, as far as it is decided once.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinFile {
    /// Seed of its key.
    pub seed: [u8; 32],
    /// The name that says what it admits to.
    pub caller: CallerId,
    /// When it ends.
    pub expires: Timestamp,
    /// The file as it is.
    pub document: Option<String>,
}

impl std::fmt::Debug for JoinFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinFile")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

impl JoinFile {
    fn read(data: &Data) -> Option<Self> {
        let text = |key: &str| String::from_utf8(data.get(key)?.clone()).ok();
        let caller: CallerId = text("name")?.parse().ok()?;
        let expires = Invitation::of(&caller).ok()?.expires;
        Some(Self {
            seed: data.get("seed")?.as_slice().try_into().ok()?,
            caller,
            expires,
            document: text("join.json"),
        })
    }

    /// When there has to be a newer one.
    pub fn renew_at(&self) -> Timestamp {
        self.expires - EARLY
    }

    /// Public half of its key.
    pub fn public_key(&self) -> String {
        user_key(self.seed).1
    }
}

/// Keeps the file while it is good.
pub(super) fn advance(
    existing: Option<&Data>,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> JoinFile {
    let before = existing.and_then(JoinFile::read);
    if let Some(good) = before.clone().filter(|f| f.renew_at() > now) {
        return good;
    }
    let (mut id, mut seed) = ([0; 4], [0; 32]);
    rng.fill_bytes(&mut id);
    rng.fill_bytes(&mut seed);
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let invitation = Invitation {
        id: hex(&id),
        uses: USES,
        expires: now + VALID,
    };
    JoinFile {
        seed,
        caller: invitation
            .caller()
            .expect("eight digits and two numbers are a name"),
        expires: invitation.expires,
        // Its generation goes on.
        document: before.and_then(|f| f.document),
    }
}

/// What the list of join files lacks. `was_there` says whether the Secret of the present one was there before: while
/// it is only renewed, the file before stays good until its end; one that somebody took away is revoked.
pub(super) fn listed(
    bus: &BusKeys,
    wanted: Option<&JoinFile>,
    was_there: bool,
    now: Timestamp,
) -> BTreeMap<String, Option<String>> {
    let mut change = BTreeMap::new();
    let present = wanted.map(|file| (file.public_key(), file.expires));
    if let Some((key, expires)) = &present
        && !bus.invited.contains_key(key)
    {
        change.insert(format!("{INVITED_PREFIX}{key}"), Some(expires.to_string()));
    }
    for (key, expires) in &bus.invited {
        let is_present = present.as_ref().is_some_and(|(p, _)| p == key);
        let ended = *expires <= now;
        if is_present || (!ended && wanted.is_some() && was_there) {
            continue;
        }
        change.insert(format!("{INVITED_PREFIX}{key}"), None);
        if !ended && check_public_key(key).is_ok() {
            change.insert(format!("{REVOKED_PREFIX}{key}"), Some(now.to_string()));
        }
    }
    change
}

#[cfg(test)]
mod tests {
    use super::super::material::tests::made;
    use super::super::material::{Existing, Material};
    use super::super::validate::tests::valid;
    use super::*;
    use rand::SeedableRng as _;

    fn at(days: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + days * 86_400).unwrap()
    }

    fn rng(seed: u64) -> rand::rngs::StdRng {
        rand::rngs::StdRng::seed_from_u64(seed)
    }

    fn data(file: &JoinFile) -> Data {
        [
            ("seed".to_owned(), file.seed.to_vec()),
            ("name".to_owned(), file.caller.to_string().into_bytes()),
            ("join.json".to_owned(), b"{}".to_vec()),
        ]
        .into()
    }

    #[test]
    fn a_file_is_kept_and_replaced_before_its_end() {
        let first = advance(None, at(0), &mut rng(1));
        assert_eq!(first.expires, at(30));
        let kept = advance(Some(&data(&first)), at(19), &mut rng(2));
        assert_eq!((kept.seed, &kept.caller), (first.seed, &first.caller));
        let next = advance(Some(&data(&first)), at(21), &mut rng(3));
        assert_ne!(next.public_key(), first.public_key());
        assert_eq!(next.expires, at(51));
        assert!(next.document.is_some(), "its generation goes on");
    }

    #[test]
    fn a_renewed_file_leaves_the_one_before_and_one_taken_away_is_revoked() {
        let mut bus = made(&valid(""), &Existing::default()).bus;
        let (old, new) = (
            advance(None, at(0), &mut rng(1)),
            advance(None, at(21), &mut rng(2)),
        );
        let first = listed(&bus, Some(&old), false, at(0));
        assert_eq!(first.len(), 1, "{first:?}");
        bus.invited.insert(old.public_key(), old.expires);
        assert!(listed(&bus, Some(&old), true, at(1)).is_empty());
        let renewed = listed(&bus, Some(&new), true, at(21));
        assert_eq!(renewed.len(), 1, "{renewed:?}");
        let revoked = format!("{REVOKED_PREFIX}{}", old.public_key());
        for (wanted, was_there) in [(Some(&new), false), (None, true), (None, false)] {
            let change = listed(&bus, wanted, was_there, at(21));
            assert!(change.contains_key(&revoked), "{change:?}");
        }
        let ended = listed(&bus, None, false, at(31));
        assert_eq!(ended.len(), 1, "{ended:?}");
    }

    #[test]
    fn only_a_cluster_that_admits_hosts_has_one() {
        let join = |spec: &str| -> Option<JoinFile> {
            let material: Material = made(&valid(spec), &Existing::default());
            material.join
        };
        assert!(join("").is_none());
        assert!(join("discovery: {mode: Declared}").is_some());
        assert!(join("discovery: {mode: Any, maximum: 5}").is_some());
    }
}
