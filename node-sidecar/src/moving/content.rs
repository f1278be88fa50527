//! What moves: settings of all servers, settings of single servers, and documents that are only carried along.

use std::collections::BTreeMap;

use fastx_core::names::ServerId;
use fastx_core::wire::config::{RootDocument, hash};
use fastx_core::wire::management::ConfigPut;
use serde_json::{Value, json};

/// Prefix of the names of the original's files among what is carried.
const PREFIX: &str = "original/";

/// Characters of a file in one part: as JSON they stay below the limit of a part.
const PIECE: usize = 100_000;

/// The configuration of an installation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    /// Settings of all servers; none when the source says nothing about them.
    pub cluster: Option<Value>,
    /// Settings of single servers.
    pub nodes: BTreeMap<ServerId, Value>,
    /// Files of the original by name: their documents, one a line.
    pub files: BTreeMap<String, String>,
    /// Other documents that are carried, by name.
    pub others: BTreeMap<String, Value>,
}

impl Content {
    /// What a root names, given its parts.
    pub fn of(root: &RootDocument, parts: &BTreeMap<String, Value>) -> Self {
        let mut content = Self {
            cluster: parts.get(&root.cluster).cloned(),
            ..Self::default()
        };
        for (server, hash) in &root.nodes {
            if let Some(part) = parts.get(hash) {
                content.nodes.insert(server.clone(), part.clone());
            }
        }
        // Pieces are numbered, so the order of the names is that of the text.
        for (name, hash) in &root.carried {
            let Some(part) = parts.get(hash) else {
                continue;
            };
            let piece = name
                .strip_prefix(PREFIX)
                .and_then(|name| name.rsplit_once('/'))
                .zip(part.get("text").and_then(Value::as_str));
            if let Some(((file, _number), text)) = piece {
                content
                    .files
                    .entry(file.to_owned())
                    .or_default()
                    .push_str(text);
            } else {
                content.others.insert(name.clone(), part.clone());
            }
        }
        content
    }

    /// This one with everything that `new` has in its place; what `new` does not name stays.
    #[must_use]
    pub fn merged(mut self, new: Self) -> Self {
        self.cluster = new.cluster.or(self.cluster);
        self.nodes.extend(new.nodes);
        self.files.extend(new.files);
        self.others.extend(new.others);
        self
    }

    /// The same for an installation that no Kubernetes manages.
    #[must_use]
    pub fn unmanaged(mut self) -> Self {
        for part in self.cluster.iter_mut().chain(self.nodes.values_mut()) {
            if let Some(fields) = part.as_object_mut() {
                fields.remove("managedBy");
            }
        }
        self
    }

    /// Root and parts of this content.
    pub fn put(&self, generation: u64) -> ConfigPut {
        let mut put = ConfigPut {
            root: RootDocument {
                schema: 1,
                generation,
                ..RootDocument::default()
            },
            parts: BTreeMap::new(),
        };
        let mut part = |value: &Value| {
            let name = hash(value);
            put.parts.insert(name.clone(), value.clone());
            name
        };
        put.root.cluster = match &self.cluster {
            Some(cluster) => part(cluster),
            None => part(&json!({"schema": 1})),
        };
        for (server, node) in &self.nodes {
            put.root.nodes.insert(server.clone(), part(node));
        }
        for (file, text) in &self.files {
            for (number, piece) in pieces(text).enumerate() {
                let name = format!("{PREFIX}{file}/{number:06}");
                let hash = part(&json!({"text": piece}));
                put.root.carried.insert(name, hash);
            }
        }
        for (name, value) in &self.others {
            put.root.carried.insert(name.clone(), part(value));
        }
        put
    }

    /// What differs in `new`, one line each.
    pub fn differences(&self, new: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.cluster != new.cluster {
            let nothing = Value::Null;
            let before = self.cluster.as_ref().unwrap_or(&nothing);
            let after = new.cluster.as_ref().unwrap_or(&nothing);
            lines.push(format!(
                "~ settings of all servers: {}",
                fields(before, after)
            ));
        }
        for (server, node) in &new.nodes {
            match self.nodes.get(server) {
                None => lines.push(format!("+ settings of server {server}")),
                Some(before) if before != node => lines.push(format!(
                    "~ settings of server {server}: {}",
                    fields(before, node)
                )),
                Some(_) => {}
            }
        }
        for (file, text) in &new.files {
            let count = text.lines().count();
            match self.files.get(file) {
                None => lines.push(format!("+ {file}: {count} documents, carried along")),
                Some(before) if before != text => {
                    lines.push(format!("~ {file}: {count} documents, carried along"));
                }
                Some(_) => {}
            }
        }
        for (name, value) in &new.others {
            if self.others.get(name) != Some(value) {
                lines.push(format!("~ {name}, carried along"));
            }
        }
        lines
    }
}

/// Names of the fields that differ.
fn fields(before: &Value, after: &Value) -> String {
    let names = |value: &Value| -> Vec<String> {
        let fields = value.as_object();
        fields.map_or_else(Vec::new, |f| f.keys().cloned().collect())
    };
    let mut all = [names(before), names(after)].concat();
    all.sort();
    all.dedup();
    all.retain(|name| before.get(name) != after.get(name));
    all.join(", ")
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    let mut begun = false;
    std::iter::from_fn(move || {
        // An empty file is a piece, too: it is there.
        if rest.is_empty() && begun {
            return None;
        }
        begun = true;
        let mut end = PIECE.min(rest.len());
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastx_core::wire::config::MAX_PART_BYTES;

    fn content() -> Content {
        let long = format!("{{\"_id\":\"x\",\"v\":\"{}\"}}\n", "é\\\"".repeat(200_000));
        Content {
            cluster: Some(json!({"schema": 1, "displayName": "a", "managedBy": "n/c"})),
            nodes: [("a".parse().unwrap(), json!({"hostname": "h"}))].into(),
            files: [
                ("long.db".to_owned(), long),
                ("empty.db".to_owned(), String::new()),
                ("a".to_owned(), "{\"_id\":1}\n".to_owned()),
            ]
            .into(),
            others: [("later/thing".to_owned(), json!({"x": 1}))].into(),
        }
    }

    #[test]
    fn nothing_is_lost_on_the_way_through_a_root() {
        let put = content().put(7);
        for part in put.parts.values() {
            assert!(serde_json::to_vec(part).unwrap().len() <= MAX_PART_BYTES);
        }
        assert_eq!(Content::of(&put.root, &put.parts), content());
        assert!(content().differences(&content()).is_empty());
    }

    #[test]
    fn differences_name_what_changes_and_merging_keeps_the_rest() {
        let mut new = Content {
            cluster: Some(json!({"schema": 1, "displayName": "b"})),
            ..Content::default()
        };
        new.nodes.insert("b".parse().unwrap(), json!({}));
        new.files.insert("a".to_owned(), String::new());
        let merged = content().merged(new);
        assert_eq!(
            content().differences(&merged),
            [
                "~ settings of all servers: displayName, managedBy",
                "+ settings of server b",
                "~ a: 0 documents, carried along"
            ]
        );
        assert_eq!(merged.others, content().others);
        assert_eq!(
            content().unmanaged().cluster.unwrap()["managedBy"],
            Value::Null
        );
    }
}
