//! How the server of a session was chosen.

use fastx_core::wire::decision::Decision;
use reqwest::Method;
use serde_json::Value;

use super::find;
use crate::api::Api;
use crate::arguments::Session;
use crate::error::Failure;
use crate::output::{Output, table};

pub(super) async fn why(api: &Api, options: &Session, output: &mut Output) -> Result<(), Failure> {
    let session = find::session(api, &options.session).await?;
    let path = format!("/sessions/{}/decision", session.id);
    let answer: Value = api.call(Method::GET, &path, None).await?;
    // The answer may wrap the decision.
    let inner = answer
        .get("decision")
        .cloned()
        .unwrap_or_else(|| answer.clone());
    let decision: Decision = serde_json::from_value(inner)
        .map_err(|e| Failure::Answer(api.address().to_owned(), e.to_string()))?;
    output.document(&answer, || text(&decision))
}

fn text(decision: &Decision) -> String {
    let servers: Vec<Vec<String>> = decision
        .servers
        .iter()
        .map(|v| {
            let outcome = if v.chosen { "chosen" } else { "left out" };
            vec![
                v.server_id.to_string(),
                outcome.to_owned(),
                v.by.clone(),
                v.reason.clone(),
            ]
        })
        .collect();
    let mut text = format!(
        "Asked by {} at {} on {}\n\n{}",
        decision.login,
        decision.local,
        decision.at,
        table(&["SERVER", "OUTCOME", "BY", "WHY"], &servers)
    );
    if !decision.steps.is_empty() {
        let steps: Vec<Vec<String>> = decision
            .steps
            .iter()
            .map(|s| {
                vec![
                    s.script.clone(),
                    s.outcome.clone(),
                    s.detail.clone(),
                    format!("{} µs", s.micros),
                ]
            })
            .collect();
        text.push('\n');
        text.push_str(&table(&["SCRIPT", "OUTCOME", "RESULT", "TIME"], &steps));
    }
    text
}
