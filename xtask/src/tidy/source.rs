//! Rules for Rust files: what each one says about itself, and what none may contain.

use super::{File, Finding, code_lines, test_lines};

pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let first = file.text.lines().next().unwrap_or_default();
    // A shebang or an inner attribute may not come first either: the sentence does.
    if !first.starts_with("//! ") || first.len() < 12 {
        findings.push(Finding::new(
            &file.path,
            1,
            "must open with a `//!` sentence that says what it is for",
        ));
    }
    for stem in ["common", "utils", "util", "helpers", "misc"] {
        if file.path.ends_with(&format!("/{stem}.rs")) || file.path.contains(&format!("/{stem}/")) {
            findings.push(Finding::new(
                &file.path,
                0,
                format!("`{stem}` names no idea: name the file for what it holds"),
            ));
        }
    }
    findings.extend(forbidden(file));
    findings.extend(plans(file));
    findings
}

fn forbidden(file: &File) -> Vec<Finding> {
    // Written in two pieces, so that this file does not find itself.
    let everywhere = [
        (
            concat!("#[", "allow("),
            "use `#[expect(…, reason = \"…\")]`",
        ),
        (
            concat!("#![", "allow("),
            "use `#[expect(…, reason = \"…\")]`",
        ),
        (
            concat!("#[", "ignore"),
            "assert what is true today and say why it is wrong",
        ),
        (concat!("to", "do!("), "build it or leave it out"),
    ];
    let in_tests = [(
        concat!("sle", "ep("),
        "wait for a condition with a deadline",
    )];
    let mut findings = Vec::new();
    for (number, line) in file.text.lines().enumerate().map(|(i, l)| (i + 1, l)) {
        for (pattern, instead) in everywhere {
            if line.contains(pattern) && !line.trim_start().starts_with("//") {
                findings.push(Finding::new(
                    &file.path,
                    number,
                    format!("`{pattern}` is not used here: {instead}"),
                ));
            }
        }
    }
    // The one place where tests wait.
    let waits = file.path == "tests/src/eventually.rs";
    for (number, line) in test_lines(file) {
        for (pattern, instead) in in_tests {
            if line.contains(pattern) && !waits && !line.contains("// virtual time") {
                findings.push(Finding::new(
                    &file.path,
                    number,
                    format!("a test must not `{pattern}…)`: {instead}"),
                ));
            }
        }
    }
    findings
}

/// Nothing under a `plan/` is async or holds a client.
fn plans(file: &File) -> Vec<Finding> {
    if !(file.path.contains("/plan/") || file.path.ends_with("/plan.rs")) {
        return Vec::new();
    }
    code_lines(file)
        .into_iter()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter(|(_, line)| {
            line.contains("async ") || line.contains(".await") || line.contains("Client")
        })
        .map(|(number, _)| Finding::new(&file.path, number, "a plan is pure: no async, no client"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.into(),
            text: text.into(),
        }
    }

    #[test]
    fn finds_what_is_forbidden_and_only_that() {
        let sleep = concat!("sle", "ep(d).await;");
        let bad = format!(
            "//! A sentence.\nfn f() {{ {sleep} }}\n#[cfg(test)]\nmod tests {{ fn g() {{ {sleep} }} }}\n"
        );
        let found = check(&file("core/src/x.rs", &bad));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].line, 4);
        assert_eq!(
            check(&file("core/src/utils.rs", "//! A sentence.\n")).len(),
            1
        );
        assert_eq!(check(&file("core/src/x.rs", "fn f() {}\n")).len(), 1);
        assert_eq!(
            check(&file(
                "operator/src/node/plan/pod.rs",
                "//! A sentence.\nasync fn f() {}\n"
            ))
            .len(),
            1
        );
    }
}
