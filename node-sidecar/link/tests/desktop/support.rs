//! A node for tests: listens where the link dials, calls it, and looks at what it starts.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::wire::link::{FromLink, LinkCall, LinkResult, LinkSession, LinkStart, ToLink};
use fastx_core::wire::problem::Problem;
use fastx_link::frames;
use rustix::process::{Pid, Signal, kill_process};

pub(crate) const LINK: &str = env!("CARGO_BIN_EXE_fastx-link");
const LIMIT: Duration = Duration::from_secs(20);

/// Fails the test when a tool is missing, with the line that installs it.
pub(crate) fn need(tool: &str, package: &str) {
    let found = Command::new("which").arg(tool).output().unwrap();
    assert!(
        found.status.success(),
        "{tool} is missing: apt-get install -y {package}"
    );
}

/// The programs that nearly every test here needs.
pub(crate) fn need_desktop() {
    need("Xvnc", "tigervnc-standalone-server");
    need("xterm", "xterm");
    need("xwininfo", "x11-utils");
    need("dbus-send", "dbus");
}

fn now() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).unwrap(),
    )
}

/// Waits until a condition holds; says what was seen last when it never does.
pub(crate) fn eventually<T, E: std::fmt::Debug>(
    what: &str,
    mut look: impl FnMut() -> Result<T, E>,
) -> T {
    let start = now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(last) if now().saturating_sub(start) > LIMIT => {
                panic!("{what}: not in time, last: {last:?}")
            }
            Err(_) => std::thread::park_timeout(Duration::from_millis(10)),
        }
    }
}

/// A condition for [`eventually`] without anything to show.
pub(crate) fn holds(condition: bool) -> Result<(), bool> {
    condition.then_some(()).ok_or(condition)
}

pub(crate) fn timed<T>(what: impl FnOnce() -> T) -> (T, Duration) {
    let start = now();
    let result = what();
    (result, now().saturating_sub(start))
}

/// A node, and the link that dials it unless [`Node::without_link`] made it.
pub(crate) struct Node {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) home: tempfile::TempDir,
    pub(crate) path: String,
    listener: UnixListener,
    pub(crate) link: Option<Child>,
    stream: Option<UnixStream>,
    next: u64,
    pub(crate) hello: Vec<LinkSession>,
    pub(crate) faults: Vec<String>,
    events: VecDeque<LinkSession>,
}

