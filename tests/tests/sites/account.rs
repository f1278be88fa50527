//! Somebody who has an account on this machine: made for the test, with an sshd of its own, and removed after it.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fastx_core::wire::session::SessionRecord;
use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::kube::client;
use fastx_tests::person::Person;
use fastx_tests::processes::{Process, of_user, one_of_pod};
use fastx_tests::ready::node_address;
use fastx_tests::viewer::Viewer;
use serde_json::json;
use tokio::net::TcpStream;

/// For each step on a busy machine; usually a second or two.
const LIMIT: Duration = Duration::from_mins(1);

/// Where the account's sshd listens.
pub(crate) const SSH_PORT: u16 = 2222;

/// An account of this machine; it goes with all that it runs.
#[derive(Debug)]
pub(crate) struct Account {
    login: String,
    password: String,
    uid: u32,
    /// Address of the machine as the cluster knows it.
    machine: String,
    sshd: Option<Child>,
}

/// A session on this machine with an open viewer.
#[derive(Debug)]
pub(crate) struct Desktop {
    person: Person,
    session: SessionRecord,
    display: Process,
}

impl Account {
    pub(crate) async fn make() -> Result<Self, Failure> {
        let machine = node_address(&client().await?).await?;
        let login = format!("fxtest{:06x}", rand::random::<u32>() >> 8);
        let password = format!("{:032x}", rand::random::<u128>());
        let hash = run("openssl", &["passwd", "-6", &password])?;
        let mut account = Self {
            login,
            password,
            uid: 0,
            machine,
            sshd: None,
        };
        let login = account.login.as_str();
        run(
            "useradd",
            &[
                "--create-home",
                "--shell",
                "/bin/bash",
                "--password",
                hash.trim(),
                login,
            ],
        )?;
        account.uid = run("id", &["-u", login])?.trim().parse()?;
        Ok(account)
    }

    /// The machine's sshd with the machine's keys, at a port of its own, where the cluster's machine has its network
    /// and its folders: those of whoever started the node's container.
    pub(crate) async fn listen(&mut self, pod_uid: &str) -> Result<(), Failure> {
        let node = one_of_pod(pod_uid, &["/usr/bin/fastx-node"])?;
        let place = node.parent()?.to_string();
        let sshd = format!(
            "mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e -f /dev/null -p {SSH_PORT} \
             -h /etc/ssh/ssh_host_ed25519_key -o PidFile=none -o UsePAM=no"
        );
        let mut command = Command::new("nsenter");
        command
            .args(["--net", "--mount", "--target", &place, "sh", "-c", &sshd])
            .stdin(Stdio::null());
        self.sshd = Some(command.spawn()?);
        eventually(LIMIT, "the sshd listens", async || {
            TcpStream::connect((self.machine.as_str(), SSH_PORT)).await
        })
        .await
        .map(drop)
    }

    /// Signs in with SSH at the node on this machine, starts a terminal there, and sees it.
    pub(crate) async fn desktop(&self, node: &str) -> Result<Desktop, Failure> {
        let address = format!("https://{}:3300", self.machine);
        let person = Person::sign_in_by("ssh", &address, &self.login, &self.password).await?;
        let session = person
            .start(json!({"command": "exec xterm -e cat", "serverId": node}))
            .await?;
        assert_eq!(session.server_id.as_str(), node);
        Viewer::open(&person, session.id.as_str())
            .await?
            .picture()
            .await?;
        let display = of_user(self.uid, "Xvnc")?;
        let [display] = display.as_slice() else {
            return Err(format!("not one display of {}: {display:?}", self.login).into());
        };
        Ok(Desktop {
            person,
            session,
            display: display.clone(),
        })
    }
}

impl Desktop {
    /// The same display, for the same login; it ends when it is asked to.
    pub(crate) async fn is_still_there(&self) -> Result<(), Failure> {
        assert!(self.display.lives(), "the display ended");
        let id = self.session.id.as_str();
        eventually(LIMIT, "the desktop is back", async || {
            Viewer::open(&self.person, id).await?.picture().await
        })
        .await?;
        self.person.end(&self.session).await?;
        eventually(LIMIT, "the display is gone", async || {
            if self.display.lives() {
                return Err(Failure::from("it runs"));
            }
            Ok(())
        })
        .await
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(sshd) = &mut self.sshd {
            let _gone = sshd.kill().and_then(|()| sshd.wait());
        }
        // Uid 0 is that of an account which was not made.
        for process in of_user(self.uid, "")
            .into_iter()
            .flatten()
            .filter(|_| self.uid != 0)
        {
            let _gone = process.kill();
        }
        let _removed = run("userdel", &["--remove", "--force", &self.login]);
    }
}

/// What a program of the machine prints.
fn run(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new(program).args(arguments).output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program}: {}", said.trim()).into())
}
