//! `cargo xtask tidy`: the house rules that a compiler does not know.

mod budgets;
mod dependencies;
mod links;
mod source;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// File, relative to the root of the repository.
    file: String,
    /// Line, from 1; 0 for the whole file.
    line: usize,
    /// What is wrong and what to do.
    text: String,
}

impl Finding {
    fn new(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.text),
            line => write!(f, "{}:{line}: {}", self.file, self.text),
        }
    }
}

/// Why the rules could not be checked, or how many are broken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TidyError {
    /// Git did not list the files.
    #[error("cannot list the files of the repository")]
    List(#[source] std::io::Error),
    /// Cargo did not describe the workspace.
    #[error("cannot read the workspace")]
    Metadata(#[source] cargo_metadata::Error),
    /// The rules were checked.
    #[error("{0} house rules are broken: see the lines above")]
    Broken(usize),
}

/// A file of the repository.
pub(crate) struct File {
    path: String,
    text: String,
}

/// Checks everything and prints what is wrong.
pub(crate) fn run() -> Result<(), TidyError> {
    let files = files().map_err(TidyError::List)?;
    let mut findings = dependencies::check().map_err(TidyError::Metadata)?;
    for file in &files {
        findings.extend(words::check(file));
        findings.extend(links::check(file));
        if Path::new(&file.path).extension().is_some_and(|e| e == "rs") {
            findings.extend(source::check(file));
            findings.extend(budgets::check(file));
        }
    }
    findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    for finding in &findings {
        crate::cluster::say(&finding.to_string());
    }
    if findings.is_empty() {
        crate::cluster::say(&format!("tidy: {} files keep the house rules", files.len()));
        Ok(())
    } else {
        Err(TidyError::Broken(findings.len()))
    }
}

/// The text files that git tracks, and those that it would.
fn files() -> std::io::Result<Vec<File>> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .output()?;
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    Ok(names
        .lines()
        .filter_map(|name| {
            let text = std::fs::read_to_string(PathBuf::from(name)).ok()?;
            Some(File {
                path: name.to_owned(),
                text,
            })
        })
        .collect())
}

/// The lines of a Rust file that are not tests, with their numbers from 1.
fn code_lines(file: &File) -> Vec<(usize, &str)> {
    if is_test_file(&file.path) {
        return Vec::new();
    }
    let end = file
        .text
        .lines()
        .position(|line| line.trim_start().starts_with("#[cfg(test)]"))
        .unwrap_or(usize::MAX);
    file.text
        .lines()
        .enumerate()
        .take(end)
        .map(|(i, l)| (i + 1, l))
        .collect()
}

/// The lines of a Rust file that are tests, with their numbers from 1.
fn test_lines(file: &File) -> Vec<(usize, &str)> {
    let code = code_lines(file).len();
    file.text
        .lines()
        .enumerate()
        .skip(code)
        .map(|(i, l)| (i + 1, l))
        .collect()
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.contains("/tests/")
        || path.contains("/testing/")
        || path.ends_with("/testing.rs")
}
