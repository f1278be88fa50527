//! Sessions: list, watch, send viewers away, end.

use fastx_lifecycle::clock;
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::find::{self, Session};
use crate::api::Api;
use crate::arguments;
use crate::error::Failure;
use crate::output::{Output, age, table};

pub(super) async fn list(
    api: &Api,
    options: &arguments::Sessions,
    output: &mut Output,
) -> Result<(), Failure> {
    if options.watch {
        return watch(api, options, output).await;
    }
    let mut sessions = find::all(api, options.all).await?;
    sessions.retain(|s| options.ended || s.is_live());
    output.document(&json!({"sessions": sessions}), || {
        text(&sessions, options, clock::now())
    })
}

fn text(sessions: &[Session], options: &arguments::Sessions, now: Timestamp) -> String {
    if sessions.is_empty() {
        return "No sessions. Start one with: fastxctl start APPLICATION".to_owned();
    }
    let rows: Vec<Vec<String>> = sessions.iter().map(|s| row(s, options.all, now)).collect();
    let mut head = vec!["ID", "NAME", "STATE", "SERVER", "AGE", "VIEWERS"];
    if options.all {
        head.insert(1, "USER");
    }
    table(&head, &rows)
}

fn row(session: &Session, with_user: bool, now: Timestamp) -> Vec<String> {
    let state = match (session.state.as_str(), session.end_reason.as_str()) {
        ("ended", reason) if !reason.is_empty() => {
            format!("ended: {}", reason.lines().next().unwrap_or_default())
        }
        (state, _) => state.to_owned(),
    };
    let viewers = match (session.viewers, session.last_disconnect) {
        (0, Some(left)) if session.is_live() => format!("none for {}", age(left, now)),
        (count, _) => count.to_string(),
    };
    let mut row = vec![
        session.id.clone(),
        session.name.clone(),
        state,
        session.server_id.clone(),
        age(session.started, now),
        viewers,
    ];
    if with_user {
        row.insert(1, session.login.clone());
    }
    row
}

/// An event of the stream that concerns sessions.
#[derive(Debug, Deserialize)]
struct Changed {
    session: Session,
}

async fn watch(
    api: &Api,
    options: &arguments::Sessions,
    output: &mut Output,
) -> Result<(), Failure> {
    let path = if options.all {
        "/events?all=true"
    } else {
        "/events"
    };
    let mut stream = crate::commands::servers::Events::open(api, path);
    loop {
        let (name, data) = stream.next().await?;
        let now = clock::now();
        match name.as_str() {
            "reset" => {
                #[derive(Deserialize)]
                struct Everything {
                    sessions: Vec<Session>,
                }
                let all: Everything = stream.read(&data)?;
                for session in all.sessions.iter().filter(|s| options.ended || s.is_live()) {
                    print(session, options, now, output)?;
                }
            }
            "session" => {
                let changed: Changed = stream.read(&data)?;
                print(&changed.session, options, now, output)?;
            }
            _ => {}
        }
    }
}

fn print(
    session: &Session,
    options: &arguments::Sessions,
    now: Timestamp,
    output: &mut Output,
) -> Result<(), Failure> {
    output.change(session, || {
        let cells: Vec<String> = row(session, options.all, now)
            .iter()
            .map(|cell| crate::output::printable(cell))
            .collect();
        cells.join("  ")
    })
}

pub(super) async fn disconnect(
    api: &Api,
    options: &arguments::Session,
    output: &mut Output,
) -> Result<(), Failure> {
    let session = find::session(api, &options.session).await?;
    let path = format!("/sessions/{}/disconnect", session.id);
    let _done: Value = api.call(Method::POST, &path, None).await?;
    output.say(&format!(
        "Nobody looks at {} any more; it goes on.",
        session.id
    ))
}

pub(super) async fn end(
    api: &Api,
    options: &arguments::End,
    output: &mut Output,
) -> Result<(), Failure> {
    let session = find::session(api, &options.session).await?;
    let mut path = format!("/sessions/{}", session.id);
    if !options.reason.is_empty() {
        path.push_str("?reason=");
        path.push_str(&crate::api::encoded(&options.reason));
    }
    let _done: Value = api.call(Method::DELETE, &path, None).await?;
    output.say(&format!(
        "{} ({}) is being ended.",
        session.id, session.name
    ))
}
