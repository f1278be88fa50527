//! The bus of the bench: a real NATS server with the identities of a cluster.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fastx_bus::{Bus, Options};
use fastx_core::identity::{Authority, Seeds, ServerConfig};
use fastx_core::names::CallerId;
use fastx_core::subject::member_of;
use fastx_core::wire::broker::{BrokerConfig, TransporterType};
use fastx_lifecycle::clock;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::network;
use crate::eventually::eventually;
use crate::{Failure, tool};

const PORT: u16 = 4222;
const NAMESPACE: &str = "bench";

/// The server; it ends when this is dropped.
pub(super) struct Transporter {
    authority: Authority,
    ca: String,
    child: Child,
}

impl Transporter {
    /// Starts it on this machine's address.
    pub(super) async fn start(dir: &Path) -> Result<Self, Failure> {
        let ca = certificates(dir)?;
        let part = |n: u8| [n; 32];
        let seeds = Seeds {
            operator: part(1),
            system: part(2),
            account: part(3),
            nodes: part(4),
            managers: part(5),
        };
        let authority = Authority::new(&seeds);
        let path = |name: &str| dir.join(name).display().to_string();
        let config = ServerConfig {
            name: "bench".into(),
            listen: format!("{}:{PORT}", network::own()),
            monitor: "127.0.0.1:-1".into(),
            certificate: path("tls.crt"),
            key: path("tls.key"),
            ca: path("ca.crt"),
            routes: Vec::new(),
        };
        let text = authority.nats_conf(&NAMESPACE.parse()?, &[].into(), clock::now(), &config);
        fs::write(dir.join("nats.conf"), text)?;
        let child = Command::new(tool("nats-server"))
            .arg("-c")
            .arg(dir.join("nats.conf"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("nats.log"))?)
            .spawn()?;
        let started = Self {
            authority,
            ca,
            child,
        };
        eventually(Duration::from_secs(20), "NATS listens", async || {
            tokio::net::TcpStream::connect((network::own(), PORT))
                .await
                .map(drop)
        })
        .await?;
        Ok(started)
    }

    /// The `broker.json` of a member.
    pub(super) fn broker(&self, caller: &str) -> Result<BrokerConfig, Failure> {
        let caller: CallerId = caller.parse()?;
        let name = caller.as_str().as_bytes();
        let seed = std::array::from_fn(|i| {
            name[i % name.len()].wrapping_add(u8::try_from(i).unwrap_or(0))
        });
        Ok(BrokerConfig {
            transporter_type: TransporterType::Nats,
            host: network::own(),
            port: PORT,
            password: fastx_core::secret::Secret::default(),
            reject_unauthorized: true,
            namespace: NAMESPACE.parse()?,
            schema: 1,
            generation: 1,
            hosts: Vec::new(),
            credentials: Some(self.authority.member(
                member_of(&caller),
                &caller,
                seed,
                clock::now(),
            )),
            ca: self.ca.clone(),
        })
    }

    /// Connects as a member.
    pub(super) async fn join(&self, caller: &str) -> Result<Bus, Failure> {
        Ok(Bus::connect(self.broker(caller)?, Options::default()).await?)
    }
}

impl Drop for Transporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A certificate for this machine's address, and the authority that it comes from.
fn certificates(dir: &Path) -> Result<String, Failure> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![network::own()])?.signed_by(&key, &ca)?;
    fs::write(dir.join("tls.crt"), leaf.pem())?;
    fs::write(dir.join("tls.key"), key.serialize_pem())?;
    fs::write(dir.join("ca.crt"), ca.pem())?;
    Ok(ca.pem())
}
