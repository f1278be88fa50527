//! The node as a process of the test itself, in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Failure;

/// A running node; it and its folder go with this.
#[derive(Debug)]
pub struct NodeProcess {
    /// Its folder: configuration in `etc`, the socket of links in `run`.
    pub dir: PathBuf,
    /// Where its API answers.
    pub address: String,
    program: Child,
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        let _gone = self.program.kill().and_then(|()| self.program.wait());
        let _removed = std::fs::remove_dir_all(&self.dir);
    }
}

impl NodeProcess {
    /// Starts one of this name, after `prepare` has filled its `etc`; `FX_CLUSTER` is set when it is not empty.
    pub fn start(
        name: &str,
        cluster: &str,
        prepare: impl FnOnce(&Path) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let dir = std::env::temp_dir().join(format!("fastx-{name}-{:08x}", rand::random::<u32>()));
        for folder in ["etc", "run"] {
            std::fs::create_dir_all(dir.join(folder))?;
        }
        prepare(&dir.join("etc"))?;
        let [web, health] = free_ports()?;
        let mut command = Command::new(fastx_node()?);
        command
            .env_clear()
            .env("FX_CONFIG_DIR", dir.join("etc"))
            .env("FX_LOCAL_DIR", dir.join("var"))
            .env("FX_LINK_DIR", dir.join("run"))
            .env("FX_TLS_DIR", dir.join("tls"))
            .env("FX_LINK_BINARY", "/bin/true")
            .env("FX_WEB_ADDR", format!("127.0.0.1:{web}"))
            .env("FX_HEALTH_ADDR", format!("127.0.0.1:{health}"))
            .env("FX_SERVER_ID", name)
            .env("LOGLEVEL", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if !cluster.is_empty() {
            command.env("FX_CLUSTER", cluster);
        }
        Ok(Self {
            program: command.spawn()?,
            address: format!("https://127.0.0.1:{web}"),
            dir,
        })
    }
}

/// The node's program, which was built with the tests.
fn fastx_node() -> Result<PathBuf, Failure> {
    let test = std::env::current_exe()?;
    let built = test
        .parent()
        .and_then(Path::parent)
        .map(|dir| dir.join("fastx-node"));
    match built.filter(|program| program.exists()) {
        Some(program) => Ok(program),
        None => Err("fastx-node is not built: cargo build --package fastx-node".into()),
    }
}

/// Ports that nobody has at this moment.
fn free_ports() -> Result<[u16; 2], Failure> {
    let listeners = [0; 2].map(|_| std::net::TcpListener::bind("127.0.0.1:0"));
    let [a, b] = listeners;
    Ok([a?.local_addr()?.port(), b?.local_addr()?.port()])
}
