//! Words that no file may contain: floating image tags and paths of somebody's machine.

use super::{File, Finding};

/// Files in which a forbidden word is the subject.
const ABOUT_IT: &[&str] = &["xtask/src/tidy/words.rs", "CONTRIBUTING.md"];

pub(super) fn check(file: &File) -> Vec<Finding> {
    if ABOUT_IT.contains(&file.path.as_str())
        || file.path.ends_with("package-lock.json")
        || file.path == "Cargo.lock"
    {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        if floating_tag(line) {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                "an image needs a fixed tag, not `latest`",
            ));
        }
        if line.contains("/work/main")
            || [" /root/", "\"/root/", "=/root/"]
                .iter()
                .any(|p| line.contains(p))
        {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                "names a path of one machine",
            ));
        }
    }
    findings
}

/// `image:latest` in manifests, Dockerfiles and code; `ubuntu-latest` of a CI runner is no image.
fn floating_tag(line: &str) -> bool {
    line.match_indices(":latest").any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '}')
    })
}

#[cfg(test)]
mod tests {
    use super::floating_tag;

    #[test]
    fn knows_a_floating_tag() {
        assert!(floating_tag("image: nginx:latest"));
        assert!(!floating_tag("runs-on: ubuntu-latest"));
        assert!(!floating_tag("no `:latest` here"));
    }
}
