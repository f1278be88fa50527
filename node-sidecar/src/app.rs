//! Puts the node together and runs it.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use fastx_balancer::{Balancer, WorkerCommand};
use fastx_bus::Bus;
use fastx_core::names::ServerId;
use fastx_lifecycle::env::{EXIT_USAGE, Source};
use fastx_lifecycle::health::{self, Liveness};
use fastx_lifecycle::readiness::Readiness;
use fastx_lifecycle::shutdown::Shutdown;
use fastx_lifecycle::tls::{self, CertFiles};
use fastx_lifecycle::{https, telemetry};
use fastx_manager::alone::Alone;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use crate::accounts::Accounts;
use crate::config::{Config, Place};
use crate::configuration::{self, Configuration};
use crate::connection::{self, Broker};
use crate::display::{Displays, Tickets};
use crate::events::Events;
use crate::fleet::{self, Fleet};
use crate::hints::Hints;
use crate::keys::{Keys, random_hex};
use crate::links::launch::{Launcher, Ways};
use crate::links::{Hub, install_link};
use crate::logins::{self, Logins};
use crate::metrics::Metrics;
use crate::node::{Node, Parts};
use crate::sessions::{self, Chooser, Sessions, follow_scripts};
use crate::signin::{self, LinkCommand, SignIn};
use crate::standalone::{self, StandaloneError};
use crate::transport::Transport;
use crate::{api, heartbeat, web, web_certificate};

/// The heartbeat loop is stuck after so long.
const HEARTBEAT_SILENCE: Duration = Duration::from_mins(1);