impl Node {
    pub(crate) fn without_link() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("link.sock")).unwrap();
        Self {
            dir,
            home: tempfile::tempdir().unwrap(),
            path: std::env::vars()
                .find(|(name, _)| name == "PATH")
                .map(|(_, path)| path)
                .unwrap_or_default(),
            listener,
            link: None,
            stream: None,
            next: 0,
            hello: Vec::new(),
            faults: Vec::new(),
            events: VecDeque::new(),
        }
    }

    pub(crate) fn new() -> Self {
        let mut node = Self::without_link();
        node.start_link();
        node
    }

    pub(crate) fn command(&self, program: &str, task: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args([task, "--dir"])
            .arg(self.dir.path())
            .env("HOME", self.home.path())
            .env("PATH", &self.path)
            .env_remove("DISPLAY")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn start_link(&mut self) {
        self.link = Some(self.command(LINK, "run").spawn().unwrap());
        self.greet();
    }

    /// Takes the next connection and its hello.
    pub(crate) fn greet(&mut self) {
        self.listener.set_nonblocking(true).unwrap();
        let (stream, _) = eventually("a link dials", || self.listener.accept());
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        self.stream = Some(stream);
        let (message, _) = self.receive();
        let FromLink::Hello {
            schema,
            mut sessions,
            following,
            faults,
            ..
        } = message
        else {
            panic!("no hello: {message:?}");
        };
        assert_eq!(schema, 1);
        for _ in 0..following {
            match self.receive().0 {
                FromLink::Session { session } => sessions.push(session),
                other => panic!("no session: {other:?}"),
            }
        }
        self.hello = sessions;
        self.faults = faults;
    }

    /// What the last hello said about a session; it may tell others that this user has on the machine.
    pub(crate) fn told(&self, id: &SessionId) -> LinkSession {
        let found = self.hello.iter().find(|s| s.start.id == *id);
        found.expect("the hello tells this session").clone()
    }

    fn receive(&mut self) -> (FromLink, Option<OwnedFd>) {
        let stream = self.stream.as_ref().expect("connected");
        let (body, descriptor) = frames::read_with_descriptor(stream).unwrap();
        (serde_json::from_slice(&body).unwrap(), descriptor)
    }

    fn exchange(&mut self, what: LinkCall) -> (LinkResult, Option<OwnedFd>) {
        self.next += 1;
        let call = ToLink {
            call: self.next,
            what,
        };
        let stream = self.stream.as_ref().expect("connected");
        frames::write(stream, &serde_json::to_vec(&call).unwrap(), None).unwrap();
        loop {
            match self.receive() {
                (FromLink::Answer { call, result }, descriptor) if call == self.next => {
                    return (result, descriptor);
                }
                (FromLink::Session { session }, _) => self.events.push_back(session),
                (other, _) => panic!("unexpected {other:?}"),
            }
        }
    }

    fn call(&mut self, what: LinkCall) -> Result<(Option<LinkSession>, String), Problem> {
        match self.exchange(what).0 {
            LinkResult::Ok { session, text } => Ok((session.map(|s| *s), text)),
            LinkResult::Err(problem) => Err(problem),
        }
    }

    pub(crate) fn start(&mut self, start: LinkStart) -> Result<LinkSession, Problem> {
        let session = self.call(LinkCall::Start { start })?.0;
        Ok(session.expect("a start answers with the session"))
    }

    pub(crate) fn terminate(&mut self, id: &SessionId) -> Result<LinkSession, Problem> {
        let session = self.call(LinkCall::Terminate { id: id.clone() })?.0;
        Ok(session.expect("an end answers with the session"))
    }

    /// Runs a script at an event.
    pub(crate) fn event(
        &mut self,
        id: &SessionId,
        event: &str,
        script: &str,
    ) -> Result<(), Problem> {
        let call = LinkCall::Event {
            id: id.clone(),
            event: event.to_owned(),
            script: script.to_owned(),
            env: pairs(&[("FASTX_VIEWER", "grace"), ("LD_PRELOAD", "/x")]),
        };
        self.call(call).map(drop)
    }

    /// Shows a notice; an empty one takes it away.
    pub(crate) fn notice(&mut self, id: &SessionId, text: &str) {
        let call = LinkCall::Notice {
            id: id.clone(),
            text: text.to_owned(),
            seconds: 60,
        };
        self.call(call).unwrap();
    }

    pub(crate) fn log(&mut self, id: &SessionId) -> String {
        let (id, bytes) = (id.clone(), 100_000);
        self.call(LinkCall::Log { id, bytes }).unwrap().1
    }

    pub(crate) fn params(
        &mut self,
        id: &SessionId,
        name: &str,
        params: &[(&str, &str)],
    ) -> LinkSession {
        let call = LinkCall::Params {
            id: id.clone(),
            name: name.to_owned(),
            params: pairs(params),
        };
        self.call(call).unwrap().0.unwrap()
    }

    pub(crate) fn open_display(&mut self, id: &SessionId) -> Result<UnixStream, Problem> {
        let (result, descriptor) = self.exchange(LinkCall::OpenDisplay { id: id.clone() });
        match result {
            LinkResult::Ok { .. } => {
                let stream =
                    UnixStream::from(descriptor.expect("a display comes with a descriptor"));
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                Ok(stream)
            }
            LinkResult::Err(problem) => Err(problem),
        }
    }

    /// Opens the display and reads the X server's greeting.
    pub(crate) fn greeting(&mut self, id: &SessionId) -> String {
        let mut greeting = [0; 12];
        let mut display = self.open_display(id).unwrap();
        std::io::Read::read_exact(&mut display, &mut greeting).unwrap();
        String::from_utf8_lossy(&greeting).into_owned()
    }

    /// Waits for a report of this session that has what is wanted.
    pub(crate) fn reported(
        &mut self,
        id: &SessionId,
        wanted: impl Fn(&LinkSession) -> bool,
    ) -> LinkSession {
        loop {
            let session = match self.events.pop_front() {
                Some(session) => session,
                None => match self.receive().0 {
                    FromLink::Session { session } => session,
                    other => panic!("unexpected {other:?}"),
                },
            };
            if session.start.id == *id && wanted(&session) {
                return session;
            }
        }
    }

    pub(crate) fn kill_link(&mut self) {
        let mut link = self.link.take().expect("there is a link");
        link.kill().unwrap();
        link.wait().unwrap();
        self.stream = None;
        self.events.clear();
    }

    /// The folder of a session's metadata.
    pub(crate) fn folder(&self, id: &SessionId) -> PathBuf {
        let hosts = fs::read_dir(self.home.path().join(".fastx_server")).unwrap();
        let host = hosts.flatten().next().expect("one host").path();
        host.join("sessions").join(format!("FX3-{id}"))
    }

    /// The state file of a session, as it is.
    pub(crate) fn state(&self, id: &SessionId) -> serde_json::Value {
        let bytes = fs::read(self.folder(id).join("state.json")).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Waits for a state that another supervisor than `former` has written; returns that supervisor.
    pub(crate) fn adopted(&self, id: &SessionId, former: u32) -> u32 {
        eventually("another supervisor", || {
            let pid = self.supervisor(id);
            (pid != 0 && pid != former).then_some(pid).ok_or(pid)
        })
    }

    pub(crate) fn supervisor(&self, id: &SessionId) -> u32 {
        u32::try_from(self.state(id)["supervisor"]["pid"].as_u64().unwrap_or(0)).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut link) = self.link.take() {
            let _ = link.kill();
            let _ = link.wait();
        }
        // Only what this test has started: its home is in the environment of all of it.
        let mark = format!("HOME={}", self.home.path().display());
        for pid in processes_with(&mark) {
            kill(pid, Signal::KILL);
        }
    }
}

