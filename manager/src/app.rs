//! Puts a manager together and runs it: the composition root.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastx_core::names::CallerId;
use fastx_lifecycle::backoff::Backoff;
use fastx_lifecycle::clock;
use fastx_lifecycle::health::{self, Liveness};
use fastx_lifecycle::https;
use fastx_lifecycle::memory;
use fastx_lifecycle::readiness::{Block, Readiness};
use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::tls::{self, CertFiles, ReloadingCert, TlsError};
use fastx_lifecycle::trust::ReloadingTrust;
use prometheus_client::registry::Registry;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::api::{self, Api};
use crate::config::Config;
use crate::core::Core;
use crate::fleet::Command;
use crate::operations::joins::{Admission, Discovery};
use crate::store::mongo::MongoStore;
use crate::store::{Pace, StoreError};
use crate::users::Users;
use crate::{engine, link};

/// How long the tasks may take to end: long enough to hand the lease back.
const END_LIMIT: Duration = Duration::from_secs(6);

/// Why a manager cannot even start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file of its settings is missing.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The key that signs nodes cannot be read.
    #[error("{0} is not a signing key; let `fastx-manager setup` write it again")]
    Signing(PathBuf),
    /// The store's address is not one.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The certificates of the HTTPS address cannot be used.
    #[error("the certificates of the HTTPS address cannot be used")]
    Tls(#[from] TlsError),
    /// A port is taken.
    #[error("cannot listen on {addr}")]
    Listen {
        /// Which one.
        addr: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// A manager that is ready to run.
#[derive(Debug)]
pub struct App {
    core: Arc<Core>,
    commands: mpsc::Receiver<Command>,
    readiness: Readiness,
    waiting: [Block; 2],
    tls: Arc<rustls::ServerConfig>,
    files: Files,
    api: TcpListener,
    health_addr: SocketAddr,
    broker: PathBuf,
    seed: u64,
}

/// What follows its files while the manager runs.
#[derive(Debug)]
struct Files {
    certificate: Arc<ReloadingCert>,
    trust: Arc<ReloadingTrust>,
    store: Arc<MongoStore>,
    uri: PathBuf,
}

impl Files {
    fn spawn_watches(self, shutdown: &Shutdown) {
        self.certificate.spawn_watch(shutdown.clone());
        self.trust.spawn_watch(shutdown.clone());
        self.store.spawn_watch(self.uri, shutdown.clone());
    }
}

/// Binds sockets and reads files, but waits for nobody.
pub async fn build(config: Config) -> Result<App, BuildError> {
    let Config {
        name,
        config_dir,
        store_uri_file,
        store_ca_file,
        store_database,
        tls_dir,
        users_dir,
        discovery,
        oidc_secret_file,
        oidc_ca_file,
        api_addr,
        health_addr,
    } = config;
    tls::install_provider();
    memory::return_large_buffers();
    let seed: u64 = rand::random();
    let uri = read(&store_uri_file)?;
    let pace = Pace::new(seed);
    let store = MongoStore::open(uri.trim(), store_ca_file, &store_database, pace).await?;
    let store = Arc::new(store);
    let certificate = ReloadingCert::load(CertFiles::in_dir(&tls_dir))?;
    let trust = ReloadingTrust::load(tls_dir.join("ca.crt"))?;
    let alpn = ["h2", "http/1.1"];
    let tls = tls::server_config(certificate.clone(), Some(trust.clone()), &alpn)?;
    let listen = |source| BuildError::Listen {
        addr: api_addr,
        source,
    };
    let api = TcpListener::bind(api_addr).await.map_err(listen)?;
    let (core, commands) = core(name, store.clone(), seed, users_dir);
    core.set_admission(admission(&config_dir, discovery)?);
    core.oidc.files_at(oidc_secret_file, oidc_ca_file);
    let readiness = Readiness::new();
    Ok(App {
        core,
        commands,
        waiting: [readiness.block("store"), readiness.block("bus")],
        readiness,
        tls: Arc::new(tls),
        files: Files {
            certificate,
            trust,
            store,
            uri: store_uri_file,
        },
        api,
        health_addr,
        broker: config_dir.join("broker.json"),
        seed,
    })
}

fn core(
    name: CallerId,
    store: Arc<MongoStore>,
    seed: u64,
    users: PathBuf,
) -> (Arc<Core>, mpsc::Receiver<Command>) {
    // Another seed than the store's: marks must differ.
    let pace = Pace::new(seed.rotate_left(32) ^ 1);
    Core::new(
        name,
        format!("{seed:016x}"),
        store,
        pace,
        clock::now,
        Users::Folder(users),
    )
}

/// A manager that has no signing key leaves identities to somebody else.
fn admission(config_dir: &Path, discovery: Discovery) -> Result<Admission, BuildError> {
    let path = config_dir.join("signing.json");
    if !path.exists() {
        return Ok(Admission {
            discovery,
            signing: None,
        });
    }
    let signing = serde_json::from_str(&read(&path)?).map_err(|_| BuildError::Signing(path))?;
    Ok(Admission {
        discovery,
        signing: Some(signing),
    })
}

fn read(path: &Path) -> Result<String, BuildError> {
    std::fs::read_to_string(path).map_err(|source| BuildError::Read {
        path: path.to_owned(),
        source,
    })
}

impl App {
    /// Where it listens for the operator.
    pub fn api_addr(&self) -> std::io::Result<SocketAddr> {
        self.api.local_addr()
    }

    /// Runs until shutdown. Readiness waits for the first success of store and bus; what happens to them later
    /// is in the status, which the operator must be able to read most of all when they are away.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), BuildError> {
        let Self {
            core,
            commands,
            readiness,
            waiting,
            tls,
            files,
            api,
            health_addr,
            broker,
            seed,
        } = self;
        let liveness = Liveness::new();
        let registry = Arc::new(Mutex::new(Registry::with_prefix("fastx_manager")));
        core.metrics.register(&registry);
        health::serve(
            health_addr,
            readiness,
            registry,
            liveness.clone(),
            shutdown.clone(),
        )
        .await
        .map_err(|source| BuildError::Listen {
            addr: health_addr,
            source,
        })?;
        files.spawn_watches(&shutdown);
        let mut tasks = JoinSet::new();
        let status = engine::start(&core, commands, &liveness, &mut tasks);
        let router = api::router(Api {
            core: Arc::clone(&core),
            status,
            shutdown: shutdown.clone(),
        });
        let serving = tokio::spawn(https::serve(api, tls, router, shutdown.clone()));
        let [store_block, bus_block] = waiting;
        tokio::select! {
            () = shutdown.triggered() => {}
            () = async {
                prepare(&core, seed).await;
                drop(store_block);
                let (config, bus, ears) = link::enter(&core, &broker, seed).await;
                tasks.spawn(link::follow(bus.clone(), config, broker));
                engine::join(&core, bus, ears, &shutdown, &mut tasks);
                drop(bus_block);
                tracing::info!("this manager is ready");
                shutdown.triggered().await;
            } => {}
        }
        let joined = core.bus().is_some();
        end(&core, serving, tasks, joined).await;
        Ok(())
    }
}

/// Waits until the store can be used; one line for each new reason why not.
async fn prepare(core: &Core, seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    let mut last = None;
    while let Err(error) = core.store.prepare().await {
        if last.as_ref() != Some(&error) {
            tracing::error!(%error, "the store cannot be used; trying again");
        }
        last = Some(error);
        tokio::time::sleep(backoff.next(&mut rng)).await;
    }
    tracing::info!("the store can be used");
}

/// Lets open requests finish and the lease be handed back, then ends the rest.
async fn end(
    core: &Core,
    serving: tokio::task::JoinHandle<()>,
    mut tasks: JoinSet<()>,
    joined: bool,
) {
    let handed_back = async {
        if joined {
            core.handed_back.notified().await;
        }
    };
    let _ = timeout(END_LIMIT, async { tokio::join!(serving, handed_back) }).await;
    tasks.shutdown().await;
}
