//! `docs/plain-hosts.md` and `docs/certificates.md`, followed to the letter on a host.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fastx_bus::{Bus, Options};
use fastx_core::wire::broker::BrokerConfig;
use fastx_lifecycle::env::{Process as Env, Source as _};
use fastx_lifecycle::tls;
use fastx_manager::operations::joins::{Admission, Discovery};
use fastx_manager::store::memory::MemoryStore;
use fastx_manager::testing::{self, Handle};
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::{Bench, Host};
use fastx_tests::{Failure, tool};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};

use crate::SEEN;

pub(crate) const PLAIN: &str = include_str!("../../../docs/plain-hosts.md");
const CERTIFICATES: &str = include_str!("../../../docs/certificates.md");
/// The name that the pages give to the machine of the bus.
const NAME: &str = "cm.example.org";

/// The block of a page that begins with this line, as it stands there.
fn block(page: &str, first: &str) -> Result<String, Failure> {
    let mut blocks = page.split("```").skip(1).step_by(2);
    let found = blocks.find_map(|block| {
        let text = block
            .trim_start_matches("sh")
            .trim_start_matches(['\n', ' ']);
        text.starts_with(first).then(|| text.replace("\n   ", "\n"))
    });
    found.ok_or_else(|| format!("no block of the page begins with `{first}`").into())
}

/// Runs a block where the page's files are, with what the page leaves to its reader.
pub(crate) fn follow(
    host: &Host,
    page: &str,
    first: &str,
    own: &dyn Fn(&str) -> String,
) -> Result<String, Failure> {
    let text = own(&block(page, first)?.replace(NAME, host.name()));
    host.root(&format!(
        "set -e; mkdir -p /var/tmp/page; cd /var/tmp/page; {{ {text}\n}} 2>&1"
    ))
}

/// An authority of its own, and what it signs.
struct Second(CertifiedIssuer<'static, KeyPair>);

impl Second {
    fn new() -> Result<Self, Failure> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(
            params,
            KeyPair::generate()?,
        )?))
    }

    /// Puts a certificate for the host where the pages have it.
    fn issue(&self, host: &Host) -> Result<(), Failure> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![host.name().to_owned(), "localhost".to_owned()])?;
        let leaf = params.signed_by(&key, &self.0)?;
        host.write("/var/tmp/page/fullchain.pem", &leaf.pem())?;
        host.write("/var/tmp/page/privkey.pem", &key.serialize_pem())?;
        host.write("/var/tmp/page/authority.pem", &self.0.pem())
    }
}

/// The program that the tests of the workspace have built.
pub(crate) fn manager_program() -> Result<PathBuf, Failure> {
    let folder = Env.get("FASTX_PROGRAMS").map(PathBuf::from).or_else(|| {
        let test = std::env::current_exe().ok()?;
        Some(test.parent()?.parent()?.to_owned())
    });
    let program = folder.unwrap_or_default().join("fastx-manager");
    if program.is_file() {
        Ok(program)
    } else {
        let say = format!(
            "{} is missing: `cargo build --bin fastx-manager`",
            program.display()
        );
        Err(say.into())
    }
}

/// A manager with what the setup wrote for it; its store is in memory.
async fn manager(host: &Host, ca: Option<String>) -> Result<Handle, Failure> {
    let mut broker = BrokerConfig::parse(&host.read("/etc/fastx/manager/broker.json")?)?;
    assert!(broker.reject_unauthorized);
    // Here is another machine than that of the page: it does not know the name, and trusts others.
    assert_eq!(broker.host, host.name());
    (broker.host, broker.port) = ("localhost".to_owned(), forwarded(host.address()).await?);
    match ca {
        Some(ca) => broker.ca = ca,
        None => assert!(!broker.ca.is_empty()),
    }
    let signing = serde_json::from_str(&host.read("/etc/fastx/manager/signing.json")?)?;
    let bus = eventually(SEEN, "the bus of the page", async || {
        Bus::connect(broker.clone(), Options::default()).await
    });
    let bus = bus.await.map_err(|error| logged(host, &error))?;
    let manager = testing::join_bus(bus, Arc::<MemoryStore>::default()).await;
    manager.core().set_admission(Admission {
        discovery: Discovery::Any { most: 5 },
        signing: Some(signing),
    });
    Ok(manager)
}

/// A port of this machine that leads to the bus of the host.
async fn forwarded(address: String) -> Result<u16, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            let address = address.clone();
            tokio::spawn(async move {
                if let Ok(mut there) = TcpStream::connect((address, 4222)).await {
                    let _ended = tokio::io::copy_bidirectional(&mut here, &mut there).await;
                }
            });
        }
    });
    Ok(port)
}

