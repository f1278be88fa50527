//! Starting a session, and what can be started.

use std::collections::BTreeMap;

use rand::RngExt as _;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::find::Session;
use super::prompts::converse;
use crate::api::Api;
use crate::arguments::Start;
use crate::error::Failure;
use crate::output::{Output, printable, table};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Application {
    name: String,
    title: String,
    window_mode: String,
    profile: String,
}

pub(super) async fn applications(api: &Api, output: &mut Output) -> Result<(), Failure> {
    let answer: Value = api.call(Method::GET, "/applications", None).await?;
    let all: Vec<Application> = serde_json::from_value(answer["applications"].clone())
        .map_err(|e| Failure::Answer(api.address().to_owned(), e.to_string()))?;
    output.document(&answer, || {
        let rows: Vec<Vec<String>> = all
            .iter()
            .map(|a| {
                vec![
                    a.name.clone(),
                    a.title.clone(),
                    a.window_mode.clone(),
                    a.profile.clone(),
                ]
            })
            .collect();
        table(&["NAME", "TITLE", "WINDOWS", "PROFILE"], &rows)
    })
}

pub(super) async fn start(api: &Api, options: Start, output: &mut Output) -> Result<(), Failure> {
    let key = options.key.clone().unwrap_or_else(|| {
        let bytes: [u8; 16] = rand::rng().random();
        format!("{:032x}", u128::from_be_bytes(bytes))
    });
    let body = body(options)?;
    let mut answer = api.keyed("/sessions", &key, &body).await;
    if let Err(Failure::Refused(refusal)) = &answer
        && refusal.problem.kind == "authentication-required"
        && let Some(server) = refusal.members.get("serverId").and_then(Value::as_str)
    {
        link(api, server).await?;
        answer = api.keyed("/sessions", &key, &body).await;
    }
    let (_, answer) = answer?;
    let session: Session = serde_json::from_value(answer["session"].clone())
        .map_err(|e| Failure::Answer(api.address().to_owned(), e.to_string()))?;
    output.document(&answer, || {
        format!(
            "{}  {} runs on {}.\nOpen it with: fastxctl connect {}",
            session.id,
            printable(&session.name),
            session.server_id,
            session.id
        )
    })
}

/// The server wants to know the user once before it starts something as them.
async fn link(api: &Api, server: &str) -> Result<(), Failure> {
    let path = format!("/servers/{server}/link");
    let first = api.status(Method::POST, &path, Some(&json!({}))).await?;
    if first.0 == StatusCode::NO_CONTENT {
        return Ok(());
    }
    converse(api, &path, first).await.map(drop)
}

fn body(options: Start) -> Result<Value, Failure> {
    let mut params = BTreeMap::new();
    for param in &options.params {
        let (name, value) = param.split_once('=').ok_or_else(|| {
            Failure::Usage(format!("--param `{param}` must be of the form NAME=VALUE"))
        })?;
        params.insert(name.to_owned(), value.to_owned());
    }
    Ok(json!({
        "application": options.application.unwrap_or_default(),
        "command": options.command.unwrap_or_default(),
        "name": options.name.unwrap_or_default(),
        "geometry": options.geometry.unwrap_or_default(),
        "profile": options.profile.unwrap_or_default(),
        "serverId": options.server.unwrap_or_default(),
        "params": params,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command};
    use clap::Parser as _;

    #[test]
    fn parameters_are_split_at_their_first_equals_sign() {
        let parsed = |line: &str| match Arguments::parse_from(line.split(' ')).command {
            Command::Start(options) => body(options),
            other => panic!("{other:?}"),
        };
        let good = parsed("fastxctl start desktop --param a=b=c -n Desk").unwrap();
        assert_eq!(good["params"]["a"], "b=c");
        assert_eq!(good["name"], "Desk");
        assert!(parsed("fastxctl start desktop --param a").is_err());
    }
}
