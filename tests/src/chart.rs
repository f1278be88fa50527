//! Rendering the charts of this repository with helm.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::Failure;
use crate::kube::kubeconfig;

/// The repository.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).into()
}

/// Renders a chart as the release `site`; the error is what helm said.
pub fn template(chart: &str, namespace: &str, arguments: &[&str]) -> Result<String, Failure> {
    let done = Command::new(crate::tool("helm"))
        .args(["template", "site", "--namespace", namespace])
        .args(arguments)
        .arg(root().join("charts").join(chart))
        .output()
        .map_err(|error| format!("helm: {error}; build it with: tests/localkube/build.sh helm"))?;
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&done.stderr).into_owned().into())
    }
}

/// Installs or upgrades the custom resource definitions, once in a process.
pub fn install_definitions() -> Result<(), String> {
    static DONE: Mutex<bool> = Mutex::new(false);
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    if *done {
        return Ok(());
    }
    let said = Command::new(crate::tool("helm"))
        .arg("--kubeconfig")
        .arg(kubeconfig())
        .args(["upgrade", "--install", "fastx-crds", "--take-ownership"])
        .args(["--namespace", "fastx-system", "--create-namespace"])
        .arg(root().join("charts/fastx-crds"))
        .output()
        .map_err(|error| format!("helm: {error}; build it with: tests/localkube/build.sh helm"))?;
    if !said.status.success() {
        return Err(String::from_utf8_lossy(&said.stderr).into_owned());
    }
    *done = true;
    Ok(())
}
