//! The choosers that need no JavaScript. They follow the rules of scripts: an id, or the next one's turn.

use fastx_core::names::ServerId;
use fastx_core::wire::server::ServerObject;

/// What a built-in chooser looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The server.
    pub(crate) id: ServerId,
    /// Running sessions.
    pub(crate) sessions: u32,
    /// Free memory, bytes.
    pub(crate) freemem: u64,
}

impl From<&ServerObject> for Candidate {
    fn from(server: &ServerObject) -> Self {
        Self {
            id: server.server_id.clone(),
            sessions: server.sessions,
            freemem: server.freemem,
        }
    }
}

/// A built-in chooser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    /// The server with the fewest sessions.
    FewestSessions,
    /// The server with the most free memory.
    MostAvailableMemory,
    /// The one after the last chosen, in the order of ids.
    RoundRobin,
    /// The server that the user is connected to, if it is among the candidates.
    WhereIAmConnected,
}

impl Builtin {
    /// All of them, with their names.
    pub(crate) const NAMES: [(&'static str, Self); 4] = [
        ("fewestSessions", Self::FewestSessions),
        ("mostAvailableMemory", Self::MostAvailableMemory),
        ("roundRobin", Self::RoundRobin),
        ("whereIAmConnected", Self::WhereIAmConnected),
    ];

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .into_iter()
            .find_map(|(own, builtin)| (own == name).then_some(builtin))
    }

    /// Chooses; none means that it is the next script's turn. Ties go to the smaller id.
    pub(crate) fn choose<'a>(
        self,
        list: &[&'a Candidate],
        local: &ServerId,
        previous: Option<&ServerId>,
    ) -> Option<&'a ServerId> {
        let mut list = list.iter().copied();
        let best = match self {
            Self::FewestSessions => list.min_by_key(|c| (c.sessions, &c.id)),
            Self::MostAvailableMemory => list.min_by_key(|c| (u64::MAX - c.freemem, &c.id)),
            Self::RoundRobin => list.min_by_key(|c| (Some(&c.id) <= previous, &c.id)),
            Self::WhereIAmConnected => list.find(|c| c.id == *local),
        };
        best.map(|candidate| &candidate.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(builtin: &str, servers: &[(&str, u32, u64)], previous: Option<&str>) -> String {
        let all: Vec<Candidate> = servers
            .iter()
            .map(|(id, sessions, freemem)| Candidate {
                id: id.parse().unwrap(),
                sessions: *sessions,
                freemem: *freemem,
            })
            .collect();
        let list: Vec<&Candidate> = all.iter().collect();
        let local = "b".parse().unwrap();
        let previous = previous.map(|id| id.parse().unwrap());
        Builtin::named(builtin)
            .unwrap()
            .choose(&list, &local, previous.as_ref())
            .map_or_else(|| "-".to_owned(), ToString::to_string)
    }

    #[test]
    fn each_does_what_its_name_says() {
        let servers = [("c", 1, 500), ("a", 2, 900), ("b", 1, 900)];
        for (builtin, previous, expect) in [
            ("fewestSessions", None, "b"),
            ("mostAvailableMemory", None, "a"),
            ("whereIAmConnected", None, "b"),
            ("roundRobin", None, "a"),
            ("roundRobin", Some("a"), "b"),
            ("roundRobin", Some("b"), "c"),
            ("roundRobin", Some("c"), "a"),
            // One that is gone meanwhile still marks the place.
            ("roundRobin", Some("aa"), "b"),
        ] {
            assert_eq!(
                choose(builtin, &servers, previous),
                expect,
                "{builtin} {previous:?}"
            );
        }
        assert_eq!(choose("whereIAmConnected", &[("a", 0, 0)], None), "-");
        assert_eq!(choose("fewestSessions", &[], None), "-");
        assert_eq!(Builtin::named("eval"), None);
    }
}
