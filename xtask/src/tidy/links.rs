//! Links in markdown files lead somewhere.

use std::path::Path;

use super::{File, Finding};

pub(super) fn check(file: &File) -> Vec<Finding> {
    if Path::new(&file.path).extension().is_none_or(|e| e != "md") {
        return Vec::new();
    }
    let folder = Path::new(&file.path)
        .parent()
        .unwrap_or_else(|| Path::new(""));
    let mut findings = Vec::new();
    let mut in_code = false;
    for (index, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for target in targets(line) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !folder.join(path).exists() {
                findings.push(Finding::new(
                    &file.path,
                    index + 1,
                    format!("the link to `{target}` leads nowhere"),
                ));
            }
        }
    }
    findings
}

/// Where the links of a line lead; what stands between backticks is no link.
fn targets(line: &str) -> Vec<String> {
    let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_every_link_of_a_line() {
        let found = super::targets("see [a](x.md) and [b](../y.md#z), not (this) or `[c](d)`");
        assert_eq!(found, ["x.md", "../y.md#z"]);
    }
}