/// How long viewers and loops get to end.
const DRAIN: Duration = Duration::from_secs(4);

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {addr} ({name})")]
    Listen {
        /// The setting that names it.
        name: &'static str,
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The node has no name.
    #[error("broker.json has no credentials that name this node: set FX_SERVER_ID")]
    NoName,
    /// The end was asked for before the node had begun.
    #[error("ended before broker.json was there")]
    Ended,
    /// Keys.
    #[error("the node has no keys")]
    Keys(#[from] crate::keys::KeyError),
    /// Links.
    #[error("no link could reach the node")]
    Hub(#[from] crate::links::HubError),
    /// Certificates.
    #[error("the web address has no certificate")]
    Certificate(#[from] tls::TlsError),
    /// The node's own certificate.
    #[error("the certificate for other members cannot be used")]
    PeerCertificate(#[from] rustls::Error),
    /// The services of a server alone.
    #[error("this server cannot be alone")]
    Standalone(#[from] StandaloneError),
    /// The script process.
    #[error("the program does not know its own path, which the script process needs")]
    Program(#[source] std::io::Error),
}

/// Where the bus comes from.
#[derive(Debug)]
pub enum BusSource {
    /// The file `broker.json`.
    Broker,
    /// One within this process, with a manager of its own: a server alone.
    Alone,
    /// One that is there already, under whose name the node runs (tests).
    Given(Bus),
}

/// A node that listens.
#[derive(Debug)]
pub struct App {
    /// Where browsers and members come.
    pub web_addr: SocketAddr,
    /// Where probes and metrics come.
    pub health_addr: SocketAddr,
    /// The node.
    pub node: Node,
    readiness: Readiness,
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    shutdown: Shutdown,
    tasks: TaskTracker,
    alone: Option<Alone>,
}

/// Puts a node together; it answers from [`App::run`] on.
pub async fn build(config: Config, bus: BusSource, shutdown: Shutdown) -> Result<App, StartError> {
    tls::install_provider();
    let readiness = Readiness::new();
    let liveness = Liveness::new();
    let starting = readiness.block("broker.json");
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = Metrics::register(&mut registry);
    let registry = Arc::new(Mutex::new(registry));
    let health_addr = health::serve(
        config.health_addr,
        readiness.clone(),
        registry,
        liveness.clone(),
        shutdown.clone(),
    )
    .await
    .map_err(|source| StartError::Listen {
        name: "FX_HEALTH_ADDR",
        addr: config.health_addr,
        source,
    })?;
    let listener = listen(config.web_addr).await?;
    let web_addr = listener.local_addr().unwrap_or(config.web_addr);
    let keys = Keys::load(&config.local_dir, &mut rand::rng())?;
    let hints = Hints::new(!CertFiles::in_dir(&config.tls_dir).cert.exists());
    let tls = Arc::new(web_certificate::server_tls(
        &config.tls_dir,
        &keys,
        &hints,
        &shutdown,
    )?);
    let (bus, alone) = match bus {
        BusSource::Alone => {
            let (bus, alone) = standalone::start(&config, &liveness, &shutdown).await?;
            (BusSource::Given(bus), Some(alone))
        }
        other => (other, None),
    };
    let broker = connection::open(&config, bus, &shutdown).await?;
    let tasks = TaskTracker::new();
    let parts = Assembled {
        keys,
        broker: &broker,
        metrics: metrics.clone(),
        hints,
        tasks: &tasks,
    };
    let node = assemble(&config, parts, &shutdown).await?;
    connection::ready_when_loaded(&readiness, &node, &shutdown);
    let pulse = liveness.register("heartbeat", HEARTBEAT_SILENCE);
    tokio::spawn(heartbeat::run(
        node.clone(),
        metrics,
        pulse,
        shutdown.clone(),
    ));
    drop(starting);
    tracing::info!(node = %node.me(), %web_addr, %health_addr, version = crate::VERSION, "node started");
    Ok(App {
        web_addr,
        health_addr,
        node,
        readiness,
        listener,
        tls,
        shutdown,
        tasks,
        alone,
    })
}

async fn listen(addr: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(addr)
        .await
        .map_err(|source| StartError::Listen {
            name: "FX_WEB_ADDR",
            addr,
            source,
        })
}

/// What is there before the node itself.
struct Assembled<'a> {
    keys: Keys,
    broker: &'a Broker,
    metrics: Metrics,
    hints: Hints,
    tasks: &'a TaskTracker,
}

async fn assemble(
    config: &Config,
    parts: Assembled<'_>,
    shutdown: &Shutdown,
) -> Result<Node, StartError> {
    let (keys, broker) = (parts.keys, parts.broker);
    let me: ServerId = broker.me.clone();
    let transport = Transport::following(broker.bus.clone());
    let boot = random_hex::<8>(&mut rand::rng());
    let events = Events::new(boot.clone());
    let news = Arc::new(Notify::new());
    let configuration = Configuration::open(me.clone(), &config.local_dir, transport.clone());
    let fleet = Fleet::new(me.clone(), events.clone());
    let logins = Logins::new(
        me.clone(),
        keys.clone(),
        transport.clone(),
        configuration.clone(),
        fleet.clone(),
    );
    let accounts = accounts(config, &configuration, shutdown);
    let hub = hub(config, &accounts).await?;
    let balancer = Balancer::spawn(WorkerCommand::current_exe().map_err(StartError::Program)?);
    let made = sessions::Parts {
        me: me.clone(),
        local_dir: config.local_dir.clone(),
        configuration: configuration.clone(),
        fleet: fleet.clone(),
        transport: transport.clone(),
        logins: logins.clone(),
        hub,
        accounts,
        launcher: Launcher::new(config.passwordless, Ways::default()),
        events: events.clone(),
        chooser: Chooser::new(balancer.clone()),
        news: news.clone(),
        metrics: parts.metrics.clone(),
    };
    let sign_in = sign_in(config, &made);
    let sessions = Sessions::open(made);
    let tickets = Tickets::open(
        me.clone(),
        keys.clone(),
        logins.clone(),
        configuration.clone(),
        &config.local_dir,
    );
    let hints = parts.hints.clone();
    let displays = Displays::new(sessions.clone(), tickets, hints, shutdown.clone());
    let node = Node::new(Parts {
        me,
        boot,
        keys,
        transport,
        configuration,
        fleet,
        logins,
        sign_in,
        sessions,
        displays,
        events,
        news,
        metrics: parts.metrics,
        hints: parts.hints,
        shutdown: shutdown.clone(),
        broker_generation: broker.generation.clone(),
    });
    follow(config, &node, balancer, parts.tasks, shutdown);
    Ok(node)
}

/// Signs people in by SSH, for the sessions of this node.
fn sign_in(config: &Config, parts: &sessions::Parts) -> SignIn {
    SignIn::new(signin::Parts {
        me: parts.me.clone(),
        logins: parts.logins.clone(),
        transport: parts.transport.clone(),
        configuration: parts.configuration.clone(),
        fleet: parts.fleet.clone(),
        hub: parts.hub.clone(),
        accounts: parts.accounts.clone(),
        tools: config.ssh_tools(),
        sshd: config.ssh.clone(),
        link: LinkCommand {
            program: config.link_binary.clone(),
            dir: config.link_dir.clone(),
        },
    })
}

/// Starts what keeps the node up to date until shutdown.
fn follow(
    config: &Config,
    node: &Node,
    balancer: Balancer,
    tasks: &TaskTracker,
    shutdown: &Shutdown,
) {
    let (configuration, transport) = (node.configuration(), node.transport());
    tasks.spawn(configuration::run(
        configuration.clone(),
        transport.clone(),
        shutdown.clone(),
    ));
    tasks.spawn(fleet::run(
        node.fleet().clone(),
        transport.clone(),
        shutdown.clone(),
    ));
    tasks.spawn(logins::run(
        node.logins().clone(),
        transport.clone(),
        shutdown.clone(),
    ));
    tasks.spawn(follow_scripts(
        balancer,
        configuration.watch(),
        shutdown.clone(),
    ));
    let level = config.log_level.clone();
    tasks.spawn(connection::follow_level(
        level,
        node.clone(),
        shutdown.clone(),
    ));
    node.sessions().spawn(tasks, shutdown);
}

/// The users of this place: whom configuration names in a pod, whom the name service knows on a host.
fn accounts(config: &Config, configuration: &Configuration, shutdown: &Shutdown) -> Accounts {
    if config.place == Place::Host {
        return Accounts::new(config.accounts.clone());
    }
    let users_of = |configuration: &Configuration| configuration.current().node.users.clone();
    let (sender, users) = watch::channel(users_of(configuration));
    let (configuration, shutdown) = (configuration.clone(), shutdown.clone());
    tokio::spawn(async move {
        let mut changes = configuration.watch();
        loop {
            sender.send_if_modified(|users| {
                let new = users_of(&configuration);
                let differs = *users != new;
                *users = new;
                differs
            });
            tokio::select! {
                () = shutdown.triggered() => return,
                more = changes.changed() => if more.is_err() { return },
            }
        }
    });
    Accounts::new(config.accounts.clone()).of_pod(users)
}

/// Listens for the links of these users.
async fn hub(config: &Config, accounts: &Accounts) -> Result<Hub, StartError> {
    // On a host users run the program that root installed, never one that this process could change.
    if config.place == Place::Pod {
        match install_link(&config.link_binary, &config.link_dir) {
            Ok(changed) => tracing::info!(changed, "the link program is in place"),
            // A desktop that has one already goes on with it.
            Err(error) => {
                tracing::warn!(error = %telemetry::chain(&error), "the link program is not in place");
            }
        }
    }
    Ok(Hub::bind(&config.link_dir, accounts.clone()).await?)
}

impl App {
    /// Whether the node is ready, and what for it waits otherwise.
    pub fn pending(&self) -> Vec<String> {
        self.readiness.pending()
    }

    /// Serves until shutdown; then viewers are told, and the last changes are written.
    pub async fn run(self) {
        let router: Router = api::router(self.node.clone()).merge(web::router(self.node.clone()));
        https::serve(self.listener, self.tls, router, self.shutdown).await;
        self.tasks.close();
        let ending = async { tokio::join!(self.node.displays().drained(), self.tasks.wait()) };
        if tokio::time::timeout(DRAIN, ending).await.is_err() {
            tracing::warn!("something did not end in time");
        }
        if let Some(alone) = self.alone {
            alone.end().await;
        }
    }
}

/// Runs the program with one word of argument.
pub fn word(word: &str) -> ExitCode {
    use std::io::Write as _;
    let text = match word {
        "openapi" => api::document(),
        "roles" => api::roles_page(),
        "--version" | "-V" => format!("fastx-node {}\n", crate::VERSION),
        _ => {
            let usage = "usage: fastx-node [--version | openapi | roles | accept-host-key HOST [FINGERPRINT] | join FILE | upload-store … | download-store …]\nSettings come from the environment.\n";
            let _gone = std::io::stderr().write_all(usage.as_bytes());
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Runs the program until a signal ends it.
pub fn main(source: &impl Source) -> ExitCode {
    telemetry::init(source);
    let config = match Config::load(source) {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(%error, "settings refused");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    // Two threads carry all viewers of a node, and each further one costs memory at rest.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(async {
            let shutdown = Shutdown::new();
            if let Err(error) = shutdown.on_signals() {
                tracing::warn!(%error, "signals cannot be received");
            }
            let source = if standalone::is_alone(&config) {
                BusSource::Alone
            } else {
                BusSource::Broker
            };
            build(config, source, shutdown).await?.run().await;
            Ok::<(), StartError>(())
        }),
        Err(error) => Err(StartError::Program(error)),
    };
    match done {
        Ok(()) | Err(StartError::Ended) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %telemetry::chain(&error), "the node cannot run");
            ExitCode::FAILURE
        }
    }
}
