//! Answers on stdout, as text or as JSON.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;
use serde::Serialize;

/// Prints a command's answer in the form that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) is_json: bool,
}

impl Output {
    /// One document.
    pub(crate) fn document<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        let text = if self.is_json { serde_json::to_string(value)? } else { text(value).trim_end().to_owned() };
        print(&(text + "\n"))
    }

    /// A list: a table under `headings`, or one document a line.
    pub(crate) fn list<T: Serialize>(
        self,
        values: &[T],
        headings: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> anyhow::Result<()> {
        if !self.is_json {
            return print(&table(headings, &values.iter().map(row).collect::<Vec<_>>()));
        }
        let lines = values.iter().map(|value| Ok(serde_json::to_string(value)? + "\n"));
        print(&lines.collect::<serde_json::Result<String>>()?)
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    read_enough(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// A reader that left (`| head`) has what it wanted: that is no failure.
pub(crate) fn read_enough(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Columns as wide as their widest cell, two spaces apart.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|heading| heading.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(&mut headings.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_aligns_its_columns_and_leaves_no_trailing_spaces() {
        let rows = [vec!["RE1".to_owned(), "é".to_owned()], vec!["RE12345".to_owned(), String::new()]];
        assert_eq!(table(&["recording", "x"], &rows), "recording  x\nRE1        é\nRE12345\n");
    }
}
