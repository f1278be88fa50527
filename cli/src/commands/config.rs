//! The settings of all servers, or of the one that answers: printed as JSON, and replaced after their difference was shown.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use similar::TextDiff;

use super::prompts;
use crate::api::Api;
use crate::arguments::{Config, ConfigAct, Scope, SetConfig};
use crate::error::Failure;
use crate::output::{Output, table};

/// Largest file that is read; the cluster takes no larger document.
const MAX: u64 = 1024 * 1024;

/// What the API says of the settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    scope: String,
    generation: u64,
    revision: String,
    #[serde(default)]
    managed_by: String,
    document: Map<String, Value>,
}

/// The versions that are kept.
#[derive(Debug, Serialize, Deserialize)]
struct History {
    scope: String,
    versions: Vec<Version>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    generation: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    via: String,
    by: String,
    in_force: bool,
}

impl Version {
    /// Who made it, in words.
    fn who(&self) -> String {
        match self.via.as_str() {
            "administrator" => self.by.clone(),
            "kubernetes" => format!("custom resource {}", self.by),
            "manager" => "a manager's identity".to_owned(),
            "join" => format!("{} joined", self.by),
            _ => "unknown".to_owned(),
        }
    }
}

/// What a file holds: settings, or an answer of `get --output json` with the generation that it was read with.
#[derive(Debug, PartialEq)]
struct Wanted {
    generation: Option<u64>,
    document: Map<String, Value>,
}

pub(super) async fn run(api: &Api, options: &Config, output: &mut Output) -> Result<(), Failure> {
    match &options.act {
        ConfigAct::Get { scope, generation } => {
            let settings = match generation {
                None => read(api, *scope).await?,
                Some(generation) => read_version(api, *scope, *generation).await?,
            };
            output.document(&settings, || pretty(&settings.document))
        }
        ConfigAct::History { scope } => {
            let path = format!("{}/history", path(*scope));
            let history: History = api.call(Method::GET, &path, None).await?;
            output.document(&history, || versions(&history.versions))
        }
        ConfigAct::Set(options) => set(api, options, output).await,
    }
}

async fn read(api: &Api, scope: Scope) -> Result<Settings, Failure> {
    api.call(Method::GET, path(scope), None).await
}

async fn read_version(api: &Api, scope: Scope, generation: u64) -> Result<Settings, Failure> {
    let path = format!("{}/history/{generation}", path(scope));
    api.call(Method::GET, &path, None).await
}

fn versions(versions: &[Version]) -> String {
    let rows: Vec<Vec<String>> = versions
        .iter()
        .map(|version| {
            let at = version
                .at
                .map_or_else(|| "unknown".to_owned(), |at| at.to_string());
            let state = if version.in_force { "in force" } else { "" };
            vec![
                version.generation.to_string(),
                at,
                version.who(),
                state.to_owned(),
            ]
        })
        .collect();
    table(&["GENERATION", "SINCE", "BY", ""], &rows)
}

fn path(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "/system/global",
        Scope::Local => "/system/local",
    }
}

async fn set(api: &Api, options: &SetConfig, output: &mut Output) -> Result<(), Failure> {
    let wanted = parse(&text(&options.file)?, &options.file)?;
    let before = read(api, options.scope).await?;
    let generation = wanted.generation.unwrap_or(before.generation);
    if wanted.document == before.document {
        output.say("Nothing differs; nothing was changed.")?;
        return output_when_json(output, &before);
    }
    output.say(&difference(&before.document, &wanted.document))?;
    if options.dry_run {
        return Ok(());
    }
    // What Kubernetes manages is refused whatever the answer would be: the cluster says why.
    let asked = options.yes || !before.managed_by.is_empty() || agreed(&options.file)?;
    if !asked {
        return output.say("Nothing was changed.");
    }
    let body = json!({"generation": generation, "document": wanted.document});
    let stored: Settings = api
        .call(Method::PUT, path(options.scope), Some(&body))
        .await?;
    output.say(&format!("Stored as revision {}.", stored.revision))?;
    output_when_json(output, &stored)
}

fn output_when_json(output: &mut Output, settings: &Settings) -> Result<(), Failure> {
    if output.is_json() {
        return output.document(settings, String::new);
    }
    Ok(())
}

fn agreed(file: &Path) -> Result<bool, Failure> {
    if is_stdin(file) || !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "there is no terminal to ask at; look at the difference with --dry-run, then add --yes"
                .to_owned(),
        ));
    }
    let answer = prompts::ask("Store this? [y/N]", true)?;
    Ok(matches!(answer.expose().trim(), "y" | "Y" | "yes"))
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn text(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if is_stdin(file) {
        std::io::stdin().lock().take(MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|f| f.take(MAX).read_to_string(&mut text))
    };
    read.map_err(|source| Failure::File {
        path: file.to_owned(),
        source,
    })?;
    Ok(text)
}

fn parse(text: &str, file: &Path) -> Result<Wanted, Failure> {
    let wrong = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
    let document: Map<String, Value> =
        serde_json::from_str(text).map_err(|e| wrong(format!("no JSON object: {e}")))?;
    match Settings::deserialize(Value::Object(document.clone())) {
        Ok(settings) => Ok(Wanted {
            generation: Some(settings.generation),
            document: settings.document,
        }),
        Err(_) => Ok(Wanted {
            generation: None,
            document,
        }),
    }
}

fn pretty(document: &Map<String, Value>) -> String {
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}

/// What would change, line by line. JSON has no control characters outside of its line breaks.
fn difference(before: &Map<String, Value>, after: &Map<String, Value>) -> String {
    let (before, after) = (pretty(before), pretty(after));
    TextDiff::from_lines(&before, &after)
        .unified_diff()
        .header("stored", "new")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_difference_shows_what_changes_and_no_more() {
        let before = object(&json!({"displayName": "Old", "message": "x", "methods": ["ssh"]}));
        let mut after = before.clone();
        after["displayName"] = json!("New");
        let text = difference(&before, &after);
        assert!(text.starts_with("--- stored\n+++ new\n"), "{text}");
        assert!(
            text.contains("-  \"displayName\": \"Old\",\n+  \"displayName\": \"New\",\n"),
            "{text}"
        );
        assert!(!text.contains("-  \"message\""), "{text}");
    }

    #[test]
    fn settings_and_answers_are_read() {
        let file = Path::new("x.json");
        let plain = parse(r#"{"displayName": "A"}"#, file).unwrap();
        assert_eq!(plain.generation, None);
        let answer = r#"{"scope": "global", "generation": 7, "revision": "r", "managedBy": "", "document": {"displayName": "A"}}"#;
        let answer = parse(answer, file).unwrap();
        assert_eq!(
            (answer.generation, &answer.document),
            (Some(7), &plain.document)
        );
        for bad in ["[]", "{", ""] {
            let refused = parse(bad, file).unwrap_err().to_string();
            assert!(refused.starts_with("x.json: no JSON object"), "{refused}");
        }
    }
}
