//! A real Redis with TLS and a password, for tests.

use std::process::{Child, Command, Stdio};

use fastx_core::secret::Secret;
use fastx_core::wire::broker::{BrokerConfig, TransporterType};
use tempfile::TempDir;

use super::{certificates, eventually, free_port, namespace};
use crate::{Bus, BusError, Options};

/// A server.
pub struct RedisServer {
    dir: TempDir,
    port: u16,
    /// Port without TLS, for tests of who takes the wrong one.
    pub plain_port: u16,
    ca: String,
    child: Option<Child>,
}

impl std::fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisServer")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl RedisServer {
    /// Starts one.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        certificates(&dir);
        let ca = std::fs::read_to_string(dir.path().join("ca.crt")).unwrap();
        let mut server = Self {
            dir,
            port: free_port(),
            plain_port: free_port(),
            ca,
            child: None,
        };
        server.up().await;
        server
    }

    /// Runs the server and waits until it listens.
    pub async fn up(&mut self) {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        let config = format!(
            "bind 127.0.0.1\nport {}\ntls-port {}\ntls-cert-file {}\ntls-key-file {}\n\
             tls-ca-cert-file {}\ntls-auth-clients no\nrequirepass secret\nsave \"\"\n\
             appendonly no\ndir {}\nlogfile {}\n",
            self.plain_port,
            self.port,
            path("tls.crt"),
            path("tls.key"),
            path("ca.crt"),
            self.dir.path().display(),
            path("log"),
        );
        std::fs::write(self.dir.path().join("redis.conf"), config).unwrap();
        let child = Command::new("redis-server")
            .arg(self.dir.path().join("redis.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is missing; install it with: apt-get install redis-server");
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

    /// Process of the server.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The `broker.json` of every member.
    pub fn broker(&self) -> BrokerConfig {
        BrokerConfig {
            transporter_type: TransporterType::Redis,
            host: "localhost".into(),
            port: self.port,
            password: Secret::new("secret"),
            reject_unauthorized: true,
            namespace: namespace(),
            schema: 1,
            generation: 1,
            hosts: Vec::new(),
            credentials: None,
            ca: self.ca.clone(),
        }
    }

    /// Connects as a member.
    pub async fn join(&self, caller: &str) -> Bus {
        try_join(self.broker(), caller).await.unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Connects with this configuration under this name.
pub async fn try_join(broker: BrokerConfig, caller: &str) -> Result<Bus, BusError> {
    let options = Options {
        caller: Some(caller.parse().unwrap()),
        ..Options::default()
    };
    Bus::connect(broker, options).await
}
