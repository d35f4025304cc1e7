//! How a command answers: words for people, JSON for programs.

use std::io::{IsTerminal, Write, stdout};

use serde_json::Value;

use super::arguments::OutputOptions;

/// Where standard output is not a terminal, or with `--json`, output is one line of JSON.
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(options: &OutputOptions) -> Self {
        Self {
            json: options.json || (!options.text && !stdout().is_terminal()),
        }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes the answer in one of its two forms.
    pub(super) fn value(&self, json: &Value, words: impl FnOnce() -> String) -> std::io::Result<()> {
        let text = if self.json {
            json.to_string()
        } else {
            harmless(&words())
        };
        writeln!(stdout().lock(), "{text}")
    }

    /// Writes rows as a table: each column as wide as its widest cell.
    pub(super) fn table(&self, json: &Value, head: &[&str], rows: &[Vec<String>]) -> std::io::Result<()> {
        self.value(json, || table(head, rows))
    }
}

/// Text that does nothing to a terminal but show: what comes from a server was written by others.
pub(super) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            _ if c.is_control() => shown.extend(c.escape_default()),
            _ => shown.push(c),
        }
    }
    shown
}

fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return "None.".to_owned();
    }
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(column, title)| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count());
            cells.chain([title.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: Vec<&str>| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(head.to_vec())];
    lines.extend(
        rows.iter()
            .map(|row| line(row.iter().map(String::as_str).collect())),
    );
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_escape_sequence_reaches_a_terminal() {
        assert_eq!(harmless("a\u{1b}[2J\té\n\r"), "a\\u{1b}[2J\té\n\\r");
    }

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let rows = vec![
            vec!["a".to_owned(), "bb".to_owned()],
            vec!["ccc".to_owned(), String::new()],
        ];
        assert_eq!(table(&["id", "x"], &rows), "id   x\na    bb\nccc");
    }
}
