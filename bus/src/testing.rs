//! A real NATS server with the identities of a cluster, and a real Redis, for tests.
#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

pub mod redis;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fastx_core::identity::{Authority, Seeds, ServerConfig};
use fastx_core::names::{BusNamespace, CallerId};
use fastx_core::subject::member_of;
use fastx_core::wire::broker::{BrokerConfig, Credentials, TransporterType};
use fastx_core::wire::join::{Invitation, SigningKey};
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::{Bus, BusError, Options};

/// Longest wait of a test.
pub const PATIENCE: Duration = Duration::from_secs(20);

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// A server and what it takes to issue identities for it.
pub struct Server {
    authority: Authority,
    dir: TempDir,
    port: u16,
    ca: String,
    child: Option<Child>,
    revoked: BTreeMap<String, Timestamp>,
    /// Own route port, and those of the other servers of a cluster.
    route: u16,
    peers: Vec<u16>,
}

/// Namespace of all buses of tests.
pub fn namespace() -> BusNamespace {
    "test".parse().unwrap()
}

/// A port that nobody listens on just now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The NATS server.
pub fn nats_server() -> PathBuf {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let cached = home.join(".cache/fastx-cluster/localkube/bin/nats-server");
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(cached)
        .chain(std::env::split_paths(&path).map(|folder| folder.join("nats-server")))
        .find(|candidate| candidate.is_file())
        .expect("nats-server is missing; install it with: go install github.com/nats-io/nats-server/v2@v2.15.2")
}

impl Server {
    /// Starts one; `seed` tells the authorities of several apart.
    pub async fn start(seed: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        certificates(&dir);
        let mut server = Self::new(seed, dir, free_port(), Vec::new());
        server.up().await;
        server
    }

    /// Starts two that form a cluster.
    pub async fn start_pair(seed: u8) -> [Self; 2] {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        certificates(&dirs[0]);
        for name in ["tls.crt", "tls.key", "ca.crt"] {
            std::fs::copy(dirs[0].path().join(name), dirs[1].path().join(name)).unwrap();
        }
        let ports = [free_port(), free_port()];
        let [first, second] = dirs;
        let mut pair = [
            Self::new(seed, first, ports[0], vec![ports[1]]),
            Self::new(seed, second, ports[1], vec![ports[0]]),
        ];
        for server in &mut pair {
            server.up().await;
        }
        pair
    }

    fn new(seed: u8, dir: TempDir, route: u16, peers: Vec<u16>) -> Self {
        let all = |n: u8| [seed.wrapping_mul(16).wrapping_add(n); 32];
        let seeds = Seeds {
            operator: all(1),
            system: all(2),
            account: all(3),
            nodes: all(4),
            managers: all(5),
        };
        let ca = std::fs::read_to_string(dir.path().join("ca.crt")).unwrap();
        let server = Self {
            authority: Authority::new(&seeds),
            dir,
            port: free_port(),
            ca,
            child: None,
            revoked: BTreeMap::new(),
            route,
            peers,
        };
        server.write();
        server
    }

    fn write(&self) {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        let config = ServerConfig {
            name: format!("test-{}", self.port),
            listen: format!("127.0.0.1:{}", self.port),
            monitor: "127.0.0.1:-1".into(),
            certificate: path("tls.crt"),
            key: path("tls.key"),
            ca: path("ca.crt"),
            routes: self
                .peers
                .iter()
                .map(|p| format!("localhost:{p}"))
                .collect(),
        };
        let text =
            self.authority
                .nats_conf(&namespace(), &self.revoked, Timestamp::UNIX_EPOCH, &config);
        // In a Pod every server has the same port to itself.
        let text = text.replace("0.0.0.0:6222", &format!("127.0.0.1:{}", self.route));
        std::fs::write(self.dir.path().join("nats.conf"), text).unwrap();
    }

    /// Runs the server and waits until it listens.
    pub async fn up(&mut self) {
        let log = std::fs::File::create(self.dir.path().join("log")).unwrap();
        let child = Command::new(nats_server())
            .arg("-c")
            .arg(self.dir.path().join("nats.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let address = ("127.0.0.1", self.port);
        eventually("the server listens", async || {
            tokio::net::TcpStream::connect(address).await.is_ok()
        })
        .await;
    }

    /// Kills the server at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Puts the key of these credentials on the list and has the server read it.
    pub fn revoke(&mut self, credentials: &Credentials) {
        let key = fastx_core::identity::public_key(credentials).unwrap();
        self.revoked
            .insert(key, Timestamp::from_second(2_000_000_000).unwrap());
        self.write();
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(
            Command::new("kill")
                .args(["-HUP", &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// The identity of a member.
    pub fn credentials(&self, caller: &str) -> Credentials {
        let caller = caller.parse().unwrap();
        let seed: [u8; 32] = std::array::from_fn(|i| {
            let name: &str = AsRef::as_ref(&caller);
            name.as_bytes()[i % name.len()].wrapping_add(u8::try_from(i).unwrap())
        });
        self.authority
            .member(member_of(&caller), &caller, seed, Timestamp::UNIX_EPOCH)
    }

    /// What signs identities of nodes.
    pub fn signing(&self) -> SigningKey {
        self.authority.node_signer()
    }

    /// A join file; its name says what it admits to.
    pub fn join_file(&self, caller: &CallerId) -> BrokerConfig {
        let expires = Invitation::of(caller).unwrap().expires;
        let credentials = self.authority.joiner(
            &namespace(),
            caller,
            [77; 32],
            Timestamp::UNIX_EPOCH,
            expires,
        );
        BrokerConfig {
            credentials: Some(credentials),
            ..self.broker("a")
        }
    }

    /// The `broker.json` of a member.
    pub fn broker(&self, caller: &str) -> BrokerConfig {
        BrokerConfig {
            transporter_type: TransporterType::Nats,
            host: "localhost".into(),
            port: self.port,
            password: fastx_core::secret::Secret::default(),
            reject_unauthorized: true,
            namespace: namespace(),
            schema: 1,
            generation: 1,
            hosts: Vec::new(),
            credentials: Some(self.credentials(caller)),
            ca: self.ca.clone(),
        }
    }

    /// Connects as a member.
    pub async fn join(&self, caller: &str) -> Bus {
        try_join(self.broker(caller)).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Connects with this configuration.
pub async fn try_join(broker: BrokerConfig) -> Result<Bus, BusError> {
    Bus::connect(broker, Options::default()).await
}

/// Writes a leaf certificate for this machine and the authority that it comes from.
fn certificates(dir: &TempDir) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &ca)
        .unwrap();
    std::fs::write(dir.path().join("tls.crt"), leaf.pem()).unwrap();
    std::fs::write(dir.path().join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::write(dir.path().join("ca.crt"), ca.pem()).unwrap();
}

/// Waits until a condition holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut step = tokio::time::interval(Duration::from_millis(20));
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        step.tick().await;
    }
}
