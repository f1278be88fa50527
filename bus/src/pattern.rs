//! Subjects and the patterns that match them, as NATS defines them.

/// Whether a subject matches a pattern with `*` and `>`.
pub(crate) fn matches(pattern: &str, subject: &str) -> bool {
    let mut subject = subject.split('.');
    for token in pattern.split('.') {
        match (token, subject.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (token, Some(part)) if token == part => {}
            _ => return false,
        }
    }
    subject.next().is_none()
}

/// Whether everything that `pattern` matches is allowed by `allowed`.
pub(crate) fn covers(allowed: &str, pattern: &str) -> bool {
    let mut wanted = pattern.split('.');
    for token in allowed.split('.') {
        match (token, wanted.next()) {
            (">", Some(_)) => return true,
            ("*", Some(part)) if part != ">" => {}
            (token, Some(part)) if token == part => {}
            _ => return false,
        }
    }
    wanted.next().is_none()
}

/// Whether it is a pattern at all, and not one subject.
pub(crate) fn is_pattern(pattern: &str) -> bool {
    pattern.split('.').any(|token| token == "*" || token == ">")
}

/// The glob of Redis that matches all that the pattern does, and perhaps more: its `*` goes across dots.
pub(crate) fn glob(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    for (n, token) in pattern.split('.').enumerate() {
        if n > 0 {
            text.push('.');
        }
        if token == "*" || token == ">" {
            text.push('*');
            continue;
        }
        for letter in token.chars() {
            if matches!(letter, '*' | '?' | '[' | ']' | '^' | '\\') {
                text.push('\\');
            }
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_on_the_server() {
        for (pattern, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*.c", "a.b.c", true),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
        ] {
            assert_eq!(matches(pattern, subject), expected, "{pattern} {subject}");
        }
    }

    #[test]
    fn a_wider_pattern_is_not_covered() {
        for (allowed, pattern, expected) in [
            ("n.node.a.*.>", "n.node.a.*.>", true),
            ("n.node.a.*.>", "n.node.a.b.>", true),
            ("n.node.a.*.>", "n.node.*.*.>", false),
            ("n.node.a.*.>", "n.>", false),
            ("n.heartbeat.*", "n.heartbeat.>", false),
        ] {
            assert_eq!(covers(allowed, pattern), expected, "{allowed} {pattern}");
        }
    }

    #[test]
    fn globs_take_patterns_over_and_nothing_literally() {
        assert_eq!(glob("n.store.*.>"), "n.store.*.*");
        assert_eq!(glob("n.a?[x]"), r"n.a\?\[x\]");
        assert!(is_pattern("n.heartbeat.*") && is_pattern("n.>"));
        assert!(!is_pattern("n.fleet"));
    }
}
