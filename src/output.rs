//! Answers on stdout, as text or as JSON.
#![expect(clippy::print_stdout, reason = "the one module that prints answers")]

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
            println!("{}", serde_json::to_string(value)?);
        } else {
            println!("{}", text(value).trim_end());
        }
        Ok(())
    }

    /// A list: a table under `headings`, or one document a line.
    pub(crate) fn list<T: Serialize>(
        self,
        values: &[T],
        headings: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> anyhow::Result<()> {
        if self.is_json {
            for value in values {
                println!("{}", serde_json::to_string(value)?);
            }
        } else {
            print!("{}", table(headings, &values.iter().map(row).collect::<Vec<_>>()));
        }
        Ok(())
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
