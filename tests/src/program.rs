//! The node as a process of the test itself: its program, and ports for it.

use std::path::{Path, PathBuf};

use crate::Failure;

/// The node's program, which was built with the tests.
pub fn fastx_node() -> Result<PathBuf, Failure> {
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
pub fn free_ports() -> Result<[u16; 2], Failure> {
    let listeners = [0; 2].map(|_| std::net::TcpListener::bind("127.0.0.1:0"));
    let [a, b] = listeners;
    Ok([a?.local_addr()?.port(), b?.local_addr()?.port()])
}
