//! Questions of a sign-in, answered at the terminal.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use fastx_core::secret::Secret;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::Api;
use crate::error::Failure;
use crate::output::printable;

/// Rounds of questions before giving up: no server asks that often.
const ROUNDS: usize = 16;

/// A round of questions.
#[derive(Debug, Deserialize)]
struct Conversation {
    id: String,
    #[serde(default)]
    instruction: String,
    #[serde(default)]
    prompts: Vec<Prompt>,
}

/// One question.
#[derive(Debug, Deserialize)]
struct Prompt {
    text: String,
    #[serde(default)]
    echo: bool,
}

/// Asks what the server asks until it has what it needs; gives its last answer.
pub(super) async fn converse(
    api: &Api,
    base: &str,
    mut answer: (StatusCode, Value),
) -> Result<Value, Failure> {
    for _ in 0..ROUNDS {
        let (status, value) = answer;
        if status != StatusCode::ACCEPTED {
            return Ok(value);
        }
        let round: Conversation = serde_json::from_value(value)
            .map_err(|e| Failure::Answer(api.address().to_owned(), e.to_string()))?;
        if !round.instruction.is_empty() {
            say(&round.instruction);
        }
        let mut answers = Vec::new();
        for prompt in &round.prompts {
            answers.push(ask(&prompt.text, prompt.echo)?);
        }
        let body = json!({"answers": answers.iter().map(Secret::expose).collect::<Vec<_>>()});
        let path = format!("{base}/{}", round.id);
        answer = api.status(Method::POST, &path, Some(&body)).await?;
    }
    Err(Failure::Answer(
        api.address().to_owned(),
        "it never stops asking".to_owned(),
    ))
}

/// Asks at the terminal, without showing what is typed unless the server says so.
pub(super) fn ask(text: &str, echo: bool) -> Result<Secret, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!(
            "`{}` is asked, and there is no terminal to answer at; use --password-file",
            printable(text).trim()
        )));
    }
    let mut prompt = printable(text);
    if !prompt.ends_with(' ') {
        prompt.push(' ');
    }
    let failed = |e| Failure::Io("the answer cannot be read".to_owned(), e);
    if echo {
        say_on(&prompt);
        return line().map(Secret::new).map_err(failed);
    }
    rpassword::prompt_password(prompt)
        .map(Secret::new)
        .map_err(failed)
}

/// The first line of standard input.
pub(super) fn line() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().lock().read_line(&mut text)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn say(text: &str) {
    say_on(&format!("{}\n", printable(text)));
}

/// Questions go to the error stream, so that the output stays what was asked for.
fn say_on(text: &str) {
    let mut to = std::io::stderr();
    let _gone = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
