//! Sizes: a file, a function and a `main.rs` stay within what one reader holds in mind.

use super::{File, Finding, code_lines};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;
const MAIN_LINES: usize = 40;

/// Places that may be larger, each with its reason.
const EXCEPTIONS: &[(&str, &str)] = &[];

pub(super) fn check(file: &File) -> Vec<Finding> {
    if EXCEPTIONS.iter().any(|(path, _)| *path == file.path) {
        return Vec::new();
    }
    let lines = code_lines(file);
    let mut findings = Vec::new();
    let limit = if file.path.ends_with("/main.rs") && !file.path.starts_with("tests/") {
        if file.path.starts_with("xtask/") {
            FILE_LINES
        } else {
            MAIN_LINES
        }
    } else {
        FILE_LINES
    };
    if lines.len() > limit {
        findings.push(Finding::new(
            &file.path,
            0,
            format!(
                "{} lines without tests, {limit} are the limit: split it by idea",
                lines.len()
            ),
        ));
    }
    for (line, name, length) in functions(&lines) {
        if length > FUNCTION_LINES {
            findings.push(Finding::new(
                &file.path,
                line,
                format!("function `{name}` has {length} lines, {FUNCTION_LINES} are the limit"),
            ));
        }
    }
    findings
}

/// Line, name and length of each function; relies on rustfmt's indentation.
fn functions<'a>(lines: &[(usize, &'a str)]) -> Vec<(usize, &'a str, usize)> {
    let mut found = Vec::new();
    for (index, (number, line)) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let Some(name) = function_name(trimmed) else {
            continue;
        };
        if line.trim_end().ends_with('}') {
            continue;
        }
        let close = format!("{}}}", " ".repeat(indent));
        let length = lines[index..]
            .iter()
            .position(|(_, l)| l.trim_end() == close)
            .map_or(0, |end| end + 1);
        found.push((*number, name, length));
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let signature_start = before.split_whitespace().all(|word| {
        matches!(word, "async" | "const" | "unsafe" | "extern") || word.starts_with("pub")
    });
    if !signature_start || line.starts_with("//") {
        return None;
    }
    after.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_function_is_found() {
        let body = "    let x = 1;\n".repeat(70);
        let text =
            format!("//! X.\npub(crate) async fn long<T>() {{\n{body}}}\n\nfn short() {{\n}}\n");
        let file = File {
            path: "core/src/x.rs".into(),
            text,
        };
        let found = check(&file);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 2);
        assert!(
            found[0].text.contains("`long` has 72 lines"),
            "{}",
            found[0].text
        );
    }
}
