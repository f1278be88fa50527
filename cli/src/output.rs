//! Tables for people, JSON for programs.

use std::io::Write;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::arguments::Format;
use crate::error::Failure;

/// Where a command prints to.
pub struct Output {
    format: Format,
    to: Box<dyn Write>,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl Output {
    /// Prints to `to`.
    pub fn new(format: Format, to: impl Write + 'static) -> Self {
        Self {
            format,
            to: Box::new(to),
        }
    }

    /// Whether programs read it.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// A document, or for people the text made of it.
    pub fn document<T: Serialize>(
        &mut self,
        document: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let text = match self.format {
            Format::Json => serde_json::to_string_pretty(document)
                .map_err(|e| Failure::Io("the answer cannot be printed".to_owned(), e.into()))?,
            Format::Table => text(),
        };
        self.line(&text)
    }

    /// A change while watching: one line for programs as well.
    pub fn change<T: Serialize>(
        &mut self,
        document: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let text = match self.format {
            Format::Json => serde_json::to_string(document)
                .map_err(|e| Failure::Io("the answer cannot be printed".to_owned(), e.into()))?,
            Format::Table => text(),
        };
        self.line(&text)
    }

    /// A sentence for people; programs get nothing.
    pub fn say(&mut self, text: &str) -> Result<(), Failure> {
        match self.format {
            Format::Json => Ok(()),
            Format::Table => self.line(text),
        }
    }

    /// A line for both.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        let text = text.trim_end_matches('\n');
        writeln!(self.to, "{text}")
            .and_then(|()| self.to.flush())
            .map_err(Failure::Output)
    }
}

/// Columns as wide as their widest cell; control characters of others' texts do not reach the terminal.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(column, title)| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .chain([title.chars().count()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&mut head.iter().copied());
    for row in &rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// Text of others without what a terminal would obey.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// How long ago, in one unit: `45s`, `12m`, `3h`, `9d`.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    span(now.duration_since(then))
}

/// A length of time in one unit.
pub fn span(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Bytes in GiB, as people say memory.
pub fn gib(bytes: u64) -> String {
    let tenths = bytes / (1 << 30) * 10 + bytes % (1 << 30) * 10 / (1 << 30);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_obey_nobody() {
        let rows = vec![
            vec!["a".into(), "longer".into()],
            vec!["bbb".into(), "x\u{1b}[2J".into()],
        ];
        assert_eq!(
            table(&["ID", "NAME"], &rows),
            "ID   NAME\na    longer\nbbb  x [2J\n"
        );
    }

    #[test]
    fn ages_have_one_unit() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7200, "2h"),
            (172_800, "2d"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), text);
        }
        assert_eq!(gib(3 << 29), "1.5 GiB");
    }
}
