//! Conversations that wait for an answer: each belongs to one address and one purpose, and there are not many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use fastx_core::names::{LoginName, ServerId};
use fastx_core::wire::problem::Problem;
use tokio::time::sleep_until;

use crate::keys::random_hex;
use crate::locks::lock;
use crate::ssh::{Dialogue, over};

/// Conversations at once; an sshd lets few strangers wait anyhow.
const ALL: usize = 128;
/// Of one address, behind which there may be many people.
const OF_ADDRESS: usize = 16;

/// What a conversation is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A login.
    SignIn,
    /// A link for the holder of this token.
    Link {
        /// Id of the token.
        jti: String,
        /// Where.
        server: ServerId,
    },
}

/// A place among the conversations, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    table: Arc<Mutex<Table>>,
    address: String,
}

impl Place {
    /// Whose it is.
    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        if let Some(count) = table.places.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                table.places.remove(&self.address);
            }
        }
    }
}

/// A conversation with whose it is.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) purpose: Purpose,
    pub(super) login: LoginName,
    /// Whose sshd asks.
    pub(super) server: ServerId,
    /// Whether a program gets the token.
    pub(super) program: bool,
    /// Whether the command that runs there is the link's.
    pub(super) starts_link: bool,
    pub(super) dialogue: Dialogue,
    pub(super) place: Place,
}

#[derive(Debug, Default)]
struct Table {
    waiting: HashMap<String, Held>,
    places: HashMap<String, usize>,
}

/// All of them; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Conversations {
    table: Arc<Mutex<Table>>,
}

impl Conversations {
    /// A place for one more of this address.
    pub(super) fn place(&self, address: &str) -> Result<Place, Problem> {
        let mut table = lock(&self.table);
        let all: usize = table.places.values().sum();
        let count = table.places.entry(address.to_owned()).or_default();
        if all >= ALL || *count >= OF_ADDRESS {
            if *count == 0 {
                table.places.remove(address);
            }
            return Err(
                Problem::new(429, "too-many-conversations", "Too many sign-ins at once")
                    .detail("Too many sign-ins from this address, or at this server, are waiting for an answer.")
                    .action("Wait two minutes, then try again."),
            );
        }
        *count += 1;
        Ok(Place {
            table: self.table.clone(),
            address: address.to_owned(),
        })
    }

    /// Keeps a conversation until it is answered or over; under the name that it had before.
    pub(super) fn keep(&self, id: Option<String>, held: Held) -> String {
        let id = id.unwrap_or_else(|| random_hex::<16>(&mut rand::rng()));
        let until = held.dialogue.until();
        // Dropped outside the lock, if ever there were one of that name.
        let _former = lock(&self.table).waiting.insert(id.clone(), held);
        let (table, name) = (self.table.clone(), id.clone());
        tokio::spawn(async move {
            sleep_until(until).await;
            // Dropped outside the lock, which its place needs.
            let _late = {
                let mut table = lock(&table);
                let late = table
                    .waiting
                    .get(&name)
                    .is_some_and(|held| held.dialogue.until() <= until);
                late.then(|| table.waiting.remove(&name)).flatten()
            };
        });
        id
    }

    /// Takes a conversation to answer it. Whoever it does not belong to hears that there is none.
    pub(super) fn take(&self, id: &str, address: &str, purpose: &Purpose) -> Result<Held, Problem> {
        let mut table = lock(&self.table);
        let fits = table
            .waiting
            .get(id)
            .is_some_and(|held| held.place.address == address && held.purpose == *purpose);
        fits.then(|| table.waiting.remove(id))
            .flatten()
            .ok_or_else(over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_core::secret::Secret;

    use crate::ssh::{KnownHosts, Order, Tools};

    fn held(conversations: &Conversations, address: &str) -> Held {
        // Not even root can make folders there.
        let nowhere = std::path::Path::new("/dev/null/nowhere");
        let tools = Tools {
            ssh: nowhere.to_owned(),
            keyscan: nowhere.to_owned(),
            askpass: nowhere.to_owned(),
            dir: nowhere.to_owned(),
            hosts: KnownHosts::new(nowhere, nowhere, nowhere),
        };
        let order = Order {
            target: "127.0.0.1:1".parse().unwrap(),
            login: "ada".parse().unwrap(),
            password: Secret::default(),
            command: String::new(),
        };
        let dialogue = Dialogue::begin(tools, order);
        Held {
            purpose: Purpose::SignIn,
            login: "ada".parse().unwrap(),
            server: "a".parse().unwrap(),
            program: false,
            starts_link: false,
            dialogue,
            place: conversations.place(address).unwrap(),
        }
    }

    #[tokio::test]
    async fn a_conversation_is_its_owners_and_answered_once() {
        let all = Conversations::default();
        let id = all.keep(None, held(&all, "10.0.0.1"));
        let link = Purpose::Link {
            jti: "x".into(),
            server: "a".parse().unwrap(),
        };
        for (address, purpose) in [("10.0.0.2", &Purpose::SignIn), ("10.0.0.1", &link)] {
            let stranger = all.take(&id, address, purpose).unwrap_err();
            assert_eq!(stranger.kind, "conversation-over");
        }
        assert!(all.take(&id, "10.0.0.1", &Purpose::SignIn).is_ok());
        assert!(all.take(&id, "10.0.0.1", &Purpose::SignIn).is_err());
    }

    #[tokio::test]
    async fn their_number_is_bounded_and_places_come_back() {
        let all = Conversations::default();
        let places: Vec<_> = (0..OF_ADDRESS).map(|_| all.place("a").unwrap()).collect();
        assert_eq!(all.place("a").unwrap_err().status, 429);
        let other = all.place("b").unwrap();
        drop(places);
        assert!(all.place("a").is_ok());
        drop(other);
        let many: Vec<_> = (0..ALL)
            .map(|n| all.place(&n.to_string()).unwrap())
            .collect();
        assert_eq!(all.place("more").unwrap_err().status, 429);
        drop(many);
        assert!(lock(&all.table).places.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_two_minutes() {
        let all = Conversations::default();
        let held = held(&all, "a");
        let until = held.dialogue.until();
        let id = all.keep(None, held);
        sleep_until(until + std::time::Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
        assert!(all.take(&id, "a", &Purpose::SignIn).is_err());
        assert!(lock(&all.table).places.is_empty());
    }
}
