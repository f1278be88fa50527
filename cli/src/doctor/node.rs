//! The node's service: does it run, is it ready, does it answer browsers?

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::Finding;
use crate::arguments::Doctor;

const LIMIT: Duration = Duration::from_secs(5);

/// Asks systemd, the probes and the web address.
pub(super) async fn service(options: &Doctor) -> Vec<Finding> {
    vec![
        unit().await,
        ready(options.health).await,
        web(options.web).await,
    ]
}

async fn unit() -> Finding {
    let asked = Command::new("systemctl")
        .args(["is-active", "fastx-node.service"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let state = match tokio::time::timeout(LIMIT, asked).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => String::new(),
    };
    match state.as_str() {
        "active" => Finding::ok("service", "fastx-node.service is active"),
        "" | "offline" => Finding::skipped("service", "there is no systemd to ask"),
        state => Finding::failed(
            "service",
            format!("fastx-node.service is {state}"),
            "systemctl start fastx-node; its log: fastxctl logs --service node",
        ),
    }
}

async fn ready(address: SocketAddr) -> Finding {
    let answer = async {
        let http = reqwest::Client::builder().timeout(LIMIT).build()?;
        let answer = http.get(format!("http://{address}/readyz")).send().await?;
        let ready = answer.status().is_success();
        Ok::<_, reqwest::Error>((ready, answer.text().await?))
    };
    match answer.await {
        Ok((true, _)) => Finding::ok("ready", format!("the node at {address} is ready")),
        Ok((false, text)) => Finding::failed(
            "ready",
            format!("the node waits: {}", text.trim()),
            "mend what it waits for; the lines above may say why",
        ),
        Err(error) => Finding::failed(
            "ready",
            format!("{address}: {}", why(&error)),
            "start the service: systemctl start fastx-node",
        ),
    }
}

async fn web(address: SocketAddr) -> Finding {
    let answer = async {
        // Only whether it answers: whom its certificate names is for browsers to say.
        let http = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .timeout(LIMIT)
            .build()?;
        http.get(format!("https://{address}/api/v1/info"))
            .send()
            .await?
            .json::<Value>()
            .await
    };
    match answer.await {
        Ok(info) => {
            let text = |key: &str| info[key].as_str().unwrap_or_default().to_owned();
            Finding::ok(
                "web",
                format!(
                    "{} of {}, version {}",
                    text("serverId"),
                    text("cluster"),
                    text("version")
                ),
            )
        }
        Err(error) => Finding::failed(
            "web",
            format!("{address}: {}", why(&error)),
            "start the service, and see that nothing else has the port",
        ),
    }
}

/// The library names the address again and again; of its words only the last ones count.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |e| e.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}
