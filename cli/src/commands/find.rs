//! The session that somebody means by an id, the beginning of one, or a name.

use fastx_core::names::SessionId;
use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::error::Failure;

/// A session as it is printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) login: String,
    pub(super) server_id: String,
    #[serde(default)]
    pub(super) viewers: u32,
    pub(super) started: Timestamp,
    #[serde(default)]
    pub(super) last_disconnect: Option<Timestamp>,
    #[serde(default)]
    pub(super) end_reason: String,
    /// What this version does not print, kept for programs.
    #[serde(flatten)]
    pub(super) rest: serde_json::Map<String, serde_json::Value>,
}

impl Session {
    pub(super) fn is_live(&self) -> bool {
        self.state != "ended"
    }
}

#[derive(Debug, Deserialize)]
struct Sessions {
    sessions: Vec<Session>,
}

/// All sessions that one may see.
pub(super) async fn all(api: &Api, everybodys: bool) -> Result<Vec<Session>, Failure> {
    let path = if everybodys {
        "/sessions?all=true"
    } else {
        "/sessions"
    };
    let answer: Sessions = api.call(Method::GET, path, None).await?;
    Ok(answer.sessions)
}

/// The one that is meant.
pub(super) async fn session(api: &Api, meant: &str) -> Result<Session, Failure> {
    // A whole id may also be another person's, for those who may see it.
    if meant.parse::<SessionId>().is_ok() {
        #[derive(Deserialize)]
        struct One {
            session: Session,
        }
        let path = format!("/sessions/{meant}");
        let one: One = api.call(Method::GET, &path, None).await?;
        return Ok(one.session);
    }
    choose(&all(api, false).await?, meant)
}

fn choose(sessions: &[Session], meant: &str) -> Result<Session, Failure> {
    let live = |s: &&Session| s.is_live();
    let by_name: Vec<&Session> = sessions.iter().filter(|s| s.name == meant).collect();
    let by_id: Vec<&Session> = sessions
        .iter()
        .filter(|s| s.id.starts_with(meant))
        .collect();
    let found = if by_id.is_empty() { by_name } else { by_id };
    // Of several, those that are over are not meant.
    let running: Vec<&Session> = found.iter().copied().filter(live).collect();
    let candidates = if running.is_empty() { found } else { running };
    match candidates[..] {
        [one] => Ok(one.clone()),
        [] => Err(Failure::Usage(format!(
            "there is no session `{meant}`; `fastxctl sessions` lists them"
        ))),
        _ => {
            let ids: Vec<&str> = candidates.iter().map(|s| s.id.as_str()).collect();
            Err(Failure::Usage(format!(
                "`{meant}` may be any of {}; give more of the id",
                ids.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, name: &str, state: &str) -> Session {
        Session {
            id: id.into(),
            name: name.into(),
            state: state.into(),
            login: "ada".into(),
            server_id: "a".into(),
            viewers: 0,
            started: Timestamp::UNIX_EPOCH,
            last_disconnect: None,
            end_reason: String::new(),
            rest: serde_json::Map::default(),
        }
    }

    #[test]
    fn ids_come_before_names_and_running_ones_before_those_that_are_over() {
        let all = vec![
            session("aa11", "Desk", "ended"),
            session("aa22", "Desk", "running"),
            session("bb33", "aa", "running"),
        ];
        let id = |meant: &str| choose(&all, meant).map(|s| s.id);
        assert_eq!(id("Desk").unwrap(), "aa22");
        assert_eq!(id("aa").unwrap(), "aa22");
        assert_eq!(id("aa11").unwrap(), "aa11");
        assert_eq!(id("b").unwrap(), "bb33");
        assert!(id("x").is_err());
        let two = vec![session("aa1", "", "running"), session("aa2", "", "running")];
        let text = choose(&two, "aa").unwrap_err().to_string();
        assert!(text.contains("aa1, aa2"), "{text}");
    }
}
