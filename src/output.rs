//! Answers on stdout, as text or as JSON.

use std::io::{ErrorKind, Write};

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
        if self.is_json {
            print(&(serde_json::to_string(value)? + "\n"))
        } else {
            print(&format!("{}\n", text(value).trim_end()))
        }
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
        let lines: Result<Vec<_>, _> = values.iter().map(|value| serde_json::to_string(value)).collect();
        print(&lines?.into_iter().map(|line| line + "\n").collect::<String>())
    }
}

/// A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot print the answer"),
        _ => Ok(()),
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
