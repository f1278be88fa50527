//! The real manager with a store in memory, and a look at what it knows.

use std::collections::BTreeMap;

use fastx_bus::{Bus, Hub};
use fastx_core::names::ServerId;
use fastx_core::subject::Operation;
use fastx_core::wire::config::{ClusterPart, NodePart};
use fastx_core::wire::fleet::FleetSnapshot;
use fastx_core::wire::operations::{Empty, TokenRevoke};
use fastx_core::wire::session::SessionState;
use fastx_manager::testing::{self, Handle};

/// The manager. Every password is `pw-` and the login; `max` is in the group `ops`, `eva` in `chiefs`.
pub(crate) struct Manager {
    handle: Handle,
    bus: Bus,
}

impl Manager {
    pub(crate) async fn start(hub: &Hub) -> Self {
        let join =
            |name: &str| Bus::in_process(hub, name.parse().unwrap(), "site".parse().unwrap());
        Self::start_on(join("manager-1"), join("probe")).await
    }

    /// On any bus; `probe` is who looks at what it knows.
    pub(crate) async fn start_on(bus: Bus, probe: Bus) -> Self {
        let handle = testing::join_bus(bus, std::sync::Arc::default()).await;
        handle
            .wait_status("it publishes", |status| status.leading)
            .await;
        for (login, groups) in [
            ("ada", &[][..]),
            ("bob", &[]),
            ("max", &["ops"]),
            ("eva", &["chiefs"]),
        ] {
            handle.add_user(login, &format!("pw-{login}"), groups);
        }
        Self { handle, bus: probe }
    }

    /// Makes this the configuration of the cluster and of its nodes; its generation.
    pub(crate) async fn configure(
        &self,
        cluster: &ClusterPart,
        nodes: &BTreeMap<ServerId, NodePart>,
    ) -> u64 {
        self.handle.put_config(cluster, nodes).await.generation
    }

    /// Says where the secret of the OIDC client is.
    pub(crate) fn oidc_secret_at(&self, file: std::path::PathBuf) {
        let no_ca = file.with_extension("ca");
        self.handle.oidc_files_at(file, no_ca);
    }

    /// State of a session as it was reported.
    pub(crate) async fn session_state(&self, id: &str) -> Option<SessionState> {
        let fleet: FleetSnapshot = self
            .bus
            .store(Operation::FleetGet, &Empty {})
            .await
            .unwrap();
        let session = fleet.sessions.into_iter().find(|s| s.id.as_str() == id);
        session.map(|s| s.state)
    }

    /// Takes all tokens of a login off the list.
    pub(crate) async fn revoke(&self, login: &str) {
        let all = TokenRevoke {
            login: login.parse().unwrap(),
            jti: None,
        };
        let _done: Empty = self.bus.store(Operation::TokenRevoke, &all).await.unwrap();
    }
}