async fn online(manager: &Handle, host: &Host) -> Result<(), Failure> {
    // The name that it chose when it was alone.
    let name = host.read("/var/lib/fastx/server-id.json")?;
    let what = format!("{name} is a member");
    let done = eventually(SEEN, &what, async || {
        let nodes = manager.status().nodes;
        let there = nodes
            .iter()
            .any(|(id, node)| name.contains(&format!("\"{id}\"")) && node.online);
        there.then_some(()).ok_or_else(|| format!("{nodes:?}"))
    });
    done.await.map_err(|error| logged(host, &error))
}

/// What the services say about it.
fn logged(host: &Host, error: &Failure) -> Failure {
    let log = host.root("journalctl -u fastx-node -u fastx-bus -n 30 --no-pager -o cat");
    format!("{error}\n{}", log.unwrap_or_default()).into()
}

/// The certificate that a browser sees which trusts this authority alone.
async fn shown(host: &Host, authority: &str) -> Result<Vec<u8>, Failure> {
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(tls::roots(authority)?)
        .with_no_client_auth();
    let tcp = TcpStream::connect((host.address(), 3300)).await?;
    let name = ServerName::try_from(host.name().to_owned())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, tcp).await?;
    let chain = stream.get_ref().1.peer_certificates();
    Ok(chain
        .and_then(|c| c.first())
        .ok_or("no certificate")?
        .to_vec())
}

pub(crate) async fn a_cluster_of_the_pages_moves_to_another_authority(
    bench: &Bench,
    host: &Host,
) -> Result<(), Failure> {
    tls::install_provider();
    // A host that is alone, and the programs that the page wants.
    host.root("dpkg -P fastx-node 2>&1 && rm -rf /etc/fastx /var/lib/fastx && dpkg -i /var/tmp/package.deb 2>&1")?;
    bench.joined(host).await?;
    std::fs::copy(manager_program()?, host.path("/usr/bin/fastx-manager"))?;
    std::fs::copy(tool("nats-server"), host.path("/usr/bin/nats-server"))?;
    host.write("/etc/fastx/store-uri", "mongodb://u:p@127.0.0.1/\n")?;

    let said = follow(host, PLAIN, "fastx-manager setup", &str::to_owned)?;
    assert!(
        said.contains("firewall-cmd") && said.contains("/etc/fastx/join.json"),
        "{said}"
    );
    // There is no database on this host: the manager is in this process.
    host.root("systemctl stop fastx-manager")?;
    let first = manager(host, None).await?;
    host.root("systemctl restart fastx-node")?;
    online(&first, host).await?;
    host.root("! fastx-manager setup --rotate certificates --dry-run | grep -q 'would write /etc/fastx/join.json'")?;
    follow(
        host,
        CERTIFICATES,
        "fastx-manager setup --rotate certificates",
        &str::to_owned,
    )?;
    host.root("systemctl stop fastx-manager")?;
    online(&first, host).await?;
    drop(first);

    let second = Second::new()?;
    second.issue(host)?;
    follow(
        host,
        CERTIFICATES,
        "install -m 0644 authority.pem",
        &str::to_owned,
    )?;
    follow(
        host,
        CERTIFICATES,
        "fastx-manager setup --certificate",
        &str::to_owned,
    )?;
    host.root("systemctl stop fastx-manager; cp /etc/fastx/join.json /var/tmp/page/join.json")?;
    follow(host, CERTIFICATES, "install -m 0400", &str::to_owned)?;
    let moved = manager(host, Some(second.0.pem())).await?;
    online(&moved, host).await?;
    drop(moved);

    // The web address: the first certificate, and a renewed one, without a restart.
    let node = host.root("systemctl show -P MainPID fastx-node")?;
    let before = shown(host, &second.0.pem()).await;
    assert!(before.is_err(), "self-signed at first");
    let within = Duration::from_secs(20);
    follow(host, CERTIFICATES, "install -d -m 0750", &str::to_owned)?;
    let one = eventually(within, "the certificate is shown", async || {
        shown(host, &second.0.pem()).await
    })
    .await?;
    second.issue(host)?;
    follow(host, CERTIFICATES, "install -d -m 0750", &str::to_owned)?;
    eventually(within, "the renewed one is shown", async || {
        let now = shown(host, &second.0.pem()).await?;
        if now == one {
            Err(Failure::from("the former one"))
        } else {
            Ok(())
        }
    })
    .await?;
    assert_eq!(
        host.root("systemctl show -P MainPID fastx-node")?,
        node,
        "no restart"
    );

    host.root("systemctl disable --now fastx-bus fastx-manager 2>&1; rm -f /etc/systemd/system/fastx-bus.service /etc/systemd/system/fastx-manager.service; dpkg -P fastx-node 2>&1; rm -rf /etc/fastx /var/lib/fastx && dpkg -i /var/tmp/package.deb 2>&1")?;
    bench.join(host)?;
    bench.joined(host).await
}
