//! Servers of the cluster, and the stream of changes.

use std::collections::VecDeque;
use std::time::Duration;

use fastx_lifecycle::backoff::Backoff;
use fastx_lifecycle::clock;
use jiff::Timestamp;
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::arguments::Watch;
use crate::error::Failure;
use crate::output::{Output, age, gib, printable, table};

/// A server as it is printed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Server {
    #[serde(rename = "serverId")]
    id: String,
    hostname: String,
    online: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_seen: Option<Timestamp>,
    #[serde(rename = "server", default, skip_serializing_if = "Map::is_empty")]
    about: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Servers {
    servers: Vec<Server>,
}

pub(super) async fn list(api: &Api, options: &Watch, output: &mut Output) -> Result<(), Failure> {
    if options.watch {
        return watch(api, output).await;
    }
    let answer: Servers = api.call(Method::GET, "/servers", None).await?;
    let servers = answer.servers;
    output.document(&json!({"servers": servers}), || {
        let rows: Vec<Vec<String>> = servers.iter().map(|s| row(s, clock::now())).collect();
        table(
            &[
                "SERVER", "HOST", "STATE", "SEEN", "SESSIONS", "LOAD", "FREE", "VERSION", "FAULTS",
            ],
            &rows,
        )
    })
}

/// Managers see all columns; for others the last ones are dashes.
fn row(server: &Server, now: Timestamp) -> Vec<String> {
    let about = &server.about;
    let dash = || "-".to_owned();
    let number = |key: &str| about.get(key).and_then(Value::as_u64);
    let faults: Vec<&str> = about
        .get("faults")
        .and_then(Value::as_array)
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let starts = about.get("startSessions").and_then(Value::as_bool);
    let state = match (server.online, starts) {
        (false, _) => "lost",
        (true, Some(false)) => "no starts",
        (true, _) => "online",
    };
    vec![
        server.id.clone(),
        server.hostname.clone(),
        state.to_owned(),
        server.last_seen.map_or_else(dash, |seen| age(seen, now)),
        number("sessions").map_or_else(dash, |n| n.to_string()),
        about
            .get("loadavg")
            .and_then(|l| l.get(0))
            .and_then(Value::as_f64)
            .map_or_else(dash, |l| format!("{l:.2}")),
        number("freemem").map_or_else(dash, gib),
        about
            .get("version")
            .and_then(Value::as_str)
            .map_or_else(dash, str::to_owned),
        faults.join("; "),
    ]
}

async fn watch(api: &Api, output: &mut Output) -> Result<(), Failure> {
    let mut stream = Events::open(api, "/events");
    loop {
        let (name, data) = stream.next().await?;
        let changed: Vec<Server> = match name.as_str() {
            "reset" => stream.read::<Servers>(&data)?.servers,
            "server" => {
                #[derive(Deserialize)]
                struct Changed {
                    server: Server,
                }
                vec![stream.read::<Changed>(&data)?.server]
            }
            _ => continue,
        };
        for server in &changed {
            output.change(server, || {
                let cells: Vec<String> = row(server, clock::now())
                    .iter()
                    .map(|cell| printable(cell))
                    .collect();
                cells.join("  ")
            })?;
        }
    }
}

/// The stream of changes; after a break it goes on where it was.
#[derive(Debug)]
pub(super) struct Events<'a> {
    api: &'a Api,
    path: &'a str,
    answer: Option<Response>,
    parser: Parser,
    backoff: Backoff,
}

impl<'a> Events<'a> {
    pub(super) fn open(api: &'a Api, path: &'a str) -> Self {
        Self {
            api,
            path,
            answer: None,
            parser: Parser::default(),
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(15)),
        }
    }

    /// The next event: its name and its document.
    pub(super) async fn next(&mut self) -> Result<(String, String), Failure> {
        loop {
            if let Some((name, data)) = self.parser.ready.pop_front() {
                if name == "signedOut" {
                    return Err(Failure::NoLogin);
                }
                return Ok((name, data));
            }
            let Some(answer) = &mut self.answer else {
                match self
                    .api
                    .stream(self.path, self.parser.last.as_deref())
                    .await
                {
                    Ok(answer) => self.answer = Some(answer),
                    // Away for a while is no reason to stop watching; a refusal is.
                    Err(Failure::Unreachable { .. }) if self.parser.last.is_some() => {
                        tokio::time::sleep(self.backoff.next(&mut rand::rng())).await;
                    }
                    Err(failure) => return Err(failure),
                }
                continue;
            };
            if let Ok(Some(bytes)) = answer.chunk().await {
                self.backoff.reset();
                self.parser.take(&bytes);
            } else {
                self.answer = None;
                self.parser.broken();
                tokio::time::sleep(self.backoff.next(&mut rand::rng())).await;
            }
        }
    }

    /// Reads the document of an event.
    pub(super) fn read<T: DeserializeOwned>(&self, data: &str) -> Result<T, Failure> {
        serde_json::from_str(data)
            .map_err(|e| Failure::Answer(self.api.address().to_owned(), e.to_string()))
    }
}

/// Server-sent events out of bytes.
#[derive(Debug, Default)]
struct Parser {
    bytes: Vec<u8>,
    name: String,
    data: String,
    last: Option<String>,
    ready: VecDeque<(String, String)>,
}

impl Parser {
    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        while let Some(end) = self.bytes.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            self.line(line.trim_end_matches(['\r', '\n']));
        }
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            let (name, data) = (
                std::mem::take(&mut self.name),
                std::mem::take(&mut self.data),
            );
            if !data.is_empty() {
                self.ready.push_back((name, data));
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            "id" => self.last = Some(value.to_owned()),
            _ => {}
        }
    }

    /// What was half there comes again.
    fn broken(&mut self) {
        self.bytes.clear();
        self.name.clear();
        self.data.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_arrive_in_pieces() {
        let mut parser = Parser::default();
        for piece in [
            ": alive\n\nid: 7\neve",
            "nt: session\r\nda",
            "ta: {\"a\":1}\r\n",
            "\r\ndata: half",
        ] {
            parser.take(piece.as_bytes());
        }
        assert_eq!(
            parser.ready,
            [("session".to_owned(), "{\"a\":1}".to_owned())]
        );
        assert_eq!(parser.last.as_deref(), Some("7"));
        parser.broken();
        parser.take(b"\n");
        assert_eq!(parser.ready.len(), 1, "half an event is none");
    }

    #[test]
    fn a_lost_server_says_so() {
        let server: Server = serde_json::from_value(json!({
            "serverId": "a", "hostname": "h", "online": false, "lastSeen": "1970-01-01T00:00:00Z",
            "server": {"sessions": 2, "freemem": 1_073_741_824_u64, "loadavg": [0.5, 0, 0], "version": "1", "faults": ["no Xvnc"]}
        }))
        .unwrap();
        let now = Timestamp::from_second(100).unwrap();
        assert_eq!(
            row(&server, now),
            [
                "a", "h", "lost", "100s", "2", "0.50", "1.0 GiB", "1", "no Xvnc"
            ]
        );
    }
}
