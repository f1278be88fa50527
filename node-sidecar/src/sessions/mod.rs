//! Sessions: the node's own ones and everybody's, starting them, and what can be done to them.

mod act;
mod choose;
mod geometry;
mod happen;
mod idle;
mod links;
mod lookup;
mod need;
mod publish;
mod reboot;
mod registry;
mod requests;
mod revoked;
mod shares;
mod start;
mod texts;
mod viewers;

pub(crate) use act::{check_reason, ended};
pub use choose::{Chooser, follow as follow_scripts, may_choose};
pub use shares::{Admission, session_of_link};
pub use start::Started;
pub(crate) use viewers::LOGIN_ENDED;
pub use viewers::{Coming, NotLetIn, Viewer, ViewerGuard};

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use fastx_core::names::{LoginName, ServerId, SessionId};
use fastx_core::wire::decision::Decision;
use fastx_core::wire::session::{SessionRecord, SessionState};
use fastx_lifecycle::clock;
use fastx_lifecycle::shutdown::Shutdown;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use self::registry::{OwnSession, Registry};
use self::viewers::Viewers;
use crate::accounts::Accounts;
use crate::configuration::Configuration;
use crate::disk;
use crate::events::{Change, Events};
use crate::fleet::Fleet;
use crate::links::Hub;
use crate::links::launch::Launcher;
use crate::locks::lock;
use crate::logins::Logins;
use crate::metrics::Metrics;
use crate::transport::Transport;

/// What the service needs.
#[derive(Debug)]
pub struct Parts {
    /// Name of this node.
    pub me: ServerId,
    /// Folder of the node's own state.
    pub local_dir: PathBuf,
    /// Configuration.
    pub configuration: Configuration,
    /// View of the cluster.
    pub fleet: Fleet,
    /// Way to the bus.
    pub transport: Transport,
    /// Logins.
    pub logins: Logins,
    /// Links of this node.
    pub hub: Hub,
    /// Users of this node.
    pub accounts: Accounts,
    /// Starts their links.
    pub launcher: Launcher,
    /// Stream of changes.
    pub events: Events,
    /// Runs the scripts.
    pub chooser: Chooser,
    /// Told when the server object has news.
    pub news: Arc<Notify>,
    /// What is counted.
    pub metrics: Metrics,
}

#[derive(Debug)]
struct Inner {
    parts: Parts,
    dir: PathBuf,
    registry: Mutex<Registry>,
    viewers: Viewers,
    /// Sessions to be written to disk and sent to the managers.
    dirty: Mutex<BTreeSet<SessionId>>,
    unwritten: Mutex<publish::Unwritten>,
    writing: tokio::sync::Mutex<()>,
    wake: Notify,
    /// Whether the next report is to say that it is everything.
    complete: AtomicBool,
    /// Users whose link has reported since this process started.
    reported: Mutex<HashSet<u32>>,
    /// The last decisions made here.
    decisions: Mutex<VecDeque<(SessionId, Decision)>>,
    pictures: crate::display::Pictures,
    recent: Mutex<lookup::Recent>,
}

/// The service; clones share it.
#[derive(Debug, Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

impl Sessions {
    /// Starts from the records on disk.
    pub fn open(parts: Parts) -> Self {
        let dir = parts.local_dir.join("sessions");
        let registry = Registry::restore(parts.me.clone(), read_folder(&dir), clock::now());
        let sessions = Self {
            inner: Arc::new(Inner {
                dir,
                registry: Mutex::new(registry),
                viewers: Viewers::default(),
                dirty: Mutex::default(),
                unwritten: Mutex::default(),
                writing: tokio::sync::Mutex::default(),
                wake: Notify::new(),
                complete: AtomicBool::new(false),
                reported: Mutex::default(),
                decisions: Mutex::default(),
                pictures: crate::display::Pictures::default(),
                recent: Mutex::default(),
                parts,
            }),
        };
        let parts = &sessions.inner.parts;
        if parts.accounts.is_host()
            && let Some(boot) = reboot::current()
        {
            sessions.note_boot(&parts.local_dir, &boot);
        }
        sessions
    }

