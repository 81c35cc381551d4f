//! A change to many recordings: one transaction that begins by locking their rows.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use twilio::RecordingSid;

use crate::columns::{Columns, to_json};
use crate::connect::Catalog;
use crate::dialect::Dialect;
use crate::error::CatalogError;
use crate::row::{RecordingRow, recording_columns};
use crate::session::Transaction;

/// As [`crate::change::Change`], of many: nobody else changes them until this ends. Dropping it changes nothing.
pub(crate) struct Changes {
    /// As they were when they were locked. Those that were never heard of are not in it.
    pub(crate) rows: HashMap<RecordingSid, RecordingRow>,
    dialect: &'static Dialect,
    transaction: Transaction,
}

/// A number or a text that a statement takes behind its list, from `$2` on.
pub(crate) enum Bound<'a> {
    Number(i64),
    Text(&'a str),
}

impl Catalog {
    /// In the order of their SIDs: two that lock some of the same wait for each other, and not in a circle.
    pub(crate) async fn changes(&self, sids: &[RecordingSid]) -> Result<Changes, CatalogError> {
        let transaction = self.begin().await?;
        let mut changes = Changes { rows: HashMap::new(), dialect: self.dialect, transaction };
        let columns = recording_columns!();
        let select = format!("SELECT {columns} FROM recordings WHERE recording_sid IN ({{listed}})");
        let select = format!("{select} ORDER BY recording_sid{}", self.dialect.lock_row);
        for row in changes.run(&select, sids, &[]).await? {
            let row = RecordingRow::read(&row)?;
            changes.rows.insert(row.recording_sid.clone(), row);
        }
        Ok(changes)
    }
}

impl Changes {
    /// Runs `statement` on a list: `{listed}` in it is a query of the texts in it, `{each}` a table of the objects. What
    /// it returns. Nothing is asked where the list is empty.
    pub(crate) async fn run<T: Serialize>(
        &mut self,
        statement: &str,
        list: &[T],
        bound: &[Bound<'_>],
    ) -> Result<Vec<AnyRow>, CatalogError> {
        if list.is_empty() {
            return Ok(Vec::new());
        }
        let statement = statement.replace("{listed}", self.dialect.listed).replace("{each}", self.dialect.each);
        let mut query = sqlx::query(AssertSqlSafe(statement)).bind(to_json(&list)?);
        for value in bound {
            query = match value {
                Bound::Number(number) => query.bind(*number),
                Bound::Text(text) => query.bind((*text).to_owned()),
            };
        }
        self.transaction.fetch_all(query).await
    }

    /// The same, where it returns the fences of claims, one of each recording.
    pub(crate) async fn fences<T: Serialize>(
        &mut self,
        statement: &str,
        list: &[T],
        bound: &[Bound<'_>],
    ) -> Result<HashMap<RecordingSid, i64>, CatalogError> {
        let rows = self.run(statement, list, bound).await?;
        let fences = rows.iter().map(|row| Ok((Columns(row).parsed("recording_sid")?, row.try_get("fence")?)));
        Ok(fences.collect::<Result<_, sqlx::Error>>()?)
    }

    pub(crate) async fn commit(self) -> Result<(), CatalogError> {
        self.transaction.commit().await
    }
}
