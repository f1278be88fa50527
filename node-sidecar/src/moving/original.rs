//! The files that the original keeps its documents in: one JSON object a line, appended to.
//!
//! Of several lines with one `_id` the last one counts, `$$deleted` takes the document away,
//! `$$indexCreated` and `$$indexRemoved` say nothing about documents, and a last line may be torn.
//! Lines are kept as they are written: this program has no opinion on what is in them.

use std::collections::BTreeMap;

use serde_json::Value;

/// A line that is not a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not a document with an `_id`")]
pub struct LineError {
    /// Its number, from 1.
    pub line: usize,
}

/// The documents of a file, as lines ordered by id, and whether a torn last line was left out.
pub(super) fn read(text: &str) -> Result<(Vec<String>, bool), LineError> {
    let mut documents: BTreeMap<String, String> = BTreeMap::new();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().rposition(|line| !line.trim().is_empty());
    for (index, line) in lines.iter().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match step(line) {
            Some(Step::Put(id)) => {
                documents.insert(id, (*line).to_owned());
            }
            Some(Step::Delete(id)) => {
                documents.remove(&id);
            }
            Some(Step::Nothing) => {}
            None if Some(index) == last => return Ok((documents.into_values().collect(), true)),
            None => return Err(LineError { line: index + 1 }),
        }
    }
    Ok((documents.into_values().collect(), false))
}

enum Step {
    Put(String),
    Delete(String),
    Nothing,
}

fn step(line: &str) -> Option<Step> {
    let Value::Object(fields) = serde_json::from_str(line).ok()? else {
        return None;
    };
    if fields.contains_key("$$indexCreated") || fields.contains_key("$$indexRemoved") {
        return Some(Step::Nothing);
    }
    // Text and number with the same digits are different ids.
    let id = fields.get("_id")?.to_string();
    match fields.get("$$deleted") {
        Some(Value::Bool(true)) => Some(Step::Delete(id)),
        _ => Some(Step::Put(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_about_each_id_counts() {
        let text = concat!(
            "{\"$$indexCreated\":{\"fieldName\":\"name\"}}\n",
            "{\"_id\":\"b\",\"n\":1}\n",
            "{\"_id\":\"a\", \"n\": 1.0, \"big\": 123456789012345678901234567890}\n",
            "\n",
            "{\"_id\":\"b\",\"n\":2}\n",
            "{\"_id\":\"c\"}\n",
            "{\"$$deleted\":true,\"_id\":\"c\"}\n",
            "{\"_id\":\"d\",\"torn",
        );
        let (lines, torn) = read(text).unwrap();
        assert!(torn);
        assert_eq!(
            lines,
            [
                "{\"_id\":\"a\", \"n\": 1.0, \"big\": 123456789012345678901234567890}",
                "{\"_id\":\"b\",\"n\":2}"
            ],
            "kept to the letter"
        );
    }

    #[test]
    fn what_is_read_again_is_the_same() {
        let (lines, _) = read("{\"_id\":1}\n{\"_id\":\"1\"}\n").unwrap();
        assert_eq!(lines.len(), 2, "a number is no text");
        let again = lines.join("\n");
        assert_eq!(read(&again), Ok((lines, false)));
        assert_eq!(read(""), Ok((Vec::new(), false)));
    }

    #[test]
    fn a_bad_line_in_between_is_named() {
        for bad in ["{", "[]", "{\"n\":1}", "null"] {
            let text = format!("{{\"_id\":\"a\"}}\n{bad}\n{{\"_id\":\"b\"}}\n");
            assert_eq!(read(&text), Err(LineError { line: 2 }), "{bad}");
        }
    }
}