    /// Starts everything that runs until shutdown.
    pub fn spawn(&self, tasks: &TaskTracker, shutdown: &Shutdown) {
        tasks.spawn(links::run(self.clone(), shutdown.clone()));
        tasks.spawn(publish::run(self.clone(), shutdown.clone()));
        tasks.spawn(requests::run(self.clone(), shutdown.clone()));
        tasks.spawn(idle::run(self.clone(), shutdown.clone()));
        tasks.spawn(revoked::run(self.clone(), shutdown.clone()));
    }

    /// What the service is made of.
    pub(crate) fn parts(&self) -> &Parts {
        &self.inner.parts
    }

    /// A session of this node.
    pub fn own(&self, id: &SessionId) -> Option<SessionRecord> {
        lock(&self.inner.registry).get(id).map(|s| s.record.clone())
    }

    /// Whether it is one of this node that is not over, and as whom it runs.
    pub fn live_uid(&self, id: &SessionId) -> Option<u32> {
        let registry = lock(&self.inner.registry);
        registry
            .get(id)
            .filter(|s| s.record.state.is_live())
            .map(|s| s.uid)
    }

    /// How many of this node are not over.
    pub fn live(&self) -> usize {
        lock(&self.inner.registry).live()
    }

    /// How many of this node are in each state but over; for the states that there are none of, too.
    pub fn by_state(&self) -> Vec<(SessionState, usize)> {
        let registry = lock(&self.inner.registry);
        let count = |state| registry.iter().filter(|s| s.record.state == state).count();
        [
            SessionState::Starting,
            SessionState::Running,
            SessionState::Ending,
        ]
        .map(|state| (state, count(state)))
        .into()
    }

    /// The links of this node.
    pub fn hub(&self) -> &Hub {
        &self.inner.parts.hub
    }

    /// Viewers of this node's sessions.
    pub fn viewer_count(&self) -> usize {
        self.inner.viewers.all()
    }

    /// The users of this node.
    pub fn accounts(&self) -> &Accounts {
        &self.inner.parts.accounts
    }

    /// Linux user that sessions of this login run as here, as far as it is known without asking the name service.
    pub fn uid_of(&self, login: &LoginName) -> Option<u32> {
        self.accounts().known_uid(login)
    }

    /// The clipboard rule of an own session's profile.
    pub fn clipboard_rule(&self, id: &SessionId) -> String {
        let profile = self.own(id).map(|r| r.profile).unwrap_or_default();
        let current = self.inner.parts.configuration.current();
        // A profile that is no longer there was stricter than nothing, perhaps: no clipboard then.
        current
            .profile(&profile)
            .map_or_else(|| "off".to_owned(), |p| p.clipboard)
    }

    /// Resolves once the clipboard rule of an own session is another one.
    pub async fn clipboard_rule_is_not(&self, id: &SessionId, rule: &str) {
        let mut configuration = self.inner.parts.configuration.watch();
        while configuration.changed().await.is_ok() {
            if self.clipboard_rule(id) != rule {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Changes the record of an own session and tells everybody.
    fn edit(&self, id: &SessionId, edit: impl FnOnce(&mut OwnSession)) -> Option<SessionRecord> {
        let changed = lock(&self.inner.registry).edit(id, clock::now(), edit);
        if let Some(record) = &changed {
            self.tell(record.clone());
        }
        changed
    }

    fn tell(&self, record: SessionRecord) {
        lock(&self.inner.dirty).insert(record.id.clone());
        self.inner
            .parts
            .events
            .publish(Change::Session(Box::new(record)));
        self.inner.wake.notify_one();
        self.inner.parts.news.notify_one();
    }
}

fn read_folder(dir: &std::path::Path) -> Vec<OwnSession> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .take(4 * registry::LIMIT)
        .filter_map(|path| disk::load::<OwnSession>(&path))
        .collect()
}