/// Processes with this entry in their environment.
fn processes_with(entry: &str) -> Vec<u32> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ"))
                .unwrap_or_default()
                .split(|b| *b == 0)
                .any(|found| found == entry.as_bytes())
        })
        .collect()
}

/// Processes of a session.
pub(crate) fn family(id: &SessionId) -> Vec<u32> {
    let mut family = processes_with(&format!("FASTX_SESSION_ID={id}"));
    family.retain(|pid| alive(*pid));
    family
}

pub(crate) fn alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|line| !line[line.rfind(')').unwrap()..].starts_with(") Z"))
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).expect("a process number");
    let _ = kill_process(pid, signal);
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

pub(crate) fn new_id() -> SessionId {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).unwrap();
    SessionId::from_random(bytes)
}

pub(crate) fn session(command: &str) -> LinkStart {
    LinkStart {
        id: new_id(),
        login: "ada".parse().unwrap(),
        name: "Test".to_owned(),
        application: String::new(),
        command: command.to_owned(),
        profile: String::new(),
        geometry: "800x600".to_owned(),
        rootless: false,
        params: BTreeMap::new(),
        env: BTreeMap::new(),
    }
}

/// Where a session's sockets are.
pub(crate) fn runtime(id: &SessionId) -> PathBuf {
    let uid = rustix::process::getuid().as_raw();
    PathBuf::from(format!("/tmp/fastx-{uid}/{}", &id.as_str()[..8]))
}

/// What `xwininfo` says about all windows of a session's display.
pub(crate) fn windows(session: &LinkSession) -> String {
    let output = Command::new("xwininfo")
        .args(["-root", "-tree"])
        .env("DISPLAY", &session.display)
        .env("XAUTHORITY", runtime(&session.start.id).join("Xauthority"))
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Fails when anything of a session is left on the machine.
pub(crate) fn nothing_left(session: &LinkSession) {
    let id = &session.start.id;
    assert_eq!(family(id), Vec::<u32>::new(), "processes are left");
    assert!(!alive(session.display_pid), "the X server is left");
    assert!(!runtime(id).exists(), "the runtime folder is left");
    let socket = format!(
        "/tmp/.X11-unix/X{}",
        session.display.trim_start_matches(':')
    );
    // Another session may have the number by now: then it listens.
    eventually("the X socket is gone or another's", || {
        holds(!Path::new(&socket).exists() || UnixStream::connect(&socket).is_ok())
    });
}

pub(crate) fn exists(path: &Path) -> Result<(), String> {
    path.exists()
        .then_some(())
        .ok_or_else(|| path.display().to_string())
}
