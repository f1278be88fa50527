//! What an administrator should know about the node although sessions start: told with the server object.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use fastx_core::names::ServerId;

use crate::locks::lock;

/// Hints that are told at once.
const MOST: usize = 20;
/// Longest reason that is told, characters.
const LONGEST: usize = 200;

/// What browsers see at the node's own address.
const SELF_SIGNED: &str = "The certificate for browsers is self-signed: they warn at this address, and viewers of other \
    addresses come through a relay. Put a certificate that they trust into the folder FX_TLS_DIR.";

/// The hints; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    self_signed: AtomicBool,
    unreachable: Mutex<BTreeMap<ServerId, String>>,
}

impl Hints {
    /// Without any, or with the one about the certificate.
    pub fn new(self_signed: bool) -> Self {
        Self {
            inner: Arc::new(Inner {
                self_signed: AtomicBool::new(self_signed),
                unreachable: Mutex::default(),
            }),
        }
    }

    /// Browsers see another certificate than the node's own from now on.
    pub fn certificate_is_there(&self) {
        self.inner.self_signed.store(false, Ordering::Relaxed);
    }

    /// Another member could not be reached at any of its addresses; true when that is news.
    pub fn unreachable(&self, server: &ServerId, why: &str) -> bool {
        let why: String = why.chars().take(LONGEST).collect();
        let mut unreachable = lock(&self.inner.unreachable);
        if unreachable.len() >= MOST && !unreachable.contains_key(server) {
            return false;
        }
        unreachable.insert(server.clone(), why.clone()) != Some(why)
    }

    /// Another member was reached; true when that is news.
    pub fn reached(&self, server: &ServerId) -> bool {
        lock(&self.inner.unreachable).remove(server).is_some()
    }

    /// All of them. `known` says which members there still are.
    pub fn list(&self, known: impl Fn(&ServerId) -> bool) -> Vec<String> {
        let mut unreachable = lock(&self.inner.unreachable);
        unreachable.retain(|server, _| known(server));
        let peers = unreachable.iter().map(|(server, why)| {
            format!("Viewers cannot be relayed to {server}: {why}. Check its peerUrls and the firewall between.")
        });
        let self_signed = self.inner.self_signed.load(Ordering::Relaxed);
        let certificate = self_signed.then(|| SELF_SIGNED.to_owned());
        certificate.into_iter().chain(peers).take(MOST).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_named_until_it_is_reached_or_gone() {
        let hints = Hints::new(true);
        let (b, c): (ServerId, ServerId) = ("b".parse().unwrap(), "c".parse().unwrap());
        assert_eq!(hints.list(|_| true), [SELF_SIGNED]);
        assert!(hints.unreachable(&b, "https://b:3300: refused"));
        assert!(!hints.unreachable(&b, "https://b:3300: refused"), "no news");
        assert!(hints.unreachable(&c, "it names no address"));
        assert!(hints.list(|_| true)[1].contains("relayed to b: https://b:3300: refused"));
        assert!(hints.reached(&b) && !hints.reached(&b));
        assert_eq!(hints.list(|server| *server != c).len(), 1);
        for n in 0..100 {
            hints.unreachable(&format!("s{n}").parse().unwrap(), &"x".repeat(1000));
        }
        assert_eq!(hints.list(|_| true).len(), MOST);
        hints.certificate_is_there();
        assert!(!hints.list(|_| true).iter().any(|hint| hint == SELF_SIGNED));
    }
}
