//! Pages that list things list all of them: problem kinds, condition reasons, settings of the chart.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fastx_tests::chart::root;

fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

/// Rust sources of the product, without its tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if name != "tests" && name != "testing" && name != "node_modules" && name != "target" {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn product() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in [
        "core",
        "crds",
        "bus",
        "balancer",
        "lifecycle",
        "operator",
        "manager",
        "node-sidecar",
    ] {
        sources(&root().join(folder), &mut found);
    }
    found
}

fn status_and_kind(text: &str) -> Option<&str> {
    let (status, rest) = text.trim_start().split_at_checked(3)?;
    let status: u16 = status.parse().ok()?;
    (400..600).contains(&status).then_some(())?;
    literal(rest.strip_prefix(',')?)
}

/// The string literal that a text begins with, if it is one of a kind.
fn literal(text: &str) -> Option<&str> {
    let word = text.trim_start().strip_prefix('"')?.split('"').next()?;
    let kind = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    kind.then_some(word)
}

#[test]
fn every_problem_kind_is_in_the_list() {
    let list = page("docs/errors.md");
    let mut kinds = BTreeSet::new();
    for path in product() {
        let text = fs::read_to_string(&path).expect("a source file is readable");
        // What stands below is a unit test of the file.
        let code = text
            .split("\n#[cfg(test)]\nmod ")
            .next()
            .unwrap_or_default();
        // A status and a kind: arguments of `Problem::new`, or a tuple that becomes them.
        kinds.extend(
            code.split('(')
                .filter_map(status_and_kind)
                .map(str::to_owned),
        );
        let unavailable = code.split("Problem::unavailable(").skip(1);
        kinds.extend(unavailable.filter_map(literal).map(str::to_owned));
    }
    assert!(
        kinds.contains("not-signed-in"),
        "the search works: {kinds:?}"
    );
    let missing: Vec<&String> = kinds
        .iter()
        .filter(|kind| !list.contains(&format!("| `{kind}` |")))
        .collect();
    assert!(missing.is_empty(), "docs/errors.md lacks {missing:?}");
    for line in list.lines().filter(|l| l.starts_with("| `")) {
        let kind = line.split('`').nth(1).unwrap_or_default();
        let used = product()
            .iter()
            .any(|p| fs::read_to_string(p).is_ok_and(|t| t.contains(&format!("\"{kind}\""))));
        assert!(used, "docs/errors.md has `{kind}`, which no code says");
    }
}

#[test]
fn every_condition_and_reason_is_explained() {
    let operations = page("docs/operations.md");
    let text = page("crds/src/conditions.rs");
    for name in ["Kind", "Reason"] {
        let body = text
            .split(&format!("\n    {name} {{"))
            .nth(1)
            .and_then(|rest| rest.split("\n    }").next())
            .expect("the words of the conditions");
        for word in body
            .lines()
            .map(str::trim)
            .filter(|l| !l.starts_with("//") && !l.is_empty())
        {
            let word = word.trim_end_matches(',');
            assert!(
                operations.contains(&format!("| `{word}` |")),
                "docs/operations.md does not explain `{word}`"
            );
        }
    }
}

#[test]
fn every_value_of_the_chart_has_a_comment() {
    let values = page("charts/fastx-operator/values.yaml");
    // A comment stands for the lines below it up to the next blank one.
    let mut comment = false;
    for line in values.lines() {
        if line.is_empty() {
            comment = false;
        } else if line.starts_with('#') {
            comment = true;
        } else {
            assert!(
                comment || line.starts_with(' '),
                "values.yaml: `{line}` has no comment"
            );
        }
    }
}

#[test]
fn every_test_of_the_threat_model_exists() {
    let page = page("docs/threat-model.md");
    let mut sources_of_tests = Vec::new();
    for folder in [
        "core",
        "bus",
        "lifecycle",
        "operator",
        "manager",
        "node-sidecar",
        "tests",
    ] {
        all(&root().join(folder), &mut sources_of_tests);
    }
    let texts: Vec<String> = sources_of_tests
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    // Names of tests are the only words with several underscores.
    let named: BTreeSet<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| {
            word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        })
        .collect();
    assert!(named.len() > 5, "{named:?}");
    for name in named {
        assert!(
            texts
                .iter()
                .any(|text| text.contains(&format!("fn {name}("))),
            "docs/threat-model.md names the test `{name}`, which does not exist"
        );
    }
}

fn all(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}
