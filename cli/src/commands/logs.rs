//! What a session's programs printed, and the journals of services.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use reqwest::Method;
use serde_json::Value;

use super::find;
use crate::api::Api;
use crate::arguments::{Logs, Service};
use crate::error::Failure;
use crate::output::Output;

pub(super) async fn session(api: &Api, options: &Logs, output: &mut Output) -> Result<(), Failure> {
    let Some(meant) = &options.session else {
        return Err(Failure::Usage(
            "name a session, or a service of this host with --service node".to_owned(),
        ));
    };
    let session = find::session(api, meant).await?;
    let answer: Value = api
        .call(Method::GET, &format!("/sessions/{}/log", session.id), None)
        .await?;
    let text = answer["text"].as_str().unwrap_or_default();
    let lines: Vec<String> = text.lines().map(crate::output::printable).collect();
    output.document(&answer, || lines.join("\n"))
}

/// Becomes `journalctl`, which knows how to page and to follow.
pub(super) fn service(options: &Logs) -> Result<ExitCode, Failure> {
    let unit = match options.service {
        Some(Service::Manager) => "fastx-manager.service",
        _ => "fastx-node.service",
    };
    let mut command = Command::new("journalctl");
    command
        .arg(format!("--unit={unit}"))
        .arg(format!("--lines={}", options.lines));
    if options.follow {
        command.arg("--follow");
    }
    let error = command.exec();
    Err(Failure::Io(
        "journalctl cannot be started; in Kubernetes use kubectl logs".to_owned(),
        error,
    ))
}
